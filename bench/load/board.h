/*
 * board: the memory that all processes of a run share. The leading process writes which phase it is; the others follow,
 * and write what they count.
 */
#ifndef LOAD_BOARD_H
#define LOAD_BOARD_H

#include "tally.h"

#include <stdatomic.h>
#include <stdbool.h>

enum load_phase {
	PHASE_LOGIN,
	PHASE_JOIN, /* clients enter their rooms */
	PHASE_SETTLE,
	PHASE_RUN,
	PHASE_DRAIN, /* nothing new is begun; what is under way may arrive */
	PHASE_HOLD,  /* the report is out; clients stay */
	PHASE_QUIT
};

struct board {
	_Atomic unsigned phase; /* enum load_phase; times are written before it */
	atomic_bool cut;	/* by --limit, a signal or a fault: nothing new is begun */
	uint64_t start_ns, run_ns;
	char run[9]; /* a name of the run, so that what an earlier one left is not taken for ours */
	unsigned processes;
	struct tally tallies[]; /* one for each process */
};

#endif
