/*
 * crowd: groups, where what one client sends comes to all others: rooms (XEP-0045), with --room-size; and the clients
 * of one account, which are told of each other's presence (RFC 6121, 4.4.2), with --resources.
 */
#ifndef LOAD_CROWD_H
#define LOAD_CROWD_H

#include "traffic.h"

/* Whether this run has groups. */
bool crowd_is(const struct load *);
/* Enter the rooms: the first of each room alone, so that there is a room; the others when it is in. */
void crowd_join(struct load *);
/* A stanza that belongs to the entering of rooms. False: it is another. */
bool crowd_hear(struct load *, struct client *, const struct xml_event *, const uint8_t *bytes);
/* Something to all others of its group. */
void crowd_send(struct load *, struct client *, uint64_t due_ns);
/* What `sender` has sent to this client. NULL: they are not of one group. */
struct flow *crowd_flow(struct load *, const struct client *, unsigned sender);

#endif
