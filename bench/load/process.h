/*
 * process: what a process has used, from /proc.
 */
#ifndef LOAD_PROCESS_H
#define LOAD_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

struct process_sample {
	/* All its threads. The sum is exact to a tick (10 ms); how it divides is sampled by the kernel, so true of long
	 * phases. */
	uint64_t user_us, system_us;
	uint64_t rss_bytes;
};

/* False: no such process. */
bool process_sample(unsigned pid, struct process_sample *ret);

#endif
