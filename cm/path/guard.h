/*
 * guard: that the right one is at the other end of a link. What comes over a link is believed: who has logged in, and
 * as whom. So a link begins only
 *     unix:  when the listener's process belongs to root, to the gate's own user, or to one of link.users;
 *     tls:   when TLS 1.3 is up, and the certificate is good and has one of the names that it should;
 *     tcp:   always; it leads to the loopback, and whoever may listen there is believed, unless a key is shared. The
 *            log says so.
 *
 * Where a key is shared (link.secret), each end proves besides that it has it (router/link.h).
 */
#ifndef PATH_GUARD_H
#define PATH_GUARD_H

#include "uplink.h"

/* Its socket is connected: TLS begins, or the link, or it has failed. */
void guard_connected(struct worker *, struct uplink *);
/* Bytes of a link with TLS. What they say goes to the link. */
void guard_read(struct worker *, struct uplink *, uint8_t *bytes, size_t len);
/* How it is secured, for the log: "tls", "socket", "key" or "none". */
const char *guard_text(const struct uplink *);

#endif
