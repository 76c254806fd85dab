#include "route.h"

#include <stdbool.h>

/* splitmix64's last step: every bit of the answer depends on every bit of the number. */
static uint64_t number_mix(uint64_t number)
{
	number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9u;
	number = (number ^ number >> 27) * 0x94d049bb133111ebu;
	return number ^ number >> 31;
}

uint64_t route_hash(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint64_t hash = 0xcbf29ce484222325u;
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * 0x100000001b3u;
	return number_mix(hash);
}

/* -log2(number / 2^64) in units of 2^-32, rounded up: 1 .. 64 * 2^32. Integers only, so that every machine agrees. */
static uint64_t log_of(uint64_t number)
{
	number |= number == 0;
	unsigned zeros = __builtin_clzll(number);
	uint64_t mantissa = number << zeros; /* 1 <= mantissa / 2^63 < 2 */
	uint64_t log = 63 - zeros;
	for (int bit = 0; bit < 32; bit++) {
		unsigned __int128 square = (unsigned __int128)mantissa * mantissa;
		bool is_two = square >> 127;
		mantissa = square >> (is_two ? 64 : 63);
		log = log << 1 | is_two;
	}
	return ((uint64_t)64 << 32) - log;
}

/*
 * Weighted rendezvous: a candidate's score is weight / -log(random), where the random number is its own for each user.
 * The highest one wins, and so each candidate wins with the probability weight / sum of weights. Compared without
 * dividing.
 */
struct score {
	uint64_t name_hash, log;
	uint32_t weight;
};

static bool score_beats(const struct score *one, const struct score *other)
{
	unsigned __int128 a = (unsigned __int128)one->weight * other->log;
	unsigned __int128 b = (unsigned __int128)other->weight * one->log;
	return a != b ? a > b : one->name_hash < other->name_hash;
}

int route_choose(const struct route_candidate *candidates, size_t count, uint64_t user_hash)
{
	struct score best = {.weight = 0};
	int chosen = ROUTE_NONE;
	for (size_t i = 0; i < count; i++) {
		const struct route_candidate *c = &candidates[i];
		if (c->weight == 0)
			continue;
		struct score score = {.name_hash = c->name_hash, .weight = c->weight};
		score.log = log_of(number_mix(user_hash ^ number_mix(c->name_hash)));
		if (chosen != ROUTE_NONE && !score_beats(&score, &best))
			continue;
		best = score;
		chosen = i;
	}
	return chosen;
}
