/*
 * Streams: declaration, header, white space between elements, footer, restart, and what is left for the next call.
 */
#include "xml_probe.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define STREAMS "xmlns:stream='http://etherx.jabber.org/streams'"
#define HEADER	"<stream:stream xmlns='jabber:client' " STREAMS " to='a.example' version='1.0'>"

static struct probe seen;

static void stream_probe(const char *text)
{
	struct probe_plan plan = {.bytes = (const uint8_t *)text, .len = strlen(text)};
	cr_assert(probe_every_way(&plan, &seen), "ways differ: %s", text);
}

static void expect_header(const char *text)
{
	stream_probe(text);
	cr_expect(seen.count == 1 && seen.events[0].is == XML_HEADER && !seen.partial, "no header: %s", text);
}

static void expect_refused(const char *text, enum xml_error error, uint32_t at)
{
	stream_probe(text);
	const struct xml_event *last = &seen.events[seen.count - (seen.count > 0)];
	cr_expect(seen.count && last->is == XML_BAD && last->error == error && last->error_at == at,
		  "%s: error %s at %u, not %s at %u", text, xml_error_text(probe_error(&seen)), last->error_at,
		  xml_error_text(error), at);
}

Test(stream, header_is_described)
{
	const char *text =
		"<?xml version='1.0'?>\n<stream:stream from=\"u@a.example\" to='a.example' xmlns='jabber:client' "
		"version='1.0' id=\"7\" xml:lang='de' " STREAMS " >";
	stream_probe(text);
	const struct xml_event *e = &seen.events[0];
	cr_assert_eq(seen.count, 1);
	cr_expect_eq(e->is, XML_HEADER);
	cr_expect_eq(e->begin, 22);
	cr_expect_eq(e->end, strlen(text));
	cr_expect(probe_range_is(text, e->name, "stream") && probe_range_is(text, e->prefix, "stream"));
	cr_expect(probe_range_is(text, e->ns, "http://etherx.jabber.org/streams"));
	cr_expect(probe_range_is(text, e->content_ns, "jabber:client") && probe_range_is(text, e->version, "1.0"));
	cr_expect(probe_range_is(text, e->to, "a.example") && probe_range_is(text, e->from, "u@a.example"));
	cr_expect(probe_range_is(text, e->from_whole, " from=\"u@a.example\""));
	cr_expect(probe_range_is(text, e->id, "7") && probe_range_is(text, e->lang, "de"));
	cr_expect(probe_range_is(text, e->type, NULL) && probe_range_is(text, e->text, NULL));
	cr_expect_eq(seen.taken, strlen(text), "the declaration is part of what is used");
}

Test(stream, declarations_accepted)
{
	expect_header("<?xml version='1.0'?>" HEADER);
	expect_header("<?xml  version = \"1.0\" ?>\r\n\t " HEADER);
	expect_header("<?xml version='1.0' encoding='UTF-8'?>" HEADER);
	expect_header("<?xml version=\"1.0\"\nencoding = \"utf-8\" ?>" HEADER);
	expect_header(" \n" HEADER);
}

Test(stream, declarations_refused)
{
	expect_refused("<?xml version='1.1'?>" HEADER, XML_ERROR_SYNTAX, 17);
	expect_refused("<?xml version='1.0\"?>" HEADER, XML_ERROR_SYNTAX, 18);
	expect_refused("<?xml version='1.0'encoding='UTF-8'?>" HEADER, XML_ERROR_SYNTAX, 19);
	expect_refused("<?xml encoding='UTF-8'?>" HEADER, XML_ERROR_SYNTAX, 6);
	expect_refused("<?xml version='1.0' encoding='UTF-16'?>" HEADER, XML_ERROR_ENCODING, 34);
	expect_refused("<?xml version='1.0' encoding='UTF-80'?>" HEADER, XML_ERROR_ENCODING, 35);
	expect_refused("<?xml version='1.0' standalone='yes'?>" HEADER, XML_ERROR_RESTRICTED, 20);
	expect_refused("<?xml version='1.0' encoding='UTF-8' standalone='no'?>" HEADER, XML_ERROR_RESTRICTED, 37);
	expect_refused("<?xml version='1.0' encoding='UTF-8' encoding='UTF-8'?>" HEADER, XML_ERROR_SYNTAX, 37);
	expect_refused("<?xml-stylesheet href='x'?>" HEADER, XML_ERROR_RESTRICTED, 5);
	expect_refused("<?php?>" HEADER, XML_ERROR_RESTRICTED, 2);
	expect_refused("<?XML version='1.0'?>" HEADER, XML_ERROR_RESTRICTED, 2);
	expect_refused(" <?xml version='1.0'?>" HEADER, XML_ERROR_RESTRICTED, 2);
	expect_refused("<?xml version='1.0'?><?xml version='1.0'?>" HEADER, XML_ERROR_RESTRICTED, 22);
	expect_refused(HEADER "<?xml version='1.0'?>", XML_ERROR_RESTRICTED, strlen(HEADER) + 1);
	expect_refused("<?xml version='1.0'? >" HEADER, XML_ERROR_SYNTAX, 20);
}

Test(stream, headers_refused)
{
	expect_refused("<stream:stream xmlns='jabber:client'>", XML_ERROR_NAMESPACE, 1);
	expect_refused("<stream:stream xmlns:stream='urn:other'>", XML_ERROR_NAMESPACE, 1);
	expect_refused("<stream:other " STREAMS ">", XML_ERROR_NAMESPACE, 1);
	expect_refused("<message xmlns='jabber:client'>", XML_ERROR_NAMESPACE, 1);
	expect_refused("<s:stream xmlns:s='http://etherx.jabber.org/streams'>", XML_ERROR_PREFIX, 1);
	expect_refused("<stream xmlns='http://etherx.jabber.org/streams'>", XML_ERROR_PREFIX, 1);
	expect_refused("<other:stream " STREAMS ">", XML_ERROR_PREFIX, 1);
	expect_refused("<stream:stream " STREAMS "/>", XML_ERROR_SYNTAX, 15 + strlen(STREAMS) + 1);
	expect_refused("</stream:stream>", XML_ERROR_SYNTAX, 1);
	expect_refused("<!DOCTYPE stream>" HEADER, XML_ERROR_RESTRICTED, 1);
	expect_refused("<!-- -->" HEADER, XML_ERROR_RESTRICTED, 1);
	expect_refused("GET / HTTP/1.1\r\n", XML_ERROR_SYNTAX, 0);
	expect_refused("\xEF\xBB\xBF" HEADER, XML_ERROR_SYNTAX, 0);
	expect_refused("\x16\x03\x01", XML_ERROR_CHARACTER, 0);
	expect_refused("\xFE\xFF", XML_ERROR_ENCODING, 0);
}

Test(stream, headers_that_real_clients_send)
{
	expect_header("<stream:stream xmlns:xml='http://www.w3.org/XML/1998/namespace' xmlns='jabber:client' " STREAMS
		      ">");
	expect_header("<stream:stream " STREAMS ">");
	expect_header("<stream:stream\n  xmlns:stream=\"http://etherx.jabber.org&#x2F;streams\"\n>");
}

Test(stream, elements_and_footer_follow)
{
	const char *text = HEADER "\n<a/> \r\n\t<b>x</b><stream:error><x xmlns='y'/></stream:error></stream:stream \n>";
	stream_probe(text);
	cr_assert_eq(seen.count, 5);
	const enum xml_is kinds[] = {XML_HEADER, XML_ELEMENT, XML_ELEMENT, XML_ELEMENT, XML_FOOTER};
	for (size_t i = 0; i < 5; i++)
		cr_expect_eq(seen.events[i].is, kinds[i]);
	cr_expect_eq(seen.events[4].end, strlen(text));
	cr_expect_eq(seen.taken, strlen(text));
}

Test(stream, footers_refused)
{
	const size_t at = strlen(HEADER);
	expect_refused(HEADER "</s:stream>", XML_ERROR_END_TAG, (uint32_t)at + 3);
	expect_refused(HEADER "</stream>", XML_ERROR_END_TAG, (uint32_t)at + 8);
	expect_refused(HEADER "</stream:streams>", XML_ERROR_END_TAG, (uint32_t)at + 15);
	expect_refused(HEADER "</ stream:stream>", XML_ERROR_END_TAG, (uint32_t)at + 2);
	expect_refused(HEADER "<message></stream:stream>", XML_ERROR_END_TAG, (uint32_t)at + 11);
}

Test(stream, text_between_elements_is_refused)
{
	const uint32_t at = sizeof(HEADER) - 1;
	expect_refused(HEADER "x", XML_ERROR_TEXT, at);
	expect_refused(HEADER "<a/>\n&#32;", XML_ERROR_TEXT, at + 5);
	expect_refused(HEADER "<a/>]]>", XML_ERROR_TEXT, at + 4);
	expect_refused(HEADER "<a/>\xC2\xA0", XML_ERROR_TEXT, at + 4);
	expect_refused(HEADER "<![CDATA[ ]]>", XML_ERROR_RESTRICTED, at + 1);
	expect_refused(HEADER "<a/>\xFF", XML_ERROR_ENCODING, at + 4);
	expect_refused(HEADER "<a/>"
			      "\x01",
		       XML_ERROR_CHARACTER, at + 4);
}

/* What a fault behind a complete element must not do: swallow the element. */
Test(stream, what_precedes_a_fault_is_answered)
{
	stream_probe(HEADER "<a/><b>\xFF</b>");
	cr_assert_eq(seen.count, 3);
	cr_expect_eq(seen.events[1].is, XML_ELEMENT);
	cr_expect_eq(seen.events[2].error, XML_ERROR_ENCODING);
	cr_expect_eq(seen.events[2].error_at, sizeof(HEADER) - 1 + 7);
}

static struct xml_event next(struct xml *x, struct xml_work *w, const char *text)
{
	struct xml_event e;
	xml_next(x, w, &probe_limits, (const uint8_t *)text, strlen(text), &e);
	return e;
}

Test(stream, white_space_and_declaration_are_dropped_while_waiting)
{
	struct xml x;
	struct xml_work *w = aligned_alloc(64, xml_work_bytes());
	xml_restart(&x);
	cr_expect_eq(next(&x, w, "").is, XML_MORE);
	cr_expect_eq(next(&x, w, "<").used, 0);
	cr_expect_not(xml_is_partial(&x));
	cr_expect_eq(next(&x, w, "<?xml version='1.0'").used, 0);
	cr_expect_eq(next(&x, w, "<?xml version='1.0'?>\n").used, 22);
	cr_expect_not(xml_is_partial(&x));
	struct xml_event e = next(&x, w, "  <stream:st");
	cr_expect(e.is == XML_MORE && e.used == 2 && xml_is_partial(&x));
	e = next(&x, w, HEADER " ");
	cr_expect(e.is == XML_HEADER && e.used == sizeof(HEADER) - 1 && !xml_is_partial(&x));
	e = next(&x, w, " ");
	cr_expect(e.is == XML_MORE && e.used == 1);
	free(w);
}

/* The caller need not send a third byte to hear that the second is wrong. */
Test(stream, header_begins_with_its_second_byte)
{
	struct xml x;
	struct xml_work *w = aligned_alloc(64, xml_work_bytes());
	xml_restart(&x);
	cr_expect_eq(next(&x, w, "<s").is, XML_MORE);
	cr_expect(xml_is_partial(&x));
	xml_restart(&x);
	struct xml_event e = next(&x, w, "<1");
	cr_expect(e.is == XML_BAD && e.error == XML_ERROR_NAME && e.error_at == 1);
	free(w);
}

Test(stream, restart_and_enter_begin_anew)
{
	struct xml x;
	struct xml_work *w = aligned_alloc(64, xml_work_bytes());
	xml_enter(&x);
	cr_expect_eq(next(&x, w, "<a><b/></").is, XML_MORE);
	cr_expect(xml_is_partial(&x));
	xml_restart(&x);
	cr_expect_not(xml_is_partial(&x));
	cr_expect_eq(next(&x, w, "<?xml version='1.0'?>" HEADER).is, XML_HEADER);
	cr_expect_eq(next(&x, w, "</stream:stream>").is, XML_FOOTER);
	xml_enter(&x);
	cr_expect_eq(next(&x, w, "<a/>").is, XML_ELEMENT);
	cr_expect_eq(next(&x, w, "x").is, XML_BAD);
	xml_enter(&x);
	cr_expect_eq(next(&x, w, "<a/>").is, XML_ELEMENT);
	free(w);
}

Test(stream, spent_state_is_not_used_again, .signal = SIGABRT)
{
	struct xml x;
	struct xml_work *w = aligned_alloc(64, xml_work_bytes());
	xml_enter(&x);
	next(&x, w, "x");
	next(&x, w, "<a/>");
}

Test(kernel, unknown_names_change_nothing)
{
	cr_expect_str_eq(xml_kernel_choose("scalar"), "scalar");
	cr_expect_null(xml_kernel_choose("mmx"));
	cr_expect_null(xml_kernel_choose(""));
	cr_expect_null(xml_kernel_choose("scalars"));
	cr_expect_str_eq(xml_kernel_choose(NULL), probe_kernels()[0]);
}

Test(error, each_has_condition_and_text)
{
	cr_expect_str_eq(xml_error_condition(XML_ERROR_NONE), "");
	for (int error = 1; error < XML_ERROR_COUNT; error++) {
		cr_expect_gt(strlen(xml_error_condition((enum xml_error)error)), 5);
		cr_expect_gt(strlen(xml_error_text((enum xml_error)error)), 5);
	}
	cr_expect_str_eq(xml_error_condition(XML_ERROR_ENCODING), "unsupported-encoding");
}
