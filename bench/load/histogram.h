/*
 * histogram: counts of durations, log-linear: each power of two is cut into HISTOGRAM_STEPS steps, so that a value is
 * known to better than one part in HISTOGRAM_STEPS, whatever its size. Fixed size, no allocation.
 */
#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_STEP_BITS = 7, HISTOGRAM_STEPS = 1 << HISTOGRAM_STEP_BITS };
enum { HISTOGRAM_BUCKETS = (64 - HISTOGRAM_STEP_BITS + 1) * HISTOGRAM_STEPS };

struct histogram {
	uint64_t counts[HISTOGRAM_BUCKETS];
	uint64_t total, max;
};

void histogram_add(struct histogram *, uint64_t value);
/* Adds all of `from`'s. */
void histogram_merge(struct histogram *, const struct histogram *from);
/* What was added to `to` since it was as `since`; its max is rounded up within its step. */
void histogram_since(const struct histogram *to, const struct histogram *since, struct histogram *ret);
/* The least value that `share` (0 to 1) of all values do not exceed, rounded up within its step; 0 when there are none.
 */
uint64_t histogram_at(const struct histogram *, double share);

#endif
