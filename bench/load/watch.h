/*
 * watch: the processes that a run measures, by name; several may go by one name.
 */
#ifndef LOAD_WATCH_H
#define LOAD_WATCH_H

#include "process.h"

enum { WATCH_NAMES_MAX = 8, WATCH_PIDS_MAX = 32, WATCH_NAME_BYTES = 32 };

struct watch {
	unsigned count;
	struct watched {
		char name[WATCH_NAME_BYTES];
		unsigned pids[WATCH_PIDS_MAX], pid_count;
	} watched[WATCH_NAMES_MAX];
};

/* `pid`, by the name of `server`, if it is not 0; and those of --watch. False: the text is not as it should be. */
bool watch_read(struct watch *, unsigned pid, const char *text);
/* One of them that is not there; 0: all are. */
unsigned watch_missing(const struct watch *);
/* The sum of those that go by the name. False: one of them is no more. */
bool watch_sample(const struct watch *, unsigned index, struct process_sample *ret);

#endif
