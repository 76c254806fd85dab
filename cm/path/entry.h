/*
 * entry: how a client comes in by way of a load balancer: who may bring it, and the PROXY header that must stand before
 * its first byte (net/proxy.h). A listener asks for the header or does not; nothing is guessed.
 */
#ifndef PATH_ENTRY_H
#define PATH_ENTRY_H

#include "client.h"

/* Whether the peer of an accepted socket (length 0: it has left) is in one of the networks that may send headers; when
 * not, it was counted and logged. */
bool entry_is_trusted(struct worker *, const struct address *peer);
/*
 * The first bytes of a client whose header is awaited. Moves them on behind the header, and answers true, when it was
 * whole. Otherwise they are all taken: more must come, or the client was closed.
 */
bool entry_read(struct worker *, struct client *, uint8_t **bytes, size_t *len);

#endif
