/* PROXY headers: good ones in every cut, and every byte of them changed into every other. */
#include "proxy.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4_BLOCK  "\xc0\0\2\1\xc6\x33\x64\2\xdc\4\x14\x66"
#define V6_HOST	  "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
#define V6_BLOCK  V6_HOST V6_HOST "\xdc\4\x14\x66"
#define V2(bytes) SIGNATURE bytes, sizeof(SIGNATURE bytes) - 1
#define V1(text)  text, sizeof text - 1
#define X108                                                                                                           \
	"123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678"

/* The sums were made by another program (Python, bit by bit). */
static const struct {
	const char *bytes;
	size_t len;
	const char *host; /* "gone": the socket's own */
	uint16_t port;
} good[] = {
	{V1("PROXY TCP4 192.0.2.1 198.51.100.2 56324 5222\r\n"), "192.0.2.1", 56324},
	{V1("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), "255.255.255.255", 65535},
	{V1("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), "0.0.0.0", 0},
	{V1("PROXY TCP6 2001:db8::1 ::1 1 5223\r\n"), "2001:db8::1", 1},
	{V1("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
	    "65535\r\n"),
	 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535},
	{V1("PROXY TCP6 :: 2001:DB8:0:0:0:0:0:A 80 443\r\n"), "::", 80},
	{V1("PROXY UNKNOWN\r\n"), "gone", 0},
	{V1("PROXY UNKNOWN \r\n"), "gone", 0},
	{V1("PROXY UNKNOWN what ever 1 2 3 4 5 6 7\r\n"), "gone", 0},
	{V1("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
	    "65535\r\n"),
	 "gone", 0},
	{V2("\x20\x00\0\0"), "gone", 0},
	{V2("\x20\x11\0\x0c" V4_BLOCK), "gone", 0},
	{V2("\x20\xff\0\3abc"), "gone", 0},
	{V2("\x21\x11\0\x0c" V4_BLOCK), "192.0.2.1", 56324},
	{V2("\x21\x21\0\x24" V6_BLOCK), "2001:db8::1", 56324},
	{V2("\x21\x00\0\0"), "gone", 0},
	{V2("\x21\x00\0\5\1\0\xff\1\2"), "gone", 0},
	{V2("\x21\x12\0\x0c" V4_BLOCK), "gone", 0},
	{V2("\x21\x31\0\xd8" X108 X108), "gone", 0},
	{V2("\x21\x11\0\x0f" V4_BLOCK "\4\0\0"), "192.0.2.1", 56324},
	{V2("\x21\x11\0\x1a" V4_BLOCK "\1\0\x0bxmpp-client"), "192.0.2.1", 56324},
	{V2("\x21\x11\0\x13" V4_BLOCK "\3\0\4\xff\x7b\xbd\x9f"), "192.0.2.1", 56324},
	{V2("\x21\x21\0\x31" V6_BLOCK "\4\0\3abc\3\0\4\xb1\xd7\x48\xbc"), "2001:db8::1", 56324},
	{V2("\x21\x11\0\x1a" V4_BLOCK "\3\0\4\xcb\x6b\xf3\xbb\4\0\4wxyz"), "192.0.2.1", 56324},
};
enum { GOOD = sizeof good / sizeof *good };

static struct proxy_found found;

static void found_is(const char *host, uint16_t port, size_t used)
{
	char text[ADDRESS_TEXT_BYTES] = "gone";
	uint16_t was = 0;

	if (found.client.len > 0)
		address_host(&found.client, text, &was);
	cr_assert_str_eq(text, host);
	cr_assert_eq(was, port);
	cr_assert_eq(found.used, used);
}

/* In memory of exactly this size, so that a sanitizer sees each byte read behind it. */
static enum proxy_is read_exactly(enum proxy_version version, const void *bytes, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	enum proxy_is is;

	memcpy(copy, bytes, len);
	memset(&found, 0xa5, sizeof found);
	is = proxy_read(version, copy, len, &found);
	free(copy);
	return is;
}

Test(proxy, good_in_every_cut)
{
	char longer[512];

	for (size_t i = 0; i < GOOD; i++) {
		for (size_t len = 0; len < good[i].len; len++)
			cr_assert_eq(read_exactly(PROXY_ANY, good[i].bytes, len), PROXY_MORE, "%zu cut at %zu", i, len);
		cr_assert_eq(read_exactly(PROXY_ANY, good[i].bytes, good[i].len), PROXY_DONE, "%zu: %s", i, found.why);
		found_is(good[i].host, good[i].port, good[i].len);
		memcpy(longer, good[i].bytes, good[i].len);
		memcpy(longer + good[i].len, "PROXY \r\n", 8);
		cr_assert_eq(read_exactly(PROXY_ANY, longer, good[i].len + 8), PROXY_DONE);
		found_is(good[i].host, good[i].port, good[i].len);
	}
}

Test(proxy, only_the_version_asked_for)
{
	for (size_t i = 0; i < GOOD; i++) {
		bool is_v1 = good[i].bytes[0] == 'P';

		for (size_t len = 1; len <= good[i].len; len++)
			cr_assert_eq(read_exactly(is_v1 ? PROXY_V2 : PROXY_V1, good[i].bytes, len), PROXY_BAD);
		cr_assert_eq(read_exactly(is_v1 ? PROXY_V1 : PROXY_V2, good[i].bytes, good[i].len), PROXY_DONE);
	}
}

/* ---- every byte changed into every other, judged by a second opinion that is slow and plain */

static bool hosts_are_good(int family, const char *line, const regmatch_t *at)
{
	struct in6_addr binary;
	char host[128];

	for (int i = 1; i <= 2; i++) {
		snprintf(host, sizeof host, "%.*s", (int)(at[i].rm_eo - at[i].rm_so), line + at[i].rm_so);
		if (inet_pton(family, host, &binary) != 1)
			return false;
	}
	return true;
}

#define PORT "(0|[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
/* What a line may be, and of which family its hosts are then. */
static const struct {
	const char *pattern;
	int family;
} forms[] = {
	{"^PROXY UNKNOWN( [^\r\n]*)?$", 0},
	{"^PROXY TCP4 ([0-9.]+) ([0-9.]+) " PORT " " PORT "$", AF_INET},
	{"^PROXY TCP6 ([0-9a-fA-F:]+) ([0-9a-fA-F:]+) " PORT " " PORT "$", AF_INET6},
};
enum { FORMS = sizeof forms / sizeof *forms };

/* Made once: there are very many lines. */
static const regex_t *form_regex(size_t form)
{
	static regex_t made[FORMS];
	static bool is_made[FORMS];

	if (!is_made[form])
		cr_assert_eq(regcomp(&made[form], forms[form].pattern, REG_EXTENDED), 0);
	is_made[form] = true;
	return &made[form];
}

static bool line_is(size_t form, const char *line)
{
	regmatch_t at[5];

	return regexec(form_regex(form), line, 5, at, 0) == 0 &&
	       (forms[form].family == 0 || hosts_are_good(forms[form].family, line, at));
}

static enum proxy_is v1_judge(const uint8_t *bytes, size_t len)
{
	char line[128];
	const uint8_t *end = memmem(bytes, len < 107 ? len : 107, "\r\n", 2);

	if (memcmp(bytes, "PROXY ", 6) != 0)
		return PROXY_BAD;
	if (end == NULL || memchr(bytes, '\0', (size_t)(end - bytes)))
		return PROXY_BAD; /* a whole header with CR or LF changed: what is left of the pair is alone */
	snprintf(line, sizeof line, "%.*s", (int)(end - bytes), (const char *)bytes);
	for (size_t form = 0; form < FORMS; form++)
		if (line_is(form, line))
			return PROXY_DONE;
	return PROXY_BAD;
}

static uint32_t sum_of(const uint8_t *bytes, size_t len, size_t hole)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++)
		for (int bit = 0; bit < 8; bit++) {
			uint32_t in = i >= hole && i < hole + 4 ? 0 : bytes[i] >> bit & 1;

			crc = (crc ^ in) & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
		}
	return ~crc;
}

static enum proxy_is tlvs_judge(const uint8_t *bytes, size_t at, size_t whole)
{
	size_t sums = 0, sum_at = 0;
	uint32_t sum;

	for (; at < whole; at += 3 + (size_t)(bytes[at + 1] << 8 | bytes[at + 2])) {
		if (at + 3 > whole || at + 3 + (size_t)(bytes[at + 1] << 8 | bytes[at + 2]) > whole)
			return PROXY_BAD;
		if (bytes[at] != 3)
			continue;
		if (bytes[at + 1] != 0 || bytes[at + 2] != 4 || sums++ > 0)
			return PROXY_BAD;
		sum_at = at + 3;
	}
	if (sums == 0)
		return PROXY_DONE;
	memcpy(&sum, bytes + sum_at, 4);
	return ntohl(sum) == sum_of(bytes, whole, sum_at) ? PROXY_DONE : PROXY_BAD;
}

static enum proxy_is v2_judge(const uint8_t *bytes, size_t len)
{
	size_t whole = 16 + (size_t)(bytes[14] << 8 | bytes[15]);
	size_t addresses = bytes[13] == 0x11 ? 12 : bytes[13] == 0x21 ? 36 : 216;

	if (memcmp(bytes, SIGNATURE, 12) != 0 || (bytes[12] != 0x20 && bytes[12] != 0x21))
		return PROXY_BAD;
	if (whole > len)
		return PROXY_MORE;
	if (bytes[12] == 0x20)
		return PROXY_DONE;
	if (bytes[13] >> 4 > 3 || (bytes[13] & 15) > 2)
		return PROXY_BAD;
	if (bytes[13] != 0x11 && bytes[13] != 0x21 && bytes[13] != 0x31)
		return PROXY_DONE;
	return whole - 16 < addresses ? PROXY_BAD : tlvs_judge(bytes, 16 + addresses, whole);
}

Test(proxy, every_byte_changed)
{
	size_t verdicts[3] = {0};
	uint8_t bytes[512];

	for (size_t i = 0; i < GOOD; i++)
		for (size_t n = 0; n < good[i].len * 256; n++) {
			bool is_v1 = good[i].bytes[0] == 'P';
			enum proxy_is is, judged;

			memcpy(bytes, good[i].bytes, good[i].len);
			bytes[n / 256] = (uint8_t)n;
			judged = is_v1 ? v1_judge(bytes, good[i].len) : v2_judge(bytes, good[i].len);
			is = read_exactly(PROXY_ANY, bytes, good[i].len);
			cr_assert_eq(is, judged, "%zu: byte %zu as %02x: %d, not %d", i, n / 256, (uint8_t)n, is,
				     judged);
			cr_assert(is != PROXY_DONE || (found.used > 0 && found.used <= good[i].len));
			verdicts[is]++;
		}
	cr_assert(verdicts[PROXY_MORE] > 1000 && verdicts[PROXY_DONE] > 1000 && verdicts[PROXY_BAD] > 1000);
}

/* ---- what is refused, and when */

Test(proxy, bad_lines)
{
	static const char *const lines[] = {
		"PROXY\r\n",
		"PROXY \r\n",
		"proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n",
		"PROXY  TCP4 192.0.2.1 198.51.100.2 1 2\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 1  2\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n",
		"PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n",
		"PROXY TCP4 192.0.2 198.51.100.2 1 2\r\n",
		"PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 1 65536\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 1 4294967297\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 +1 2\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 -1 2\r\n",
		"PROXY TCP4 ::1 ::1 1 2\r\n",
		"PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n",
		"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n",
		"PROXY TCP6 fe80::1%lo ::1 1 2\r\n",
		"PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2\r\n",
		"PROXY TCP6 :::1 ::1 1 2\r\n",
		"PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n",
		"PROXY UNKNOWNS\r\n",
		"PROXY UNKNOWN\n",
		"PROXY UNKNOWN\rx",
		"PROXY UNKNOWN x\r\r\n",
		"\x16\x03\x01",
		"<?xml version='1.0'?>",
		"GET / HTTP/1.1\r\n",
	};

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		cr_assert_eq(read_exactly(PROXY_ANY, lines[i], strlen(lines[i])), PROXY_BAD, "%s", lines[i]);
}

/* 107 bytes with the line's end among them; one more is never waited for. */
Test(proxy, lines_have_an_end)
{
	char line[200];

	memset(line, 'x', sizeof line);
	memcpy(line, "PROXY UNKNOWN ", 14);
	cr_assert_eq(read_exactly(PROXY_ANY, line, 106), PROXY_MORE);
	cr_assert_eq(read_exactly(PROXY_ANY, line, 107), PROXY_BAD);
	memcpy(line + 105, "\r\n", 2);
	cr_assert_eq(read_exactly(PROXY_ANY, line, 106), PROXY_MORE);
	cr_assert_eq(read_exactly(PROXY_ANY, line, 150), PROXY_DONE);
	cr_assert_eq(found.used, 107);
	memcpy(line + 105, "x\r\n", 3);
	cr_assert_eq(read_exactly(PROXY_ANY, line, 107), PROXY_BAD);
	cr_assert_eq(read_exactly(PROXY_ANY, line, 150), PROXY_BAD);
}

/* A wrong version or command is refused with the byte that says it; the longest block is waited for and skipped. */
Test(proxy, heads)
{
	static uint8_t longest[PROXY_BYTES_MAX] = SIGNATURE "\x20\x00\xff\xff";

	cr_assert_eq(read_exactly(PROXY_ANY, SIGNATURE "\x11", 13), PROXY_BAD);
	cr_assert_eq(read_exactly(PROXY_ANY, SIGNATURE "\x22", 13), PROXY_BAD);
	cr_assert_eq(read_exactly(PROXY_ANY, longest, PROXY_BYTES_MAX - 1), PROXY_MORE);
	cr_assert_eq(read_exactly(PROXY_ANY, longest, PROXY_BYTES_MAX), PROXY_DONE);
	cr_assert_eq(found.used, PROXY_BYTES_MAX);
}

Test(proxy, tlvs_over_the_end)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{V2("\x21\x11\0\x0b" V4_BLOCK)},
		{V2("\x21\x11\0\x0d" V4_BLOCK "\4")},
		{V2("\x21\x11\0\x0e" V4_BLOCK "\4\0")},
		{V2("\x21\x11\0\x0f" V4_BLOCK "\4\0\1")},
		{V2("\x21\x11\0\x10" V4_BLOCK "\4\xff\xff"
		    "a")},
		{V2("\x21\x11\0\x12" V4_BLOCK "\3\0\3abc")},
		{V2("\x21\x11\0\x14" V4_BLOCK "\3\0\5abcde")},
		{V2("\x21\x11\0\x1a" V4_BLOCK "\3\0\4\0\0\0\0\3\0\4\0\0\0\0")},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_assert_eq(read_exactly(PROXY_ANY, rows[i].bytes, rows[i].len), PROXY_BAD, "%zu", i);
}
