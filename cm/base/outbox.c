#include "outbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Sizes of chunks, chunk header included, so that a few sizes serve all and freed memory fits again. */
static const uint32_t chunk_sizes[] = {512, 2048, 8192, 20480, 65536};
enum { CHUNK_SIZES = sizeof chunk_sizes / sizeof chunk_sizes[0] };

static _Thread_local int64_t chunk_bytes, waiting_bytes;

struct chunk *chunk_new(size_t cap)
{
	size_t size = cap + sizeof(struct chunk);
	struct chunk *c;

	for (int i = 0; i < CHUNK_SIZES; i++)
		if (chunk_sizes[i] >= size) {
			size = chunk_sizes[i];
			break;
		}
	c = malloc(size);
	assert(c != NULL);
	*c = (struct chunk){.cap = (uint32_t)(size - sizeof(struct chunk))};
	chunk_bytes += (int64_t)size;
	return c;
}

void chunk_free(struct chunk *c)
{
	if (c == NULL)
		return;
	chunk_bytes -= (int64_t)(c->cap + sizeof(struct chunk));
	explicit_bzero(c->bytes, c->filled); /* there may have been a password in it */
	free(c);
}

int64_t chunk_memory(void)
{
	return chunk_bytes;
}

int64_t outboxes_waiting(void)
{
	return waiting_bytes;
}

/* What a growing queue asks for next: as much again as it holds, within the sizes there are. */
static size_t chunk_wish(const struct outbox *o, size_t len)
{
	size_t most = chunk_sizes[CHUNK_SIZES - 1] - sizeof(struct chunk);
	size_t wish = len > o->bytes ? len : o->bytes;

	return wish < most ? wish : most;
}

static void chunk_append(struct outbox *o, size_t wish)
{
	struct chunk *c = chunk_new(wish);

	if (o->tail == NULL)
		o->head = c;
	else
		o->tail->next = c;
	o->tail = c;
}

void outbox_put(struct outbox *o, const void *bytes, size_t len)
{
	const uint8_t *from = bytes;

	while (len > 0) {
		size_t room = o->tail == NULL || o->tail->apart ? 0 : o->tail->cap - o->tail->filled;
		size_t part = len < room ? len : room;

		if (part == 0) {
			chunk_append(o, chunk_wish(o, len));
			continue;
		}
		memcpy(o->tail->bytes + o->tail->filled, from, part);
		o->tail->filled += (uint32_t)part;
		o->bytes += (uint32_t)part;
		waiting_bytes += (int64_t)part;
		from += part;
		len -= part;
	}
}

void outbox_put_apart(struct outbox *o, const void *bytes, size_t len)
{
	if (len == 0)
		return;
	chunk_append(o, len);
	outbox_put(o, bytes, len);
	o->tail->apart = true;
}

struct chunk *outbox_take(struct outbox *o)
{
	struct chunk *c = o->head;

	if (c == NULL)
		return NULL;
	o->head = c->next;
	if (o->head == NULL)
		o->tail = NULL;
	o->bytes -= c->filled - c->at;
	waiting_bytes -= c->filled - c->at;
	c->next = NULL;
	return c;
}

void outbox_drop(struct outbox *o, size_t len)
{
	struct chunk *c = o->head;

	assert(c != NULL && len <= c->filled - c->at);
	c->at += (uint32_t)len;
	o->bytes -= (uint32_t)len;
	waiting_bytes -= (int64_t)len;
	if (c->at == c->filled)
		chunk_free(outbox_take(o));
}

void outbox_clear(struct outbox *o)
{
	while (o->head != NULL)
		chunk_free(outbox_take(o));
}
