#include "commons.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { HEADS_FIRST = 64 };

void commons_init(struct commons *c, struct shelf *shelf, const uint8_t key[static SIPHASH_KEY_BYTES])
{
	*c = (struct commons){.shelf = shelf};
	memcpy(c->key, key, sizeof c->key);
}

void commons_done(struct commons *c)
{
	assert(c->count == 0);
	free(c->heads);
	c->heads = NULL;
	c->head_count = 0;
}

static struct common **head_of(const struct commons *c, uint64_t hash)
{
	return &c->heads[hash & (c->head_count - 1)];
}

static void push(const struct commons *c, struct common *text)
{
	struct common **head = head_of(c, text->hash);

	text->next = *head;
	*head = text;
}

/* Twice as many lists, so that they stay short. */
static void widen(struct commons *c)
{
	struct common **old = c->heads;
	size_t old_count = c->head_count;

	c->head_count = old_count == 0 ? HEADS_FIRST : 2 * old_count;
	c->heads = calloc(c->head_count, sizeof *c->heads);
	assert(c->heads != NULL);
	for (size_t i = 0; i < old_count; i++)
		for (struct common *text = old[i], *next; text != NULL; text = next) {
			next = text->next;
			push(c, text);
		}
	free(old);
}

static struct common *find(const struct commons *c, uint64_t hash, const void *bytes, size_t len)
{
	struct common *text = c->head_count == 0 ? NULL : *head_of(c, hash);

	while (text != NULL && (text->hash != hash || text->len != len || memcmp(text->bytes, bytes, len) != 0))
		text = text->next;
	return text;
}

struct common *commons_take(struct commons *c, const void *bytes, size_t len)
{
	uint64_t hash = siphash(c->key, bytes, len);
	struct common *text = find(c, hash, bytes, len);

	assert(len > 0 && len <= UINT32_MAX);
	if (text == NULL) {
		if (c->count == c->head_count)
			widen(c);
		text = shelf_take(c->shelf, sizeof *text + len);
		*text = (struct common){.hash = hash, .len = (uint32_t)len};
		memcpy(text->bytes, bytes, len);
		push(c, text);
		c->count++;
	}
	text->uses++;
	return text;
}

void commons_give(struct commons *c, struct common *text)
{
	struct common **at;

	if (text == NULL || --text->uses > 0)
		return;
	for (at = head_of(c, text->hash); *at != text; at = &(*at)->next)
		;
	*at = text->next;
	c->count--;
	shelf_give(c->shelf, text, sizeof *text + text->len);
}
