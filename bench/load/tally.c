#include "tally.h"

#include <stddef.h>

void counts_add(struct counts *to, const struct counts *from)
{
#define COUNT(name, text) to->name += from->name;
#include "count.def"
#undef COUNT
	for (unsigned i = 0; i < FAULT_COUNT; i++)
		to->faults[i] += from->faults[i];
}

static uint64_t max_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void tally_add(struct tally *to, const struct tally *from)
{
	counts_add(&to->counts, &from->counts);
	to->online_ns = max_of(to->online_ns, from->online_ns);
	to->late_max_ns = max_of(to->late_max_ns, from->late_max_ns);
	to->start_bytes += from->start_bytes;
	histogram_merge(&to->login_ns, &from->login_ns);
	histogram_merge(&to->return_ns, &from->return_ns);
	histogram_merge(&to->latency_ns, &from->latency_ns);
	histogram_merge(&to->ping_ns, &from->ping_ns);
}

uint64_t counts_faults(const struct counts *counts)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < FAULT_COUNT; i++)
		sum += counts->faults[i];
	return sum;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

uint64_t counts_lost(const struct counts *counts)
{
	uint64_t slow = counts->slow_cut ? 0 : less(counts->slow_sent, counts->slow_received);

	return less(counts->expected, counts->received) + less(counts->pings, counts->answers) + slow;
}
