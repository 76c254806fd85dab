/*
 * References to the characters at every edge, and values at theirs.
 */
#include "xml_probe.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const struct edge {
	uint32_t code;
	const char *utf8; /* NULL: no character of XML */
} edges[] = {
	{0, NULL},
	{8, NULL},
	{9, "\t"},
	{0xA, "\n"},
	{0xB, NULL},
	{0xC, NULL},
	{0xD, "\r"},
	{0xE, NULL},
	{0x1F, NULL},
	{0x20, " "},
	{0x7F, "\x7F"},
	{0x80, "\xC2\x80"},
	{0x7FF, "\xDF\xBF"},
	{0x800, "\xE0\xA0\x80"},
	{0xD7FF, "\xED\x9F\xBF"},
	{0xD800, NULL},
	{0xDFFF, NULL},
	{0xE000, "\xEE\x80\x80"},
	{0xFFFD, "\xEF\xBF\xBD"},
	{0xFFFE, NULL},
	{0xFFFF, NULL},
	{0x10000, "\xF0\x90\x80\x80"},
	{0x1FFFE, "\xF0\x9F\xBF\xBE"},
	{0x3FFFF, "\xF0\xBF\xBF\xBF"},
	{0x40000, "\xF1\x80\x80\x80"},
	{0x10FFFF, "\xF4\x8F\xBF\xBF"},
	{0x110000, NULL},
	{0xFFFFFFFF, NULL},
};

static struct probe seen;

static void expect_meant(const char *document, struct xml_range range, const char *text)
{
	uint8_t to[64];
	size_t len = xml_unescape((const uint8_t *)document, range, to);
	cr_expect(len == strlen(text) && memcmp(to, text, len) == 0, "%s", document);
	cr_expect(xml_is_equal((const uint8_t *)document, range, text), "%s", document);
	cr_expect_not(xml_is_equal((const uint8_t *)document, range, ""), "%s", document);
}

static void edge_check(const struct edge *edge, const char *format)
{
	char document[128], reference[48];
	snprintf(reference, sizeof(reference), format, edge->code);
	snprintf(document, sizeof(document), "<a id='%s'>%s</a>", reference, reference);
	probe_text(document, &seen);
	cr_assert_eq(seen.count, 1);
	if (edge->utf8) {
		cr_assert_eq(seen.events[0].is, XML_ELEMENT, "%s", document);
		expect_meant(document, seen.events[0].id, edge->utf8);
		expect_meant(document, seen.events[0].text, edge->utf8);
	} else {
		cr_expect_eq(probe_error(&seen), XML_ERROR_REFERENCE, "%s", document);
		cr_expect_eq(seen.events[0].error_at, 7 + strlen(reference) - 1, "%s", document);
	}
}

Test(text_more, references_at_every_edge)
{
	static const char *const formats[] = {"&#%u;", "&#x%x;", "&#x%X;", "&#%016u;", "&#x%016x;", "&#x%016X;"};
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
		for (size_t j = 0; j < sizeof(formats) / sizeof(formats[0]); j++)
			edge_check(&edges[i], formats[j]);
}

Test(text_more, seventeen_digits_are_refused)
{
	static const char *const documents[] = {"<a>&#00000000000000065;</a>", "<a>&#x00000000000000041;</a>",
						"<a b='&#00000000000000065;'/>", "<a>&#99999999999999999999;</a>"};
	static const uint32_t places[] = {5 + 16, 6 + 16, 8 + 16, 5 + 16};
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		probe_text(documents[i], &seen);
		cr_expect_eq(probe_error(&seen), XML_ERROR_REFERENCE, "%s", documents[i]);
		cr_expect_eq(seen.events[0].error_at, places[i], "%s: %u", documents[i], seen.events[0].error_at);
	}
}

/* Long numbers do not wrap round to a character. */
Test(text_more, numbers_do_not_wrap)
{
	static const char *const documents[] = {"<a>&#4294967361;</a>", "<a>&#x100000041;</a>",
						"<a>&#x1000000000000041;</a>", "<a>&#9999999999999999;</a>"};
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		probe_text(documents[i], &seen);
		cr_expect_eq(probe_error(&seen), XML_ERROR_REFERENCE, "%s", documents[i]);
	}
}

Test(text_more, digits_and_their_neighbours)
{
	static const char *const documents[] = {"<a>&#x4/1;</a>", "<a>&#x4:1;</a>",  "<a>&#x4@1;</a>", "<a>&#x4G1;</a>",
						"<a>&#x4`1;</a>", "<a>&#x4g1;</a>",  "<a>&#4a1;</a>",  "<a>&#4/1;</a>",
						"<a>&#4:1;</a>",  "<a>&#x0\x19;</a>"};
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		probe_text(documents[i], &seen);
		cr_expect_eq(seen.events[0].is, XML_BAD, "%s", documents[i]);
		cr_expect_neq(probe_error(&seen), XML_ERROR_REFERENCE, "%s", documents[i]);
	}
	probe_text("<a>&#x0aF;&#x9f;&#90;&#xfA0;</a>", &seen);
	cr_assert_eq(seen.events[0].is, XML_ELEMENT);
	expect_meant("<a>&#x0aF;&#x9f;&#90;&#xfA0;</a>", seen.events[0].text, "\xC2\xAF\xC2\x9FZ\xE0\xBE\xA0");
}

/* A character more or less than each of the five. */
Test(text_more, entities_are_exactly_five)
{
	static const char *const names[] = {"l",     "ltx", "g",   "gtt", "am", "amps", "apo",	"aposs", "quo",
					    "quott", "LT",  "Amp", "a",	  "x",	"lu",	"apoz", "quote", "_"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char document[64];
		snprintf(document, sizeof(document), "<a b='&%s;'/>", names[i]);
		probe_text(document, &seen);
		cr_expect_eq(probe_error(&seen), XML_ERROR_RESTRICTED, "%s", document);
	}
}
