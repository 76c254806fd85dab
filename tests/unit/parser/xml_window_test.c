/*
 * What stands at the edges of windows: names, values, text and references of every length around theirs, with every
 * kernel, cut everywhere.
 */
#include "xml_probe.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { WINDOW_BYTES = 64, AROUND = WINDOW_BYTES + 6 };

static struct probe seen;
static char document[1024];

static const struct xml_event *element(void)
{
	probe_text(document, &seen);
	cr_assert(seen.count == 1 && seen.events[0].is == XML_ELEMENT, "%s: %s at %u", document,
		  xml_error_text(probe_error(&seen)), seen.events[0].error_at);
	return &seen.events[0];
}

static const char *many(char c, int count)
{
	static char text[4][256];
	static unsigned turn;
	turn = (turn + 1) % 4;
	memset(text[turn], c, (size_t)count);
	text[turn][count] = '\0';
	return text[turn];
}

/* Behind the value are quotes at all places that might be taken for its end. */
static void value_expect(int name, int value, char quote)
{
	const char *quotes = many(quote == '"' ? '"' : '\'', 200);
	int at = snprintf(document, sizeof(document), "<m %s=%c%s%c", many('n', name), quote, many('v', value), quote);
	snprintf(document + at, sizeof(document) - (size_t)at, " to='x' id=\"y\">%s</m>", quotes);
	const struct xml_event *e = element();
	cr_expect(probe_range_is(document, e->to, "x") && probe_range_is(document, e->id, "y"), "%s", document);
	cr_expect(probe_range_is(document, e->text, quotes), "%s", document);
}

Test(window, names_and_values_of_all_lengths)
{
	for (int name = 1; name < WINDOW_BYTES; name++) {
		value_expect(name, 0, '\'');
		value_expect(name, WINDOW_BYTES - name, '"');
		value_expect(name, WINDOW_BYTES, '\'');
	}
	for (int value = 0; value < 2 * AROUND; value++) {
		value_expect(1, value, '\'');
		value_expect(8, value, '"');
		value_expect(52, value, '\'');
	}
}

Test(window, declarations_of_all_lengths)
{
	for (int len = 0; len < AROUND; len++) {
		const char *ns = many('u', len);
		snprintf(document, sizeof(document), "<m xmlns='%s'><c d='1' xmlns=\"%s\"/>%s</m>", ns, ns,
			 many('"', 99));
		const struct xml_event *e = element();
		cr_expect(probe_range_is(document, e->ns, ns) && probe_range_is(document, e->child_ns, ns), "%s",
			  document);
	}
}

Test(window, references_at_all_places)
{
	static const char *const known[] = {"&lt;", "&gt;", "&amp;", "&quot;", "&apos;"};
	static const char *const unknown[] = {"&ltt;", "&gt", "&amq;", "&quo;", "&APOS;", "&l;"};
	for (int before = 0; before < AROUND; before++) {
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
			snprintf(document, sizeof(document), "<m>%s%s</m>", many('t', before), known[i]);
			cr_expect_eq(element()->elements, 1);
		}
		for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
			snprintf(document, sizeof(document), "<m>%s%s %s</m>", many('t', before), unknown[i],
				 many('t', AROUND));
			probe_text(document, &seen);
			cr_expect(seen.count == 1 && seen.events[0].is == XML_BAD, "%s", document);
		}
	}
}

static void lang_expect(const char *text, enum xml_error error, uint32_t at)
{
	snprintf(document, sizeof(document), "%s%s", text, many(' ', AROUND));
	probe_text(document, &seen);
	const struct xml_event *e = &seen.events[0];
	cr_expect(seen.count == 1 && e->is == XML_BAD && e->error == error && e->error_at == at, "%s: `%s` at %u", text,
		  xml_error_text(e->error), e->error_at);
}

Test(window, language)
{
	snprintf(document, sizeof(document), "<m xml:lang='de' to='x' xml:space='s' xmlns:p='u' p:lang='fr'>%s</m>",
		 many('t', AROUND));
	const struct xml_event *e = element();
	cr_expect(probe_range_is(document, e->lang, "de") && probe_range_is(document, e->to, "x"));
	snprintf(document, sizeof(document), "<m><c xml:lang='de' xml:langs=''/>%s</m>", many('t', AROUND));
	cr_expect(probe_range_is(document, element()->lang, NULL));
	lang_expect("<m xml:lang='de' to='x' xml:lang='fr'/>", XML_ERROR_ATTRIBUTE_TWICE, 24);
	lang_expect("<m xml:lang=de/>", XML_ERROR_SYNTAX, 12);
	lang_expect("<m xml:lang='de' p:lang='fr'/>", XML_ERROR_PREFIX, 17);
	lang_expect("<m xml:lang='de' xmlns:p='u' p:a='' xmlns:q='u' q:a=''/>", XML_ERROR_ATTRIBUTE_TWICE, 48);
	lang_expect("<m xml:lang:x='de'/>", XML_ERROR_NAME, 11);
}
