#include "blame.h"

enum { HALVES_MAX = 31 };

static void forget(struct blame *b, uint64_t now_ms)
{
	uint64_t halves = now_ms > b->seen_ms ? (now_ms - b->seen_ms) / BLAME_HALF_MS : 0;
	b->seen_ms += halves * BLAME_HALF_MS;
	b->faults = halves > HALVES_MAX ? 0 : b->faults >> halves;
	if (now_ms >= b->until_ms + BLAME_FORGIVEN_MS)
		b->row = 0;
}

static uint64_t wait_ms(uint32_t row)
{
	uint64_t wait = BLAME_MS_MAX;
	if (row < 16 && ((uint64_t)BLAME_MS_MIN << row) < wait)
		wait = (uint64_t)BLAME_MS_MIN << row;
	return wait;
}

bool blame_fault(struct blame *b, enum blame_for what, uint32_t sessions, uint64_t now_ms)
{
	forget(b, now_ms);
	if (now_ms < b->until_ms)
		return false; /* it is avoided already */
	b->faults++;
	if (what == BLAME_FOR_SESSION && b->faults < BLAME_FAULTS_MIN + sessions / BLAME_SESSIONS)
		return false;
	b->until_ms = now_ms + wait_ms(b->row++);
	b->faults = 0;
	return true;
}
