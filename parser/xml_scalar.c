/*
 * The kernel for any CPU: eight bytes at a time as one number, or one at a time by table.
 */
#include "xml_state.h"
#include "xml_valid.h"

enum { WINDOW = 64, NAME_WINDOW = 64 };

#define STOPS(stop) (1 << (stop))
static const uint8_t stops[256] = {
	[0x00] = UINT8_MAX,
	[0x01 ... 0x20] = STOPS(STOP_NAME) | STOPS(STOP_URI) | STOPS(STOP_BLANK),
	['!'] = STOPS(STOP_NAME),
	['"'] = STOPS(STOP_NAME) | STOPS(STOP_URI) | STOPS(STOP_MARK) | STOPS(STOP_QUOTE),
	['#' ... '%'] = STOPS(STOP_NAME),
	['&'] = STOPS(STOP_NAME) | STOPS(STOP_URI) | STOPS(STOP_MARK) | STOPS(STOP_QUOTE) | STOPS(STOP_APOSTROPHE) |
		STOPS(STOP_TEXT),
	['\''] = STOPS(STOP_NAME) | STOPS(STOP_URI) | STOPS(STOP_MARK) | STOPS(STOP_APOSTROPHE),
	['(' ... ','] = STOPS(STOP_NAME),
	['/'] = STOPS(STOP_NAME),
	[':' ... ';'] = STOPS(STOP_NAME),
	['<'] = STOPS(STOP_NAME) | STOPS(STOP_URI) | STOPS(STOP_MARK) | STOPS(STOP_QUOTE) | STOPS(STOP_APOSTROPHE) |
		STOPS(STOP_TEXT),
	['='] = STOPS(STOP_NAME),
	['>'] = STOPS(STOP_NAME) | STOPS(STOP_TEXT) | STOPS(STOP_GT),
	['?' ... '@'] = STOPS(STOP_NAME),
	['[' ... '^'] = STOPS(STOP_NAME),
	['`'] = STOPS(STOP_NAME),
	['{' ... '~'] = STOPS(STOP_NAME),
	[0x7F ... 0xFF] = STOPS(STOP_NAME) | STOPS(STOP_URI) | STOPS(STOP_BLANK),
};

static const uint64_t ones = UINT64_C(0x0101010101010101);

/* The upper bit of each byte that is the one; above the first such byte, perhaps of others. */
static ALWAYS_INLINE uint64_t word_has(uint64_t word, uint8_t byte)
{
	uint64_t other = word ^ ones * byte;
	return (other - ones) & ~other & ones * 0x80;
}

/* The same for the bytes that end a run. Some differ in a bit or two, which are set; '#' is found where it does not. */
static ALWAYS_INLINE uint64_t word_stops(uint64_t word, enum stop stop)
{
	if (stop == STOP_TEXT)
		return word_has(word | ones * ('<' ^ '>'), '>') | word_has(word, '&');
	if (stop == STOP_BLANK)
		return (word | (word - ones * 0x21) | (word + ones)) & ones * 0x80;
	if (stop == STOP_GT)
		return word_has(word, '>');
	if (stop == STOP_QUOTE)
		return word_has(word | ones * ('"' ^ '&'), '&') | word_has(word, '<');
	if (stop == STOP_APOSTROPHE)
		return word_has(word | ones * ('&' ^ '\''), '\'') | word_has(word, '<');
	return word_has(word | ones * ('"' ^ '\''), '\'') | word_has(word, '<');
}

/* Names are short, and many bytes end them. */
static ALWAYS_INLINE bool goes_by_words(enum stop stop)
{
	return stop != STOP_NAME && stop != STOP_URI;
}

static ALWAYS_INLINE uint64_t window_run(const uint8_t *window, uint32_t skip, enum stop stop)
{
	uint32_t at = skip;
	for (; goes_by_words(stop) && at <= WINDOW - 8; at += 8) {
		uint64_t word;
		__builtin_memcpy(&word, window + at, 8);
		for (uint64_t found = word_stops(word, stop); found; found &= found - 1) {
			uint32_t place = at + (uint32_t)__builtin_ctzll(found) / 8;
			if (stops[window[place]] & STOPS(stop))
				return place - skip;
		}
	}
	for (; at < WINDOW; at++)
		if (stops[window[at]] & STOPS(stop))
			return at - skip;
	return WINDOW;
}

struct marks {
	const uint8_t *window;
};

static ALWAYS_INLINE struct marks marks_of(const uint8_t *window)
{
	return (struct marks){window};
}

/* Behind the first '='. */
static ALWAYS_INLINE size_t marks_open(struct marks marks, uint64_t word)
{
	uint64_t equals = word_has(word, '=');
	return equals ? (size_t)__builtin_ctzll(equals) / 8 + 1 : WINDOW;
}

static ALWAYS_INLINE size_t marks_close(struct marks marks, size_t open)
{
	size_t bytes = window_run(marks.window, (uint32_t)open + 1, STOP_MARK);
	return bytes < WINDOW ? open + 1 + bytes : WINDOW;
}

enum { NAME_EQUAL_MAX = 16 };

static ALWAYS_INLINE uint64_t bytes_differ(const uint8_t *a, const uint8_t *b)
{
	uint64_t x, y;
	__builtin_memcpy(&x, a, 8);
	__builtin_memcpy(&y, b, 8);
	return x ^ y;
}

static ALWAYS_INLINE bool names_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
	if (len > NAME_EQUAL_MAX)
		return false;
	if (len >= 8)
		return (bytes_differ(a, b) | bytes_differ(a + len - 8, b + len - 8)) == 0;
	return bytes_differ(a, b) << (64 - 8 * len) == 0;
}

#include "xml_body.h"

static uint32_t scalar_valid(const uint8_t *bytes, uint32_t from, uint32_t len)
{
	return valid_end(bytes, from, len);
}

static void scalar_walk(struct xml_walk *k, struct xml_work *w)
{
	window_walk(k, w);
}

const struct xml_kernel xml_kernel_scalar = {"scalar", scalar_valid, scalar_walk};
