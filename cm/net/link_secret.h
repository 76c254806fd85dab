/*
 * link_secret: the key that a gate and its session servers may share: a file of 32 to 1024 bytes, all of which count.
 * With it each end proves to the other that it has it, on this link and now (PROOF, docs/link-protocol.md). For both
 * ends.
 */
#ifndef NET_LINK_SECRET_H
#define NET_LINK_SECRET_H

#include "link.h"

enum { LINK_SECRET_BYTES_MIN = 32, LINK_SECRET_BYTES_MAX = 1024, LINK_SECRET_ERROR_BYTES = 64 };

struct link_secret {
	size_t len; /* 0: none */
	uint8_t bytes[LINK_SECRET_BYTES_MAX];
};

/* False: `error` says in one line what is wrong with the file, without its name. */
bool link_secret_read(const char *file, struct link_secret *ret, char error[static LINK_SECRET_ERROR_BYTES]);
/*
 * The key for one link, whose TLS has this channel binding of type tls-exporter (LINK_BINDING_BYTES; NULL: no TLS). The
 * secret lives as long as the link. False: no random numbers.
 */
bool link_secret_key(const struct link_secret *, const uint8_t *binding, struct link_key *ret);

#endif
