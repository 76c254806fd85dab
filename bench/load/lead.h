/*
 * lead: one run, as its leading process sees it: it starts the others, says which phase it is, adds up what they count,
 * and measures the processes that are watched.
 */
#ifndef LOAD_LEAD_H
#define LOAD_LEAD_H

#include "board.h"
#include "options.h"
#include "series.h"
#include "watch.h"

#include <sys/types.h>

/* Around the phases. */
struct lead_sample {
	struct process_sample own, watched[WATCH_NAMES_MAX];
};

struct lead {
	const struct options *options;
	struct board *board;
	size_t board_bytes;
	struct watch watch;
	bool watch_lost; /* one of them is no more */

	unsigned processes;
	struct {
		pid_t pid; /* 0: it has ended */
		int bell_fd;
	} * members;

	enum load_phase phase;
	struct tally *sum, *before; /* of all; and as it was at the last moment of the series */
	uint64_t start_ns, join_ns, settle_ns, run_ns, run_end_ns, stop_ns; /* phases begin; 0: not yet */
	uint64_t received_in_time;					    /* by the end of the measured phase */
	struct counts run_counts;					    /* when it began */
	uint64_t parent_faults[FAULT_COUNT];				    /* which no other process could count */
	struct lead_sample baseline, run_begin, run_end; /* before the first connection; around the measured phase */
	struct series series;
};

/* Starts the processes. False: it says on standard error why not. */
bool lead_open(struct lead *, const struct options *);
/* The whole run, until the report may be made. */
void lead_run(struct lead *);
/* Stays connected so long. */
void lead_hold(struct lead *, unsigned seconds);
/* Ends the processes. False: one of them did not end as it should. */
bool lead_close(struct lead *);
/* Ends the run early, from a signal handler. */
void lead_interrupt(void);

#endif
