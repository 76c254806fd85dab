/* clock: processor time of this thread, and the middle of several measurements. */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_ns(void);
/* Sorts the values. */
double clock_median(double *values, size_t count);

#endif
