/*
 * wheel: deadlines of very many clients, to the nearest WHEEL_STEP_MS. A hashed timer wheel: setting and clearing cost
 * nothing worth naming, a deadline beyond one turn of the wheel is looked at once a turn.
 *
 * A node is embedded in what it belongs to, and is either idle (all zero) or in the wheel. Time is the caller's.
 */
#ifndef IO_WHEEL_H
#define IO_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

enum { WHEEL_STEP_MS = 64, WHEEL_SLOTS = 1024 };

struct wheel_node {
	struct wheel_node *next, *prev; /* NULL: idle */
	uint64_t deadline_ms;
};

struct wheel {
	struct wheel_node slot[WHEEL_SLOTS]; /* heads of rings */
	struct wheel_node due;		     /* head of the ring of those whose time has come */
	uint64_t step;			     /* the next step to be looked at */
};

void wheel_init(struct wheel *, uint64_t now_ms);
/* Sets or moves the deadline. It is due at the first wheel_due() with now_ms at least deadline_ms (and less than a step
 * later). */
void wheel_set(struct wheel *, struct wheel_node *, uint64_t deadline_ms);
void wheel_clear(struct wheel_node *);
/* Takes a node whose time has come out of the wheel. NULL: no more for now. */
struct wheel_node *wheel_due(struct wheel *, uint64_t now_ms);

#endif
