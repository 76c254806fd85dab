/*
 * route: which session server a user belongs to. Rendezvous hashing of the bare JID over the servers that are up and
 * serve the domain: every gate comes to the same answer without talking to the others, and a server that comes or goes
 * moves only the users that are its own. Pure.
 */
#ifndef ROUTER_ROUTE_H
#define ROUTER_ROUTE_H

#include <stddef.h>
#include <stdint.h>

enum { ROUTE_NONE = -1 };

/* A candidate: the hash of its name, so that order and address do not matter, and whether it can take this user. */
struct route_candidate {
	uint64_t name_hash;
	uint32_t weight; /* 0: not a candidate now (down, draining, or it does not serve the domain) */
};

/* Of a name or a bare JID; the same on every machine (FNV-1a of 64 bits, its bits mixed once more). */
uint64_t route_hash(const void *bytes, size_t len);

/*
 * Index of the chosen candidate, ROUTE_NONE when there is none. Each is chosen for weight / sum of weights of all
 * users. The order of candidates does not matter, unless two have the same name_hash: then the first of them wins.
 */
int route_choose(const struct route_candidate *, size_t count, uint64_t user_hash);

#endif
