/*
 * Limits at their largest, in headers as in elements; and time that grows with the bytes, when they come one by one.
 */
#include "xml_probe.h"

#include <assert.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct probe seen;
static uint8_t *document;
static size_t filled;

static void begin(void)
{
	if (!document)
		document = malloc(PROBE_BYTES_MAX);
	filled = 0;
}

static void add(const char *text)
{
	assert(filled + strlen(text) <= PROBE_BYTES_MAX);
	memcpy(document + filled, text, strlen(text));
	filled += strlen(text);
}

static void add_many(size_t count, char c)
{
	assert(filled + count <= PROBE_BYTES_MAX);
	memset(document + filled, c, count);
	filled += count;
}

static void run(bool enter, const struct xml_limits *limits)
{
	struct probe_plan plan = {.enter = enter, .bytes = document, .len = filled, .limits = limits};
	cr_assert(probe_every_way(&plan, &seen), "ways differ");
}

static void expect(bool enter, const struct xml_limits *limits, enum xml_error error, size_t at)
{
	run(enter, limits);
	cr_assert_eq(seen.count, 1);
	cr_expect_eq(probe_error(&seen), error, "%s", xml_error_text(probe_error(&seen)));
	if (error != XML_ERROR_NONE)
		cr_expect_eq(seen.events[0].error_at, at, "%u, not %zu", seen.events[0].error_at, at);
}

static void add_number(const char *before, int number, const char *behind)
{
	char text[64];
	snprintf(text, sizeof(text), "%s%d%s", before, number, behind);
	add(text);
}

/* As long as a name can be made: its length must fit where it is kept. */
Test(limits_more, longest_names)
{
	static const uint16_t sizes[] = {1024, 32768, UINT16_MAX};
	struct xml_limits limits = probe_limits;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		limits.name_bytes_max = sizes[i];
		for (size_t more = 0; more <= 1; more++) {
			begin();
			add("<p:");
			add_many(sizes[i] - 2 + more, 'n');
			add(" xmlns:p='u'></p:");
			add_many(sizes[i] - 2 + more, 'n');
			add(">");
			expect(true, &limits, more ? XML_ERROR_LIMIT_NAME : XML_ERROR_NONE, 1u + sizes[i]);
		}
	}
}

Test(limits_more, longest_attribute_name)
{
	struct xml_limits limits = probe_limits;
	limits.name_bytes_max = UINT16_MAX;
	for (size_t more = 0; more <= 1; more++) {
		begin();
		add("<a xmlns:p='u' p:");
		add_many(UINT16_MAX - 2 + more, 'm');
		add("='1'/>");
		expect(true, &limits, more ? XML_ERROR_LIMIT_NAME : XML_ERROR_NONE, 15u + UINT16_MAX);
	}
}

Test(limits_more, most_namespaces)
{
	struct xml_limits limits = probe_limits;
	limits.namespaces_max = XML_NAMESPACES_MAX;
	limits.attributes_max = XML_ATTRIBUTES_MAX;
	for (int more = 0; more <= 1; more++) {
		begin();
		add("<a");
		for (int i = 0; i < 100; i++)
			add_number(" xmlns:p", i, "='u'");
		add("><b");
		for (int i = 0; i < XML_NAMESPACES_MAX - 100; i++)
			add_number(" xmlns:q", i, "='v'");
		size_t at = filled + 11;
		add(more ? " xmlns:x='w'/></a>" : "/><b xmlns='x'/></a>");
		expect(true, &limits, more ? XML_ERROR_LIMIT_NAMESPACES : XML_ERROR_NONE, at - 1);
	}
}

Test(limits_more, most_attributes_with_prefixes)
{
	struct xml_limits limits = probe_limits;
	limits.attributes_max = XML_ATTRIBUTES_MAX;
	for (int more = 0; more <= 1; more++) {
		begin();
		add("<a xmlns:p='u' xmlns:q='u'");
		for (int i = 0; i < XML_ATTRIBUTES_MAX - 2 + more; i++)
			add_number(i % 2 ? " p:n" : " q:n", i, "=''");
		size_t last = filled - strlen("q:n126=''");
		add("/>");
		expect(true, &limits, more ? XML_ERROR_LIMIT_ATTRIBUTES : XML_ERROR_NONE, last);
	}
}

Test(limits_more, last_of_most_attributes_twice)
{
	struct xml_limits limits = probe_limits;
	limits.attributes_max = XML_ATTRIBUTES_MAX;
	begin();
	add("<a xmlns:p='u' xmlns:q='u'");
	for (int i = 0; i < XML_ATTRIBUTES_MAX - 3; i++)
		add_number(" p:n", i, "=''");
	size_t at = filled + 1;
	add(" q:n0=''/>");
	expect(true, &limits, XML_ERROR_ATTRIBUTE_TWICE, at);
}

Test(limits_more, most_elements)
{
	struct xml_limits limits = probe_limits;
	limits.elements_max = 3000;
	for (int more = 0; more <= 1; more++) {
		begin();
		add("<a>");
		for (int i = 0; i < 2999 + more; i++)
			add("<b/>");
		size_t last = filled - 3;
		add("</a>");
		expect(true, &limits, more ? XML_ERROR_LIMIT_ELEMENTS : XML_ERROR_NONE, last);
	}
}

#define HEADER "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' a='' bcd=''>"

/* A header is an element, too. */
Test(limits_more, header)
{
	struct xml_limits limits = probe_limits;
	size_t len = strlen(HEADER), third = (size_t)(strstr(HEADER, "bcd") - HEADER);
	begin();
	add(HEADER);
	limits.attributes_max = 3;
	limits.namespaces_max = 1;
	limits.name_bytes_max = 13;
	limits.element_bytes_max = (uint32_t)len;
	limits.depth_max = 1;
	limits.elements_max = 1;
	expect(false, &limits, XML_ERROR_NONE, 0);
	limits.attributes_max = 2;
	expect(false, &limits, XML_ERROR_LIMIT_ATTRIBUTES, third);
	limits.attributes_max = 3;
	limits.namespaces_max = 0;
	expect(false, &limits, XML_ERROR_LIMIT_NAMESPACES, strlen("<stream:stream xmlns:stream='"));
	limits.namespaces_max = 1;
	limits.name_bytes_max = 12;
	expect(false, &limits, XML_ERROR_LIMIT_NAME, 13);
	limits.name_bytes_max = 13;
	limits.element_bytes_max--;
	expect(false, &limits, XML_ERROR_LIMIT_BYTES, len - 1);
}

Test(limits_more, nothing_allowed)
{
	struct xml_limits limits = probe_limits;
	begin();
	add("<a/>");
	limits.depth_max = 0;
	expect(true, &limits, XML_ERROR_LIMIT_DEPTH, 1);
	limits = probe_limits;
	limits.elements_max = 0;
	expect(true, &limits, XML_ERROR_LIMIT_ELEMENTS, 1);
	limits = probe_limits;
	limits.element_bytes_max = 1;
	expect(true, &limits, XML_ERROR_LIMIT_BYTES, 1);
	limits = probe_limits;
	limits.name_bytes_max = 0;
	expect(true, &limits, XML_ERROR_LIMIT_NAME, 1);
}

/* The largest element there can be, in pieces. */
Test(limits_more, sixteen_mebibytes)
{
	enum { MOST = 16 << 20, PIECE = 1 << 18 };
	struct xml_limits limits = probe_limits;
	limits.element_bytes_max = MOST;
	uint8_t *bytes = malloc(MOST + 1);
	struct xml_work *work = aligned_alloc(64, xml_work_bytes());
	for (size_t more = 0; more <= 1; more++) {
		struct xml x;
		struct xml_event e;
		memset(bytes, 'x', MOST + 1);
		memcpy(bytes, "<a>", 3);
		memcpy(bytes + MOST - 4 + more, "</a>", 4);
		xml_enter(&x);
		for (size_t fed = PIECE; fed <= MOST; fed += PIECE) {
			xml_next(&x, work, &limits, bytes, fed + more, &e);
			cr_assert_eq(e.is, fed < MOST ? XML_MORE : more ? XML_BAD : XML_ELEMENT);
		}
		if (more)
			cr_expect(e.error == XML_ERROR_LIMIT_BYTES && e.error_at == MOST);
		else
			cr_expect(e.end == MOST && e.text.len == MOST - 7);
	}
	free(work);
	free(bytes);
}

/* Limits may become smaller while an element is partly there: what is more than they allow is refused from then on. */
static enum xml_error shrunk(const char *kernel, const struct xml_limits *limits, const char *more)
{
	struct xml_work *work = aligned_alloc(64, xml_work_bytes());
	struct xml x;
	struct xml_event e;
	cr_assert(xml_kernel_choose(kernel));
	begin();
	add("<a xmlns='a'><b xmlns='b'><c xmlns='c'><d xmlns='d' e='' f='' g=''");
	xml_enter(&x);
	xml_next(&x, work, &probe_limits, document, filled, &e);
	cr_assert_eq(e.is, XML_MORE);
	add(more);
	add("</d></c></b></a>"
	    "                                                                                ");
	xml_next(&x, work, limits, document, filled, &e);
	free(work);
	return e.is == XML_BAD ? e.error : XML_ERROR_NONE;
}

Test(limits_more, may_become_smaller)
{
	const char *const *kernels = probe_kernels();
	for (size_t i = 0; kernels[i]; i++) {
		struct xml_limits limits = probe_limits;
		cr_expect_eq(shrunk(kernels[i], &limits, " h=''><e/>"), XML_ERROR_NONE, "%s", kernels[i]);
		limits.attributes_max = 2;
		cr_expect_eq(shrunk(kernels[i], &limits, " h=''>"), XML_ERROR_LIMIT_ATTRIBUTES, "%s", kernels[i]);
		limits = probe_limits;
		limits.depth_max = 2;
		cr_expect_eq(shrunk(kernels[i], &limits, "><e/>"), XML_ERROR_LIMIT_DEPTH, "%s", kernels[i]);
		limits = probe_limits;
		limits.elements_max = 2;
		cr_expect_eq(shrunk(kernels[i], &limits, "><e/>"), XML_ERROR_LIMIT_ELEMENTS, "%s", kernels[i]);
		limits = probe_limits;
		limits.namespaces_max = 2;
		cr_expect_eq(shrunk(kernels[i], &limits, "><e xmlns='e'/>"), XML_ERROR_LIMIT_NAMESPACES, "%s",
			     kernels[i]);
	}
	xml_kernel_choose(NULL);
}

/* ---- time */

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Seconds for head, `len` bytes and tail, one byte at a time. */
static double bytewise(const char *head, size_t len, const char *tail)
{
	static struct xml_limits limits;
	limits = probe_limits;
	limits.name_bytes_max = UINT16_MAX;
	begin();
	add(head);
	add_many(len, 'x');
	add(tail);
	struct xml_work *work = aligned_alloc(64, xml_work_bytes());
	struct xml x;
	struct xml_event e;
	xml_enter(&x);
	double began = seconds();
	for (size_t fed = 1; fed <= filled; fed++)
		xml_next(&x, work, &limits, document, fed, &e);
	double took = seconds() - began;
	free(work);
	cr_assert_eq(e.is, XML_ELEMENT, "%s", xml_error_text(e.error));
	return took;
}

/* Ten times the bytes take at most eleven times the time, measured at a moment when nothing else disturbs. */
static bool is_linear(const char *head, size_t len, const char *tail)
{
	for (int i = 0; i < 20; i++) {
		double small = 0;
		for (int j = 0; j < 10; j++)
			small += bytewise(head, len / 10, tail);
		if (bytewise(head, len, tail) <= 1.1 * small)
			return true;
	}
	return false;
}

Test(time, grows_with_the_bytes)
{
	for (const char *const *kernel = probe_kernels(); *kernel; kernel++) {
		cr_assert(xml_kernel_choose(*kernel));
		cr_expect(is_linear("<a>", (1 << 20) - 16, "</a>"), "text, %s", *kernel);
		cr_expect(is_linear("<a b='", (1 << 20) - 16, "'/>"), "value, %s", *kernel);
		cr_expect(is_linear("<a", UINT16_MAX - 1, "/>"), "name, %s", *kernel);
		cr_expect(is_linear("<a><![CDATA[", (1 << 20) - 32, "]]></a>"), "CDATA, %s", *kernel);
	}
}

/* A name of every length, with its value and the document's end at many distances behind it: every kernel the same. */
Test(limits_more, names_of_every_length_near_the_end)
{
	static struct probe other, first;
	static char many[140], text[400];

	memset(many, 'n', sizeof many);
	for (int name = 1; name < 140; name++)
		for (int tail = 0; tail < 120; tail += 7) {
			int len = snprintf(text, sizeof text, "<a %.*s=\"\"\n\xC3\xA9'>%.*s", name, many, tail, many);
			struct probe_plan plan = {.enter = true, .bytes = (const uint8_t *)text, .len = (size_t)len};

			probe_run(&plan, &first);
			cr_assert_neq(probe_error(&first), XML_ERROR_NONE);
			for (const char *const *kernel = probe_kernels(); *kernel; kernel++)
				for (plan.gap = 0, plan.kernel = *kernel; plan.gap < 64; plan.gap += 9) {
					probe_run(&plan, &other);
					cr_assert(probe_is_same(&first, &other));
				}
		}
}
