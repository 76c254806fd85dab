#include "frame.h"
#include "frame_text.h"
#include "vectors.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES_IN_VECTORS = 40, BADS_IN_VECTORS = 77 };

static char title[256];

static void title_keep(const struct vectors *v)
{
	snprintf(title, sizeof title, "%s", v->value);
}

/* The fields of a block of the vectors, built again. */
static size_t fields_build(struct vectors *v, enum frame_type type, frame_session session, uint8_t *to, size_t cap)
{
	struct frame_builder b;
	frame_begin(&b, to, cap, type, session);
	while (strcmp(v->key, "field") == 0) {
		char name[64];
		uint8_t value[1024];
		int name_len = strcspn(v->value, " ");
		snprintf(name, sizeof name, "%.*s", name_len, v->value);
		const char *hex = v->value[name_len] ? v->value + name_len + 1 : "";
		frame_put(&b, vectors_field(name), value, vectors_hex(hex, value, sizeof value));
		if (!vectors_line(v))
			break;
	}
	return frame_end(&b);
}

/* frame_read of a copy in memory of its own, so that a sanitizer sees a look behind the end. */
static size_t read_apart(const uint8_t *bytes, size_t len, struct frame *ret, enum frame_error *ret_error)
{
	uint8_t *copy = malloc(len + 1);
	memcpy(copy + 1, bytes, len);
	size_t used = frame_read(copy + 1, len, ret, ret_error);
	free(copy);
	return used;
}

static void prefixes_are_no_frames(const uint8_t *bytes, size_t len)
{
	const struct frame untouched = {.session = 77};
	for (size_t cut = 0; cut < len; cut++) {
		struct frame frame = untouched;
		enum frame_error error = FRAME_ERROR_COUNT;
		cr_assert(read_apart(bytes, cut, &frame, &error) == 0, "%s, cut at %zu", title, cut);
		cr_assert(error == FRAME_ERROR_NONE, "%s, cut at %zu", title, cut);
		cr_assert(memcmp(&frame, &untouched, sizeof frame) == 0, "%s, cut at %zu", title, cut);
	}
}

Test(frame, vectors_are_read_and_written)
{
	struct vectors v;
	vectors_open(&v);
	int count = 0;
	for (; vectors_block(&v, "frame"); count++) {
		uint8_t bytes[4096], again[4096];
		struct frame frame;
		enum frame_error error;
		title_keep(&v);
		size_t len = vectors_hex(vectors_expect(&v, "bytes"), bytes, sizeof bytes - 1);
		bytes[len] = 0xff; /* the next frame's, not to be looked at */
		cr_assert(frame_read(bytes, len + 1, &frame, &error) == len, "%s", title);
		cr_assert(error == FRAME_ERROR_NONE);
		cr_assert((int)frame.type == vectors_type(vectors_expect(&v, "type")), "%s", title);
		cr_assert(frame.session == strtoull(vectors_expect(&v, "session"), NULL, 10), "%s", title);
		cr_assert(frame.payload == bytes + FRAME_HEAD_BYTES && frame.payload_len == len - FRAME_HEAD_BYTES);
		prefixes_are_no_frames(bytes, len);

		size_t again_len = FRAME_HEAD_BYTES;
		if (vectors_line(&v) && strcmp(v.key, "payload") == 0) {
			again_len += vectors_hex(v.value, again + FRAME_HEAD_BYTES, sizeof again - FRAME_HEAD_BYTES);
			frame_head(again, frame.type, frame.session, again_len - FRAME_HEAD_BYTES);
		} else {
			again_len = fields_build(&v, frame.type, frame.session, again, sizeof again);
		}
		cr_assert(again_len == len && memcmp(again, bytes, len) == 0, "%s", title);
	}
	vectors_close(&v);
	cr_assert(count == FRAMES_IN_VECTORS, "%d", count);
}

Test(frame, bad_vectors_are_refused_and_never_taken_at_a_cut)
{
	struct vectors v;
	vectors_open(&v);
	int count = 0;
	for (; vectors_block(&v, "bad"); count++) {
		uint8_t bytes[4096] = {0};
		struct frame frame;
		enum frame_error error;
		title_keep(&v);
		size_t len = vectors_hex(vectors_expect(&v, "bytes"), bytes, sizeof bytes / 2);
		enum frame_error expected = vectors_error(vectors_expect(&v, "error"));
		cr_assert(read_apart(bytes, len, &frame, &error) == 0, "%s", title);
		cr_assert(error == expected, "%s: %s", title, frame_error_text(error));
		cr_assert(frame_read(bytes, len + 100, &frame, &error) == 0, "%s", title);
		cr_assert(error == expected, "%s with more: %s", title, frame_error_text(error));
		for (size_t cut = 0; cut < len; cut++) {
			cr_assert(read_apart(bytes, cut, &frame, &error) == 0, "%s at %zu", title, cut);
			cr_assert(error == FRAME_ERROR_NONE || error == expected, "%s at %zu", title, cut);
		}
	}
	vectors_close(&v);
	cr_assert(count == BADS_IN_VECTORS, "%d", count);
}

Test(frame, verdict_on_a_head_needs_no_payload)
{
	uint8_t head[FRAME_HEAD_BYTES];
	struct frame frame;
	enum frame_error error;
	frame_head(head, FRAME_ELEMENT, 1, FRAME_PAYLOAD_MAX);
	cr_assert(frame_read(head, sizeof head, &frame, &error) == 0 && error == FRAME_ERROR_NONE);
	head[3]++;
	cr_assert(frame_read(head, 4, &frame, &error) == 0 && error == FRAME_ERROR_LENGTH);
	frame_head(head, FRAME_OPEN, 1, FRAME_FIELDS_MAX);
	head[4] = FRAME_PAUSE;
	cr_assert(frame_read(head, sizeof head, &frame, &error) == 0 && error == FRAME_ERROR_PAYLOAD);
}

Test(frame, largest_element_is_taken)
{
	uint8_t *bytes = calloc(1, FRAME_HEAD_BYTES + FRAME_PAYLOAD_MAX);
	struct frame frame;
	enum frame_error error;
	frame_head(bytes, FRAME_ELEMENT, 5, FRAME_PAYLOAD_MAX);
	cr_assert(frame_read(bytes, FRAME_HEAD_BYTES + FRAME_PAYLOAD_MAX, &frame, &error) ==
		  FRAME_HEAD_BYTES + FRAME_PAYLOAD_MAX);
	cr_assert(frame.payload_len == FRAME_PAYLOAD_MAX && frame.session == 5);
	free(bytes);
}

/* What frames.def says about each frame, tried out: a session or none, a payload or none. */
Test(frame, every_type_has_its_session){
#define FRAME(id, name, from, session_, numbered, payload, meaning)                                                    \
	{                                                                                                              \
		uint8_t bytes[FRAME_HEAD_BYTES] = {[3] = 8, [4] = id, [11] = !(session_)};                             \
		struct frame frame;                                                                                    \
		enum frame_error error;                                                                                \
		cr_assert(frame_read(bytes, sizeof bytes, &frame, &error) == 0);                                       \
		cr_assert(error == FRAME_ERROR_SESSION, #name);                                                        \
		cr_assert_str_eq(frame_type_name(id), #name);                                                          \
	}
#include "frames.def"
}

Test(frame, unknown_types_are_refused)
{
	for (int type = 0; type < 256; type++) {
		bool known = false;
#define FRAME(id, name, from, session, numbered, payload, meaning) known |= type == id;
#include "frames.def"
		uint8_t bytes[FRAME_HEAD_BYTES] = {[3] = 8, [4] = type};
		struct frame frame;
		enum frame_error error;
		frame_read(bytes, sizeof bytes, &frame, &error);
		cr_assert(known == (error != FRAME_ERROR_TYPE), "%d", type);
	}
}

Test(frame, every_error_has_a_text)
{
	cr_assert_str_eq(frame_error_text(FRAME_ERROR_NONE), "no error");
#define FRAME_ERROR(name, text) cr_assert_str_eq(frame_error_text(FRAME_ERROR_##name), text);
#include "frame_error.def"
}

Test(frame, directions)
{
	cr_assert(frame_is_from(FRAME_HELLO, FRAME_FROM_GATE) && frame_is_from(FRAME_HELLO, FRAME_FROM_BACKEND));
	cr_assert(frame_is_from(FRAME_ELEMENT, FRAME_FROM_GATE) && frame_is_from(FRAME_ELEMENT, FRAME_FROM_BACKEND));
	cr_assert(frame_is_from(FRAME_OPEN, FRAME_FROM_GATE) && !frame_is_from(FRAME_OPEN, FRAME_FROM_BACKEND));
	cr_assert(!frame_is_from(FRAME_STATE, FRAME_FROM_GATE) && frame_is_from(FRAME_STATE, FRAME_FROM_BACKEND));
	cr_assert(!frame_is_from(FRAME_DOMAIN, FRAME_FROM_GATE) && frame_is_from(FRAME_DOMAIN, FRAME_FROM_BACKEND));
}

static size_t close_build(uint8_t *to, size_t cap)
{
	struct frame_builder b;
	frame_begin(&b, to, cap, FRAME_CLOSE, 9);
	frame_put_text(&b, FIELD_CONDITION, "conflict");
	frame_put_int(&b, FIELD_CLEAN, 1);
	return frame_end(&b);
}

Test(frame, fields_are_found)
{
	uint8_t bytes[64];
	struct frame frame;
	enum frame_error error;
	struct frame_value value = {.len = 99};
	size_t len = close_build(bytes, sizeof bytes);
	cr_assert(len == FRAME_HEAD_BYTES + 3 + 8 + 3 + 1);
	cr_assert(frame_read(bytes, len, &frame, &error) == len);
	cr_assert(!frame_find(&frame, FIELD_REASON, &value) && value.len == 99);
	cr_assert(frame_find(&frame, FIELD_CONDITION, &value));
	cr_assert(value.len == 8 && memcmp(value.at, "conflict", 8) == 0);
	cr_assert(frame_find_int(&frame, FIELD_CLEAN, 7) == 1);
	cr_assert(frame_find_int(&frame, FIELD_PORT, 7) == 7);
}

Test(frame, no_fields_are_found_in_bytes)
{
	static const uint8_t payload[] = {FIELD_CLEAN, 0, 1, 1};
	struct frame frame = {.type = FRAME_ELEMENT, .session = 1, .payload = payload, .payload_len = sizeof payload};
	struct frame_value value;
	cr_assert(!frame_find(&frame, FIELD_CLEAN, &value));
}

Test(frame, builder_never_writes_behind_its_room)
{
	uint8_t bytes[64];
	size_t len = close_build(bytes, sizeof bytes);
	for (size_t cap = 0; cap <= len; cap++) {
		memset(bytes, 0xee, sizeof bytes);
		cr_assert(close_build(bytes, cap) == (cap == len ? len : 0), "%zu", cap);
		for (size_t i = cap; i < sizeof bytes; i++)
			cr_assert(bytes[i] == 0xee, "%zu", cap);
	}
}

Test(frame, numbered_are_those_that_change_a_session)
{
	static const enum frame_type numbered[] = {FRAME_OPEN,	FRAME_ELEMENT, FRAME_STATE,
						   FRAME_CLOSE, FRAME_KEEP,    FRAME_FANOUT};
	unsigned count = 0;
#define FRAME(id, name, from, session, numbered_, payload, meaning)                                                    \
	cr_assert(frame_is_numbered(id) == numbered_);                                                                 \
	count += numbered_;
#include "frames.def"
	cr_assert(count == sizeof numbered / sizeof *numbered);
	for (size_t i = 0; i < count; i++)
		cr_assert(frame_is_numbered(numbered[i]), "%zu", i);
}

Test(frame, acks_count)
{
	uint8_t bytes[FRAME_ACK_BYTES];
	struct frame frame;
	enum frame_error error;
	frame_ack(bytes, 0xfedcba9876543210);
	cr_assert(frame_read(bytes, sizeof bytes, &frame, &error) == sizeof bytes);
	cr_assert(frame.type == FRAME_ACK && frame_ack_count(&frame) == 0xfedcba9876543210);
}

Test(frame, fanout_lists_its_sessions)
{
	static frame_session sessions[FRAME_FANOUT_MAX];
	static uint8_t bytes[FRAME_HEAD_BYTES + 2 + 7 * FRAME_FANOUT_MAX + 4];
	for (size_t i = 0; i < FRAME_FANOUT_MAX; i++)
		sessions[i] = (1ull << 56) - 1 - i * 0x010203040506;
	static const uint32_t counts[] = {1, 2, 255, 256, FRAME_FANOUT_MAX};
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		struct frame frame;
		enum frame_error error;
		size_t head = frame_fanout_head_bytes(counts[i]);
		frame_fanout_head(bytes, sessions, counts[i], 4);
		memcpy(bytes + head, "<r/>", 4);
		cr_assert(frame_read(bytes, head + 4, &frame, &error) == head + 4);
		struct frame_fanout fanout = frame_fanout(&frame);
		cr_assert(fanout.count == counts[i] && fanout.element_len == 4);
		cr_assert(memcmp(fanout.element, "<r/>", 4) == 0);
		for (uint32_t s = 0; s < fanout.count; s++)
			cr_assert(frame_fanout_session(&fanout, s) == sessions[s], "%u", s);
	}
}

Test(frame, fanout_of_one_too_many_is_refused)
{
	static uint8_t bytes[FRAME_HEAD_BYTES + 2 + 7 * (FRAME_FANOUT_MAX + 1) + 4];
	struct frame frame;
	enum frame_error error;
	memset(bytes, 1, sizeof bytes);
	frame_head(bytes, FRAME_FANOUT, 0, sizeof bytes - FRAME_HEAD_BYTES);
	bytes[FRAME_HEAD_BYTES] = (FRAME_FANOUT_MAX + 1) >> 8;
	bytes[FRAME_HEAD_BYTES + 1] = (FRAME_FANOUT_MAX + 1) & 0xff;
	cr_assert(frame_read(bytes, sizeof bytes, &frame, &error) == 0 && error == FRAME_ERROR_FANOUT);
	bytes[FRAME_HEAD_BYTES + 1]--;
	cr_assert(frame_read(bytes, sizeof bytes, &frame, &error) == sizeof bytes);
}

Test(frame, fanout_to_nobody_is_not_made, .signal = SIGABRT)
{
	uint8_t bytes[64];
	frame_fanout_head(bytes, NULL, 0, 1);
}

Test(frame, fanout_to_no_session_is_not_made, .signal = SIGABRT)
{
	uint8_t bytes[64];
	frame_fanout_head(bytes, &(frame_session){0}, 1, 1);
}

#define BUILD(type, session, ...)                                                                                      \
	({                                                                                                             \
		uint8_t room[8192];                                                                                    \
		struct frame_builder b;                                                                                \
		frame_begin(&b, room, sizeof room, type, session);                                                     \
		__VA_ARGS__;                                                                                           \
		frame_end(&b);                                                                                         \
	})

Test(frame, builder_refuses_what_frame_read_would)
{
	char long_text[4000];
	memset(long_text, 'x', sizeof long_text);
	cr_assert(BUILD(FRAME_CLOSE, 1, (void)0) == FRAME_HEAD_BYTES);
	cr_assert(BUILD(FRAME_CLOSE, 0, (void)0) == 0, "without session");
	cr_assert(BUILD(FRAME_CLOSE, 1, frame_put_text(&b, FIELD_JID, "a@b")) == 0, "of another frame");
	cr_assert(BUILD(FRAME_CLOSE, 1, frame_put_int(&b, FIELD_CLEAN, 2)) == 0, "flag of 2");
	cr_assert(BUILD(FRAME_CLOSE, 1, frame_put_int(&b, FIELD_CLEAN, 256)) == 0, "flag of 256");
	cr_assert(BUILD(FRAME_CLOSE, 1, frame_put(&b, FIELD_REASON, "\xff", 1)) == 0, "no UTF-8");
	cr_assert(BUILD(FRAME_CLOSE, 1, frame_put(&b, FIELD_REASON, long_text, 1024)) != 0);
	cr_assert(BUILD(FRAME_CLOSE, 1, frame_put(&b, FIELD_REASON, long_text, 1025)) == 0, "too long");
	cr_assert(BUILD(FRAME_CLOSE, 1, frame_put(&b, FIELD_REASON, long_text, 70000)) == 0, "far too long");
	cr_assert(BUILD(FRAME_CLOSE, 1, frame_put_int(&b, FIELD_CLEAN, 1); frame_put_int(&b, FIELD_CLEAN, 1)) == 0,
		  "twice");
	cr_assert(BUILD(FRAME_STATE, 1, frame_put_int(&b, FIELD_STAGE, 2)) == 0, "JID missing");
	cr_assert(BUILD(FRAME_STATE, 1, frame_put_int(&b, FIELD_STAGE, 2); frame_put_text(&b, FIELD_JID, "a@b/c")) !=
		  0);
}

Test(frame, integers_keep_their_bytes)
{
	uint8_t room[256];
	struct frame frame;
	enum frame_error error;
	struct frame_builder b;
	frame_begin(&b, room, sizeof room, FRAME_HELLO, 0);
	frame_put_int(&b, FIELD_VERSION_MIN, 0x0102);
	frame_put_int(&b, FIELD_VERSION_MAX, 0xfffe);
	frame_put_int(&b, FIELD_EPOCH, 0xfedcba9876543210);
	frame_put_text(&b, FIELD_NAME, "n");
	frame_put_int(&b, FIELD_WINDOW, 0xfffefdfc);
	size_t len = frame_end(&b);
	cr_assert(frame_read(room, len, &frame, &error) == len);
	cr_assert(frame_find_int(&frame, FIELD_VERSION_MIN, 0) == 0x0102);
	cr_assert(frame_find_int(&frame, FIELD_VERSION_MAX, 0) == 0xfffe);
	cr_assert(frame_find_int(&frame, FIELD_EPOCH, 0) == 0xfedcba9876543210);
	cr_assert(frame_find_int(&frame, FIELD_WINDOW, 0) == 0xfffefdfc);
}

Test(frame, head_of_a_frame_of_no_session_with_one, .signal = SIGABRT)
{
	uint8_t head[FRAME_HEAD_BYTES];
	frame_head(head, FRAME_PING, 1, 0);
}

Test(frame, head_with_a_payload_too_long, .signal = SIGABRT)
{
	uint8_t head[FRAME_HEAD_BYTES];
	frame_head(head, FRAME_ELEMENT, 1, (size_t)FRAME_PAYLOAD_MAX + 1);
}

Test(frame, head_with_a_session_of_57_bits, .signal = SIGABRT)
{
	uint8_t head[FRAME_HEAD_BYTES];
	frame_head(head, FRAME_PAUSE, 1ull << 56 | 1, 0);
}

/* Every code point that is a character by RFC 3629, and a slow second opinion about all sequences of up to three bytes.
 */
static bool is_text_slowly(const uint8_t *at, size_t len)
{
	while (len > 0) {
		size_t step = *at < 0x80 ? 1 : *at >> 5 == 6 ? 2 : *at >> 4 == 14 ? 3 : *at >> 3 == 30 ? 4 : 0;
		if (step == 0 || step > len)
			return false;
		uint32_t code = step == 1 ? *at : *at & (0x7f >> step);
		for (size_t i = 1; i < step; i++) {
			if (at[i] >> 6 != 2)
				return false;
			code = code << 6 | (at[i] & 0x3f);
		}
		static const uint32_t least[] = {0, 1, 0x80, 0x800, 0x10000};
		if (code < least[step] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
			return false;
		at += step;
		len -= step;
	}
	return true;
}

Test(frame_text, agrees_with_a_second_opinion)
{
	cr_assert(frame_text_is_good(NULL, 0));
	for (uint32_t n = 0; n < 1u << 24; n++) {
		uint8_t bytes[4] = {0xf0 + (n & 7), n >> 16, n >> 8, n};
		if (frame_text_is_good(bytes + 1, 3) != is_text_slowly(bytes + 1, 3))
			cr_assert_fail("%06x", n);
		if (frame_text_is_good(bytes, 4) != is_text_slowly(bytes, 4))
			cr_assert_fail("%02x%06x", bytes[0], n);
	}
	for (uint32_t n = 0; n < 1u << 16; n++) {
		uint8_t bytes[2] = {n >> 8, n};
		cr_assert(frame_text_is_good(bytes, 2) == is_text_slowly(bytes, 2), "%04x", n);
		cr_assert(frame_text_is_good(bytes, 1) == is_text_slowly(bytes, 1), "%02x", bytes[0]);
	}
}
