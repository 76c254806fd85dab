/*
 * inactive: client state indication (XEP-0352). While nobody looks at a client, presence and chat states for it are
 * held back, of each sender the newest; they go before the next stanza of another kind, when somebody looks again, when
 * the session is resumed, or when there are too many of them.
 */
#ifndef SESSIOND_INACTIVE_H
#define SESSIOND_INACTIVE_H

#include "client.h"
#include "element.h"

#define INACTIVE_FEATURE "<csi xmlns='urn:xmpp:csi:0'/>"

enum { INACTIVE_HELD_MAX = 256, INACTIVE_STANZA_BYTES_MAX = 4096 /* what is longer is not held back */ };

/* An element of a bound client. False: it is none of these. */
bool inactive_take(struct client *, const struct element *);
/* Something is to be sent to an inactive client. True: it is held back; false: it goes now, behind what was. */
bool inactive_hold(struct client *, const char *xml, size_t len);
/* It is active, and gets what was held back. */
void inactive_end(struct client *);

#endif
