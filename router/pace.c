#include "pace.h"

enum { SLOW_PARTS = 8 };

void pace_begin(struct pace *pace, uint64_t now_ms)
{
	*pace = (struct pace){.begun_ms = now_ms, .seen_ms = now_ms};
}

/* Tokens in a second, at this time. */
static uint64_t rate(const struct pace *pace, const struct pace_settings *s, uint64_t now_ms)
{
	uint64_t since_ms = now_ms - pace->begun_ms, least = (s->per_s + SLOW_PARTS - 1) / SLOW_PARTS;

	if (pace->begun_ms == 0 || since_ms >= s->slow_ms)
		return s->per_s;
	return least + (s->per_s - least) * since_ms / s->slow_ms;
}

bool pace_take(struct pace *pace, const struct pace_settings *s, uint64_t now_ms)
{
	uint64_t most, now_per_s, since_ms;

	if (s->per_s == 0)
		return true;
	if (now_ms < pace->seen_ms)
		now_ms = pace->seen_ms;
	now_per_s = rate(pace, s, now_ms);
	most = now_per_s * 1000;
	since_ms = now_ms - pace->seen_ms;
	pace->milli += since_ms >= 1000 ? most : since_ms * now_per_s;
	if (pace->milli > most)
		pace->milli = most;
	if (pace->seen_ms == 0)
		pace->milli = most;
	pace->seen_ms = now_ms;
	if (pace->milli < 1000)
		return false;
	pace->milli -= 1000;
	return true;
}
