#include "outbox.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { PUT_MAX = 70000, DETACHED_MAX = 8 };

/* The model: the n-th byte ever put is a function of n, so that bytes need not be kept. */
static uint8_t byte_at(uint64_t n)
{
	return (uint8_t)(n * 2654435761u >> 13);
}

struct play {
	struct outbox box;
	uint64_t put, front;		      /* bytes put so far; the first that is still in the box */
	struct chunk *detached[DETACHED_MAX]; /* with the kernel, so to speak */
	uint64_t detached_from[DETACHED_MAX];
	uint64_t x;
};

static uint64_t random_next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void play_put(struct play *p)
{
	static uint8_t bytes[PUT_MAX];
	static const size_t sizes[] = {1, 100, 3000, PUT_MAX};
	size_t len = random_next(&p->x) % (sizes[random_next(&p->x) % 4] + 1);

	for (size_t i = 0; i < len; i++)
		bytes[i] = byte_at(p->put + i);
	if (random_next(&p->x) % 4 == 0)
		outbox_put_apart(&p->box, bytes, len);
	else
		outbox_put(&p->box, bytes, len);
	p->put += len;
}

static void chunk_check(const struct chunk *c, uint64_t from)
{
	cr_assert(c->at <= c->filled && c->filled <= c->cap);
	for (uint32_t i = c->at; i < c->filled; i++, from++)
		cr_assert_eq(c->bytes[i], byte_at(from));
}

static void play_take(struct play *p)
{
	size_t slot = random_next(&p->x) % DETACHED_MAX;

	if (p->detached[slot] != NULL) {
		chunk_check(p->detached[slot], p->detached_from[slot]);
		chunk_free(p->detached[slot]);
	}
	p->detached[slot] = outbox_take(&p->box);
	p->detached_from[slot] = p->front;
	if (p->detached[slot] == NULL) {
		cr_assert_eq(p->front, p->put);
		return;
	}
	cr_assert_null(p->detached[slot]->next);
	p->front += p->detached[slot]->filled - p->detached[slot]->at;
}

static void play_drop(struct play *p)
{
	const struct chunk *head = p->box.head;
	size_t len;

	if (head == NULL)
		return;
	len = random_next(&p->x) % 3 == 0 ? head->filled - head->at
					  : random_next(&p->x) % (head->filled - head->at + 1);
	outbox_drop(&p->box, len);
	p->front += len;
}

static void check(const struct play *p)
{
	uint64_t at = p->front;

	cr_assert_eq(p->box.bytes, p->put - p->front);
	for (const struct chunk *c = p->box.head; c != NULL; c = c->next) {
		cr_assert_gt(c->filled, c->at, "an empty chunk is kept");
		cr_assert(c->next != NULL || c == p->box.tail);
		chunk_check(c, at);
		at += c->filled - c->at;
	}
	cr_assert_eq(at, p->put);
	if (p->put == p->front) {
		cr_assert_null(p->box.head);
		cr_assert_null(p->box.tail);
	}
}

Test(outbox, gives_what_was_put_in_order_while_chunks_are_away)
{
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct play p = {.x = seed * 0x9e3779b97f4a7c15};

		for (int turn = 0; turn < 300; turn++) {
			uint64_t what = random_next(&p.x) % 10;

			if (what < 5)
				play_put(&p);
			else if (what < 7)
				play_take(&p);
			else
				play_drop(&p);
			check(&p);
		}
		for (size_t i = 0; i < DETACHED_MAX; i++)
			chunk_free(p.detached[i]);
		outbox_clear(&p.box);
		cr_assert_eq(p.box.bytes, 0);
		cr_assert_null(p.box.head);
		cr_assert_eq(chunk_memory(), 0, "some chunk was not given back");
	}
}

Test(outbox, a_chunk_that_is_away_is_not_written_to)
{
	struct outbox box = {0};
	struct chunk *away;
	uint8_t before[64];

	outbox_put(&box, "first", 5);
	away = outbox_take(&box);
	memcpy(before, away->bytes, 5);
	outbox_put(&box, "second", 6);
	cr_assert_eq(away->filled, 5);
	cr_assert_arr_eq(away->bytes, before, 5);
	cr_assert_eq(box.bytes, 6);
	cr_assert_neq(box.head, away);
	chunk_free(away);
	outbox_clear(&box);
}

Test(outbox, empty_owns_nothing)
{
	struct outbox box = {0};

	outbox_put(&box, "", 0);
	cr_assert_null(box.head);
	cr_assert_null(outbox_take(&box));
	outbox_put(&box, "x", 1);
	outbox_drop(&box, 0);
	outbox_drop(&box, 1);
	cr_assert_null(box.head);
	cr_assert_eq(chunk_memory(), 0);
	outbox_clear(&box);
	chunk_free(NULL);
}

Test(outbox, a_chunk_has_the_room_that_was_asked_for)
{
	static const size_t caps[] = {0, 1, 488, 489, 2000, 16384, 65512, 65513, 200000};

	for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++) {
		struct chunk *c = chunk_new(caps[i]);

		cr_assert_geq(c->cap, caps[i]);
		cr_assert_eq(c->filled, 0);
		memset(c->bytes, 1, c->cap);
		cr_assert_eq(chunk_memory(), (int64_t)(c->cap + sizeof *c));
		chunk_free(c);
		cr_assert_eq(chunk_memory(), 0);
	}
}

/* Memory grows with what waits: many small writes do not make many chunks. */
Test(outbox, small_writes_share_chunks)
{
	struct outbox box = {0};
	size_t chunks = 0;

	for (int i = 0; i < 100000; i++)
		outbox_put(&box, "0123456789", 10);
	for (const struct chunk *c = box.head; c != NULL; c = c->next)
		chunks++;
	cr_assert_lt(chunks, 30);
	cr_assert_lt(chunk_memory(), 1200000);
	outbox_clear(&box);
}

Test(outbox, what_is_apart_stands_alone)
{
	struct outbox box = {0};
	static uint8_t large[100000];
	static const size_t lens[] = {3, 5, 7, sizeof large, 2};

	outbox_put(&box, large, lens[0]);
	outbox_put_apart(&box, large, lens[1]);
	outbox_put_apart(&box, large, lens[2]);
	outbox_put_apart(&box, large, lens[3]);
	outbox_put(&box, large, 1);
	outbox_put(&box, large, 1);
	for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
		struct chunk *chunk = outbox_take(&box);

		cr_assert_eq(chunk->filled - chunk->at, lens[i]);
		chunk_free(chunk);
	}
	cr_assert(box.head == NULL && box.bytes == 0 && chunk_memory() == 0);
}
