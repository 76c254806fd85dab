#include "link.h"
#include "vectors.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

enum { TALKS_IN_VECTORS = 16 };

static const struct link_self self = {.name = "self", .software = "test 1", .epoch = 0x1122334455667788};

static void link_begin(struct link *link, enum link_end end)
{
	struct link_send send;
	link_init(link, end, &self, 0, &send);
}

/* HELLO of an other end, as link_init writes it. */
static size_t hello_of(enum link_end end, const char *name, uint64_t epoch, uint8_t to[static LINK_SEND_MAX])
{
	struct link other;
	struct link_send send;
	link_init(&other, end, &(struct link_self){.name = name, .epoch = epoch}, 0, &send);
	memcpy(to, send.bytes, send.len);
	return send.len;
}

static struct link link_up_at(enum link_end end, uint64_t now_ms)
{
	struct link link;
	struct link_found found;
	uint8_t hello[LINK_SEND_MAX];
	link_begin(&link, end);
	size_t len = hello_of(end == LINK_GATE ? LINK_BACKEND : LINK_GATE, "peer", 42, hello);
	link_next(&link, hello, len, now_ms, &found);
	cr_assert(found.is == LINK_UP);
	return link;
}

Test(link, begins_with_hello)
{
	struct link link;
	struct link_send send;
	struct frame frame;
	enum frame_error error;
	struct frame_value value;
	link_init(&link, LINK_GATE, &self, 0, &send);
	cr_assert(frame_read(send.bytes, send.len, &frame, &error) == send.len);
	cr_assert(frame.type == FRAME_HELLO && !link.up);
	cr_assert(frame_find_int(&frame, FIELD_VERSION_MIN, 0) == FRAME_VERSION);
	cr_assert(frame_find_int(&frame, FIELD_VERSION_MAX, 0) == FRAME_VERSION);
	cr_assert(frame_find_int(&frame, FIELD_EPOCH, 0) == self.epoch);
	cr_assert(frame_find(&frame, FIELD_NAME, &value) && memcmp(value.at, "self", value.len) == 0);
	cr_assert(frame_find(&frame, FIELD_SOFTWARE, &value) && memcmp(value.at, "test 1", value.len) == 0);
}

Test(link, longest_names_fit)
{
	char name[LINK_NAME_BYTES];
	uint8_t hello[LINK_SEND_MAX];
	struct link link;
	struct link_found found;
	struct link_send send;
	memset(name, 'n', sizeof name);
	name[255] = '\0';
	link_init(&link, LINK_GATE, &(struct link_self){.name = name, .software = name}, 0, &send);
	cr_assert(send.len == FRAME_HEAD_BYTES + 5 + 5 + 11 + 258 + 258);
	link_next(&link, hello, hello_of(LINK_BACKEND, name, 5, hello), 0, &found);
	cr_assert(found.is == LINK_UP);
	cr_assert_str_eq(link.name, name);
}

Test(link, name_too_long, .signal = SIGABRT)
{
	char name[LINK_NAME_BYTES + 1];
	struct link link;
	struct link_send send;
	memset(name, 'n', sizeof name);
	name[256] = '\0';
	link_init(&link, LINK_GATE, &(struct link_self){.name = name}, 0, &send);
}

Test(link, hello_of_the_peer_is_kept)
{
	struct link link;
	struct link_found found;
	uint8_t hello[LINK_SEND_MAX];
	link_begin(&link, LINK_BACKEND);
	size_t len = hello_of(LINK_GATE, "gate-7", 0xfffffffffffffffe, hello);
	link_next(&link, hello, len, 10, &found);
	cr_assert(found.is == LINK_UP && found.used == len && found.send.len == 0);
	cr_assert(link.up && link.version == FRAME_VERSION && link.epoch == 0xfffffffffffffffe);
	cr_assert_str_eq(link.name, "gate-7");
}

static const char *word_of(const struct link_found *found, const struct link *link)
{
	static char words[300];
	switch (found->is) {
	case LINK_MORE:
		return "more";
	case LINK_QUIET:
		return found->send.len > 0 ? "says" : "quiet";
	case LINK_UP:
		snprintf(words, sizeof words, "up %s", link->name);
		return words;
	case LINK_FRAME:
		snprintf(words, sizeof words, "given %s", frame_type_name(found->frame.type));
		return words;
	case LINK_BAD:
		break;
	}
	for (size_t i = 0; i < FRAME_ERROR_COUNT; i++) {
#define FRAME_ERROR(name, text)                                                                                        \
	if (found->error == FRAME_ERROR_##name)                                                                        \
		snprintf(words, sizeof words, "error %s", #name);
#include "frame_error.def"
	}
	return words;
}

static void verdict_is(const struct link_found *found, const struct link *link, const struct vectors *v)
{
	char expected[VECTORS_LINE_MAX];
	uint8_t answer[LINK_SEND_MAX];
	if (strcmp(v->key, "says") == 0) {
		cr_assert_str_eq(word_of(found, link), "says");
		cr_assert(vectors_hex(v->value, answer, sizeof answer) == found->send.len);
		cr_assert(memcmp(answer, found->send.bytes, found->send.len) == 0);
		return;
	}
	snprintf(expected, sizeof expected, "%s%s%s", v->key, *v->value ? " " : "", v->value);
	cr_assert_str_eq(word_of(found, link), expected);
	cr_assert(found->send.len == 0);
}

/* One turn, its bytes coming one by one: no verdict before the right one, and that one no later than with the last
 * byte. */
static void turn_play(struct link *link, struct vectors *v)
{
	uint8_t bytes[VECTORS_LINE_MAX];
	struct link_found found = {.is = LINK_MORE};
	size_t len = vectors_hex(v->value, bytes, sizeof bytes), cut = 0;
	for (; cut <= len && found.is == LINK_MORE; cut++) {
		link_next(link, bytes, cut, 0, &found);
		cr_assert(found.is != LINK_MORE || (found.used == 0 && found.send.len == 0));
	}
	cr_assert(vectors_line(v));
	verdict_is(&found, link, v);
	if (found.is == LINK_BAD) {
		link_next(link, bytes, len, 0, &found);
		verdict_is(&found, link, v);
		cr_assert(found.used == 0);
	} else {
		cr_assert(cut == len + 1 && found.used == len);
	}
}

Test(link, talks_of_the_vectors)
{
	struct vectors v;
	vectors_open(&v);
	int count = 0;
	for (; vectors_block(&v, "talk"); count++) {
		struct link link;
		link_begin(&link, strcmp(vectors_expect(&v, "end"), "gate") == 0 ? LINK_GATE : LINK_BACKEND);
		while (vectors_line(&v)) {
			cr_assert_str_eq(v.key, "hears");
			turn_play(&link, &v);
		}
	}
	vectors_close(&v);
	cr_assert(count == TALKS_IN_VECTORS, "%d", count);
}

/* Each end refuses what only itself may send, and nothing else. */
Test(link, directions_on_both_ends)
{
	enum { NOBODY = 0, GATE = FRAME_FROM_GATE, BACKEND = FRAME_FROM_BACKEND, BOTH = FRAME_FROM_BOTH };
	for (int end = LINK_GATE; end <= LINK_BACKEND; end++) {
		int peer = end == LINK_GATE ? BACKEND : GATE;
#define FRAME(id, name_, from, session, payload, meaning)                                                              \
	{                                                                                                              \
		struct link link = link_up_at(end, 0);                                                                 \
		struct link_found found;                                                                               \
		uint8_t head[FRAME_HEAD_BYTES] = {[3] = 8, [4] = id, [11] = session};                                  \
		link_next(&link, head, sizeof head, 0, &found);                                                        \
		cr_assert((found.error == FRAME_ERROR_DIRECTION) == !((from)&peer), #name_);                           \
	}
#include "frames.def"
	}
}

Test(link, nothing_but_hello_comes_first)
{
#define FRAME(id, name_, from, session, payload, meaning)                                                              \
	if (id != FRAME_HELLO) {                                                                                       \
		struct link link;                                                                                      \
		struct link_found found;                                                                               \
		uint8_t head[FRAME_HEAD_BYTES] = {[3] = 8 + (id == FRAME_ELEMENT), [4] = id, [11] = session};          \
		link_begin(&link, FRAME_FROM_##from &FRAME_FROM_BACKEND ? LINK_GATE : LINK_BACKEND);                   \
		link_next(&link, head, sizeof head, 0, &found);                                                        \
		cr_assert(found.is == LINK_BAD && found.error == FRAME_ERROR_ORDER, #name_);                           \
	}
#include "frames.def"
}

Test(link, frames_of_one_read_come_one_by_one)
{
	uint8_t bytes[LINK_SEND_MAX + 64];
	struct link link;
	struct link_found found;
	size_t len = hello_of(LINK_BACKEND, "peer", 1, bytes), at = 0;
	frame_head(bytes + len, FRAME_PING, 0, 1);
	bytes[len + 12] = 'p';
	frame_head(bytes + len + 13, FRAME_ELEMENT, 3, 4);
	memcpy(bytes + len + 25, "<a/>", 4);
	len += 29;
	link_begin(&link, LINK_GATE);
	static const enum link_is expected[] = {LINK_UP, LINK_QUIET, LINK_FRAME, LINK_MORE};
	for (size_t i = 0; i < 4; i++) {
		link_next(&link, bytes + at, len - at, 0, &found);
		cr_assert(found.is == expected[i], "%zu", i);
		cr_assert((found.send.len > 0) == (found.is == LINK_QUIET), "%zu", i);
		at += found.used;
	}
	cr_assert(at == len);
	cr_assert(found.used == 0);
	cr_assert(found.frame.session == 3 && memcmp(found.frame.payload, "<a/>", 4) == 0);
}

Test(link, silence_before_hello)
{
	struct link link;
	struct link_send send;
	link_init(&link, LINK_GATE, &self, 1000, &send);
	cr_assert(link_tick(&link, 1000, &send) && send.len == 0);
	cr_assert(link_tick(&link, 1000 + LINK_HELLO_WITHIN_MS - 1, &send) && send.len == 0);
	cr_assert(!link_tick(&link, 1000 + LINK_HELLO_WITHIN_MS, &send) && send.len == 0);
}

Test(link, heartbeat)
{
	struct link link = link_up_at(LINK_BACKEND, 2000);
	struct link_send send;
	struct link_found found;
	struct frame frame;
	enum frame_error error;
	uint8_t pong[FRAME_HEAD_BYTES];
	cr_assert(link_tick(&link, 2000 + LINK_PING_AFTER_MS - 1, &send) && send.len == 0);
	cr_assert(link_tick(&link, 2000 + LINK_PING_AFTER_MS, &send));
	cr_assert(frame_read(send.bytes, send.len, &frame, &error) == send.len && frame.type == FRAME_PING);
	cr_assert(link_tick(&link, 2000 + LINK_PING_AFTER_MS + 1000, &send) && send.len == 0, "one PING is enough");
	cr_assert(link_tick(&link, 2000 + LINK_DEAD_AFTER_MS - 1, &send) && send.len == 0);

	frame_head(pong, FRAME_PONG, 0, 0);
	link_next(&link, pong, sizeof pong, 40000, &found);
	cr_assert(found.is == LINK_QUIET && found.send.len == 0);
	cr_assert(link_tick(&link, 40000 + LINK_PING_AFTER_MS - 1, &send) && send.len == 0);
	cr_assert(link_tick(&link, 40000 + LINK_PING_AFTER_MS, &send) && send.len > 0, "a PING after each silence");
	cr_assert(!link_tick(&link, 40000 + LINK_DEAD_AFTER_MS, &send) && send.len == 0);
}

Test(link, half_a_frame_is_no_sign_of_life)
{
	struct link link = link_up_at(LINK_GATE, 0);
	struct link_send send;
	struct link_found found;
	uint8_t ping[FRAME_HEAD_BYTES];
	frame_head(ping, FRAME_PING, 0, 0);
	link_next(&link, ping, 11, LINK_DEAD_AFTER_MS - 1, &found);
	cr_assert(found.is == LINK_MORE);
	cr_assert(!link_tick(&link, LINK_DEAD_AFTER_MS, &send));
}

Test(link, clock_that_steps_back_kills_nobody)
{
	struct link link = link_up_at(LINK_GATE, 100000);
	struct link_send send;
	cr_assert(link_tick(&link, 50000, &send) && send.len == 0);
}
