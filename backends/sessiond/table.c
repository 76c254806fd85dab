#include "table.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { BUCKETS_MIN = 64 };

static uint64_t rotate(uint64_t word, int by)
{
	return word << by | word >> (64 - by);
}

static void sip_round(uint64_t v[static 4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[static 4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
}

/* SipHash with one round a word and three at the end. The hash never leaves the process: byte order does not matter. */
uint64_t table_hash(const struct table *table, const void *key, size_t len)
{
	const uint8_t *at = key;
	uint64_t v[4] = {table->key[0] ^ 0x736f6d6570736575, table->key[1] ^ 0x646f72616e646f6d,
			 table->key[0] ^ 0x6c7967656e657261, table->key[1] ^ 0x7465646279746573};
	uint64_t word, last = (uint64_t)len << 56;
	for (; len >= sizeof word; at += sizeof word, len -= sizeof word) {
		memcpy(&word, at, sizeof word);
		sip_word(v, word);
	}
	word = 0;
	memcpy(&word, at, len);
	sip_word(v, last | word);
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

bool table_init(struct table *table)
{
	*table = (struct table){.bucket_count = BUCKETS_MIN};
	if (getrandom(table->key, sizeof table->key, 0) != sizeof table->key)
		return false;
	table->buckets = calloc(BUCKETS_MIN, sizeof *table->buckets);
	return table->buckets != NULL;
}

void table_free(struct table *table)
{
	free(table->buckets);
	*table = (struct table){0};
}

static struct table_node **table_bucket(const struct table *table, uint64_t hash)
{
	return &table->buckets[hash & (table->bucket_count - 1)];
}

/* Without memory the chains only grow longer. */
static void table_grow(struct table *table)
{
	size_t old_count = table->bucket_count;
	struct table_node **old = table->buckets, **buckets = calloc(old_count * 2, sizeof *buckets);
	if (!buckets)
		return;
	table->buckets = buckets;
	table->bucket_count = old_count * 2;
	for (size_t i = 0; i < old_count; i++) {
		for (struct table_node *node = old[i], *next; node; node = next) {
			next = node->next;
			struct table_node **bucket = table_bucket(table, node->hash);
			node->next = *bucket;
			*bucket = node;
		}
	}
	free(old);
}

void table_insert(struct table *table, struct table_node *node, uint64_t hash)
{
	if (table->count >= table->bucket_count)
		table_grow(table);
	struct table_node **bucket = table_bucket(table, hash);
	node->hash = hash;
	node->next = *bucket;
	*bucket = node;
	table->count++;
}

void table_remove(struct table *table, struct table_node *node)
{
	struct table_node **place = table_bucket(table, node->hash);
	while (*place != node) {
		assert(*place);
		place = &(*place)->next;
	}
	*place = node->next;
	node->next = NULL;
	table->count--;
}

struct table_node *table_find(const struct table *table, uint64_t hash, const struct table_node *after)
{
	struct table_node *node = after ? after->next : *table_bucket(table, hash);
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct table_node *table_next(const struct table *table, const struct table_node *after)
{
	if (after && after->next)
		return after->next;
	size_t at = after ? (after->hash & (table->bucket_count - 1)) + 1 : 0;
	while (at < table->bucket_count && !table->buckets[at])
		at++;
	return at < table->bucket_count ? table->buckets[at] : NULL;
}
