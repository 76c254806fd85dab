/*
 * address_limit: how many connections and TLS handshakes one address may make (addresses.* of the configuration): a
 * bucket of each for every IPv4 address and every IPv6 network of addresses.ipv6_bits, in a table of a fixed size
 * (bucket.h), in each worker. Loopback, load balancers that may send PROXY headers, and addresses.exempt are not
 * limited. Of a client that came with a PROXY header, the header's address counts.
 */
#ifndef PATH_ADDRESS_LIMIT_H
#define PATH_ADDRESS_LIMIT_H

#include "bucket.h"
#include "config.h"
#include "network.h"

struct worker;
struct client;

enum address_limit_kind { ADDRESS_LIMIT_CONNECTS, ADDRESS_LIMIT_HANDSHAKES };

struct address_limit {
	struct buckets buckets;
	struct network exempt[CONFIG_LIST_MAX];
	size_t exempt_count;
};

void address_limit_init(struct worker *);
void address_limit_done(struct worker *);
/* The worker has a new configuration. */
void address_limit_configure(struct worker *);
/* An accepted socket is a connection of its peer (length 0: it has left). False: its address has made too many; that
 * was counted and logged. */
bool address_limit_accept(struct worker *, const struct address *peer);
/* The same for a client whose header has said where it is, and for its handshakes (not counted, nor logged). */
bool address_limit_client(struct worker *, const struct client *, enum address_limit_kind);

#endif
