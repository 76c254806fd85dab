#include "element.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct element *parse(const char *xml)
{
	return element_parse(xml, strlen(xml));
}

Test(element, names_attributes_children_text)
{
	struct element *iq = parse("<iq id='a&amp;&#x41;&quot;' p:id='other' xmlns:p='urn:p'> <p:q "
				   "v=''>t<x/>&lt;<![CDATA[&]]></p:q><q/></iq>");
	struct element *q = element_first(iq);
	char *text = element_text(q);

	cr_expect_str_eq(element_name(iq), "iq");
	cr_expect_str_eq(element_ns(iq), "jabber:client");
	cr_expect_str_eq(element_attribute(iq, "id"), "a&A\"");
	cr_expect_null(element_attribute(iq, "to"));
	cr_expect_eq(element_count(iq), 2);
	cr_expect(element_is(q, "q", "urn:p"));
	cr_expect_str_eq(element_attribute(q, "v"), "");
	cr_expect_str_eq(text, "t<&");
	cr_expect_eq(element_child(iq, "q", "jabber:client"), element_next(q));
	cr_expect_null(element_child(iq, "q", "urn:none"));
	cr_expect_null(element_next(element_next(q)));
	free(text);
	element_free(iq);
}

Test(element, undeclared_namespace_and_nonsense)
{
	struct element *a = parse("<a><b xmlns=''/></a>");

	cr_expect_str_eq(element_ns(element_first(a)), "");
	element_free(a);
	cr_expect_null(parse("<a>"));
	cr_expect_null(parse("</s>"));
	cr_expect_null(parse(""));
	element_free(NULL);
}

static void check_write(const char *xml, const char *ns, const char *wanted)
{
	struct element *element = parse(xml);
	struct text written = {0};

	cr_assert_not_null(element);
	element_write(element, ns, &written);
	cr_expect_str_eq(written.bytes, wanted);
	text_free(&written);
	element_free(element);
}

Test(element, written_stands_for_itself)
{
	check_write("<a/>", "jabber:client", "<a/>");
	check_write("<a/>", "urn:x", "<a xmlns='jabber:client'/>");
	check_write("<a xmlns='urn:a'><b/><c xmlns=''/></a>", "jabber:client",
		    "<a xmlns='urn:a'><b/><c xmlns=''/></a>");
	check_write("<a xmlns:p='urn:p'><p:b p:v='1'/></a>", "jabber:client",
		    "<a><b xmlns='urn:p' xmlns:n0='urn:p' n0:v='1'/></a>");
	check_write("<a xml:lang='de' v='&quot;&apos;&lt;&#9;&#10;'>&amp;&#13;\n\t</a>", "jabber:client",
		    "<a xml:lang='de' v='&quot;&apos;&lt;&#9;&#10;'>&amp;&#13;\n\t</a>");
}

/* As deep as the tokenizer may let pass. */
Test(element, deep)
{
	enum { DEPTH = 256 };
	struct text xml = {0}, written = {0};
	struct element *a;

	for (int i = 0; i < DEPTH; i++)
		text_put(&xml, "<a>");
	text_put(&xml, "x");
	for (int i = 0; i < DEPTH; i++)
		text_put(&xml, "</a>");
	a = parse(xml.bytes);
	cr_assert_not_null(a);
	element_write(a, "jabber:client", &written);
	cr_expect_str_eq(written.bytes, xml.bytes);
	element_free(a);
	text_free(&xml);
	text_free(&written);
}

Test(text, put)
{
	struct text t = {0};

	text_put(&t, "%s|%t|%r|%b|%u|%d|", "a<b\n\t\r'\"&c>", ">a\n\t\r'\"&<b", "<\n", (const void *)"abc", (size_t)2,
		 7u, -7);
	cr_expect_str_eq(
		t.bytes,
		"a&lt;b&#10;&#9;&#13;&apos;&quot;&amp;c&gt;|&gt;a\n\t&#13;&apos;&quot;&amp;&lt;b|<\n|ab|7|-7|");
	cr_expect_eq(t.len, strlen(t.bytes));
	text_free(&t);
	for (int i = 0; i < 1000; i++)
		text_put(&t, "%d", i % 10);
	cr_expect_eq(t.len, 1000);
	cr_expect_eq(t.bytes[1000], '\0');
	text_free(&t);
}

/* As long as the tokenizer may let pass. */
Test(element, long_text)
{
	enum { BYTES = 15 * 1024 * 1024 };
	char *filler = text_memory(BYTES + 1, 1), *read;
	struct text xml = {0};
	struct element *a;

	memset(filler, 'x', BYTES);
	text_put(&xml, "<a b='%r'>%r</a>", "y", filler);
	a = element_parse(xml.bytes, xml.len);
	cr_assert_not_null(a);
	read = element_text(a);
	cr_expect_eq(strlen(read), BYTES);
	free(read);
	free(filler);
	element_free(a);
	text_free(&xml);
}
