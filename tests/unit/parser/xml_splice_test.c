/*
 * Start tags changed: attributes read, put in, taken out, replaced.
 */
#include "xml_probe.h"
#include "xml_splice.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

static struct probe seen;
static struct xml_splice splice;
static const uint8_t *bytes;

static const struct xml_event *begin(const char *text)
{
	probe_text(text, &seen);
	cr_assert(seen.count > 0 && seen.events[seen.count - 1].is == XML_ELEMENT, "%s", text);
	bytes = (const uint8_t *)text;
	xml_splice_begin(&splice, bytes, &seen.events[seen.count - 1]);
	return splice.event;
}

static struct xml_attribute_place attribute(const char *name)
{
	struct xml_attribute_place place = {{0, 0}, {0, 0}, {0, 0}};
	cr_assert(xml_attribute_find(bytes, splice.event, name, &place), "%s", name);
	return place;
}

static void insert(const char *text)
{
	xml_splice_insert(&splice, text, strlen(text));
}

static void expect(const char *expected, size_t expected_count)
{
	struct xml_piece pieces[XML_PIECES_MAX];
	char joined[1024];
	size_t count = xml_splice_pieces(&splice, pieces), len = 0;
	for (size_t i = 0; i < count; len += pieces[i++].len)
		memcpy(joined + len, pieces[i].at, pieces[i].len);
	joined[len] = '\0';
	cr_expect_str_eq(joined, expected);
	cr_expect_eq(count, expected_count, "%s: %zu pieces", expected, count);
}

static void expect_attribute(const char *text, const char *name, const char *value, const char *whole)
{
	begin(text);
	struct xml_attribute_place place = attribute(name);
	cr_expect(probe_range_is(text, place.name, name), "%s", text);
	cr_expect(place.value.len == strlen(value) && memcmp(text + place.value.at, value, place.value.len) == 0, "%s",
		  text);
	cr_expect(probe_range_is(text, place.whole, whole), "%s", text);
}

Test(splice, attributes_are_found)
{
	expect_attribute("<a b='c'/>", "b", "c", " b='c'");
	expect_attribute("<a bb='c' b='d'/>", "b", "d", " b='d'");
	expect_attribute("<a b='d' bb='c'/>", "bb", "c", " bb='c'");
	expect_attribute("<p:a xmlns:p=\"u\"\n\tp:b\r=\n''  b='>'\n></p:a>", "p:b", "", "\n\tp:b\r=\n''");
	expect_attribute("<p:a xmlns:p=\"u\"\n\tp:b\r=\n''  b='>'\n></p:a>", "b", ">", "  b='>'");
	expect_attribute("<p:a xmlns:p=\"u\"\n\tp:b\r=\n''  b='>'\n></p:a>", "xmlns:p", "u", " xmlns:p=\"u\"");
	expect_attribute("<a b='\"' c=\"'=/\"/>", "c", "'=/", " c=\"'=/\"");
	expect_attribute("<\xC3\xA9 \xC3\xA9='\xC3\xA9'/>", "\xC3\xA9", "\xC3\xA9", " \xC3\xA9='\xC3\xA9'");
}

Test(splice, attributes_that_are_not_there)
{
	static const char *const texts[] = {"<a/>",	 "<a />",	 "<a></a>",
					    "<a\n></a>", "<a bb='b='/>", "<a c=''><b b=''/></a>"};
	struct xml_attribute_place place = {.name = {7, 8}};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		begin(texts[i]);
		cr_expect_not(xml_attribute_find(bytes, splice.event, "b", &place), "%s", texts[i]);
		cr_expect(place.name.at == 7 && place.name.len == 8);
	}
}

Test(splice, attributes_of_a_child)
{
	const struct xml_event *e = begin("<a b='1'><c d='2' e='3' /></a>");
	struct xml_attribute_place place;
	uint32_t at = e->child.at + e->child.len;
	cr_assert(xml_attribute_next(bytes, &at, &place) && probe_range_is((const char *)bytes, place.name, "d"));
	cr_assert(xml_attribute_next(bytes, &at, &place) && probe_range_is((const char *)bytes, place.value, "3"));
	cr_assert_not(xml_attribute_next(bytes, &at, &place));
	cr_expect(probe_range_is((const char *)bytes, place.value, "3"), "what is there stays");
	cr_expect_eq(bytes[at], ' ');
}

Test(splice, nothing)
{
	begin(" <z/>\n<a b='1'>x</a>");
	expect("<a b='1'>x</a>", 1);
	insert("");
	expect("<a b='1'>x</a>", 2);
}

Test(splice, insert)
{
	begin("<a b='1'>x</a>");
	insert(" c='2'");
	expect("<a c='2' b='1'>x</a>", 3);
	insert(" d='3'");
	expect("<a c='2' d='3' b='1'>x</a>", 4);
	begin("<a/>");
	insert(" c='2'");
	expect("<a c='2'/>", 3);
	begin("<p:a xmlns:p='u'/>");
	insert(" c='2'");
	expect("<p:a c='2' xmlns:p='u'/>", 3);
}

Test(splice, remove)
{
	begin("<a b='1' from = \"2\"\nc='3'/>");
	xml_splice_remove(&splice, splice.event->from_whole);
	expect("<a b='1'\nc='3'/>", 2);
	xml_splice_remove(&splice, attribute("c").whole);
	expect("<a b='1'/>", 2);
	xml_splice_remove(&splice, attribute("b").whole);
	expect("<a/>", 2);
}

Test(splice, replace)
{
	begin("<a b='1' c=''/>");
	xml_splice_replace(&splice, attribute("b").value, "&gt;", 4);
	expect("<a b='&gt;' c=''/>", 3);
	xml_splice_replace(&splice, attribute("c").value, "2", 1);
	expect("<a b='&gt;' c='2'/>", 5);
	begin("<a b='1' c=''/>");
	xml_splice_replace(&splice, attribute("b").whole, " d='1'", 6);
	expect("<a d='1' c=''/>", 3);
	begin("<a b='1' c=''/>");
	xml_splice_replace(&splice, attribute("b").value, "", 0);
	expect("<a b='' c=''/>", 2);
}

/* In whatever order the changes are told; what is put in stands before an attribute that is taken out there. */
Test(splice, all_at_once)
{
	static const int orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 0, 3, 2}, {2, 3, 0, 1}, {1, 3, 0, 2}};
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		begin("<a b='1' c='2' d='3'>x</a>");
		for (size_t j = 0; j < 4; j++) {
			switch (orders[i][j]) {
			case 0:
				xml_splice_remove(&splice, attribute("b").whole);
				break;
			case 1:
				xml_splice_replace(&splice, attribute("c").value, "4", 1);
				break;
			case 2:
				xml_splice_remove(&splice, attribute("d").whole);
				break;
			default:
				insert(" e='5'");
			}
		}
		expect("<a e='5' c='4'>x</a>", 6);
	}
}

Test(splice, attributes_of_an_item_behind_another)
{
	begin("<z from='1'/>\n<a from='2'/>");
	xml_splice_replace(&splice, attribute("from").value, "3", 1);
	expect("<a from='3'/>", 3);
}

Test(splice, as_many_changes_as_fit)
{
	begin("<a/>");
	for (int i = 0; i < XML_CUTS_MAX; i++)
		insert("x");
	expect("<axxxxxxxxxxxxxxxx/>", XML_CUTS_MAX + 2);
}

Test(splice, one_change_more, .signal = SIGABRT)
{
	begin("<a/>");
	for (int i = 0; i <= XML_CUTS_MAX; i++)
		insert("x");
}

Test(splice, a_range_of_another_place, .signal = SIGABRT)
{
	begin("<z b='1'/><a/>");
	xml_splice_remove(&splice, (struct xml_range){2, 6});
}

Test(splice, what_is_taken_out_twice, .signal = SIGABRT)
{
	struct xml_piece pieces[XML_PIECES_MAX];
	begin("<a b='1'/>");
	xml_splice_remove(&splice, attribute("b").whole);
	xml_splice_remove(&splice, attribute("b").whole);
	xml_splice_pieces(&splice, pieces);
}

Test(splice, nothing_taken_out, .signal = SIGABRT)
{
	begin("<a/>");
	xml_splice_remove(&splice, splice.event->from_whole);
}
