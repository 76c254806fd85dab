#include "table.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct item {
	struct table_node node;
	int key;
};

static struct item *item_find(const struct table *table, int key)
{
	struct table_node *node = NULL;
	while ((node = table_find(table, table_hash(table, &key, sizeof key), node))) {
		struct item *item = table_entry(node, struct item, node);
		if (item->key == key)
			return item;
	}
	return NULL;
}

Test(table, finds_what_is_in_it_and_nothing_else)
{
	enum { COUNT = 5000 };
	struct table table;
	struct item *items = calloc(COUNT, sizeof *items);
	cr_assert(table_init(&table));
	for (int i = 0; i < COUNT; i++) {
		items[i].key = i;
		table_insert(&table, &items[i].node, table_hash(&table, &i, sizeof i));
	}
	for (int i = 0; i < COUNT; i += 2)
		table_remove(&table, &items[i].node);
	for (int i = 0; i < COUNT; i++)
		cr_expect_eq(item_find(&table, i), i % 2 ? &items[i] : NULL);
	cr_expect_null(item_find(&table, COUNT));
	cr_expect_eq(table.count, COUNT / 2);
	table_free(&table);
	free(items);
}

Test(table, nodes_of_one_hash_are_all_found)
{
	struct table table;
	struct item items[3] = {{.key = 1}, {.key = 2}, {.key = 3}};
	int sum = 0;
	cr_assert(table_init(&table));
	for (int i = 0; i < 3; i++)
		table_insert(&table, &items[i].node, 42);
	for (struct table_node *node = NULL; (node = table_find(&table, 42, node));)
		sum += table_entry(node, struct item, node)->key;
	cr_expect_eq(sum, 6);
	table_remove(&table, &items[1].node);
	cr_expect_eq(table_find(&table, 42, NULL), &items[2].node);
	cr_expect_eq(table_find(&table, 42, &items[2].node), &items[0].node);
	cr_expect_null(table_find(&table, 42, &items[0].node));
	table_free(&table);
}

Test(table, hash_depends_on_key_and_every_byte)
{
	struct table one, two;
	char text[32] = "juliet@example.com/balcony";
	cr_assert(table_init(&one) && table_init(&two));
	uint64_t hash = table_hash(&one, text, strlen(text));
	cr_expect_neq(hash, table_hash(&two, text, strlen(text)));
	cr_expect_neq(hash, table_hash(&one, text, strlen(text) + 1));
	for (size_t i = 0; i < strlen(text); i++) {
		text[i] ^= 1;
		cr_expect_neq(hash, table_hash(&one, text, 26));
		text[i] ^= 1;
	}
	cr_expect_eq(hash, table_hash(&one, text, strlen(text)));
	table_free(&one);
	table_free(&two);
}
