#include "histogram.h"

#include <assert.h>
#include <stddef.h>

/* Values below HISTOGRAM_STEPS have a bucket each; above, the leading bits choose. */
static size_t bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < HISTOGRAM_STEPS)
		return (size_t)value;
	shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
	return (size_t)(shift + 1) * HISTOGRAM_STEPS + ((value >> shift) & (HISTOGRAM_STEPS - 1));
}

/* The greatest value that falls into it. */
static uint64_t bucket_top(size_t bucket)
{
	unsigned shift;

	if (bucket < HISTOGRAM_STEPS)
		return bucket;
	shift = (unsigned)(bucket / HISTOGRAM_STEPS) - 1;
	return ((HISTOGRAM_STEPS + bucket % HISTOGRAM_STEPS + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
	histogram->counts[bucket_of(value)]++;
	histogram->total++;
	if (value > histogram->max)
		histogram->max = value;
}

uint64_t histogram_at(const struct histogram *histogram, double share)
{
	uint64_t wanted = (uint64_t)(share * (double)histogram->total + 0.999999), seen = 0;

	assert(share >= 0 && share <= 1);
	if (!histogram->total)
		return 0;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->counts[i];
		if (seen >= wanted && seen)
			return bucket_top(i) < histogram->max ? bucket_top(i) : histogram->max;
	}
	return histogram->max;
}

void histogram_merge(struct histogram *histogram, const struct histogram *from)
{
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		histogram->counts[i] += from->counts[i];
	histogram->total += from->total;
	if (from->max > histogram->max)
		histogram->max = from->max;
}

void histogram_since(const struct histogram *to, const struct histogram *since, struct histogram *ret)
{
	ret->total = 0;
	ret->max = 0;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		ret->counts[i] = to->counts[i] - since->counts[i];
		ret->total += ret->counts[i];
		if (ret->counts[i])
			ret->max = bucket_top(i);
	}
}
