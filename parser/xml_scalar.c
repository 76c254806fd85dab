/*
 * The kernel for any CPU: one byte at a time, by table.
 */
#include "xml_state.h"
#include "xml_valid.h"

enum { WINDOW = 64, NAME_WINDOW = 64 };

#define STOPS(stop) (1 << (stop))
static const uint8_t stops[256] = {
	[0x00] = UINT8_MAX,
	[0x01 ... 0x20] = STOPS(STOP_NAME) | STOPS(STOP_URI),
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
	[0x7F ... 0xFF] = STOPS(STOP_NAME) | STOPS(STOP_URI),
};

static ALWAYS_INLINE uint32_t window_run(const uint8_t *window, uint32_t skip, enum stop stop)
{
	const uint8_t *p = window + skip, *end = window + WINDOW;
	while (p < end && !(stops[*p] & STOPS(stop)))
		p++;
	return p < end ? (uint32_t)(p - window) - skip : WINDOW;
}

struct marks {
	const uint8_t *window;
};

static ALWAYS_INLINE struct marks marks_of(const uint8_t *window)
{
	return (struct marks){window};
}

static ALWAYS_INLINE uint32_t marks_run(struct marks marks, size_t skip)
{
	return window_run(marks.window, (uint32_t)skip, STOP_MARK);
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
