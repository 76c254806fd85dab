/*
 * series: how a run went, second by second.
 */
#ifndef LOAD_SERIES_H
#define LOAD_SERIES_H

#include "tally.h"
#include "watch.h"

struct moment {
	double at_s;						      /* since the start */
	uint64_t online, logins, received, answers, returned, faults; /* until then */
	double login_ms_p50, login_ms_p99, latency_us_p50,
		latency_us_p99; /* since the moment before; 0: there were none */
	double cpu_s[WATCH_NAMES_MAX], rss_bytes[WATCH_NAMES_MAX];
};

struct series {
	struct moment *moments;
	unsigned count, cap;
};

/* Appends; answers the new one, all zero, good until the next call. */
struct moment *series_add(struct series *);
void series_free(struct series *);

#endif
