/*
 * Windows, and characters, by vectors: written once over what the file of each instruction set with byte shuffles
 * defines before it includes this one, and then the tokenizer's body:
 *
 *     enum { LANES }                                          bytes in a vector: 16, 32 or 64
 *     typedef uint8_t lanes __attribute__((vector_size(LANES)));
 *     lanes lanes_load(const uint8_t *);                      at any address
 *     lanes lanes_shuffle(lanes table, lanes v);              table[v % 16] for bytes of v below 0x80, else 0; the
 *                                                             table is sixteen bytes, repeated
 *     LANES_BEFORE(lanes before, lanes v, n)                  v moved up by n, the end of `before` below it
 *     lanes lanes_high(lanes v);                              the upper half of each byte
 *     lanes lanes_less(lanes a, lanes b);                     a - b, or 0 where b is greater
 *     uint64_t lanes_bits(lanes truth);                       a bit for each byte; bytes are 0 or 0xFF
 *     uint32_t bits_first(uint64_t bits);                     the lowest; 64: none
 *     uint64_t window_bits(const lanes truth[WINDOW / LANES]);
 */
#include "xml_char.h"
#include "xml_state.h"
#include "xml_valid.h"

typedef int8_t lanes_signed __attribute__((vector_size(LANES)));

/* Sixteen bytes, as often as the longest vector holds them. */
#define TABLE(...)                                                                                                     \
	{                                                                                                              \
		__VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__                                                     \
	}

static ALWAYS_INLINE lanes lanes_pick(const uint8_t table[64], lanes v)
{
	return lanes_shuffle(lanes_load(table), v);
}

static ALWAYS_INLINE lanes lanes_all(uint8_t c)
{
	return (lanes){0} + c;
}

/*
 * The few bytes that end a run have different lower halves, so that a table by lower half holds all of them: a byte is
 * one if it equals its place's. (0 stands in places without one; what is read was proved to hold no such byte.)
 */
static const uint8_t lanes_text[64] = TABLE(0, 0, 0, 0, 0, 0, '&', 0, 0, 0, 0, 0, '<', 0, '>', 0);
static const uint8_t lanes_value[2][64] = {TABLE(0, 0, '"', 0, 0, 0, '&', 0, 0, 0, 0, 0, '<', 0, 0, 0),
					   TABLE(0, 0, 0, 0, 0, 0, '&', '\'', 0, 0, 0, 0, '<', 0, 0, 0)};
static const uint8_t lanes_uri[64] = TABLE(0, 0, '"', 0, 0, 0, '&', '\'', 0, 0, 0, 0, '<', 0, 0, 0x7F);
static const uint8_t lanes_gt[64] = TABLE(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '>', 0);

static ALWAYS_INLINE lanes lanes_are_of(lanes v, const uint8_t table[64])
{
	return (lanes)(lanes_pick(table, v) == v);
}

/*
 * A byte may stand in a name if the sets of its halves meet. Sets by the upper half: 1 is 2x, 2 is 3x, 4 is 4x and 6x,
 * 8 is 5x, 16 is 7x.
 */
static ALWAYS_INLINE lanes lanes_end_name(lanes v)
{
	static const uint8_t by_low[64] = TABLE(26, 30, 30, 30, 30, 30, 30, 30, 30, 30, 28, 4, 4, 5, 5, 12);
	static const uint8_t by_high[64] = TABLE(0, 0, 1, 2, 4, 8, 4, 16, 0, 0, 0, 0, 0, 0, 0, 0);
	return (lanes)((lanes_pick(by_low, v) & lanes_pick(by_high, lanes_high(v))) == 0);
}

/* `stop` is known when this is compiled, but for the quote. */
static ALWAYS_INLINE lanes lanes_end(lanes v, enum stop stop)
{
	if (stop == STOP_NAME)
		return lanes_end_name(v);
	if (stop == STOP_URI)
		return lanes_are_of(v, lanes_uri) | (lanes)((lanes_signed)v < (lanes_signed)lanes_all(0x21));
	if (stop == STOP_TEXT)
		return lanes_are_of(v, lanes_text);
	if (stop == STOP_GT)
		return lanes_are_of(v, lanes_gt);
	return lanes_are_of(v, lanes_value[stop - STOP_QUOTE]);
}

static ALWAYS_INLINE uint32_t window_run(const uint8_t *window, uint32_t skip, enum stop stop)
{
	if (stop == STOP_NAME) {
		return bits_first(lanes_bits(lanes_end(lanes_load(window), stop)) >> skip);
	}
	lanes ends[WINDOW / LANES];
	for (uint32_t i = 0; i < WINDOW / LANES; i++)
		ends[i] = lanes_end(lanes_load(window + i * LANES), stop);
	return bits_first(window_bits(ends) >> skip);
}

/*
 * What may be wrong with a byte and the one before it: one bit each, set in all three tables (upper and lower half of
 * the byte before, upper half of the byte) when the pair has that fault.
 */
enum {
	TOO_SHORT = 1 << 0,  /* a first byte, then none that continues */
	TOO_LONG = 1 << 1,   /* one below U+0080, then one that continues */
	OVERLONG_3 = 1 << 2, /* E0, then below A0 */
	TOO_LARGE = 1 << 3,  /* F4 90 and above, F5 and above */
	SURROGATE = 1 << 4,  /* ED, then A0 and above */
	OVERLONG_2 = 1 << 5, /* C0 and C1 */
	OVERLONG_4 = 1 << 6, /* F0, then below 90; F5 and above with such a byte */
	CONTINUED = 1 << 7   /* two that continue: right only as third or fourth byte */
};

static ALWAYS_INLINE lanes pair_faults(lanes v, lanes before1)
{
	enum {
		ANY = TOO_SHORT | TOO_LONG | CONTINUED,
		L0 = ANY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4,
		L1 = ANY | OVERLONG_2,
		L4 = ANY | TOO_LARGE,
		L5 = ANY | TOO_LARGE | OVERLONG_4,
		LD = L5 | SURROGATE,
		H8 = TOO_LONG | CONTINUED | OVERLONG_2 | OVERLONG_3 | OVERLONG_4,
		H9 = TOO_LONG | CONTINUED | OVERLONG_2 | OVERLONG_3 | TOO_LARGE,
		HA = TOO_LONG | CONTINUED | OVERLONG_2 | SURROGATE | TOO_LARGE
	};
	static const uint8_t by_high_before[64] =
		TABLE(TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, CONTINUED,
		      CONTINUED, CONTINUED, CONTINUED, TOO_SHORT | OVERLONG_2, TOO_SHORT,
		      TOO_SHORT | OVERLONG_3 | SURROGATE, TOO_SHORT | TOO_LARGE | OVERLONG_4);
	static const uint8_t by_low_before[64] =
		TABLE(L0, L1, ANY, ANY, L4, L5, L5, L5, L5, L5, L5, L5, L5, LD, L5, L5);
	static const uint8_t by_high[64] =
		TABLE(TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, H8, H9,
		      HA, HA, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT);
	return lanes_pick(by_high_before, lanes_high(before1)) & lanes_pick(by_low_before, before1 & lanes_all(0x0F)) &
	       lanes_pick(by_high, lanes_high(v));
}

/* Not zero where the bytes are no UTF-8, or U+FFFE or U+FFFF. */
static ALWAYS_INLINE lanes sequence_faults(lanes v, lanes before)
{
	lanes before1 = LANES_BEFORE(before, v, 1);
	lanes before2 = LANES_BEFORE(before, v, 2);
	lanes before3 = LANES_BEFORE(before, v, 3);
	lanes third = lanes_less(before2, lanes_all(0xE0 - 0x80));
	lanes fourth = lanes_less(before3, lanes_all(0xF0 - 0x80));
	lanes faults = ((third | fourth) & lanes_all(0x80)) ^ pair_faults(v, before1);
	lanes last_two = (lanes)(before2 == lanes_all(0xEF)) & (lanes)(before1 == lanes_all(0xBF));
	return faults | (last_two & (lanes)((v | lanes_all(1)) == lanes_all(0xBF)));
}

/* Not zero at control characters other than tab, line feed and carriage return. */
static ALWAYS_INLINE lanes control_faults(lanes v)
{
	/* U+0000 must not equal its place. */
	static const uint8_t space[64] = TABLE('\t', 0, 0, 0, 0, 0, 0, 0, 0, '\t', '\n', 0, 0, '\r', 0, 0);
	return (lanes)(v < lanes_all(0x20)) & ~lanes_are_of(v, space);
}

static ALWAYS_INLINE bool lanes_any(lanes v)
{
	return lanes_bits((lanes)(v != 0)) != 0;
}

/* Whether any byte is a control character or above U+007F: as a signed number, both are below the blank. */
static ALWAYS_INLINE bool lanes_unusual(lanes v)
{
	return lanes_bits((lanes)((lanes_signed)v < (lanes_signed)lanes_all(' '))) != 0;
}

/* What stands before a vector, if it may end within a sequence. */
struct lanes_before {
	lanes v;
	bool joined;
};

static ALWAYS_INLINE bool lanes_are_good(lanes v, struct lanes_before *before)
{
	if (!lanes_unusual(v) & !before->joined)
		return true;
	if (lanes_any(control_faults(v) | sequence_faults(v, before->v)))
		return false;
	before->v = v;
	before->joined = lanes_any(v & lanes_all(0x80));
	return true;
}

/* Passes vectors without fault; the sequence that the last of them may have cut is left to what follows. */
static ALWAYS_INLINE uint32_t lanes_pass(const uint8_t *bytes, uint32_t from, uint32_t len)
{
	struct lanes_before before = {{0}, false};
	uint32_t at = from;
	for (; len - at >= LANES; at += LANES)
		if (!lanes_are_good(lanes_load(bytes + at), &before))
			break;
	while (at > from && bytes[at - 1] >= 0x80)
		if (bytes[--at] >= 0xC0)
			break;
	return at;
}

static ALWAYS_INLINE uint32_t lanes_valid(const uint8_t *bytes, uint32_t from, uint32_t len)
{
	return valid_end(bytes, lanes_pass(bytes, from, len), len);
}
