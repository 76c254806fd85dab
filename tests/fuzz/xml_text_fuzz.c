/*
 * Any bytes as a text to be escaped, as a raw value, and as raw text. What is escaped is accepted and comes back; what
 * is accepted raw comes out no longer than it was, and means the same when it is escaped again.
 */
#include "xml_probe.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { INPUT_BYTES_MAX = 2048, GROWTH = 6, AROUND = 16, ROOM = GROWTH * INPUT_BYTES_MAX + AROUND, CANARY = 0x5A };

static struct probe seen;

/* Whether `before`, the bytes and `behind` are one element, which `seen` then describes. */
static bool element_read(const char *before, const uint8_t *bytes, size_t len, const char *behind, uint8_t *document)
{
	size_t head = strlen(before), tail = strlen(behind);
	memcpy(document, before, head);
	memcpy(document + head, bytes, len);
	memcpy(document + head + len, behind, tail);
	probe_run(&(struct probe_plan){.enter = true, .bytes = document, .len = head + len + tail}, &seen);
	return seen.count == 1 && seen.events[0].is == XML_ELEMENT && seen.taken == head + len + tail;
}

static bool text_is_characters(const uint8_t *bytes, size_t len)
{
	static uint8_t document[ROOM], plain[INPUT_BYTES_MAX];
	for (size_t i = 0; i < len; i++)
		plain[i] = strchr("<>&", bytes[i]) && bytes[i] ? ' ' : bytes[i];
	return element_read("<a>", plain, len, "</a>", document);
}

static size_t escape_all(const uint8_t *bytes, size_t len, uint8_t *to)
{
	size_t need = xml_escape(bytes, len, NULL, 0);
	assert(need >= len && need <= GROWTH * len);
	to[0] = CANARY;
	assert(need == 0 || (xml_escape(bytes, len, to, need - 1) == need && to[0] == CANARY));
	to[need] = CANARY;
	assert(xml_escape(bytes, len, to, need) == need && to[need] == CANARY);
	return need;
}

/* Escaped, read and unescaped it is what it was, but for line ends. */
static void escaped_check(const uint8_t *bytes, size_t len)
{
	static uint8_t escaped[ROOM], document[ROOM], back[ROOM];
	size_t need = escape_all(bytes, len, escaped), at = 0;
	bool good = text_is_characters(bytes, len);
	assert(element_read("<a b='", escaped, need, "'/>", document) == good);
	assert(element_read("<a b=\"", escaped, need, "\"/>", document) == good);
	assert(element_read("<a>", escaped, need, "</a>", document) == good);
	if (!good)
		return;
	size_t got = xml_unescape_text(document, seen.events[0].text, back);
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '\n' && i > 0 && bytes[i - 1] == '\r')
			continue;
		assert(at < got && back[at] == (bytes[i] == '\r' ? '\n' : bytes[i]));
		at++;
	}
	assert(at == got);
}

/*
 * Equality knows what a value means. Escaped, it means the same; but white space that was a reference is now literal.
 */
static void value_check(const uint8_t *document, struct xml_range range, uint8_t *meant, size_t len)
{
	static uint8_t again[ROOM], escaped[ROOM];
	assert(xml_is_equal(document, range, (const char *)meant));
	for (size_t i = 0; i < len; i++)
		assert(!strchr("\t\n\r", meant[i]) || memchr(document + range.at, '&', range.len));
	size_t need = escape_all(meant, len, escaped);
	size_t got = xml_unescape_value(escaped, (struct xml_range){0, (uint32_t)need}, again), at = 0;
	for (size_t i = 0; i < len; i++)
		if (meant[i] != '\n' || i == 0 || meant[i - 1] != '\r')
			assert(again[at++] == (strchr("\t\n\r", meant[i]) ? ' ' : meant[i]));
	assert(got == at);
	if (len > 0 && (meant[len - 1] ^= 1) != '\0')
		assert(!xml_is_equal(document, range, (const char *)meant));
}

/* What the raw bytes mean, escaped, means the same. */
static void raw_check(const uint8_t *bytes, size_t len, const char *before, const char *behind)
{
	static uint8_t document[ROOM], meant[ROOM], escaped[ROOM], again[ROOM];
	if (!element_read(before, bytes, len, behind, document) || seen.events[0].elements != 1)
		return;
	bool value = before[2] == ' ';
	struct xml_range range = value ? seen.events[0].id : seen.events[0].text;
	if (range.at == 0 || range.len != len)
		return;
	memset(meant, CANARY, len + 1);
	size_t got = (value ? xml_unescape_value : xml_unescape_text)(document, range, meant);
	assert(got <= len && meant[len] == CANARY);
	meant[got] = '\0';
	if (value) {
		value_check(document, range, meant, got);
		return;
	}
	/* A line end that was a reference may be no line end the next time. */
	if (memchr(meant, '\r', got))
		return;
	size_t need = escape_all(meant, got, escaped);
	assert(element_read("<a>", escaped, need, "</a>", document));
	assert(xml_unescape_text(document, seen.events[0].text, again) == got && memcmp(again, meant, got) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	if (len > INPUT_BYTES_MAX)
		return 0;
	escaped_check(bytes, len);
	raw_check(bytes, len, "<a id='", "'/>");
	raw_check(bytes, len, "<a id=\"", "\"/>");
	raw_check(bytes, len, "<a>", "</a>");
	return 0;
}
