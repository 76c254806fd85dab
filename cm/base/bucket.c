#include "bucket.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void buckets_init(struct buckets *b, uint32_t places, const uint8_t key[static SIPHASH_KEY_BYTES])
{
	assert(places > 0);
	*b = (struct buckets){.sets = (places + BUCKET_WAYS - 1) / BUCKET_WAYS};
	memcpy(b->key, key, sizeof b->key);
	b->places = calloc((size_t)b->sets * BUCKET_WAYS, sizeof *b->places);
	assert(b->places != NULL);
}

void buckets_done(struct buckets *b)
{
	free(b->places);
	b->places = NULL;
}

void buckets_set_rate(struct buckets *b, unsigned kind, uint64_t rate, uint64_t burst)
{
	assert(kind < BUCKET_KINDS && rate <= BUCKET_RATE_MAX && burst <= BUCKET_RATE_MAX);
	b->each_us[kind] = rate == 0 ? 0 : 1000000 / rate;
	b->hold_us[kind] = b->each_us[kind] * (burst == 0 ? 1 : burst);
}

/* When the last of its buckets will be full. */
static uint64_t full_last(const struct bucket *place)
{
	uint64_t last = 0;

	for (unsigned i = 0; i < BUCKET_KINDS; i++)
		if (place->full_us[i] > last)
			last = place->full_us[i];
	return last;
}

static struct bucket *place_find(const struct buckets *b, uint64_t hash)
{
	struct bucket *set = b->places + (size_t)((hash >> 32) * b->sets >> 32) * BUCKET_WAYS, *least = set;

	for (struct bucket *at = set; at < set + BUCKET_WAYS; at++) {
		if (at->hash == hash)
			return at;
		if (full_last(at) < full_last(least))
			least = at;
	}
	*least = (struct bucket){.hash = hash};
	return least;
}

bool buckets_take(struct buckets *b, unsigned kind, const uint8_t name[static BUCKET_NAME_BYTES], uint64_t now_us)
{
	uint64_t *full_us, until_us = now_us + b->hold_us[kind];

	assert(kind < BUCKET_KINDS);
	if (b->each_us[kind] == 0)
		return true;
	full_us = &place_find(b, siphash(b->key, name, BUCKET_NAME_BYTES))->full_us[kind];
	if (*full_us < now_us)
		*full_us = now_us;
	if (*full_us > until_us) /* the clock went back, or the rule changed */
		*full_us = until_us;
	if (*full_us + b->each_us[kind] > until_us)
		return false;
	*full_us += b->each_us[kind];
	return true;
}

size_t buckets_bytes(const struct buckets *b)
{
	return (size_t)b->sets * BUCKET_WAYS * sizeof *b->places;
}
