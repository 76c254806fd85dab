/* Frames that may have to be sent again: credit, acknowledgements, what is left after a cut; and the bytes they lie in.
 */
#include "retained.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 1000 };

/* Memory that knows how much of it is out. Every answer is a new place, so that old ones are seen when used. */
static size_t blocks;

static void *resize(void *context, void *old, size_t len)
{
	size_t *kept = old ? (size_t *)old - 2 : NULL;
	cr_assert(context == &blocks);
	size_t *new = len > 0 ? malloc(len + 2 * sizeof *new) : NULL;
	if (new) {
		new[0] = len;
		if (kept)
			memcpy(new + 2, old, kept[0] < len ? kept[0] : len);
	}
	blocks += (new != NULL) - (kept != NULL);
	free(kept);
	return new ? new + 2 : NULL;
}

static const struct memory memory = {.resize = resize, .context = &blocks};
static struct retained r;

static void begin(void)
{
	retained_init(&r, &memory, WINDOW);
}

static void end(void)
{
	retained_free(&r);
	cr_assert(blocks == 0);
}

TestSuite(retained, .init = begin, .fini = end);

/* An ELEMENT of so many bytes on the wire, of session 7, filled with a letter of its own. */
static void put(size_t len, int64_t number)
{
	uint8_t *to = retained_put(&r, len, number);
	frame_head(to, FRAME_ELEMENT, 7, len - FRAME_HEAD_BYTES);
	memset(to + FRAME_HEAD_BYTES, 'a' + (int)(number % 26), len - FRAME_HEAD_BYTES);
}

/* The next that goes: its letter, or 0. */
static char go(size_t len)
{
	const uint8_t *bytes;
	size_t got;
	if (!retained_next(&r, &bytes, &got))
		return 0;
	cr_assert(got == len, "%zu", got);
	return (char)bytes[len - 1];
}

Test(retained, nothing_at_first)
{
	size_t at = 0;
	struct frame frame;
	int64_t number;
	cr_assert(go(0) == 0 && !retained_walk(&r, &at, &frame, &number));
	cr_assert(retained_ack(&r, 0) && !retained_ack(&r, 1));
}

Test(retained, frames_go_in_order_while_there_is_credit)
{
	for (uint32_t i = 0; i < 12; i++)
		put(100, i);
	for (int i = 0; i < 10; i++)
		cr_assert(go(100) == 'a' + i);
	cr_assert(go(100) == 0 && r.waiting_bytes == 200 && r.unacked_bytes == WINDOW);
	cr_assert(retained_ack(&r, 1));
	cr_assert(go(100) == 'k' && go(100) == 0);
	cr_assert(retained_ack(&r, 11));
	cr_assert(go(100) == 'l' && go(100) == 0);
	cr_assert(retained_ack(&r, 12) && r.unacked_bytes == 0 && r.waiting_bytes == 0 && bytes_len(&r.frames) == 0);
}

Test(retained, the_window_is_kept_to_the_byte)
{
	put(WINDOW - 13, 0);
	put(14, 1);
	cr_assert(go(WINDOW - 13) == 'a' && go(14) == 0);
	retained_free(&r);
	put(WINDOW - 13, 0);
	put(13, 1);
	cr_assert(go(WINDOW - 13) == 'a' && go(13) == 'b');
}

Test(retained, a_frame_larger_than_the_window_goes_alone)
{
	put(100, 0);
	put(5 * WINDOW, 1);
	put(100, 2);
	cr_assert(go(100) == 'a' && go(0) == 0);
	cr_assert(retained_ack(&r, 1));
	cr_assert(go(5 * WINDOW) == 'b' && go(0) == 0);
	cr_assert(retained_ack(&r, 2));
	cr_assert(go(100) == 'c');
}

Test(retained, acks_of_what_cannot_be_are_refused)
{
	put(100, 0);
	put(100, 1);
	cr_assert(!retained_ack(&r, 1), "it has not gone");
	cr_assert(go(100) == 'a');
	cr_assert(retained_ack(&r, 1) && retained_ack(&r, 1));
	cr_assert(!retained_ack(&r, 0), "less than before");
	cr_assert(!retained_ack(&r, 2) && !retained_ack(&r, UINT64_MAX));
	cr_assert(go(100) == 'b' && retained_ack(&r, 2));
}

Test(retained, what_is_left_is_walked_whether_it_went_or_not)
{
	size_t at = 0;
	struct frame frame;
	int64_t number;
	for (uint32_t i = 0; i < 15; i++)
		put(100, 1000 + i);
	for (int i = 0; i < 10; i++)
		go(100);
	cr_assert(retained_ack(&r, 4));
	for (uint32_t i = 4; i < 15; i++) {
		cr_assert(retained_walk(&r, &at, &frame, &number));
		cr_assert(number == 1000 + i && frame.type == FRAME_ELEMENT && frame.session == 7);
		cr_assert(frame.payload_len == 88 && frame.payload[87] == 'a' + (1000 + i) % 26);
	}
	cr_assert(!retained_walk(&r, &at, &frame, &number));
}

/* For ever, with little outstanding: the memory stays small, and every byte is what was put. */
Test(retained, memory_follows_what_is_held)
{
	uint32_t put_count = 0, gone = 0;
	for (int round = 0; round < 20004; round++) {
		put(50 + round % 50, put_count++);
		if (round % 3 == 2)
			for (; gone < put_count; gone++)
				cr_assert(go(50 + gone % 50) == 'a' + (char)(gone % 26));
		if (round % 6 == 5)
			cr_assert(retained_ack(&r, put_count));
		cr_assert(r.frames.cap <= 4096, "%zu", r.frames.cap);
	}
	put(1 << 20, 0);
	go(1 << 20);
	cr_assert(retained_ack(&r, put_count + 1));
	cr_assert(blocks == 0, "what has grown large is given back");
}

Test(bytes, come_and_go)
{
	struct bytes b = {.memory = &memory};
	size_t in = 0, out = 0;
	for (size_t round = 1; round < 3000; round++) {
		uint8_t some[64];
		size_t len = round * 37 % 64, drop = round * 41 % 64;
		for (size_t i = 0; i < len; i++)
			some[i] = (uint8_t)(in + i);
		bytes_add(&b, some, len);
		in += len;
		if (drop > bytes_len(&b))
			drop = bytes_len(&b);
		for (size_t i = 0; i < drop; i++)
			cr_assert(bytes_first(&b)[i] == (uint8_t)(out + i));
		bytes_drop(&b, drop);
		out += drop;
		cr_assert(bytes_len(&b) == in - out);
	}
	bytes_free(&b);
	cr_assert(blocks == 0 && bytes_len(&b) == 0);
}
