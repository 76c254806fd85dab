/*
 * turns: when which TLS handshake may go on. A step of a handshake costs a processor as much time as hundreds of
 * stanzas. So each worker has a handshaker (handshaker.h), whose thread makes the steps and gives way to the worker's;
 * it is handed few at a time, and the others wait in lines. Once in a turn of the loop what was made is taken, and what
 * comes next is handed out.
 *
 * To hand a step out and to be woken when it was made costs about as much as a third of a short one does (ECDSA). So
 * short steps are made on the worker's own thread, for half a millisecond in a turn, while nobody is there who would
 * notice: no client that is through with its login has had or got a stanza for a tenth of a second.
 *
 * Steps of handshakes that have begun come first: what was paid for is finished. Those that begin come in the order of
 * their first record, when no more than tls.handshakes_max are running and no more than limits.logins_max wait for a
 * session server. Until that record is whole a connection has no
 * object of OpenSSL's, and a client that has left meanwhile costs nothing.
 *
 * When more wait than a handshaker makes in half a second, the worker accepts no connections: they wait with the
 * kernel, which holds them for nothing and knows when they are gone.
 */
#ifndef PATH_TURNS_H
#define PATH_TURNS_H

#include "frame.h"
#include "handshaker.h"

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
	uint64_t cost_ns[TURN_KINDS];  /* of a step, of late: from when it is begun to when it is made */
	uint64_t least_ns[TURN_KINDS]; /* the least of late, which was not interrupted; it grows until there is less */
	struct handshaker *handshaker;
	struct handshake_step here; /* being made on the worker's own thread */
	uint64_t heard_us;	    /* when a client that is there last had or got a stanza */
	/* For tests to set before the worker runs: what a short step takes at most, and for how long it must be quiet.
	 */
	uint64_t short_ns_max, quiet_us_min;
};

void turns_init(struct turns *);

/* On the worker's thread, when its ring is there; and when no client is left. False: no thread can be made. */
bool turns_begin(struct worker *);
void turns_end(struct worker *);
void turns_done(struct worker *);
/*
 * Bytes of a client's handshake, which are copied. When they are a step's it is not read from until it had its turn.
 * The client may be closed, when its address has made too many handshakes.
 */
void turns_hold(struct worker *, struct client *, const uint8_t *bytes, size_t len);
/* It has ended: it waits no more, and nobody wants the step that is being made. */
void turns_leave(struct worker *, struct client *);
/* A stanza of a client that was bound, or for it. */
void turns_hear(struct worker *, const struct client *);
/* Whether a step can be handed out now. */
bool turns_are_due(const struct worker *);
void turns_run(struct worker *);
/* Whether so many wait that nobody should be let in. */
bool turns_are_many(const struct worker *);

#endif
