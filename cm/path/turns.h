/*
 * turns: when which TLS handshake may go on. A step of a handshake costs a worker as much time as hundreds of stanzas,
 * so that steps wait in lines, and at the end of a turn of the loop, when everything else is done and on its way, as
 * many are made as tls.handshakes_us_max has room for, one at least.
 *
 * Steps of handshakes that have begun come first: what was paid for is finished. Those that begin come in the order of
 * their first record, when no more than tls.handshakes_max are running and no more than limits.logins_max wait for a
 * session server. Until that record is whole a connection has no
 * object of OpenSSL's, and a client that has left meanwhile costs nothing.
 *
 * When more wait than a worker makes in half a second, it accepts no connections: they wait with the kernel, which
 * holds them for nothing and knows when they are gone.
 */
#ifndef PATH_TURNS_H
#define PATH_TURNS_H

#include "frame.h"

#include <stdbool.h>

struct worker;
struct client;

/* A line of clients. Those who have left are stepped over when it is their turn. */
struct turn_line {
	frame_session *at;
	uint32_t first, count, room; /* room: a power of two */
};
enum turn_kind { TURN_GOES_ON, TURN_BEGINS, TURN_KINDS };
struct turns {
	struct turn_line lines[TURN_KINDS];
	uint64_t cost_ns[TURN_KINDS]; /* of a step, of late */
};

void turns_done(struct worker *);
/*
 * Bytes of a client's handshake, which are copied. When they are a step's it is not read from until it had its turn.
 * The client may be closed, when its address has made too many handshakes.
 */
void turns_hold(struct worker *, struct client *, const uint8_t *bytes, size_t len);
/* It has ended: it waits no more. */
void turns_leave(struct worker *, struct client *);
/* Whether a step can be made now. */
bool turns_are_due(const struct worker *);
void turns_run(struct worker *);
/* Whether so many wait that nobody should be let in. */
bool turns_are_many(const struct worker *);

#endif
