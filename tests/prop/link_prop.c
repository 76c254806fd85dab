/*
 * Random conversations, from a seed each: what is built is read again as it was meant, and what an end makes of a
 * stream of bytes, right or spoilt, does not depend on how it was cut.
 */
#include "link.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS = 400, FRAMES_MAX = 40, STREAM_MAX = 1 << 20, VALUE_MAX = 16384, ROWS = 64 };

static uint64_t state;

static uint64_t draw(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1d % below;
}

static void seed_set(uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15 + 1;
}

enum kind { FLAG, STAGE, U16, U32, U64, TEXT, BYTES };
#define MAY(name)  (1ull << FRAME_##name)
#define MUST(name) (MAY(name) | MAY(name) << 32)
static const struct row {
	enum frame_field field;
	enum kind kind;
	size_t bytes;
	uint64_t in;
} rows[] = {
#define FIELD(key, name, kind, bytes, in, meaning) {key, kind, bytes, in},
#include "fields.def"
};
enum { ROWS_COUNT = sizeof rows / sizeof *rows };
_Static_assert((int)ROWS_COUNT <= (int)ROWS, "room for every field");

/* A value as it was put. */
struct put {
	bool is_there;
	size_t len;
	uint8_t bytes[VALUE_MAX];
};
static struct put puts_made[ROWS];

static size_t text_draw(uint8_t *to, size_t max)
{
	static const char *const letters[] = {"a", "<", "\n", "\u00e9", "\u20ac", "\U0001f339", "\x7f"};
	size_t len = 0, target = draw(4) ? draw(20) : draw(max + 1);
	for (;;) {
		const char *letter = letters[draw(7)];
		if (len + strlen(letter) > target || len + strlen(letter) > max)
			return len;
		memcpy(to + len, letter, strlen(letter));
		len += strlen(letter);
	}
}

static void value_draw(const struct row *row, struct put *put)
{
	put->is_there = true;
	put->len = row->kind == TEXT	? text_draw(put->bytes, row->bytes)
		   : row->kind == BYTES ? draw(row->bytes + 1)
					: row->bytes;
	if (row->kind != TEXT)
		for (size_t i = 0; i < put->len; i++)
			put->bytes[i] = row->kind == FLAG ? draw(2) : row->kind == STAGE ? 1 + draw(2) : draw(256);
}

static void unknown_put(struct frame_builder *b)
{
	uint8_t junk[30] = {0};
	if (draw(3) == 0)
		frame_put(b, 0xe0 + (b->len & 15), junk, draw(sizeof junk));
}

/* A frame of this type with what it must have, some of what it may have, and unknown fields, from a random place in
 * turn. */
static size_t fields_draw(enum frame_type type, frame_session session, uint8_t *to, size_t cap)
{
	struct frame_builder b;
	size_t first = draw(ROWS_COUNT);
	memset(puts_made, 0, sizeof puts_made);
	frame_begin(&b, to, cap, type, session);
	for (size_t i = 0; i < ROWS_COUNT; i++) {
		size_t at = (first + i) % ROWS_COUNT;
		bool must = rows[at].in >> 32 >> type & 1, may = rows[at].in >> type & 1;
		if (!must && !(may && draw(2)))
			continue;
		value_draw(&rows[at], &puts_made[at]);
		frame_put(&b, rows[at].field, puts_made[at].bytes, puts_made[at].len);
	}
	unknown_put(&b);
	return frame_end(&b);
}

static void fields_are_found(const struct frame *frame)
{
	for (size_t i = 0; i < ROWS_COUNT; i++) {
		struct frame_value value;
		cr_assert(frame_find(frame, rows[i].field, &value) == puts_made[i].is_there, "%02x", rows[i].field);
		if (!puts_made[i].is_there)
			continue;
		cr_assert(value.len == puts_made[i].len, "%02x", rows[i].field);
		cr_assert(memcmp(value.at, puts_made[i].bytes, value.len) == 0, "%02x", rows[i].field);
	}
}

Test(link_prop, what_is_built_is_read)
{
	static const enum frame_type types[] = {FRAME_HELLO, FRAME_DOMAIN,   FRAME_LOAD,  FRAME_OPEN,	  FRAME_STATE,
						FRAME_CLOSE, FRAME_REATTACH, FRAME_ADOPT, FRAME_ATTACHED, FRAME_LOST};
	static uint8_t bytes[FRAME_HEAD_BYTES + FRAME_FIELDS_MAX];
	for (uint64_t seed = 1; seed <= 20000; seed++) {
		seed_set(seed);
		enum frame_type type = types[draw(sizeof types / sizeof *types)];
		frame_session session = type < FRAME_OPEN ? 0 : 1 + draw((1ull << 56) - 1);
		struct frame frame;
		enum frame_error error;
		size_t len = fields_draw(type, session, bytes, sizeof bytes);
		cr_assert(len > 0, "seed %zu", (size_t)seed);
		cr_assert(frame_read(bytes, len, &frame, &error) == len, "seed %zu", (size_t)seed);
		cr_assert(frame.type == type && frame.session == session);
		fields_are_found(&frame);
		size_t cut = draw(len);
		cr_assert(frame_read(bytes, cut, &frame, &error) == 0 && error == FRAME_ERROR_NONE, "cut at %zu", cut);
	}
}

static uint8_t stream[STREAM_MAX];
static size_t stream_len;

static void plain_add(enum frame_type type, frame_session session, size_t payload_len)
{
	frame_head(stream + stream_len, type, session, payload_len);
	stream_len += FRAME_HEAD_BYTES;
	for (size_t i = 0; i < payload_len; i++)
		stream[stream_len++] = draw(256);
}

static void fanout_add(void)
{
	frame_session sessions[9];
	uint32_t count = 1 + draw(9);
	size_t len = 1 + draw(100);
	for (uint32_t i = 0; i < count; i++)
		sessions[i] = 1 + draw(5);
	frame_fanout_head(stream + stream_len, sessions, count, len);
	stream_len += frame_fanout_head_bytes(count);
	while (len-- > 0)
		stream[stream_len++] = draw(256);
}

static void frame_add(void)
{
	frame_session session = 1 + draw(5);
	static const enum frame_type types[] = {FRAME_OPEN,	FRAME_STATE, FRAME_CLOSE,    FRAME_DOMAIN, FRAME_LOAD,
						FRAME_REATTACH, FRAME_ADOPT, FRAME_ATTACHED, FRAME_LOST};
	switch (draw(11)) {
	case 0:
		plain_add(FRAME_PING, 0, draw(17));
		break;
	case 1:
		plain_add(FRAME_PONG, 0, draw(17));
		break;
	case 2:
		plain_add(draw(2) ? FRAME_PAUSE : FRAME_RESUME, session, 0);
		break;
	case 3:
		plain_add(FRAME_DRAIN, 0, 0);
		break;
	case 4: {
		enum frame_type type = types[draw(sizeof types / sizeof *types)];
		stream_len += fields_draw(type, type < FRAME_OPEN ? 0 : session, stream + stream_len,
					  FRAME_HEAD_BYTES + FRAME_FIELDS_MAX);
		break;
	}
	case 5:
		plain_add(FRAME_KEEP, session, draw(50));
		break;
	case 6:
		plain_add(FRAME_ACK, 0, 8);
		break;
	case 7:
		fanout_add();
		break;
	default:
		plain_add(FRAME_ELEMENT, session, 1 + draw(draw(10) ? 200 : 5000));
	}
}

/* HELLO, then frames of both ends: the first that this end must not send is where the other one stops. Then some spoilt
 * bytes. */
static void stream_draw(enum link_end from)
{
	struct link link;
	struct link_send hello;
	link_init(&link, from, &(struct link_self){.name = "peer", .epoch = 1}, 0, &hello);
	memcpy(stream, hello.bytes, hello.len);
	stream_len = hello.len;
	size_t frames = draw(FRAMES_MAX);
	while (frames-- > 0 && stream_len < STREAM_MAX / 2)
		frame_add();
	for (size_t spoilt = draw(3); spoilt > 0; spoilt--)
		stream[draw(stream_len)] = draw(256);
}

struct step {
	struct link_found found;
	size_t at; /* where the frame began */
};
static struct step whole[FRAMES_MAX + 2], cut[FRAMES_MAX + 2];

/* Pieces of random length, 1 to most bytes; each in memory of its own. */
static size_t play(enum link_end end, size_t most, struct step *steps)
{
	struct link link;
	struct link_send ours;
	size_t at = 0, shown = 0, count = 0;
	link_init(&link, end, &(struct link_self){.name = "self", .epoch = 2}, 0, &ours);
	for (;;) {
		struct link_found *found = &steps[count].found;
		uint8_t *piece = malloc(shown - at + 1);
		memcpy(piece, stream + at, shown - at);
		link_next(&link, piece, shown - at, 0, found);
		free(piece);
		steps[count].at = at;
		if (found->is == LINK_MORE && shown == stream_len)
			return count;
		if (found->is == LINK_MORE) {
			size_t step = 1 + draw(most);
			shown = stream_len - shown > step ? shown + step : stream_len;
			continue;
		}
		at += found->used;
		count++;
		cr_assert(count < FRAMES_MAX + 2);
		if (found->is == LINK_BAD)
			return count;
	}
}

static bool is_same(const struct step *a, const struct step *b)
{
	const struct link_found *x = &a->found, *y = &b->found;
	if (a->at != b->at || x->is != y->is || x->used != y->used || x->error != y->error ||
	    x->send.len != y->send.len)
		return false;
	if (memcmp(x->send.bytes, y->send.bytes, x->send.len) != 0)
		return false;
	return x->is != LINK_FRAME || (x->frame.type == y->frame.type && x->frame.session == y->frame.session &&
				       x->frame.payload_len == y->frame.payload_len);
}

Test(link_prop, cuts_change_nothing)
{
	unsigned bad = 0, taken = 0;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		seed_set(seed);
		enum link_end end = draw(2) ? LINK_GATE : LINK_BACKEND;
		stream_draw(end == LINK_GATE ? LINK_BACKEND : LINK_GATE);
		size_t steps = play(end, STREAM_MAX, whole);
		cr_assert(play(end, draw(2) ? 40 : 3000, cut) == steps, "seed %zu", (size_t)seed);
		for (size_t i = 0; i < steps; i++) {
			cr_assert(is_same(&whole[i], &cut[i]), "seed %zu, step %zu", (size_t)seed, i);
			bad += whole[i].found.is == LINK_BAD;
			taken += whole[i].found.is == LINK_FRAME;
		}
	}
	cr_assert(bad > SEEDS / 10 && bad < SEEDS && taken > 4 * SEEDS, "%u bad, %u taken", bad, taken);
}
