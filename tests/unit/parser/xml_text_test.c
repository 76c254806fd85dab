/*
 * Values and text: compared, unescaped, escaped.
 */
#include "xml.h"

#include <criterion/criterion.h>
#include <string.h>

static struct xml_range all_of(const char *text)
{
	return (struct xml_range){0, (uint32_t)strlen(text)};
}

static bool equal(const char *raw, const char *text)
{
	return xml_is_equal((const uint8_t *)raw, all_of(raw), text);
}

Test(text, equality_sees_through_references)
{
	cr_expect(equal("set", "set"));
	cr_expect(equal("s&#101;t", "set"));
	cr_expect(equal("&lt;&#x20AC;&apos;", "<\xE2\x82\xAC'"));
	cr_expect(equal("", ""));
	cr_expect_not(equal("set", "se"));
	cr_expect_not(equal("se", "set"));
	cr_expect_not(equal("", "s"));
	cr_expect_not(equal("&amp;", "&amp;"));
	cr_expect_not(equal("&#x20AC;", "\xE2\x82"));
}

Test(text, equality_stays_in_its_range)
{
	cr_expect(xml_is_equal((const uint8_t *)"xsetx", (struct xml_range){1, 3}, "set"));
	cr_expect_not(xml_is_equal((const uint8_t *)"xsetx", (struct xml_range){1, 2}, "set"));
}

typedef size_t unescape_call(const uint8_t *, struct xml_range, uint8_t *);

static void expect_meant(unescape_call *unescape, const char *raw, const char *text)
{
	uint8_t to[256];
	memset(to, 0x5A, sizeof(to));
	size_t len = unescape((const uint8_t *)raw, all_of(raw), to);
	cr_expect(len == strlen(text) && memcmp(to, text, len) == 0, "%s: %.*s", raw, (int)len, (char *)to);
	cr_expect_eq(to[strlen(raw)], 0x5A, "wrote more than the raw value's length");
}

static void expect_unescaped(const char *raw, const char *text)
{
	expect_meant(xml_unescape_text, raw, text);
}

Test(text, unescape)
{
	expect_unescaped("", "");
	expect_unescaped("plain", "plain");
	expect_unescaped("&lt;&gt;&amp;&apos;&quot;", "<>&'\"");
	expect_unescaped("&#65;&#x41;&#xe4;&#x20ac;&#x1F600;", "AA\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80");
	expect_unescaped("&amp;lt;", "&lt;");
	expect_unescaped("a<![CDATA[<&amp;]]>]]b", "a<&amp;]]b");
	expect_unescaped("<![CDATA[]]]]><![CDATA[>]]>", "]]>");
	expect_unescaped("1\r\n2\r3\n4\r\r\n5", "1\n2\n3\n4\n\n5");
	expect_unescaped("&#13;&#10;", "\r\n");
	expect_unescaped("<![CDATA[\r\n]]>", "\n");
}

/* XML 1.0, section 3.3.3: white space that stands there becomes blanks; white space by reference stays. */
Test(text, values)
{
	static const char *const rows[][2] = {
		{"", ""},
		{"plain  value", "plain  value"},
		{"&lt;&gt;&amp;&apos;&quot;&#x20AC;", "<>&'\"\xE2\x82\xAC"},
		{"1\t2\n3\r4", "1 2 3 4"},
		{"1\r\n2\r\r\n3\n\r4\r\n", "1 2  3  4 "},
		{"\r", " "},
		{"&#9;&#10;&#13;&#13;&#10;", "\t\n\r\r\n"},
		{"\r&#10;", " \n"},
		{"]]>", "]]>"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		expect_meant(xml_unescape_value, rows[i][0], rows[i][1]);
		cr_expect(equal(rows[i][0], rows[i][1]), "%s", rows[i][0]);
	}
	cr_expect_not(equal("1\t2", "1\t2"));
	cr_expect_not(equal("1\r\n2", "1  2"));
	cr_expect_not(equal("1\r\n2", "1\n2"));
	cr_expect_not(equal("1\r2", "1"));
}

static void expect_escaped(const char *text, const char *raw)
{
	uint8_t to[256];
	memset(to, 0x5A, sizeof(to));
	size_t need = strlen(raw), len = strlen(text);
	cr_expect_eq(xml_escape((const uint8_t *)text, len, NULL, 0), need);
	if (need)
		cr_expect_eq(xml_escape((const uint8_t *)text, len, to, need - 1), need);
	cr_expect_eq(to[0], 0x5A, "nothing is written when it does not fit");
	cr_expect_eq(xml_escape((const uint8_t *)text, len, to, need), need);
	cr_expect(memcmp(to, raw, need) == 0 && to[need] == 0x5A);
	uint8_t back[256];
	cr_expect_eq(xml_unescape_text(to, (struct xml_range){0, (uint32_t)need}, back), len);
	cr_expect_eq(memcmp(back, text, len), 0);
	cr_expect_eq(xml_unescape_value(to, (struct xml_range){0, (uint32_t)need}, back), len);
	cr_expect_eq(memcmp(back, text, len), 0);
}

Test(text, escape)
{
	expect_escaped("", "");
	expect_escaped("plain \xE2\x82\xAC", "plain \xE2\x82\xAC");
	expect_escaped("<a b='c' d=\"e\">&]]>", "&lt;a b=&apos;c&apos; d=&quot;e&quot;&gt;&amp;]]&gt;");
}
