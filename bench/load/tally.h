/*
 * tally: what one process of a run has counted. It lives in memory that all processes of the run share: its process
 * writes it, the leading one reads it meanwhile. Each number by itself is right; two of them may be a moment apart.
 */
#ifndef LOAD_TALLY_H
#define LOAD_TALLY_H

#include "fault.h"
#include "histogram.h"

struct counts {
#define COUNT(name, text) uint64_t name;
#include "count.def"
#undef COUNT
	uint64_t faults[FAULT_COUNT];
};

struct tally {
	struct counts counts;
	uint64_t online_ns;   /* when the last login was over */
	uint64_t late_max_ns; /* how far behind its plan it was at worst, with what it sends and begins */
	uint64_t start_bytes; /* resident memory of this process, before its first client */
	struct histogram login_ns, return_ns, latency_ns, ping_ns;
};

/* Adds `from` to `to`; of times, the latest and the greatest. */
void counts_add(struct counts *to, const struct counts *from);
void tally_add(struct tally *to, const struct tally *from);
uint64_t counts_faults(const struct counts *);
/* Delivered less than it should have been; answers that did not come. */
uint64_t counts_lost(const struct counts *);

#endif
