/*
 * Elements: what is told of one, and what makes one unacceptable.
 */
#include "xml_probe.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct probe seen;

static const struct xml_event *expect_element(const char *text)
{
	probe_text(text, &seen);
	cr_assert(seen.count == 1 && seen.events[0].is == XML_ELEMENT, "%s: %s", text,
		  xml_error_text(probe_error(&seen)));
	cr_expect_eq(seen.events[0].end, strlen(text));
	return &seen.events[0];
}

static void expect_refused(const char *text, enum xml_error error, uint32_t at)
{
	probe_text(text, &seen);
	const struct xml_event *e = &seen.events[0];
	cr_expect(seen.count == 1 && e->is == XML_BAD && e->error == error && e->error_at == at,
		  "%s: error `%s` at %u, not `%s` at %u", text, xml_error_text(probe_error(&seen)), e->error_at,
		  xml_error_text(error), at);
}

Test(element, attributes_are_found)
{
	const char *text = "<iq id='1' xml:lang=\"fr\"\tfrom = 'a&amp;b'  to=\"\" type='get' x:to='no' xmlns:x='u'/>";
	const struct xml_event *e = expect_element(text);
	cr_expect(probe_range_is(text, e->name, "iq") && probe_range_is(text, e->prefix, NULL));
	cr_expect(probe_range_is(text, e->id, "1") && probe_range_is(text, e->lang, "fr"));
	cr_expect(probe_range_is(text, e->from, "a&amp;b") && probe_range_is(text, e->type, "get"));
	cr_expect(probe_range_is(text, e->from_whole, "\tfrom = 'a&amp;b'"));
	cr_expect(e->to.at != 0 && e->to.len == 0, "present and empty");
	cr_expect(probe_range_is(text, e->ns, NULL) && probe_range_is(text, e->version, NULL));
	cr_expect_eq(e->insert_at, 3);
	cr_expect(e->empty && !e->stream_prefix && e->elements == 1 && e->depth == 1);
	cr_expect(probe_range_is(text, e->text, NULL) && probe_range_is(text, e->child, NULL));
}

Test(element, attributes_of_others_are_not)
{
	const char *text =
		"<a TO='1' tO='1' xmlns:c='jabber:client' c:to='2' c:id='3' xml:space='d' version='9'><b to='4' id='5' "
		"from='6' type='7' xml:lang='8'/></a>";
	const struct xml_event *e = expect_element(text);
	cr_expect(probe_range_is(text, e->to, NULL) && probe_range_is(text, e->id, NULL));
	cr_expect(probe_range_is(text, e->from, NULL) && probe_range_is(text, e->type, NULL));
	cr_expect(probe_range_is(text, e->lang, NULL) && probe_range_is(text, e->from_whole, NULL));
	cr_expect(probe_range_is(text, e->version, NULL), "only the header has one");
}

Test(element, quotes_and_ends_of_tags_in_values_are_text)
{
	const char *text = "<m id=\"a' to='evil' x='\" to='v>/>]]>'/>";
	const struct xml_event *e = expect_element(text);
	cr_expect(probe_range_is(text, e->id, "a' to='evil' x='") && probe_range_is(text, e->to, "v>/>]]>"));
}

Test(element, first_child_and_text)
{
	const char *text = "<m> x<![CDATA[<&>]]]]><a:b xmlns:a='u1'/><c xmlns='u2'><d/></c></m >";
	const struct xml_event *e = expect_element(text);
	cr_expect(probe_range_is(text, e->child, "b") && probe_range_is(text, e->child_ns, "u1"));
	cr_expect(probe_range_is(text, e->text, " x<![CDATA[<&>]]]]><a:b xmlns:a='u1'/><c xmlns='u2'><d/></c>"));
	cr_expect(!e->empty && e->elements == 4 && e->depth == 3);
}

Test(element, depth_is_the_deepest)
{
	const struct xml_event *e = expect_element("<a><b><c/></b><d/></a>");
	cr_expect(e->depth == 3 && e->elements == 4);
}

Test(element, emptiness)
{
	cr_expect(expect_element("<a/>")->empty);
	cr_expect(expect_element("<a  />")->empty);
	const char *text = "<a></a>";
	const struct xml_event *e = expect_element(text);
	cr_expect(e->empty && e->text.at == 3 && e->text.len == 0);
	cr_expect_not(expect_element("<a> </a>")->empty);
	cr_expect_not(expect_element("<a><b/></a>")->empty);
}

static void expect_spaces(const char *text, const char *ns, const char *child_ns)
{
	const struct xml_event *e = expect_element(text);
	cr_expect(probe_range_is(text, e->ns, ns), "namespace of %s", text);
	cr_expect(probe_range_is(text, e->child_ns, child_ns), "namespace of the child in %s", text);
}

Test(element, namespaces)
{
	expect_spaces("<m><x/></m>", NULL, NULL);
	expect_spaces("<m xmlns='u'><x/></m>", "u", "u");
	expect_spaces("<m xmlns='u'><x xmlns='v'/></m>", "u", "v");
	expect_spaces("<m xmlns:p='w'><p:x/></m>", NULL, "w");
	expect_spaces("<p:m xmlns:p='w' xmlns='u'><x/></p:m>", "w", "u");
	expect_spaces("<p:m xmlns:p='w'><x/></p:m>", "w", NULL);
	expect_spaces("<m xmlns:a='u1'><a:x xmlns:a='u2'/><a:y/></m>", NULL, "u2");
	expect_spaces("<m><x xmlns:a='u1'/></m>", NULL, NULL);
	expect_spaces("<m><x b='1' xmlns='u1'/><y xmlns='u2'/></m>", NULL, "u1");
	expect_spaces("<m><q:p xmlns:q='a&amp;b'/></m>", NULL, "a&amp;b");
}

Test(element, default_namespace_may_be_undeclared)
{
	const char *text = "<m xmlns='u'><x xmlns=''/></m>";
	const struct xml_event *e = expect_element(text);
	cr_expect(e->child_ns.at != 0 && e->child_ns.len == 0);
}

Test(element, prefix_of_the_header)
{
	const char *text = "<stream:features><x xmlns='u'/></stream:features>";
	const struct xml_event *e = expect_element(text);
	cr_expect(e->stream_prefix && probe_range_is(text, e->prefix, "stream") && probe_range_is(text, e->ns, NULL));
	cr_expect(probe_range_is(text, e->name, "features") && probe_range_is(text, e->child, "x"));
	cr_expect(expect_element("<stream:a xmlns:stream='http://etherx.jabber.org/streams'/>")->stream_prefix);
	cr_expect_not(expect_element("<stream:a xmlns:stream='urn:other'/>")->stream_prefix);
	cr_expect_not(expect_element("<s:a xmlns:s='http://etherx.jabber.org/streams'/>")->stream_prefix);
	expect_refused("<stream:a><stream:b/></stream:a>", XML_ERROR_PREFIX, 11);
	expect_refused("<a><stream:b/></a>", XML_ERROR_PREFIX, 4);
	expect_refused("<stream:a stream:b='1'/>", XML_ERROR_PREFIX, 10);
}

Test(element, prefixes_refused)
{
	expect_refused("<p:a/>", XML_ERROR_PREFIX, 1);
	expect_refused("<a p:b='1'/>", XML_ERROR_PREFIX, 3);
	expect_refused("<a><b xmlns:p='u'/><p:c/></a>", XML_ERROR_PREFIX, 20);
	expect_refused("<a><b xmlns:p='u'></b><c p:d=''/></a>", XML_ERROR_PREFIX, 25);
	expect_refused("<a xmlns:p=''/>", XML_ERROR_PREFIX, 12);
	expect_refused("<a xmlns:xmlns='u'/>", XML_ERROR_PREFIX, 16);
	expect_refused("<a xmlns:xml='u'/>", XML_ERROR_PREFIX, 14);
	expect_refused("<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>", XML_ERROR_PREFIX, 12);
	expect_refused("<a xmlns='http://www.w3.org/XML/1998/namespac&#101;'/>", XML_ERROR_PREFIX, 10);
	expect_refused("<a xmlns:p='http://www.w3.org/2000/xmlns/'/>", XML_ERROR_PREFIX, 12);
	expect_refused("<xmlns:a/>", XML_ERROR_PREFIX, 1);
	expect_refused("<xmlns:a/>", XML_ERROR_PREFIX, 1);
	expect_refused("<a><xmlns:a/></a>", XML_ERROR_PREFIX, 4);
	expect_refused("<xmla:a/>", XML_ERROR_PREFIX, 1);
	expect_element("<a><b/><xml:a/></a>");
	expect_element("<a xmlns:xml='http://www.w3.org/XML/1998/namespace' xml:id='1'/>");
	expect_element("<a><xmlns xmlns='u' y='1'/></a>");
	expect_element("<a xmlns:xmlnsx='u' xmlnsx:b=' '/>");
}

/* As default namespace they can be told by their length and where they are from: others may have both. */
Test(element, namespaces_of_xml_are_no_default)
{
	expect_refused("<a xmlns='http://www.w3.org/XML/1998/namespace'/>", XML_ERROR_PREFIX, 10);
	expect_refused("<a xmlns=\"http://www.w3.org/2000/xmlns/\"/>", XML_ERROR_PREFIX, 10);
	expect_refused("<a><b xmlns='http://www.w3.org/XML/1998/namespace'/></a>", XML_ERROR_PREFIX, 13);
	expect_refused("<a><b xmlns = 'http://www.w3.org/2000/xmlns/'/></a>", XML_ERROR_PREFIX, 15);
	const char *text = "<a xmlns='http://www.w3.org/2000/xmlns-'/>";
	cr_expect(probe_range_is(text, expect_element(text)->ns, "http://www.w3.org/2000/xmlns-"));
	text = "<a xmlns='http://www.w3.org/XML/1998/namespacE'/>";
	cr_expect(probe_range_is(text, expect_element(text)->ns, "http://www.w3.org/XML/1998/namespacE"));
	expect_element("<a xmlns='http://www.example/2000/xmlns'/>");
}

Test(element, namespace_names_refused)
{
	expect_refused("<a xmlns='u '/>", XML_ERROR_NAMESPACE_NAME, 10);
	expect_refused("<a xmlns='u\nv'/>", XML_ERROR_NAMESPACE_NAME, 10);
	expect_refused("<a xmlns:p='u&#10;v'/>", XML_ERROR_NAMESPACE_NAME, 12);
	expect_refused("<a xmlns='&#x20;'/>", XML_ERROR_NAMESPACE_NAME, 10);
	expect_refused("<a xmlns='u\x7F'/>", XML_ERROR_NAMESPACE_NAME, 10);
	expect_refused("<a xmlns='u\xC2\x85'/>", XML_ERROR_NAMESPACE_NAME, 10);
	expect_element("<a xmlns='u?a=1&amp;b=\xC3\xA4'/>");
}

Test(element, attributes_twice)
{
	expect_refused("<a b='1' b='1'/>", XML_ERROR_ATTRIBUTE_TWICE, 9);
	expect_refused("<a xmlns='u' xmlns='v'/>", XML_ERROR_ATTRIBUTE_TWICE, 13);
	expect_refused("<a xmlns:p='u' xmlns:p='v'/>", XML_ERROR_ATTRIBUTE_TWICE, 15);
	expect_refused("<a long-name-of-it='' long-name-of-is='' long-name-of-it=''/>", XML_ERROR_ATTRIBUTE_TWICE, 41);
	expect_refused("<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>", XML_ERROR_ATTRIBUTE_TWICE, 35);
	expect_refused("<a xmlns:p='u&amp;' xmlns:q='u&#38;' p:b='1' q:b='2'/>", XML_ERROR_ATTRIBUTE_TWICE, 45);
	expect_refused("<x xmlns:p='u'><a xmlns:q='u' c='' p:b='1' xml:b='' b='' q:b='2'/></x>",
		       XML_ERROR_ATTRIBUTE_TWICE, 57);
	expect_element("<a xmlns:p='u' xmlns:q='v' p:b='1' q:b='2' b='3' p:c='4' B='5'/>");
	expect_element("<a xmlns:p='u' p:to='1' to='1'/>");
	expect_element("<a xmlns:p='u' xmlns:q='u' p:bc='1' q:b='2'/>");
	expect_element("<a xmlns:p='u&amp;' xmlns:q='u&amp;v' p:b='1' q:b='2'/>");
	expect_element("<a xmlns='u' xmlns:p='u' b='1' p:b='2'/>");
}

Test(element, names)
{
	expect_element("<_a-b.1><\xE6\xB6\x88\xE6\x81\xAF \xC3\xA9='1'/></_a-b.1>");
	expect_element("<p:\xC3\xA9\xCC\x80 xmlns:p='u' p:\xC3\xA9\xC2\xB7='1'/>");
}

Test(element, names_refused)
{
	expect_refused("< a/>", XML_ERROR_SYNTAX, 1);
	expect_refused("<>", XML_ERROR_SYNTAX, 1);
	expect_refused("<1a/>", XML_ERROR_NAME, 1);
	expect_refused("<-a/>", XML_ERROR_NAME, 1);
	expect_refused("<a\xC3\x97/>", XML_ERROR_NAME, 2);
	expect_refused("<\xCC\x81/>", XML_ERROR_NAME, 1);
	expect_refused("<a\xE2\xB0\x80/>", XML_ERROR_NAME, 2);
	expect_refused("<a\xF0\x90\x80\x80/>", XML_ERROR_NAME, 2);
	expect_refused("<a b:c:d='1'/>", XML_ERROR_NAME, 6);
	expect_refused("<:a/>", XML_ERROR_SYNTAX, 1);
	expect_refused("<a:/>", XML_ERROR_NAME, 3);
	expect_refused("<a:1/>", XML_ERROR_NAME, 3);
	expect_refused("<a::b/>", XML_ERROR_NAME, 3);
	expect_refused("<a p:='1'/>", XML_ERROR_NAME, 5);
	expect_refused("<a\xC2\xA0"
		       "b='1'/>",
		       XML_ERROR_NAME, 2);
	expect_refused("<a 1='1'/>", XML_ERROR_SYNTAX, 3);
	expect_refused("<a\x0B"
		       "b='1'/>",
		       XML_ERROR_CHARACTER, 2);
}

Test(element, tags_refused)
{
	expect_refused("<a b/>", XML_ERROR_SYNTAX, 4);
	expect_refused("<a b=1/>", XML_ERROR_SYNTAX, 5);
	expect_refused("<a b='1'c='2'/>", XML_ERROR_NAME, 8);
	expect_refused("<a/b='1'>", XML_ERROR_SYNTAX, 3);
	expect_refused("<a / >", XML_ERROR_SYNTAX, 4);
	expect_refused("<a b='<'/>", XML_ERROR_SYNTAX, 6);
	expect_refused("<a b='1\"/><c d='", XML_ERROR_SYNTAX, 10);
	expect_refused("<a<b/>", XML_ERROR_SYNTAX, 2);
	expect_refused("<a='1'/>", XML_ERROR_SYNTAX, 2);
	expect_refused("<a></b>", XML_ERROR_END_TAG, 5);
	expect_refused("<a></A>", XML_ERROR_END_TAG, 5);
	expect_refused("<a></ab>", XML_ERROR_END_TAG, 6);
	expect_refused("<ab></a>", XML_ERROR_END_TAG, 7);
	expect_refused("<a></ a>", XML_ERROR_END_TAG, 5);
	expect_refused("<a></a b='1'>", XML_ERROR_END_TAG, 7);
	expect_refused("<a><b></a></b>", XML_ERROR_END_TAG, 8);
	expect_refused("<\xC3\xA9></\xC3\xA8>", XML_ERROR_END_TAG, 7);
}

Test(element, content_refused)
{
	expect_refused("<a><!-- --></a>", XML_ERROR_RESTRICTED, 5);
	expect_refused("<a><!DOCTYPE x></a>", XML_ERROR_RESTRICTED, 5);
	expect_refused("<a><?x?></a>", XML_ERROR_RESTRICTED, 4);
	expect_refused("<a><![cdata[x]]></a>", XML_ERROR_SYNTAX, 6);
	expect_refused("<a>]]></a>", XML_ERROR_SYNTAX, 5);
	expect_refused("<a>]]]></a>", XML_ERROR_SYNTAX, 6);
	expect_refused("<a><![CDATA[]]>]]></a>", XML_ERROR_SYNTAX, 17);
	expect_refused("<a>\x08</a>", XML_ERROR_CHARACTER, 3);
	expect_refused("<a>\xEF\xBF\xBF</a>", XML_ERROR_CHARACTER, 5);
	expect_refused("<a>\xED\xA0\x80</a>", XML_ERROR_ENCODING, 4);
	expect_refused("<a>\xC3</a>", XML_ERROR_ENCODING, 4);
	expect_element("<a>]]<b/>></a>");
	expect_element("<a>]]&gt; ] ]> >></a>");
	expect_element("<a><![CDATA[]]]]><![CDATA[>]]></a>");
	expect_element("<a><![CDATA[</a>&x;<!--]]>]]</a>");
}

Test(element, references)
{
	expect_element("<a "
		       "b='&lt;&gt;&amp;&apos;&quot;&#9;&#x10FFFF;'>&lt;&gt;&amp;&apos;&quot;&#10;&#xd;&#"
		       "x0000000000000041;</a>");
	expect_refused("<a>&nbsp;</a>", XML_ERROR_RESTRICTED, 8);
	expect_refused("<a>&lo;</a>", XML_ERROR_RESTRICTED, 6);
	expect_refused("<a>&quota;</a>", XML_ERROR_RESTRICTED, 8);
	expect_refused("<a>&LT;</a>", XML_ERROR_RESTRICTED, 6);
	expect_refused("<a b='&foo;'/>", XML_ERROR_RESTRICTED, 10);
	expect_refused("<a>AT&T</a>", XML_ERROR_SYNTAX, 7);
	expect_refused("<a>& </a>", XML_ERROR_SYNTAX, 4);
	expect_refused("<a>&;</a>", XML_ERROR_SYNTAX, 4);
	expect_refused("<a>&#;</a>", XML_ERROR_SYNTAX, 5);
	expect_refused("<a>&#x;</a>", XML_ERROR_SYNTAX, 6);
	expect_refused("<a>&#X41;</a>", XML_ERROR_SYNTAX, 5);
	expect_refused("<a>&#4a;</a>", XML_ERROR_SYNTAX, 6);
	expect_refused("<a>&#x4g;</a>", XML_ERROR_SYNTAX, 7);
	expect_refused("<a>&#0;</a>", XML_ERROR_REFERENCE, 6);
	expect_refused("<a>&#xD800;</a>", XML_ERROR_REFERENCE, 10);
	expect_refused("<a>&#xFFFE;</a>", XML_ERROR_REFERENCE, 10);
	expect_refused("<a>&#1114112;</a>", XML_ERROR_REFERENCE, 12);
	expect_refused("<a>&#4294967356;</a>", XML_ERROR_REFERENCE, 15);
	expect_refused("<a>&#00000000000000065;</a>", XML_ERROR_REFERENCE, 21);
	expect_refused("<a b='&#x1F;'/>", XML_ERROR_REFERENCE, 11);
}

/* Two faults in one document: the first decides, however it was cut. */
Test(element, first_of_several_faults_decides)
{
	expect_refused("<a b='1' b='<\xFF'/>", XML_ERROR_ATTRIBUTE_TWICE, 9);
	expect_refused("<a b='<' b='\xFF'/>", XML_ERROR_SYNTAX, 6);
	expect_refused("<a b='\xFF' b='<'/>", XML_ERROR_ENCODING, 6);
	expect_refused("<a></b\xFF>", XML_ERROR_END_TAG, 5);
	expect_refused("<a\xC3\x97\xFF/>", XML_ERROR_NAME, 2);
	expect_refused("<a\xC3\xFF/>", XML_ERROR_ENCODING, 3);
	expect_refused("<p:a b='&x;'/>", XML_ERROR_RESTRICTED, 10);
}

static bool is_entity(const char *name)
{
	static const char *const all[] = {"lt", "gt", "amp", "apos", "quot"};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(all[i], name) == 0)
			return true;
	return false;
}

/* Whatever differs from one of the five in a letter is another, in text as in values. */
Test(element, references_nearly_right)
{
	char name[8], text[64];
	for (const char *names = "lt\0gt\0amp\0apos\0quot\0"; *names; names += strlen(names) + 1)
		for (size_t i = 0; names[i]; i++)
			for (char c = 'a'; c <= 'z'; c++) {
				strcpy(name, names)[i] = c;
				if (is_entity(name))
					continue;
				sprintf(text, "<a>&%s; and more</a>", name);
				expect_refused(text, XML_ERROR_RESTRICTED, (uint32_t)strlen(name) + 4);
				sprintf(text, "<a b='&%s;'/>", name);
				expect_refused(text, XML_ERROR_RESTRICTED, (uint32_t)strlen(name) + 7);
			}
}

/* And whatever differs from xml:lang in a letter. */
Test(element, languages_nearly_right)
{
	char name[] = "xml:lang", text[96];
	for (size_t i = 0; i < strlen("xml:lang"); i++) {
		char right = name[i];
		for (name[i] = 'a'; name[i] <= 'z'; name[i]++) {
			if (name[i] == right)
				continue;
			if (i < strlen("xml"))
				sprintf(text, "<a xmlns:%.3s='u' %s='1'/>", name, name);
			else
				sprintf(text, "<a %s='1'/>", name);
			cr_expect(probe_range_is(text, expect_element(text)->lang, NULL), "%s", text);
		}
		name[i] = right;
	}
}
