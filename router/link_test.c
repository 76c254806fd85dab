#include "link.h"
#include "vectors.h"

#include <criterion/criterion.h>
#include <openssl/hmac.h>
#include <signal.h>
#include <string.h>

enum { TALKS_IN_VECTORS = 33 };

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
	cr_assert(send.len == FRAME_HEAD_BYTES + 5 + 5 + 11 + 258 + 258 + 7);
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

struct key {
	uint8_t bytes[64];
	size_t len;
};

static void key_mac(void *context, const uint8_t *bytes, size_t len, uint8_t ret[static LINK_PROOF_BYTES])
{
	const struct key *key = context;
	unsigned mac_len;
	cr_assert(HMAC(EVP_sha256(), key->bytes, key->len, bytes, len, ret, &mac_len) && mac_len == LINK_PROOF_BYTES);
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

/* What a talk says about the key, before anything is heard. */
static void key_line(const struct vectors *v, struct key *key, struct link_key *shared)
{
	if (strcmp(v->key, "key") == 0)
		key->len = vectors_hex(v->value, key->bytes, sizeof key->bytes);
	else if (strcmp(v->key, "nonce") == 0)
		cr_assert(vectors_hex(v->value, shared->nonce, sizeof shared->nonce) == LINK_NONCE_BYTES);
	else if (strcmp(v->key, "binding") == 0)
		shared->binding_len = vectors_hex(v->value, shared->binding, sizeof shared->binding);
	else
		cr_assert_fail("%s", v->key);
}

Test(link, talks_of_the_vectors)
{
	struct vectors v;
	vectors_open(&v);
	int count = 0;
	for (; vectors_block(&v, "talk"); count++) {
		struct link link;
		struct link_send hello;
		struct key key = {.len = 0};
		struct link_key shared = {.mac = key_mac, .context = &key};
		struct link_self own = self;
		enum link_end end = strcmp(vectors_expect(&v, "end"), "gate") == 0 ? LINK_GATE : LINK_BACKEND;
		bool more = vectors_line(&v);
		for (; more && strcmp(v.key, "hears") != 0; more = vectors_line(&v))
			key_line(&v, &key, &shared);
		own.key = key.len > 0 ? &shared : NULL;
		link_init(&link, end, &own, 0, &hello);
		for (; more; more = vectors_line(&v)) {
			cr_assert_str_eq(v.key, "hears");
			turn_play(&link, &v);
		}
	}
	vectors_close(&v);
	cr_assert(count == TALKS_IN_VECTORS, "%d", count);
}

/* Of a frame's payload, in what follows: the bytes that it has at least. */
#define NONE		0
#define FIELDS		0
#define BYTES(min, max) (min)

/* Each end refuses what only itself may send, and nothing else. */
Test(link, directions_on_both_ends)
{
	enum { NOBODY = 0, GATE = FRAME_FROM_GATE, BACKEND = FRAME_FROM_BACKEND, BOTH = FRAME_FROM_BOTH };
	for (int end = LINK_GATE; end <= LINK_BACKEND; end++) {
		int peer = end == LINK_GATE ? BACKEND : GATE;
#define FRAME(id, name_, from, session, numbered, payload, meaning)                                                    \
	{                                                                                                              \
		struct link link = link_up_at(end, 0);                                                                 \
		struct link_found found;                                                                               \
		uint8_t head[FRAME_HEAD_BYTES] = {[3] = 8 + (payload), [4] = id, [11] = session};                      \
		link_next(&link, head, sizeof head, 0, &found);                                                        \
		cr_assert((found.error == FRAME_ERROR_DIRECTION) == !((from)&peer), #name_);                           \
	}
#include "frames.def"
	}
}

Test(link, nothing_but_hello_comes_first)
{
#define FRAME(id, name_, from, session, numbered, payload, meaning)                                                    \
	if (id != FRAME_HELLO) {                                                                                       \
		struct link link;                                                                                      \
		struct link_found found;                                                                               \
		uint8_t head[FRAME_HEAD_BYTES] = {[3] = 8 + (payload), [4] = id, [11] = session};                      \
		link_begin(&link, FRAME_FROM_##from &FRAME_FROM_BACKEND ? LINK_GATE : LINK_BACKEND);                   \
		link_next(&link, head, sizeof head, 0, &found);                                                        \
		cr_assert(found.is == LINK_BAD && found.error == FRAME_ERROR_ORDER, #name_);                           \
	}
#include "frames.def"
#undef NONE
#undef FIELDS
#undef BYTES
}

Test(link, hello_says_what_the_caller_wants)
{
	struct link link, other;
	struct link_send send;
	struct link_found found;
	struct link_self own = self;
	own.window = LINK_WINDOW_MIN;
	own.patience_ms = 60000;
	link_init(&link, LINK_GATE, &own, 0, &send);
	link_begin(&other, LINK_BACKEND);
	link_next(&other, send.bytes, send.len, 0, &found);
	cr_assert(found.is == LINK_UP && other.window == LINK_WINDOW_MIN && other.patience_ms == 60000);
	link_init(&link, LINK_GATE, &self, 0, &send);
	link_begin(&other, LINK_BACKEND);
	link_next(&other, send.bytes, send.len, 0, &found);
	cr_assert(found.is == LINK_UP && other.window == LINK_WINDOW && other.patience_ms == 0);
}

Test(link, window_too_small, .signal = SIGABRT)
{
	struct link link;
	struct link_send send;
	struct link_self own = self;
	own.window = LINK_WINDOW_MIN - 1;
	link_init(&link, LINK_GATE, &own, 0, &send);
}

static void take(struct link *link, enum frame_type type, frame_session session, size_t len, uint64_t now_ms)
{
	uint8_t bytes[64] = {0};
	struct link_found found;
	frame_head(bytes, type, session, len);
	link_next(link, bytes, FRAME_HEAD_BYTES + len, now_ms, &found);
	cr_assert(found.is == LINK_FRAME && found.used == FRAME_HEAD_BYTES + len);
}

/* What an ACK says, 0: none was made. */
static uint64_t ack_of(struct link *link, uint64_t handled)
{
	struct link_send send;
	struct frame frame;
	enum frame_error error;
	link_ack(link, handled, &send);
	if (send.len == 0)
		return 0;
	cr_assert(frame_read(send.bytes, send.len, &frame, &error) == send.len && frame.type == FRAME_ACK);
	return frame_ack_count(&frame);
}

Test(link, numbered_frames_are_counted_and_acknowledged)
{
	struct link link = link_up_at(LINK_GATE, 0);
	cr_assert(link.taken == 0 && ack_of(&link, 0) == 0, "HELLO is not counted");
	take(&link, FRAME_ELEMENT, 7, 5, 0);
	take(&link, FRAME_PAUSE, 7, 0, 0);
	take(&link, FRAME_KEEP, 8, 0, 0);
	take(&link, FRAME_RESUME, 7, 0, 0);
	cr_assert(link.taken == 2 && link.taken_bytes == 2 * FRAME_HEAD_BYTES + 5);
	cr_assert(ack_of(&link, 1) == 1 && link.taken_bytes == 0);
	cr_assert(ack_of(&link, 1) == 0, "once is enough");
	cr_assert(ack_of(&link, 2) == 2);
}

Test(link, acks_nothing_that_was_not_taken, .signal = SIGABRT)
{
	struct link link = link_up_at(LINK_GATE, 0);
	ack_of(&link, 1);
}

/* No two proofs are alike: of the ends, of links with other nonces. And nothing is up before them. */
Test(link, proofs_are_of_one_link_and_one_end)
{
	struct key secret = {.bytes = "k", .len = 1};
	struct link_key keys[2] = {{.mac = key_mac, .context = &secret, .nonce = {1}},
				   {.mac = key_mac, .context = &secret, .nonce = {2}}};
	struct link gate, backend;
	struct link_send hello_g, hello_b;
	struct link_found by_gate, by_backend, found;
	struct link_self own = self;
	own.key = &keys[0];
	link_init(&gate, LINK_GATE, &own, 0, &hello_g);
	own.key = &keys[1];
	link_init(&backend, LINK_BACKEND, &own, 0, &hello_b);
	link_next(&gate, hello_b.bytes, hello_b.len, 0, &by_gate);
	link_next(&backend, hello_g.bytes, hello_g.len, 0, &by_backend);
	cr_assert(by_gate.is == LINK_QUIET && by_backend.is == LINK_QUIET && !gate.up && !backend.up);
	cr_assert(by_gate.send.len == FRAME_HEAD_BYTES + LINK_PROOF_BYTES && by_gate.send.len == by_backend.send.len);
	cr_assert(memcmp(by_gate.send.bytes, by_backend.send.bytes, by_gate.send.len) != 0);
	link_next(&gate, by_gate.send.bytes, by_gate.send.len, 0, &found);
	cr_assert(found.is == LINK_BAD && found.error == FRAME_ERROR_PROOF && !gate.up);
	link_next(&gate, by_backend.send.bytes, by_backend.send.len, 0, &found);
	cr_assert(found.is == LINK_UP && gate.up);
	link_next(&backend, by_gate.send.bytes, by_gate.send.len, 0, &found);
	cr_assert(found.is == LINK_UP && backend.up);
}

Test(link, times_are_the_caller_s)
{
	struct link link;
	struct link_send send;
	struct link_found found;
	struct link_self own = self;
	uint8_t hello[LINK_SEND_MAX];
	own.hello_within_ms = 900;
	own.ping_after_ms = 50;
	own.dead_after_ms = 120;
	link_init(&link, LINK_GATE, &own, 0, &send);
	cr_assert(link_tick(&link, 899, &send) && send.len == 0, "no PING before HELLO");
	cr_assert(!link_tick(&link, 900, &send));
	size_t len = hello_of(LINK_BACKEND, "peer", 42, hello);
	link_next(&link, hello, len, 1000, &found);
	cr_assert(link_tick(&link, 1049, &send) && send.len == 0);
	cr_assert(link_tick(&link, 1050, &send) && send.len > 0);
	cr_assert(link_tick(&link, 1119, &send));
	cr_assert(!link_tick(&link, 1120, &send));
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
