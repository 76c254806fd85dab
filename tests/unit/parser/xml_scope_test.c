/*
 * What a stream header declares, for the elements behind it: found, named, and put into those that rely on it.
 */
#include "xml_probe.h"
#include "xml_splice.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define STREAMS		 "http://etherx.jabber.org/streams"
#define HEADER(declares) "<stream:stream xmlns='jabber:client' xmlns:stream='" STREAMS "'" declares ">"

static struct probe seen;

static void stream_probe(const char *text)
{
	struct probe_plan plan = {.scoped = true, .bytes = (const uint8_t *)text, .len = strlen(text)};
	cr_assert(probe_every_way(&plan, &seen), "ways differ: %s", text);
}

/* The one element of the stream, in the scope of its header. */
static const struct xml_event *element_read(const char *text)
{
	stream_probe(text);
	cr_assert(seen.count == 2 && seen.events[1].is == XML_ELEMENT, "%s: %s", text,
		  xml_error_text(probe_error(&seen)));
	return &seen.events[1];
}

static size_t pieces_join(const struct xml_splice *splice, char *to)
{
	struct xml_piece pieces[XML_PIECES_MAX];
	size_t count = xml_splice_pieces(splice, pieces), len = 0;
	for (size_t i = 0; i < count; i++) {
		cr_expect_gt(pieces[i].len, 0);
		memcpy(to + len, pieces[i].at, pieces[i].len);
		len += pieces[i].len;
	}
	to[len] = '\0';
	return count;
}

static void expect_alone(const char *stream, const char *alone)
{
	char joined[4096];
	struct xml_splice splice;
	xml_splice_begin(&splice, (const uint8_t *)stream, element_read(stream));
	xml_splice_declarations(&splice);
	pieces_join(&splice, joined);
	cr_expect_str_eq(joined, alone);
	cr_expect_leq(splice.count, XML_SCOPE_RUNS_MAX);
	probe_text(alone, &seen);
	cr_expect(seen.count == 1 && seen.events[0].is == XML_ELEMENT, "%s: %s", alone,
		  xml_error_text(probe_error(&seen)));
}

Test(scope, declarations_are_put_into_what_relies_on_them)
{
	expect_alone(HEADER(" xmlns:p='urn:p'") "<a/>", "<a/>");
	expect_alone(HEADER(" xmlns:p='urn:p'") "<a><p:b/></a>", "<a xmlns:p='urn:p'><p:b/></a>");
	expect_alone(HEADER(" xmlns:p='urn:p'") "<a p:b='1' c='2'/>", "<a xmlns:p='urn:p' p:b='1' c='2'/>");
	expect_alone(HEADER(" xmlns:p='urn:p'") "<p:a\n/>", "<p:a xmlns:p='urn:p'\n/>");
	expect_alone(HEADER(" xmlns:p='urn:p'") "<a><b c='' p:d='1'></b></a>",
		     "<a xmlns:p='urn:p'><b c='' p:d='1'></b></a>");
	expect_alone(HEADER("\n\txmlns:p\r\n=\n\"urn:'&#112;&amp;\"\n") "<p:a/>",
		     "<p:a xmlns:p=\"urn:'&#112;&amp;\"/>");
	expect_alone(HEADER(" xmlns:\xC3\xA9='u'") "<\xC3\xA9:a/>", "<\xC3\xA9:a xmlns:\xC3\xA9='u'/>");
}

Test(scope, only_what_is_relied_on)
{
#define FOUR " xmlns:p='1' xmlns:q='2' xmlns:pq='3' xmlns:r='4'"
	expect_alone(HEADER(FOUR) "<q:a/>", "<q:a xmlns:q='2'/>");
	expect_alone(HEADER(FOUR) "<a><r:b p:c=''/></a>", "<a xmlns:p='1' xmlns:r='4'><r:b p:c=''/></a>");
	expect_alone(HEADER(FOUR) "<a><r:b q:c='' pq:c='' p:c=''/></a>", "<a" FOUR "><r:b q:c='' pq:c='' p:c=''/></a>");
	expect_alone(HEADER(FOUR) "<a xmlns:p='9'><p:b/></a>", "<a xmlns:p='9'><p:b/></a>");
	expect_alone(HEADER(FOUR) "<a><p:b xmlns:p='9' p:c=''/><p:d/></a>",
		     "<a xmlns:p='1'><p:b xmlns:p='9' p:c=''/><p:d/></a>");
	expect_alone(HEADER(FOUR) "<a><xml:b xml:c=''/></a>", "<a><xml:b xml:c=''/></a>");
}

/* Every second of as many as there can be: neighbours are one change, and so no more come up. */
Test(scope, as_many_runs_as_there_can_be)
{
	static const char stream[] = HEADER(" xmlns:a='1' xmlns:b='2' xmlns:c='3' xmlns:d='4' xmlns:e='5' xmlns:f='6'"
					    " xmlns:g='7' xmlns:h='8'") "<b:x stream:k='' d:k='' f:k='' h:k=''/>";
	static const char neighbours[] = HEADER(" xmlns:a='1' xmlns:b='2' xmlns:c='3'") "<a><b:x a:k='' c:k=''/></a>";
	struct xml_splice splice;
	xml_splice_begin(&splice, (const uint8_t *)stream, element_read(stream));
	xml_splice_declarations(&splice);
	cr_expect_eq(splice.count, XML_SCOPE_RUNS_MAX);
	xml_splice_begin(&splice, (const uint8_t *)neighbours, element_read(neighbours));
	xml_splice_declarations(&splice);
	cr_expect_eq(splice.count, 1);
}

Test(scope, stream_is_in_every_scope)
{
	expect_alone(HEADER("") "<stream:a/>", "<stream:a/>");
	expect_alone(HEADER("") "<a><stream:b/></a>", "<a xmlns:stream='" STREAMS "'><stream:b/></a>");
	expect_alone(HEADER("") "<stream:a stream:b=''/>", "<stream:a xmlns:stream='" STREAMS "' stream:b=''/>");
	expect_alone(HEADER(" xmlns:p='1' xmlns:xml='http://www.w3.org/XML/1998/namespace'") "<a stream:b='' p:b=''/>",
		     "<a xmlns:stream='" STREAMS "' xmlns:p='1' stream:b='' p:b=''/>");
}

static void expect_refused(const char *element, enum xml_error error)
{
	char stream[1024];
	snprintf(stream, sizeof(stream), "%s%s",
		 HEADER(" xmlns:p='urn:p' xmlns:q='urn:p' xmlns:r='urn:&#x72;' xmlns:s='urn:r'"), element);
	stream_probe(stream);
	cr_expect_eq(probe_error(&seen), error, "%s: %s", element, xml_error_text(probe_error(&seen)));
}

Test(scope, prefixes_of_nobody_are_refused)
{
	expect_refused("<x:a/>", XML_ERROR_PREFIX);
	expect_refused("<pp:a/>", XML_ERROR_PREFIX);
	expect_refused("<a><x:a/></a>", XML_ERROR_PREFIX);
	expect_refused("<a x:b=''/>", XML_ERROR_PREFIX);
	expect_refused("<xmlns:a/>", XML_ERROR_PREFIX);
	expect_refused("<a xmlns:p=''/>", XML_ERROR_PREFIX);
}

/* Namespaces in XML 1.0, section 6.3: whoever declared the prefixes, and however the name is written. */
Test(scope, attributes_are_unique_across_it)
{
	static const char *const twice[] = {
		"<a p:x='' q:x=''/>",
		"<a r:x='' s:x=''/>",
		"<a xmlns:l='urn:p' l:x='' p:x=''/>",
		"<a xmlns:l='urn:p' q:x='' l:x=''/>",
		"<a xmlns:l='urn&#58;p'><b><c q:y='' q:x='' l:x=''/></b></a>",
		"<a xmlns:l='urn:p' xmlns:m='urn:p' m:x='' l:x=''/>",
		"<a p:y=''><b xmlns:l='urn:r' xmlns:q='u' q:x='' r:x='' l:x=''/></a>",
		"<a xmlns:l='" STREAMS "' l:x='' stream:x=''/>",
	};
	for (size_t i = 0; i < sizeof(twice) / sizeof(twice[0]); i++)
		expect_refused(twice[i], XML_ERROR_ATTRIBUTE_TWICE);
	expect_refused("<a p:x='' r:x='' x='' q:y='' xml:x=''/>", XML_ERROR_NONE);
	expect_refused("<a xmlns:p='urn:r' p:x='' q:x=''/>", XML_ERROR_NONE);
	expect_refused("<a xmlns:l='urn:l' xmlns:m='urn:m' l:x='' m:x='' p:x='' r:x=''/>", XML_ERROR_NONE);
	expect_refused("<a><b xmlns:q='v' xmlns:p='w' q:x='' p:x=''/><b q:x=''/></a>", XML_ERROR_NONE);
}

static void expect_namespaces(const char *stream, const char *own, const char *of_child)
{
	const uint8_t *bytes = (const uint8_t *)stream;
	const struct xml_event *e = element_read(stream);
	struct xml_namespace ns = xml_element_namespace(bytes, e), child = xml_child_namespace(bytes, e);
	cr_expect(own ? xml_namespace_is(ns, own) : ns.name.at == 0, "%s", stream);
	cr_expect(of_child ? xml_namespace_is(child, of_child) : child.name.at == 0, "%s", stream);
	cr_expect_not(xml_namespace_is(ns, "") || xml_namespace_is(child, ""));
}

Test(scope, namespaces_are_named_wherever_they_are)
{
	const char *xml = "http://www.w3.org/XML/1998/namespace";
	expect_namespaces(HEADER(" xmlns:p='urn:1'") "<a><b/></a>", NULL, NULL);
	expect_namespaces(HEADER(" xmlns:p='urn:1'") "<a/>", NULL, NULL);
	expect_namespaces(HEADER(" xmlns:p='urn:1'") "<p:a><b xmlns='2'/><p:b/></p:a>", "urn:1", "2");
	expect_namespaces(HEADER(" xmlns:p='urn:1'") "<a><p:b/><b xmlns='2'/></a>", NULL, "urn:1");
	expect_namespaces(HEADER(" xmlns:p='1' xmlns:q='&#50;'") "<p:a><q:b/></p:a>", "1", "2");
	expect_namespaces(HEADER("") "<xml:a><xml:b/></xml:a>", xml, xml);
	expect_namespaces(HEADER("") "<a xmlns='u'><xml:b/></a>", "u", xml);
	expect_namespaces(HEADER("") "<stream:a><b/></stream:a>", STREAMS, NULL);
	expect_namespaces(HEADER("") "<a><stream:b/></a>", NULL, STREAMS);
	expect_namespaces(HEADER("") "<stream:a xmlns:stream='u'/>", "u", NULL);
	cr_expect_not(seen.events[1].stream_prefix);
}

/* Without a scope, as elements in frames are read, nothing but `xml` is known. */
Test(scope, there_may_be_none)
{
	const char *text = HEADER(" xmlns:p='urn:1'") "<p:a/>";
	struct probe_plan plan = {.bytes = (const uint8_t *)text, .len = strlen(text)};
	cr_expect(probe_every_way(&plan, &seen));
	cr_expect_eq(probe_error(&seen), XML_ERROR_PREFIX);
	probe_text("<xml:a><b/></xml:a>", &seen);
	cr_assert_eq(seen.events[0].is, XML_ELEMENT);
	cr_expect_null(seen.events[0].scope);
	cr_expect_eq(seen.events[0].relied_on, 0);
	probe_text("<a><stream:b/></a>", &seen);
	cr_expect_eq(probe_error(&seen), XML_ERROR_PREFIX);
}

/* ---- how much is kept */

/* A header with `count` declarations, whose names together make them `bytes` long. */
static size_t header_make(char *to, size_t count, size_t bytes)
{
	size_t each = strlen(" xmlns:p1=''"), len = (size_t)sprintf(to, "%s", HEADER(""));
	len--;
	for (size_t i = 0; i < count; i++) {
		size_t name = i + 1 < count ? 1 : bytes - count * each - (count - 1);
		len += (size_t)sprintf(to + len, " xmlns:p%zu='", i);
		memset(to + len, 'n', name);
		len += name;
		to[len++] = '\'';
	}
	to[len++] = '>';
	to[len] = '\0';
	return len;
}

static enum xml_error measure(size_t count, size_t bytes, size_t *ret_size)
{
	static char header[4096];
	size_t len = header_make(header, count, bytes);
	struct probe_plan plan = {.scoped = true, .bytes = (const uint8_t *)header, .len = len};
	cr_assert(probe_every_way(&plan, &seen) && seen.events[0].is == XML_HEADER);
	*ret_size = seen.kept;
	return seen.unkept;
}

Test(scope, limits)
{
	size_t size, more;
	cr_expect_eq(measure(8, 8 * 12 + 8, &size), XML_ERROR_NONE);
	cr_expect_eq(measure(9, 9 * 12 + 9, &size), XML_ERROR_LIMIT_NAMESPACES);
	cr_expect_eq(measure(1, XML_SCOPE_BYTES_MAX, &size), XML_ERROR_NONE);
	cr_expect_leq(size, 1200);
	cr_expect_eq(measure(1, XML_SCOPE_BYTES_MAX - 1, &more), XML_ERROR_NONE);
	cr_expect_eq(more, size - 1);
	cr_expect_eq(measure(1, XML_SCOPE_BYTES_MAX + 1, &size), XML_ERROR_LIMIT_NAMESPACES);
	cr_expect_eq(measure(8, XML_SCOPE_BYTES_MAX, &size), XML_ERROR_NONE);
	cr_expect_eq(measure(8, XML_SCOPE_BYTES_MAX + 1, &size), XML_ERROR_LIMIT_NAMESPACES);
}

/* The usual ones cost nothing: `stream`, `xml`, the default namespace, and what only looks like a declaration. */
Test(scope, usual_headers_need_none)
{
	stream_probe(HEADER(
		" xmlns:xml='http://www.w3.org/XML/1998/namespace' version='1.0' xmln='' xmlnsp='u' xml:lang='x'"));
	cr_assert_eq(seen.count, 1);
	cr_expect_eq(seen.unkept, XML_ERROR_NONE);
	cr_expect_eq(seen.kept, 0);
	stream_probe(HEADER(" xmlns:xmlx='u'"));
	cr_expect_gt(seen.kept, 0);
	stream_probe(HEADER(" xmlns:streams='u'"));
	cr_expect_gt(seen.kept, 0);
}

/* A scope is measured exactly, holds no pointers, and may be moved. */
Test(scope, may_be_moved)
{
	static const char header[] = HEADER(" xmlns:p='urn:p' xmlns:q='urn:q'"), element[] = "<p:a q:b=''/>";
	struct xml_work *work = aligned_alloc(64, xml_work_bytes());
	struct xml_event e;
	struct xml x;
	size_t size = 0;
	xml_restart(&x);
	xml_next(&x, work, &probe_limits, (const uint8_t *)header, sizeof(header) - 1, &e);
	cr_assert_eq(xml_scope_measure((const uint8_t *)header, &e, &size), XML_ERROR_NONE);
	struct xml_scope *first = malloc(size), *second = malloc(size);
	xml_scope_keep(first, (const uint8_t *)header, &e);
	xml_next_within(&x, work, &probe_limits, first, (const uint8_t *)element, 4, &e);
	cr_assert_eq(e.is, XML_MORE);
	memcpy(second, first, size);
	memset(first, 0x5A, size);
	xml_next_within(&x, work, &probe_limits, second, (const uint8_t *)element, sizeof(element) - 1, &e);
	cr_assert_eq(e.is, XML_ELEMENT);
	cr_expect_eq(e.scope, second);
	cr_expect(xml_namespace_is(xml_element_namespace((const uint8_t *)element, &e), "urn:p"));
	free(first);
	free(second);
	free(work);
}

enum { ROOM = 1 << 18 };

/* What was kept, where memory ends: whatever is behind it cannot be read. */
static struct xml_scope *scope_at_the_end(const struct probe *p)
{
	uint8_t *memory = mmap(NULL, 2 * ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(memory, MAP_FAILED);
	cr_assert_eq(mprotect(memory, ROOM, PROT_READ | PROT_WRITE), 0);
	size_t size = (p->kept + 1) / 2 * 2;
	return memcpy(memory + ROOM - size, p->scope.bytes, p->kept);
}

/* As many declarations as there can be, and attributes of two prefixes: their namespaces are compared with all. */
Test(scope, nothing_is_read_behind_it)
{
	static const char element[] = "<a xmlns:x='u' xmlns:y='v' x:b='' y:b=''/>";
	struct xml_work *work = aligned_alloc(64, xml_work_bytes());
	struct xml_event e;
	struct xml x;
	size_t size;
	cr_assert_eq(measure(XML_SCOPE_MAX, 8 * 12 + 8, &size), XML_ERROR_NONE);
	const struct xml_scope *scope = scope_at_the_end(&seen);
	xml_enter(&x);
	xml_next_within(&x, work, &probe_limits, scope, (const uint8_t *)element, sizeof(element) - 1, &e);
	cr_expect_eq(e.is, XML_ELEMENT);
	cr_expect_eq(e.relied_on, 0);
	free(work);
}
