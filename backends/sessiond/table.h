/*
 * table: a hash table whose nodes lie inside what they find. It allocates only its buckets. The hash is SipHash-1-3
 * under a random key of the table, so that nobody can choose names that collide.
 */
#ifndef SESSIOND_TABLE_H
#define SESSIOND_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_node {
	struct table_node *next;
	uint64_t hash;
};

struct table {
	struct table_node **buckets;
	size_t bucket_count; /* a power of two */
	size_t count;
	uint64_t key[2];
};

/* False: no memory or no randomness. */
bool table_init(struct table *);
/* The nodes are the caller's. */
void table_free(struct table *);
uint64_t table_hash(const struct table *, const void *key, size_t len);
/* Nodes are not searched for an equal key: the caller knows that there is none. */
void table_insert(struct table *, struct table_node *, uint64_t hash);
void table_remove(struct table *, struct table_node *);
/* The nodes of this hash one after the other, from `after` (NULL: the first). The caller compares keys. NULL: no more.
 */
struct table_node *table_find(const struct table *, uint64_t hash, const struct table_node *after);

/* All nodes, one after the other, from `after` (NULL: the first), which must still be there. NULL: no more. */
struct table_node *table_next(const struct table *, const struct table_node *after);

#define table_entry(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

#endif
