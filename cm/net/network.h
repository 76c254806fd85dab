/* network: a range of addresses, "192.0.2.0/24" or "2001:db8::/32" (RFC 4632, 3.1; RFC 4291, 2.3). */
#ifndef NET_NETWORK_H
#define NET_NETWORK_H

#include "address.h"

struct network {
	uint8_t prefix[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint8_t bits;	    /* of the sixteen bytes */
};

/*
 * An address with a slash and the length of its prefix, or an address alone, which is a network of one. False: not one,
 * or bits behind the prefix are set.
 */
bool network_parse(const char *text, struct network *ret);
/* Whether the address is in it. IPv4 in IPv6's clothes (::ffff:a.b.c.d) is IPv4. */
bool network_has(const struct network *, const struct address *);
bool network_has_bytes(const struct network *, const uint8_t bytes[static 16]);
/* The sixteen bytes that networks are of. False: the address is of another family. */
bool network_bytes(const struct address *, uint8_t to[static 16]);
/* Whether they are an IPv4 address's, and whether a loopback address's (127.0.0.0/8, ::1). */
bool network_is_v4(const uint8_t bytes[static 16]);
bool network_is_loopback(const uint8_t bytes[static 16]);

#endif
