/*
 * proxy: the header that a load balancer puts before the client's first byte: the PROXY protocol, versions 1 (text) and
 * 2 (binary), sections 2.1 and 2.2 of its specification.
 *
 * An engine: bytes in, a verdict out; it keeps nothing. Whether a header is expected at all, and from whom, is the
 * caller's to know: it is never guessed from the bytes.
 *
 * Version 1 is one line of at most 107 bytes in exactly the grammar of 2.1: one space between words, no leading zeros,
 * dotted IPv4 for TCP4, hexadecimal IPv6 for TCP6, CR LF at the end and neither of them before. Version 2 has a head of
 * 16 bytes and a block of at most 65535; of the block, addresses of TCP are used, all else is skipped. Its TLVs must
 * fill the rest of the block exactly; a CRC32c among them must be right, and may stand there once (2.2.3).
 */
#ifndef NET_PROXY_H
#define NET_PROXY_H

#include "address.h"

/* Which versions a listener takes. */
enum proxy_version { PROXY_NONE = 0, PROXY_V1 = 1, PROXY_V2 = 2, PROXY_ANY = PROXY_V1 | PROXY_V2 };
enum { PROXY_BYTES_MAX = 16 + 65535 };

enum proxy_is {
	PROXY_MORE, /* a beginning of a header: call again with these bytes and more behind them */
	PROXY_DONE,
	PROXY_BAD /* no header of the versions asked for, or one with a fault: the connection should be dropped */
};
struct proxy_found {
	size_t used; /* DONE: bytes of the header; what follows is the client's. Never more than len */
	/*
	 * DONE: where the client is. len 0: the header names nobody (LOCAL, UNKNOWN, or no TCP), and the socket's own
	 * peer is the one.
	 */
	struct address client;
	const char *why; /* BAD: one line, constant */
};

/* `version` is not PROXY_NONE. Never answers MORE for PROXY_BYTES_MAX bytes or more. */
enum proxy_is proxy_read(enum proxy_version, const uint8_t *bytes, size_t len, struct proxy_found *ret);

#endif
