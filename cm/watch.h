/*
 * watch: the pages of a running gate, for machines and people, and what it answers to probes of health and readiness.
 */
#ifndef WATCH_H
#define WATCH_H

#include "ask.h"
#include "metrics.h"
#include "worker.h"

enum {
	WATCH_STUCK_US = 10000000, /* a worker turns at least once a second; one that has not for so long is stuck, and
				    * so is one of whose handshakes no step came for so long */
	WATCH_ASK_US = 250000,	   /* how long a page waits for what workers are asked */
};

struct watch {
	const struct counters **counters;
	struct worker *const *workers;
	size_t count;
	atomic_bool leaving; /* new clients should be sent elsewhere */
	struct metrics_process process;
	struct ask ask;
	struct metrics_settings settings; /* for whoever else wants to know what the gate is doing */
	struct metrics *metrics;
};

/* Serves at the address ("off": does nothing). False: `error` says why not. The workers live until watch_stop. */
bool watch_start(struct watch *, const char *address, struct worker *const *workers, size_t count,
		 const char *xml_kernel, char error[static METRICS_ERROR_BYTES]);
void watch_stop(struct watch *);
/* NULL: every worker turns, and so do its handshakes. Otherwise why not. */
const char *watch_health(void *watch);
/* NULL: new clients should be sent here. Otherwise why not. */
const char *watch_readiness(void *watch);

#endif
