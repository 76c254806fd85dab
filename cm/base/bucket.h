/*
 * bucket: token buckets for very many names (addresses) in memory of a fixed size.
 *
 * Each name has a bucket of each kind that holds `burst` tokens and is filled by `rate` tokens a second. Who takes one
 * where none is left is refused, and pays nothing for asking.
 *
 * The table has `places`, in sets of BUCKET_WAYS; a keyed hash of its name (siphash.h) says which set a name belongs
 * to, so that nobody can foresee with whom. A bucket that is full need not be remembered: its place is free. When all
 * places of a set are taken, the bucket that is nearest to full is forgotten: whoever took most is remembered longest,
 * and a flood of new names lets everybody off for no more than that least debt. Two names that share all 64 bits of
 * their hash share a bucket.
 *
 * Time is told, in microseconds, and may jump. Backwards: nobody waits longer than for a whole burst. One thread.
 */
#ifndef BASE_BUCKET_H
#define BASE_BUCKET_H

#include "siphash.h"

#include <stdbool.h>

enum { BUCKET_WAYS = 8, BUCKET_KINDS = 2, BUCKET_NAME_BYTES = 16 };
/* Rates and bursts are at most BUCKET_RATE_MAX, a rate of 0 is no limit, and a burst of 0 counts as 1. */
enum { BUCKET_RATE_MAX = 1000000 };

struct bucket {
	uint64_t hash;
	uint64_t full_us[BUCKET_KINDS]; /* when it will be full again, if nobody takes */
};
struct buckets {
	struct bucket *places;
	uint32_t sets;
	uint8_t key[SIPHASH_KEY_BYTES];
	uint64_t each_us[BUCKET_KINDS]; /* between two tokens; 0: no limit */
	uint64_t hold_us[BUCKET_KINDS]; /* that a whole bucket takes to fill */
};

/* `places` is rounded up to whole sets. Memory that was never touched is not yet taken from the system. */
void buckets_init(struct buckets *, uint32_t places, const uint8_t key[static SIPHASH_KEY_BYTES]);
void buckets_done(struct buckets *);
/* May change at any time; buckets keep what was taken, as far as the new rule knows such a debt. */
void buckets_set_rate(struct buckets *, unsigned kind, uint64_t rate, uint64_t burst);
/* Takes a token. False: there is none. */
bool buckets_take(struct buckets *, unsigned kind, const uint8_t name[static BUCKET_NAME_BYTES], uint64_t now_us);
size_t buckets_bytes(const struct buckets *);

#endif
