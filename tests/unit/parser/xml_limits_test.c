/*
 * Limits: what is at the limit is accepted, one more is refused, at the same byte however the document was cut.
 */
#include "xml_probe.h"

#include <assert.h>
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct probe seen;
static char document[1 << 16];
static size_t filled;

static void begin(void)
{
	filled = 0;
}

static void add(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int made = vsnprintf(document + filled, sizeof(document) - filled, format, args);
	va_end(args);
	assert(made >= 0 && filled + (size_t)made < sizeof(document));
	filled += (size_t)made;
}

static void add_many(size_t count, const char *text)
{
	while (count-- > 0)
		add("%s", text);
}

static void run(bool enter, const struct xml_limits *limits)
{
	struct probe_plan plan = {.enter = enter, .bytes = (const uint8_t *)document, .len = filled, .limits = limits};
	cr_assert(probe_every_way(&plan, &seen), "ways differ");
}

static void expect_accepted(const struct xml_limits *limits)
{
	run(true, limits);
	cr_expect(seen.count == 1 && seen.events[0].is == XML_ELEMENT, "%.80s: %s", document,
		  xml_error_text(probe_error(&seen)));
}

static void expect_refused(const struct xml_limits *limits, enum xml_error error, size_t at)
{
	run(true, limits);
	cr_expect(seen.count == 1 && probe_error(&seen) == error && seen.events[0].error_at == at,
		  "%.80s: %s at %u, not %zu", document, xml_error_text(probe_error(&seen)), seen.events[0].error_at,
		  at);
}

/* An element of that many bytes, of the shape chosen. */
static void element_of_bytes(size_t bytes, const char *head, const char *filler, const char *tail)
{
	begin();
	add("%s", head);
	while (filled + strlen(filler) + strlen(tail) <= bytes)
		add("%s", filler);
	while (filled + strlen(tail) < bytes)
		add("x");
	add("%s", tail);
	assert(filled == bytes);
}

Test(limits, bytes)
{
	struct xml_limits limits = probe_limits;
	limits.element_bytes_max = 100;
	static const char *const shapes[][3] = {
		{"<a>", "x", "</a>"},	{"<a>", "\xC3\xA9", "</a>"},  {"<a>", "\xF0\x9F\x98\x80", "</a>"},
		{"<a b='", "x", "'/>"}, {"<a ", " ", "b='1'/>"},      {"<a>", "<b/>", "</a>"},
		{"<a", "x", "/>"},	{"<a", "\xE6\xB6\x88", "/>"}, {"<a><![CDATA[", "]", "]]></a>"},
		{"<a></a", " ", "\t>"}, {"<a b='", "&lt;", "'></a>"},
	};
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		element_of_bytes(100, shapes[i][0], shapes[i][1], shapes[i][2]);
		expect_accepted(&limits);
		element_of_bytes(101, shapes[i][0], shapes[i][1], shapes[i][2]);
		expect_refused(&limits, XML_ERROR_LIMIT_BYTES, 100);
		filled = 100;
		run(true, &limits);
		cr_expect(seen.count == 0 && seen.partial, "not yet too long");
	}
}

Test(limits, bytes_count_from_the_element)
{
	struct xml_limits limits = probe_limits;
	limits.element_bytes_max = 4;
	begin();
	add("%s", "          <a/>   <b/></stream:stream>");
	run(true, &limits);
	cr_assert_eq(seen.count, 3);
	cr_expect_eq(seen.events[1].is, XML_ELEMENT);
	cr_expect_eq(seen.events[2].error, XML_ERROR_LIMIT_BYTES);
	cr_expect_eq(seen.events[2].error_at, 21 + 4);
}

Test(limits, bytes_and_other_faults)
{
	struct xml_limits limits = probe_limits;
	limits.element_bytes_max = 6;
	begin();
	add("%s", "<a>12<\xFF");
	expect_refused(&limits, XML_ERROR_LIMIT_BYTES, 6);
	begin();
	add("%s", "<a>12\xFF");
	expect_refused(&limits, XML_ERROR_ENCODING, 5);
	begin();
	add("%s", "<a>12\xC3\xFF");
	expect_refused(&limits, XML_ERROR_LIMIT_BYTES, 6);
	begin();
	add("%s", "<a></\xC3\xA9>");
	expect_refused(&limits, XML_ERROR_LIMIT_BYTES, 6);
}

Test(limits, header_and_declaration)
{
	const char *header = "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>";
	struct xml_limits limits = probe_limits;
	limits.element_bytes_max = (uint32_t)strlen(header);
	begin();
	add("<?xml version='1.0'?>\n%s", header);
	run(false, &limits);
	cr_expect(seen.count == 1 && seen.events[0].is == XML_HEADER);
	limits.element_bytes_max--;
	run(false, &limits);
	cr_expect_eq(probe_error(&seen), XML_ERROR_LIMIT_BYTES);
	cr_expect_eq(seen.events[0].error_at, filled - 1);
	begin();
	add("<?xml ");
	add_many(strlen(header), " ");
	run(false, &limits);
	cr_expect_eq(probe_error(&seen), XML_ERROR_LIMIT_BYTES);
	cr_expect_eq(seen.events[0].error_at, limits.element_bytes_max);
}

Test(limits, elements)
{
	struct xml_limits limits = probe_limits;
	limits.elements_max = 5;
	begin();
	add("<a><b/><b><c/></b><d/></a>");
	expect_accepted(&limits);
	cr_expect_eq(seen.events[0].elements, 5);
	begin();
	add("<a><b/><b><c/></b><d/><e/></a>");
	expect_refused(&limits, XML_ERROR_LIMIT_ELEMENTS, 23);
}

Test(limits, depth)
{
	struct xml_limits limits = probe_limits;
	for (uint16_t depth = 1; depth <= XML_DEPTH_MAX; depth = depth == 1 ? 40 : depth == 40 ? 256 : 257) {
		limits.depth_max = depth;
		begin();
		add_many(depth, "<a>");
		add_many(depth, "</a>");
		expect_accepted(&limits);
		cr_expect_eq(seen.events[0].depth, depth);
		begin();
		add_many(depth, "<a>");
		add("<a/>");
		expect_refused(&limits, XML_ERROR_LIMIT_DEPTH, 3u * depth + 1);
	}
}

Test(limits, attributes)
{
	struct xml_limits limits = probe_limits;
	for (uint16_t count = 3; count <= XML_ATTRIBUTES_MAX; count = count == 3 ? XML_ATTRIBUTES_MAX : 999) {
		limits.attributes_max = count;
		begin();
		add("<a><b xmlns='u'");
		for (int i = 1; i < count; i++)
			add(" a%d=''", i);
		size_t at = filled;
		add("/></a>");
		expect_accepted(&limits);
		filled = at;
		add(" z=''/></a>");
		expect_refused(&limits, XML_ERROR_LIMIT_ATTRIBUTES, at + 1);
	}
}

Test(limits, names)
{
	struct xml_limits limits = probe_limits;
	limits.name_bytes_max = 8;
	begin();
	add("<a><b-345678 c234567\xC2\xB7=''/></a>");
	expect_refused(&limits, XML_ERROR_LIMIT_NAME, 21);
	begin();
	add("<b-345678 c23456\xC2\xB7=''/>");
	expect_accepted(&limits);
	begin();
	add("<b-3456789/>");
	expect_refused(&limits, XML_ERROR_LIMIT_NAME, 9);
	begin();
	add("<a xmlns:p='u'><p:345678/></a>");
	expect_refused(&limits, XML_ERROR_NAME, 18);
	begin();
	add("<a xmlns:p='u'><p:bcdefgh/></a>");
	expect_refused(&limits, XML_ERROR_LIMIT_NAME, 24);
	begin();
	add("<a xmlns:p='u'><p:bcdefg/></a>");
	expect_accepted(&limits);
	begin();
	add("<12345678");
	document[1] = 'a';
	add(":1/>");
	expect_refused(&limits, XML_ERROR_LIMIT_NAME, 9);
}

/* So short that the straight way is not gone. */
Test(limits, short_names)
{
	struct xml_limits limits = probe_limits;
	limits.name_bytes_max = 7;
	begin();
	add("<abcdefg a='1' bcdefgh='2'>text<b/>&amp;]]<![CDATA[<]]>><c>\n</c> </abcdefg>");
	expect_accepted(&limits);
	cr_expect_eq(seen.events[0].elements, 3);
	begin();
	add("<a>text<bcdefghi/></a>");
	expect_refused(&limits, XML_ERROR_LIMIT_NAME, 15);
	begin();
	add("<a>text]]></a>");
	expect_refused(&limits, XML_ERROR_SYNTAX, 9);
}

Test(limits, namespaces)
{
	struct xml_limits limits = probe_limits;
	limits.namespaces_max = 3;
	begin();
	add("<a xmlns='u'><b xmlns:p='u' xmlns='v'/><b xmlns:p='u'><c xmlns:q='w'/><d xmlns='x'/></b></a>");
	expect_accepted(&limits);
	begin();
	add("<a xmlns='u'><b xmlns:p='u'><c xmlns:q='w'><d xmlns='x'/></c></b></a>");
	expect_refused(&limits, XML_ERROR_LIMIT_NAMESPACES, 53);
	begin();
	add("<a xmlns='u' xmlns:p='v' xmlns:q='w' xmlns:xml='http://www.w3.org/XML/1998/namespace'/>");
	expect_accepted(&limits);
}

Test(limits, may_grow_between_calls)
{
	struct xml_limits small = probe_limits, *best = &small;
	small.element_bytes_max = 10;
	struct xml x;
	static uint8_t work[1 << 16] __attribute__((aligned(64)));
	assert(xml_work_bytes() <= sizeof(work));
	struct xml_event e;
	xml_enter(&x);
	xml_next(&x, (struct xml_work *)work, best, (const uint8_t *)"<a>1234567", 10, &e);
	cr_expect_eq(e.is, XML_MORE);
	xml_next(&x, (struct xml_work *)work, &probe_limits, (const uint8_t *)"<a>12345678</a>", 15, &e);
	cr_expect_eq(e.is, XML_ELEMENT);
}
