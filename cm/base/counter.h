/*
 * counter: what a worker counts. One struct for each worker, written by its own thread alone and read by the thread
 * that serves the metrics page: plain words, stored and loaded whole, without locks or atomic additions.
 */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include "condition.h"
#include "reason.h"

#include <stdint.h>

enum counter {
#define COUNTER(name, kind, metric, labels, help) COUNTER_##name,
#include "counters.def"
	COUNTER_COUNT
};

/* Buckets of latency: 2^n microseconds, n = 0 ..; the last one is everything above. */
enum { COUNTER_LATENCY_BUCKETS = 24 };
struct counter_latency {
	uint64_t bucket[COUNTER_LATENCY_BUCKETS], count, sum_us;
};

struct counters {
	uint64_t value[COUNTER_COUNT];
	uint64_t closes[REASON_COUNT];		 /* clients that ended, by reason */
	uint64_t stream_errors[CONDITION_COUNT]; /* sent to clients, by condition */
	struct counter_latency to_server;	 /* from a client's stanza read to its frame handed over to be sent */
	struct counter_latency to_client;	 /* from a frame read to its stanza sealed and handed over */
};

static inline uint64_t counter_load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline void counter_store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static inline void counter_bump(uint64_t *word, int64_t by)
{
	counter_store(word, *word + (uint64_t)by);
}

static inline void counter_add(struct counters *c, enum counter which, int64_t by)
{
	counter_bump(&c->value[which], by);
}

static inline void counter_latency_add(struct counter_latency *l, uint64_t us, uint64_t times)
{
	unsigned n = us < 2 ? 0 : 64 - (unsigned)__builtin_clzll(us - 1); /* smallest n with us <= 2^n */

	if (n >= COUNTER_LATENCY_BUCKETS)
		n = COUNTER_LATENCY_BUCKETS - 1;
	counter_bump(&l->bucket[n], (int64_t)times);
	counter_bump(&l->count, (int64_t)times);
	counter_bump(&l->sum_us, (int64_t)(us * times));
}

#endif
