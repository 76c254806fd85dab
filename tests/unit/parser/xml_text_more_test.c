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
	size_t len = xml_unescape_text((const uint8_t *)document, range, to);
	cr_expect(len == strlen(text) && memcmp(to, text, len) == 0, "%s", document);
	len = xml_unescape_value((const uint8_t *)document, range, to);
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

/* A pattern over and over, so that whole vectors hold nothing else, behind `before` bytes of text. */
static void run_check(const char *pattern, size_t len, size_t before, enum xml_error error, size_t fault_at)
{
	char document[512] = "<a>";
	size_t filled = 3;
	while (before-- > 0)
		document[filled++] = 'x';
	size_t begin = filled;
	while (filled < begin + 264) /* whole patterns of 1 to 4 bytes */
		document[filled] = pattern[(filled - begin) % len], filled++;
	memcpy(document + filled, "</a>", 4);
	struct probe_plan plan = {.enter = true, .bytes = (const uint8_t *)document, .len = filled + 4};
	cr_assert(probe_every_way(&plan, &seen));
	cr_assert_eq(seen.count, 1);
	cr_expect_eq(probe_error(&seen), error, "%02x %02x: %s", (uint8_t)pattern[0], (uint8_t)pattern[1],
		     xml_error_text(probe_error(&seen)));
	cr_expect(error == XML_ERROR_NONE || seen.events[0].error_at == begin + fault_at, "%02x %02x: at %u",
		  (uint8_t)pattern[0], (uint8_t)pattern[1], seen.events[0].error_at);
}

Test(text_more, one_byte_all_along)
{
	for (int byte = 1; byte < 256; byte++) {
		char pattern[2] = {(char)byte, '\0'};
		bool control = byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r',
		     first = byte >= 0xC2 && byte < 0xF5;
		enum xml_error error = control	      ? XML_ERROR_CHARACTER
				       : byte >= 0x80 ? XML_ERROR_ENCODING
						      : XML_ERROR_NONE;
		if (byte != '<' && byte != '&')
			run_check(pattern, 1, (size_t)byte % 37, error, first ? 1 : 0);
	}
	run_check("", 1, 5, XML_ERROR_CHARACTER, 0);
}

Test(text_more, one_sequence_all_along)
{
	static const struct {
		const char *pattern;
		size_t len, fault_at;
		enum xml_error error;
	} rows[] = {
		{"\xC3\xA9", 2, 0, XML_ERROR_NONE},
		{"\xE2\x82\xAC", 3, 0, XML_ERROR_NONE},
		{"\xEF\xBF\xBD", 3, 0, XML_ERROR_NONE},
		{"\xF0\x9F\x98\x80", 4, 0, XML_ERROR_NONE},
		{"\xF4\x8F\xBF\xBF", 4, 0, XML_ERROR_NONE},
		{"\xC1\xBF", 2, 0, XML_ERROR_ENCODING},
		{"\xC3\xC3\xA9", 3, 1, XML_ERROR_ENCODING},
		{"\xE1\x80", 2, 2, XML_ERROR_ENCODING},
		{"\xE0\x9F\xBF", 3, 1, XML_ERROR_ENCODING},
		{"\xED\xA0\x80", 3, 1, XML_ERROR_ENCODING},
		{"\xF0\x8F\xBF\xBF", 4, 1, XML_ERROR_ENCODING},
		{"\xF1\x80\x80", 3, 3, XML_ERROR_ENCODING},
		{"\xF4\x90\x80\x80", 4, 1, XML_ERROR_ENCODING},
		{"\xF5\x80\x80\x80", 4, 0, XML_ERROR_ENCODING},
		{"\xEF\xBF\xBE", 3, 2, XML_ERROR_CHARACTER},
		{"\xEF\xBF\xBF", 3, 2, XML_ERROR_CHARACTER},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t before = 0; before < 32; before += 13)
			run_check(rows[i].pattern, rows[i].len, before, rows[i].error, rows[i].fault_at);
}

/* The last bytes of a name are compared with the start tag's, and with nothing else that stands there. */
Test(text_more, end_tags_that_differ_in_their_last_byte)
{
	static const char *const names[] = {"aaaaaaaaa",
					    "aaaaaaaaaaaaaaaa",
					    "aaaaaaaaaaaaaaaaaa",
					    "b",
					    "bcdefgh",
					    "bcdefghi",
					    "bcdefghij",
					    "bcdefghijklmnop",
					    "bcdefghijklmnopq",
					    "bcdefghijklmnopqr",
					    "bcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char document[400], wrong[64];
		size_t len = strlen(names[i]);
		for (size_t place = 0; place < len; place++) {
			memcpy(wrong, names[i], len + 1);
			wrong[place] = 'X';
			snprintf(document, sizeof(document), "<a><%s>1234567%s</%s></a>", names[i],
				 wrong + (len > 8 ? len - 8 : 0), wrong);
			probe_text(document, &seen);
			cr_expect_eq(probe_error(&seen), XML_ERROR_END_TAG, "%s", document);
			cr_expect_eq(seen.events[0].error_at, strlen(document) - 5 - len + place, "%s", document);
		}
	}
}

static bool may_be_in_name(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._", c);
}

/* Behind '&a', every byte below U+0080: what goes on as a name is another entity's, all else is a fault of form. */
Test(text_more, every_byte_in_an_entity)
{
	for (int c = ' '; c < 0x7F; c++) {
		char document[] = "<a>&a?;</a>";
		document[5] = (char)c;
		probe_text(document, &seen);
		enum xml_error error = may_be_in_name(c) || c == ';' ? XML_ERROR_RESTRICTED : XML_ERROR_SYNTAX;
		cr_expect_eq(probe_error(&seen), error, "%s: %s", document, xml_error_text(probe_error(&seen)));
	}
}

/* As an element's first byte, and as its second. */
Test(text_more, every_byte_in_a_name)
{
	for (int c = '!' + 1; c < 0x7F; c++) {
		char document[] = "<a><?b/></a>";
		document[4] = (char)c;
		bool first = may_be_in_name(c) && !strchr("0123456789-.", c);
		enum xml_error error = first		   ? XML_ERROR_NONE
				       : may_be_in_name(c) ? XML_ERROR_NAME
				       : c == '?'	   ? XML_ERROR_RESTRICTED
				       : c == '/'	   ? XML_ERROR_END_TAG
							   : XML_ERROR_SYNTAX;
		probe_text(document, &seen);
		cr_expect_eq(probe_error(&seen), error, "%s: %s", document, xml_error_text(probe_error(&seen)));
		memcpy(document, "<a><b?/></a>", sizeof(document));
		document[5] = (char)c;
		probe_text(document, &seen);
		bool accepted = seen.events[0].is == XML_ELEMENT;
		cr_expect_eq(accepted, may_be_in_name(c), "%s: %s", document, xml_error_text(probe_error(&seen)));
	}
}
