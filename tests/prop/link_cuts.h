/*
 * A small world for the link's promises: gates and backends made of the pure parts, joined by wires that are cut at any
 * byte. Every element carries, for each session that it is for, how many went before it; so whoever takes one knows at
 * once whether one is missing, doubled or out of order.
 */
#ifndef LINK_CUTS_H
#define LINK_CUTS_H

#include "backend.h"

enum { GATES = 2, BACKENDS = 2, WIRES = 12, SLOTS = 6, WINDOW = LINK_WINDOW_MIN, LARGE = 100000, PLACES = 8 };

/* Random numbers and memory; `held` is what is out now. */
uint64_t draw(uint64_t below);
void seed_set(uint64_t seed);
extern uint64_t seed_now; /* for words about a failure */
extern const struct memory memory;
extern size_t memory_held;

/* An element: whom it is for, each with its number, and bytes that mean nothing. */
struct place {
	uint32_t gate, number, n;
};
size_t element_make(uint8_t to[static LARGE], const struct place *, uint32_t count);
/* What it is for this session. Fails when it is not for it at all. */
uint32_t element_n(const uint8_t *element, size_t len, uint32_t gate, frame_session number);

/* A transport. Each end lets go of it in its own time. */
struct wire {
	bool used, cut, gate_has, backend_has;
	uint32_t gate, backend;
	struct bytes up, down; /* on their way to the backend, and to the gate */
	struct backend_link link;
};
extern struct wire wires[WIRES];
struct wire *wire_new(uint32_t gate, uint32_t backend); /* NULL: all are in use */

/* ---- backends: what they do is in link_cuts_backend.c */

/* What is known of a session beyond memory, when there is a store; and what the test knows in any case. */
struct record {
	uint32_t gate, owner; /* backend that may act for it */
	frame_session number;
	uint64_t serial; /* of its last ADOPT: what is older comes too late */
	bool used;
	uint32_t received, in, out; /* as committed */
};
extern bool has_store;
extern uint64_t events[BACKEND_DEAD + 1]; /* how often each came: the world must reach them all */
void backends_begin(void);
void backends_end(void);
uint64_t backend_epoch(uint32_t backend);
void backend_wire(struct wire *); /* a gate has dialled */
void backend_turn(uint32_t backend, uint64_t now_ms);
void backend_act(uint32_t backend); /* sends something, closes something, ... */
void backend_restart(uint32_t backend, bool in_the_middle, uint64_t now_ms);
void backend_calm(uint32_t backend); /* takes back what it has forbidden */
/* What the session's elements have come to at the backend that has it; false: none has it. */
bool backend_counts(uint32_t gate, frame_session number, uint32_t *ret_in, uint32_t *ret_out);
extern unsigned fanouts, refused;
bool backend_has_closed(uint32_t gate, frame_session number); /* some backend has */

/* ---- gates: link_cuts_gate.c */

void gates_begin(void);
void gates_end(void);
void gate_turn(uint32_t gate, bool lazy);
void gate_dial(uint32_t gate);
void gate_lose(uint32_t gate);	/* notices that its link is gone */
void gate_move(uint32_t gate);	/* loses patience with its backend, and goes to the other */
void gate_open(uint32_t gate);	/* a client comes */
void gate_say(uint32_t gate);	/* a client says something */
void gate_leave(uint32_t gate); /* a client goes */
void gate_pause(uint32_t gate, bool all_resume);
bool gate_is_settled(uint32_t gate); /* everything is attached, and nothing unacknowledged */
void gate_check(uint32_t gate);	     /* when all is settled: nothing is missing */
const struct wire *gate_wire(uint32_t gate);
struct gate_counts {
	unsigned reattached, adopted, lost, ghosts, again;
};
extern struct gate_counts gate_counts;

#endif
