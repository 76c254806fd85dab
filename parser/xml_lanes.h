/*
 * Windows, and characters, by vectors: written once over what the file of each instruction set with byte shuffles
 * defines before it includes this one, and then the tokenizer's body:
 *
 *     enum { LANES, WINDOW, NAME_WINDOW = LANES }       bytes in a vector: 16, 32 or 64
 *     typedef uint8_t lanes __attribute__((vector_size(LANES)));
 *     lanes lanes_load(const uint8_t *)                 at any address
 *     lanes lanes_shuffle(lanes table, lanes v)         table[v % 16] for bytes of v below 0x80, for others that or 0;
 *                                                       the table is sixteen bytes, repeated
 *     lanes lanes_shifted(lanes v)                      each byte's upper half in its lower; the upper does not matter
 *     lanes lanes_less(lanes a, lanes b)                a - b, or 0 where b is greater
 *     lanes lanes_lower(lanes a, lanes b)               the lower byte
 *     lanes lanes_least(lanes a, lanes b)               the lower one as signed numbers
 *     LANES_BEFORE(lanes before, lanes v, n)            v moved up by n, the end of `before` below it
 *     typedef ... lanes_truth                           for each byte, all its bits or none; | & ~ work on it
 *     lanes_truth lanes_equal(lanes a, lanes b)
 *     lanes_truth lanes_above(lanes a, lanes b)         a > b as signed numbers
 *     bool lanes_any(lanes v, lanes_truth t)            whether any bit is set in either
 *     uint64_t lanes_bits(lanes_truth)                  a bit for each byte
 *     uint64_t window_bits(const lanes_truth truth[WINDOW / LANES])
 *     uint64_t bits_first(uint64_t bits)                the lowest; 64: none
 */
#include "xml_char.h"
#include "xml_state.h"
#include "xml_table.h"
#include "xml_valid.h"

static ALWAYS_INLINE bool truth_any(lanes_truth t)
{
	return lanes_any((lanes){0}, t);
}

static ALWAYS_INLINE lanes lanes_of(enum xml_table table)
{
	return lanes_load(xml_tables[table]);
}

static ALWAYS_INLINE lanes lanes_pick(enum xml_table table, lanes v)
{
	return lanes_shuffle(lanes_of(table), v);
}

static ALWAYS_INLINE lanes lanes_high(lanes v)
{
	return lanes_shifted(v) & lanes_of(XML_TABLE_0F);
}

static ALWAYS_INLINE lanes_truth lanes_end_name(lanes v)
{
	lanes sets = lanes_pick(XML_TABLE_NAME_LOW, v) & lanes_pick(XML_TABLE_NAME_HIGH, lanes_high(v));
	return lanes_equal(sets, lanes_of(XML_TABLE_00));
}

/* `stop` is known when this is compiled, but for the quote. */
static ALWAYS_INLINE lanes_truth lanes_end(lanes v, enum stop stop)
{
	if (stop == STOP_NAME)
		return lanes_end_name(v);
	if (stop == STOP_URI)
		return lanes_equal(lanes_pick(XML_TABLE_URI, v), v) | lanes_above(lanes_of(XML_TABLE_21), v);
	if (stop == STOP_BLANK)
		return lanes_above(lanes_of(XML_TABLE_21), v);
	if (stop == STOP_TEXT)
		return lanes_equal(lanes_pick(XML_TABLE_TEXT, v), v);
	if (stop == STOP_GT)
		return lanes_equal(lanes_pick(XML_TABLE_GT, v), v);
	return lanes_equal(lanes_pick((enum xml_table)(XML_TABLE_QUOTE + (stop - STOP_QUOTE)), v), v);
}

static ALWAYS_INLINE uint64_t window_run(const uint8_t *window, uint32_t skip, enum stop stop)
{
	if (stop == STOP_NAME) {
		return bits_first(lanes_bits(lanes_end(lanes_load(window), stop)) >> skip);
	}
	lanes_truth ends[WINDOW / LANES];
	for (uint32_t i = 0; i < WINDOW / LANES; i++)
		ends[i] = lanes_end(lanes_load(window + i * LANES), stop);
	return bits_first(window_bits(ends) >> skip);
}

/* A window's quotes, and what else may end a value. */
struct marks {
	uint64_t bits;
};

static ALWAYS_INLINE struct marks marks_of(const uint8_t *window)
{
	lanes_truth marks[WINDOW / LANES];
	for (uint32_t i = 0; i < WINDOW / LANES; i++) {
		lanes v = lanes_load(window + i * LANES);
		marks[i] = lanes_equal(lanes_pick(XML_TABLE_URI, v), v);
	}
	return (struct marks){window_bits(marks)};
}

static ALWAYS_INLINE size_t marks_open(struct marks marks, uint64_t word)
{
	return bits_first(marks.bits);
}

static ALWAYS_INLINE size_t marks_close(struct marks marks, size_t open)
{
	return bits_first(marks.bits & (marks.bits - 1));
}

enum { NAME_EQUAL_MAX = LANES };

static ALWAYS_INLINE bool names_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
	return bits_first(~lanes_bits(lanes_equal(lanes_load(a), lanes_load(b)))) >= len;
}

static ALWAYS_INLINE lanes pair_faults(lanes v, lanes before1)
{
	return lanes_pick(XML_TABLE_HIGH_BEFORE, lanes_high(before1)) &
	       lanes_pick(XML_TABLE_LOW_BEFORE, before1 & lanes_of(XML_TABLE_0F)) &
	       lanes_pick(XML_TABLE_HIGH, lanes_high(v));
}

/* Not zero where the bytes are no UTF-8. */
static ALWAYS_INLINE lanes sequence_faults(lanes v, lanes before, lanes before1, lanes before2)
{
	lanes before3 = LANES_BEFORE(before, v, 3);
	lanes third = lanes_less(before2, lanes_of(XML_TABLE_60));
	lanes fourth = lanes_less(before3, lanes_of(XML_TABLE_70));
	return ((third | fourth) & lanes_of(XML_TABLE_80)) ^ pair_faults(v, before1);
}

/* The last bytes of U+FFFE and U+FFFF, and control characters other than tab, line feed and carriage return. */
static ALWAYS_INLINE lanes_truth character_faults(lanes v, lanes before1, lanes before2)
{
	lanes_truth first_two =
		lanes_equal(before2, lanes_of(XML_TABLE_EF)) & lanes_equal(before1, lanes_of(XML_TABLE_BF));
	lanes_truth last = lanes_equal(lanes_lower(v, lanes_of(XML_TABLE_BE)), lanes_of(XML_TABLE_BE));
	lanes_truth control = lanes_equal(lanes_lower(v, lanes_of(XML_TABLE_1F)), v);
	return (first_two & last) | (control & ~lanes_equal(lanes_pick(XML_TABLE_SPACE, v), v));
}

static ALWAYS_INLINE bool lanes_are_faulty(lanes v, lanes before)
{
	lanes before1 = LANES_BEFORE(before, v, 1);
	lanes before2 = LANES_BEFORE(before, v, 2);
	return lanes_any(sequence_faults(v, before, before1, before2), character_faults(v, before1, before2));
}

/* What may be wrong with a vector whose controls are known to be none: the three bytes of U+FFC0 to U+FFFF, or more. */
struct lanes_doubts {
	lanes sequence;
	lanes_truth character;
};

static ALWAYS_INLINE struct lanes_doubts lanes_doubts(lanes v, lanes before)
{
	lanes before1 = LANES_BEFORE(before, v, 1);
	lanes before2 = LANES_BEFORE(before, v, 2);
	return (struct lanes_doubts){sequence_faults(v, before, before1, before2),
				     lanes_equal(before2, lanes_of(XML_TABLE_EF)) &
					     lanes_equal(before1, lanes_of(XML_TABLE_BF))};
}

/*
 * `before`, v and then `more` stand one behind another. First, for both together, whether there can be a fault: mostly
 * not.
 */
static ALWAYS_INLINE bool pair_is_faulty(lanes v, lanes more, lanes before)
{
	struct lanes_doubts first = lanes_doubts(v, before), second = lanes_doubts(more, v);
	lanes lower = lanes_lower(v, more);
	lanes_truth control = lanes_equal(lanes_lower(lower, lanes_of(XML_TABLE_1F)), lower);
	if (!lanes_any(first.sequence | second.sequence, first.character | second.character | control))
		return false;
	return lanes_are_faulty(v, before) || lanes_are_faulty(more, v);
}

/* Control characters but the line feed, and bytes above U+007F: as signed numbers, they are below the blank. */
static ALWAYS_INLINE lanes_truth lanes_unusual(lanes v)
{
	return lanes_above(lanes_of(XML_TABLE_20), v) & ~lanes_equal(v, lanes_of(XML_TABLE_0A));
}

/* Mostly there is no line feed either. */
static ALWAYS_INLINE bool pair_is_usual(lanes v, lanes more)
{
	return !truth_any(lanes_above(lanes_of(XML_TABLE_20), lanes_least(v, more))) ||
	       !truth_any(lanes_unusual(v) | lanes_unusual(more));
}

/* What stands before a vector, zeros where no sequence may go on from there. */
static ALWAYS_INLINE lanes lanes_joined(lanes v, bool *ret_joined)
{
	*ret_joined = lanes_bits(lanes_above(lanes_of(XML_TABLE_00), v)) >> (LANES - 3) != 0;
	return *ret_joined ? v : (lanes){0};
}

/* Passes vectors without fault; the sequence that the last of them may have cut is left to what follows. */
static ALWAYS_INLINE uint32_t lanes_pass(const uint8_t *bytes, uint32_t from, uint32_t len)
{
	lanes before = {0};
	bool joined = false;
	uint32_t at = from, pairs_end = len - (len - from) % (2 * LANES);
	for (; at != pairs_end; at += 2 * LANES) {
		lanes v = lanes_load(bytes + at), more = lanes_load(bytes + at + LANES);
		if (!joined && pair_is_usual(v, more))
			continue;
		if (pair_is_faulty(v, more, before))
			break;
		before = lanes_joined(more, &joined);
	}
	for (; len - at >= LANES; at += LANES) {
		lanes v = lanes_load(bytes + at);
		if (!joined && !truth_any(lanes_unusual(v)))
			continue;
		if (lanes_are_faulty(v, before))
			break;
		before = lanes_joined(v, &joined);
	}
	while (at > from && bytes[at - 1] >= 0x80)
		if (bytes[--at] >= 0xC0)
			break;
	return at;
}

static __attribute__((noinline)) uint32_t lanes_rest(const uint8_t *bytes, uint32_t from, uint32_t len)
{
	return valid_end(bytes, from, len);
}

static ALWAYS_INLINE uint32_t lanes_valid(const uint8_t *bytes, uint32_t from, uint32_t len)
{
	uint32_t at = lanes_pass(bytes, from, len);
	return at == len ? len : lanes_rest(bytes, at, len);
}
