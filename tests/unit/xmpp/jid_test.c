#include "jid.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* A copy without room behind it, so that a tool sees a read past its end. */
static bool parse(const char *text, size_t len, struct jid *ret)
{
	char *copy = malloc(len ? len : 1);
	memcpy(copy, text, len);
	bool good = jid_parse(copy, len, ret);
	free(copy);
	return good;
}

static void expect_parts(const struct jid *jid, const char *text)
{
	const char *slash = strchr(text, '/'), *at = strchr(text, '@');

	if (slash && at > slash)
		at = NULL;
	cr_expect_eq(jid->len, strlen(text), "%s: len", text);
	cr_expect_eq(jid->local_len, at ? at - text : 0, "%s: local_len", text);
	cr_expect_eq(jid->domain_at, at ? at - text + 1 : 0, "%s: domain_at", text);
	cr_expect_eq(jid->domain_at + jid->domain_len, slash ? (size_t)(slash - text) : strlen(text), "%s: domain_len",
		     text);
	cr_expect_eq(jid->resource_at, slash ? slash - text + 1 : 0, "%s: resource_at", text);
	cr_expect_eq(jid_bare_len(jid), slash ? (size_t)(slash - text) : strlen(text), "%s: bare", text);
}

/* NULL: not a JID. Prepared once more, it stays the same. */
static void expect_jid(const char *text, const char *want)
{
	struct jid jid;
	bool good = parse(text, strlen(text), &jid);

	cr_expect_eq(good, want != NULL, "%s", text);
	if (!good || !want)
		return;
	cr_expect_str_eq(jid.text, want);
	expect_parts(&jid, want);
	cr_expect(parse(want, strlen(want), &jid), "%s", want);
	cr_expect_str_eq(jid.text, want);
}

struct vector {
	const char *text, *want;
};

static void expect_all(const struct vector *vectors, size_t count)
{
	for (size_t i = 0; i < count; i++)
		expect_jid(vectors[i].text, vectors[i].want);
}
#define EXPECT_ALL(vectors) expect_all(vectors, sizeof vectors / sizeof vectors[0])

/* RFC 7622, 3.5, by the number there. 18, 20 and 21 are JIDs to nodeprep and resourceprep; 6 and 11 are folded. */
Test(jid, rfc7622_examples)
{
	static const struct vector vectors[] = {
		{"juliet@example.com", "juliet@example.com"},
		{"juliet@example.com/foo", "juliet@example.com/foo"},
		{"juliet@example.com/foo bar", "juliet@example.com/foo bar"},
		{"juliet@example.com/foo@bar", "juliet@example.com/foo@bar"},
		{"foo\\20bar@example.com", "foo\\20bar@example.com"},
		{"fussball@example.com", "fussball@example.com"},
		{"fu\u00dfball@example.com", "fussball@example.com"},
		{"\u03c0@example.com", "\u03c0@example.com"},
		{"\u03a3@example.com/foo", "\u03c3@example.com/foo"},
		{"\u03c3@example.com/foo", "\u03c3@example.com/foo"},
		{"\u03c2@example.com/foo", "\u03c3@example.com/foo"},
		{"king@example.com/\u265a", "king@example.com/\u265a"},
		{"example.com", "example.com"},
		{"example.com/foobar", "example.com/foobar"},
		{"a.example.com/b@example.net", "a.example.com/b@example.net"},
		{"\"juliet\"@example.com", NULL},
		{"foo bar@example.com", NULL},
		{"juliet@example.com/ foo", "juliet@example.com/ foo"},
		{"@example.com/", NULL},
		{"henry\u2163@example.com", "henryiv@example.com"},
		{"\u265a@example.com", "\u265a@example.com"},
		{"juliet@", NULL},
		{"/foobar", NULL},
	};

	EXPECT_ALL(vectors);
}

Test(jid, S5_one_form_of_case_and_width)
{
	static const struct vector vectors[] = {
		{"JULIET@EXAMPLE.COM/Balcony", "juliet@example.com/Balcony"},
		{"\u00c9@example.com", "\u00e9@example.com"},
		{"e\u0301@example.com", "\u00e9@example.com"},
		{"\uff4a\uff55@\uff45xample.com", "ju@example.com"},
		{"a@B\u00dcCHER.example", "a@b\u00fccher.example"},
		{"a@b/\uff21", "a@b/A"},
		{"a\u00adb@example.com", "ab@example.com"},
		{"\u0531@b", "\u0561@b"},
		{"\U00010400@b", "\U00010428@b"},
		{"a@b/\U0001f600", "a@b/\U0001f600"},
		{"\U0001f600@b", "\U0001f600@b"},
	};

	EXPECT_ALL(vectors);
}

Test(jid, parts_that_are_empty_or_nothing_once_prepared)
{
	static const struct vector vectors[] = {
		{"", NULL},	    {"@", NULL},	{"/", NULL},	      {"@/", NULL},
		{"a@/b", NULL},	    {"@b", NULL},	{"a@b/", NULL},	      {"b/", NULL},
		{"\u00ad@b", NULL}, {"a@\u00ad", NULL}, {"a@b/\u00ad", NULL}, {".", NULL},
	};

	EXPECT_ALL(vectors);
}

Test(jid, where_parts_are_split)
{
	static const struct vector vectors[] = {
		{"a@b/c/d", "a@b/c/d"}, {"a@b/@", "a@b/@"},	{"b/a@c", "b/a@c"},	    {"b//", "b//"},
		{"a@b@c", NULL},	{"a/b@c/d", "a/b@c/d"}, {"a@b/c@d/e", "a@b/c@d/e"},
	};

	EXPECT_ALL(vectors);
}

Test(jid, domains)
{
	static const struct vector vectors[] = {
		{"a@b.", "a@b"},
		{"b.c.", "b.c"},
		{"a@b..", NULL},
		{"a@.b", NULL},
		{"a@b..c", NULL},
		{"a@b_c.d", "a@b_c.d"},
		{"_xmpp.b", "_xmpp.b"},
		{"a@-b.c", NULL},
		{"a@b-.c", NULL},
		{"a@b-c.d", "a@b-c.d"},
		{"a@b c", NULL},
		{"a@b:5222", NULL},
		{"a@b\\c", NULL},
		{"a@b<c", NULL},
		{"127.0.0.1", "127.0.0.1"},
		{"a@xn--bcher-kva.example", "a@xn--bcher-kva.example"},
		{"a@b\u3002c", "a@b.c"},
		{"a@b\uff0ec\uff61d\u3002", "a@b.c.d"},
		{"a@\u2100.c", NULL}, /* a/c once prepared */
		{"a@b\u2024c", NULL}, /* a dot once prepared */
		{"a\uff20b", NULL},   /* an at sign once prepared */
		{"a\uff20b@c", NULL},
		{"a@\u05d0\u05d1.example", "a@\u05d0\u05d1.example"},
		{"a@\u05d0b.example", NULL}, /* both directions in a label */
	};

	EXPECT_ALL(vectors);
}

Test(jid, ipv6_literals)
{
	static const struct vector vectors[] = {
		{"[::1]", "[::1]"},
		{"a@[FE80::1]/x", "a@[fe80::1]/x"},
		{"[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]"},
		{"[2001:0db8:0000:0000:0000:0000:255.255.255.255]", "[2001:0db8:0000:0000:0000:0000:255.255.255.255]"},
		{"[2001:0db8:0000:0000:0000:0000:0255.255.255.255]", NULL},
		{"[]", NULL},
		{"[", NULL},
		{"[::1", NULL},
		{"[::1].", NULL},
		{"[::1]x", NULL},
		{"[::g]", NULL},
		{"[1:2]", NULL},
		{"[example.com]", NULL},
		{"a[::1]", NULL},
		{"::1", NULL},
	};

	EXPECT_ALL(vectors);
}

Test(jid, every_ascii_character_of_a_local_part)
{
	for (int c = 0; c < 0x80; c++) {
		char text[] = {'a', (char)c, 'b', 0}, to[JID_PART_BYTES_MAX + 1];
		bool allowed = c > ' ' && c < 0x7f && !memchr("\"&'/:<>@", c, 8);
		cr_expect_eq(jid_prepare_local(text, 3, to), allowed, "character %d", c);
		if (allowed)
			cr_expect_eq(to[1], c >= 'A' && c <= 'Z' ? c + 32 : c);
		/* What libidn says of the same character, beside one that is not ASCII. */
		char both[] = {'\xc3', '\xa9', (char)c, 'b', 0};
		cr_expect_eq(jid_prepare_local(both, 4, to), allowed, "character %d in nodeprep", c);
	}
}

Test(jid, every_ascii_character_of_a_resource)
{
	for (int c = 0; c < 0x80; c++) {
		char text[] = {'a', (char)c, 'b', 0}, both[] = {'\xc3', '\xa9', (char)c, 'b', 0};
		char to[JID_PART_BYTES_MAX + 1];
		bool allowed = c >= ' ' && c < 0x7f;
		cr_expect_eq(jid_prepare_resource(text, 3, to), allowed, "character %d", c);
		cr_expect_eq(jid_prepare_resource(both, 4, to), allowed, "character %d in resourceprep", c);
	}
}

Test(jid, every_ascii_character_of_a_domain)
{
	for (int c = 0; c < 0x80; c++) {
		char text[] = {'a', (char)c, 'b', 0}, to[JID_PART_BYTES_MAX + 1];
		bool letter = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		cr_expect_eq(jid_prepare_domain(text, 3, to), letter || c == '-' || c == '_' || c == '.',
			     "character %d", c);
	}
}

Test(jid, bytes_that_are_not_utf8)
{
	static const char *const bad[] = {
		"\xff", "\xc3", "\x80", "\xc0\x80", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80"};
	char to[JID_PART_BYTES_MAX + 1];

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		cr_expect(!jid_prepare_local(bad[i], strlen(bad[i]), to));
		cr_expect(!jid_prepare_domain(bad[i], strlen(bad[i]), to));
		cr_expect(!jid_prepare_resource(bad[i], strlen(bad[i]), to));
	}
}

Test(jid, nul_is_no_character)
{
	struct jid jid;

	cr_expect(!parse("a\0b@c", 5, &jid));
	cr_expect(!parse("a@b\0", 4, &jid));
	cr_expect(!parse("a@\0", 3, &jid));
	cr_expect(!parse("a@b/c\0d", 7, &jid));
	cr_expect(!parse("\u00e9\0@b", 5, &jid));
	cr_expect(!parse("a@b/\u00e9\0", 7, &jid));
	cr_expect(!parse("a@\u00e9\0", 5, &jid));
}

static void fill_domain(char *to, size_t len)
{
	memset(to, 'd', len);
	for (size_t i = 50; i < len; i += 51)
		to[i] = '.';
}

Test(jid, parts_at_their_longest_and_one_above)
{
	char text[4000];
	struct jid jid;

	for (int part = -1; part < 3; part++) {
		size_t local = part == 0 ? 1024 : 1023, domain = part == 1 ? 1024 : 1023,
		       resource = part == 2 ? 1024 : 1023;
		memset(text, 'l', local);
		text[local] = '@';
		fill_domain(text + local + 1, domain);
		text[local + 1 + domain] = '/';
		memset(text + local + 1 + domain + 1, 'r', resource);
		size_t len = local + 1 + domain + 1 + resource;
		cr_expect_eq(parse(text, len, &jid), part < 0, "part %d too long", part);
		if (part < 0)
			cr_expect_eq(jid.len, JID_BYTES_MAX);
	}
}

Test(jid, labels_at_their_longest_and_one_above)
{
	char label[64 * 3], to[JID_PART_BYTES_MAX + 1];

	memset(label, 'a', sizeof label);
	cr_expect(jid_prepare_domain(label, 63, to));
	cr_expect(!jid_prepare_domain(label, 64, to));
	for (size_t i = 0; i < 64; i++)
		memcpy(label + 3 * i, "\u4e00", 3);
	cr_expect(jid_prepare_domain(label, 63 * 3, to));
	cr_expect(!jid_prepare_domain(label, 64 * 3, to));
}

/* One character that becomes eighteen: what is short raw may be too long prepared. */
Test(jid, preparing_may_lengthen)
{
	char text[3 * 300], to[JID_PART_BYTES_MAX + 1];

	for (size_t i = 0; i < 300; i++)
		memcpy(text + 3 * i, "\ufdfa", 3);
	cr_expect(jid_prepare_resource(text, 3 * 30, to));
	cr_expect_eq(strlen(to), 30 * 33u);
	cr_expect(!jid_prepare_resource(text, 3 * 32, to));
	cr_expect(!jid_prepare_resource(text, sizeof text, to));
}
