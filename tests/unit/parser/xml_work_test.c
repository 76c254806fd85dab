/*
 * Work grows with the bytes, not with the calls: the tokenizer, linked with a kernel that counts the bytes it loads, is
 * fed documents whose tokens are long, byte by byte.
 */
#include "xml_state.h"
#include "xml_valid.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static uint64_t loads;

enum { WINDOW = 64, NAME_WINDOW = 64 };

static bool ends_run(uint8_t c, enum stop stop)
{
	if (c == 0)
		return true;
	switch (stop) {
	case STOP_NAME:
		return !(xml_class[c] & XML_CLASS_NAME);
	case STOP_URI:
		return c <= ' ' || c >= 0x7F || c == '<' || c == '&' || c == '"' || c == '\'';
	case STOP_MARK:
		return c == '<' || c == '&' || c == '"' || c == '\'';
	case STOP_GT:
		return c == '>';
	case STOP_BLANK:
		return c <= ' ' || c >= 0x7F;
	case STOP_TEXT:
		return c == '<' || c == '&' || c == '>';
	default:
		return c == '<' || c == '&' || c == (stop == STOP_QUOTE ? '"' : '\'');
	}
}

static inline uint32_t window_run(const uint8_t *window, uint32_t skip, enum stop stop)
{
	uint32_t at = skip;
	for (; at < WINDOW; at++, loads++)
		if (ends_run(window[at], stop))
			return at - skip;
	return WINDOW;
}

struct marks {
	const uint8_t *window;
};

static inline struct marks marks_of(const uint8_t *window)
{
	return (struct marks){window};
}

static inline size_t marks_open(struct marks marks, uint64_t word)
{
	return window_run(marks.window, 0, STOP_MARK);
}

static inline size_t marks_close(struct marks marks, size_t open)
{
	size_t bytes = window_run(marks.window, (uint32_t)open + 1, STOP_MARK);
	return bytes < WINDOW ? open + 1 + bytes : WINDOW;
}

enum { NAME_EQUAL_MAX = 16 };

static inline bool names_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
	size_t at = 0;
	for (; at < len && a[at] == b[at]; at++)
		loads++;
	return at == len;
}

#include "xml_body.h"

static uint32_t counting_valid(const uint8_t *bytes, uint32_t from, uint32_t len)
{
	uint32_t end = valid_end(bytes, from, len);
	loads += end - from;
	return end;
}

static void counting_walk(struct xml_walk *k, struct xml_work *w)
{
	window_walk(k, w);
}

/* In place of all kernels of the room. */
#define COUNTING(name) const struct xml_kernel xml_kernel_##name = {#name, counting_valid, counting_walk}
COUNTING(scalar);
COUNTING(sse42);
COUNTING(avx2);
COUNTING(avx512);
COUNTING(neon);

static const struct xml_limits limits = {.element_bytes_max = 1 << 20,
					 .elements_max = 1 << 20,
					 .depth_max = XML_DEPTH_MAX,
					 .attributes_max = XML_ATTRIBUTES_MAX,
					 .name_bytes_max = UINT16_MAX,
					 .namespaces_max = XML_NAMESPACES_MAX};

enum { FILLERS = 30000 };

/* Loads per byte of head, FILLERS times the filler, and tail, fed one byte at a time. */
static double loads_per_byte(const char *head, const char *filler, const char *tail)
{
	size_t head_len = strlen(head), filler_len = strlen(filler),
	       len = head_len + FILLERS * filler_len + strlen(tail);
	uint8_t *bytes = malloc(len + 1), *at = bytes + head_len;
	memcpy(bytes, head, head_len);
	for (int i = 0; i < FILLERS; i++, at += filler_len)
		memcpy(at, filler, filler_len);
	memcpy(at, tail, strlen(tail) + 1);
	struct xml_work *work = aligned_alloc(64, xml_work_bytes());
	struct xml x;
	struct xml_event e;
	xml_enter(&x);
	loads = 0;
	for (size_t fed = 1; fed <= len; fed++) {
		xml_next(&x, work, &limits, bytes, fed, &e);
		cr_assert_eq(e.is, fed < len ? XML_MORE : XML_ELEMENT, "%s at %zu: %s", head, fed,
			     xml_error_text(e.error));
	}
	free(work);
	free(bytes);
	return (double)loads / (double)len;
}

Test(work, is_linear)
{
	static const char *const documents[][3] = {
		{"<a>", "x", "</a>"},
		{"<a>", "]", "</a>"},
		{"<a>", "\xF0\x9F\x98\x80", "</a>"},
		{"<a>", "<b/>", "</a>"},
		{"<a>", "&amp;", "</a>"},
		{"<a>", ">", "</a>"},
		{"<a b='", "x", "'/>"},
		{"<a b='", "&#x41;", "'/>"},
		{"<a", "x", "/>"},
		{"<a ", "b", "=''/>"},
		{"<a", " ", "b=''/>"},
		{"<a b", " ", "=''/>"},
		{"<a b=", " ", "''/>"},
		{"<a></a", " ", ">"},
		{"<a><![CDATA[", "x", "]]></a>"},
		{"<a><![CDATA[", "]", "]]></a>"},
		{"<a><![CDATA[", ">", "]]></a>"},
	};
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		double found = loads_per_byte(documents[i][0], documents[i][1], documents[i][2]);
		cr_expect_lt(found, 3.0, "%s%s...: %.1f", documents[i][0], documents[i][1], found);
		cr_expect_gt(found, 0.9, "nothing was counted");
	}
}

/* Many elements that arrive together are taken one by one, and none looks at those behind it again. */
Test(work, is_linear_over_elements)
{
	enum { ELEMENTS = 20000, EACH = 4 };
	uint8_t *bytes = malloc(ELEMENTS * EACH);
	for (int i = 0; i < ELEMENTS; i++)
		memcpy(bytes + i * EACH, "<a/>", EACH);
	struct xml_work *work = aligned_alloc(64, xml_work_bytes());
	struct xml x;
	struct xml_event e;
	xml_enter(&x);
	loads = 0;
	for (size_t at = 0; at < ELEMENTS * EACH; at += e.used) {
		xml_next(&x, work, &limits, bytes + at, ELEMENTS * EACH - at, &e);
		cr_assert(e.is == XML_ELEMENT && e.used == EACH);
	}
	cr_expect_lt((double)loads / (ELEMENTS * EACH), 3.0);
	free(work);
	free(bytes);
}
