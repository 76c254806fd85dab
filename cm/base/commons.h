/*
 * commons: texts that many keep and that are mostly equal: each is there once, and knows how many have it. Whoever
 * takes a text has it until he gives it back; it never changes. The memory of one is its bytes and 24 more, on a shelf
 * of the caller's. One thread at a time.
 */
#ifndef BASE_COMMONS_H
#define BASE_COMMONS_H

#include "shelf.h"
#include "siphash.h"

struct common {
	struct common *next; /* of those whose hashes are alike */
	uint64_t hash;
	uint32_t uses, len;
	uint8_t bytes[];
};

struct commons {
	struct shelf *shelf;
	struct common **heads;
	size_t head_count, count; /* head_count: a power of two, or 0 */
	uint8_t key[SIPHASH_KEY_BYTES];
};

/* Empty; it allocates nothing yet. The shelf stays; the key is random and secret, since strangers choose the texts. */
void commons_init(struct commons *, struct shelf *, const uint8_t key[static SIPHASH_KEY_BYTES]);
/* All texts have been given back; asserted. */
void commons_done(struct commons *);

/* The text that equals these bytes, copied if it is new; len at least 1. Never NULL. */
struct common *commons_take(struct commons *, const void *bytes, size_t len);
/* Gives one back. NULL is fine. */
void commons_give(struct commons *, struct common *);

#endif
