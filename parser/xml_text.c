/*
 * Values and text: references replaced, and escaped again.
 */
#include "xml.h"
#include "xml_char.h"
#include "xml_reference.h"
#include "xml_state.h"

#include <assert.h>

const struct xml_event xml_event_none;

static uint32_t code_write(uint32_t code, uint8_t to[static 4])
{
	if (code < 0x80) {
		to[0] = (uint8_t)code;
		return 1;
	}
	uint32_t bytes = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (uint32_t i = bytes - 1; i > 0; i--, code >>= 6)
		to[i] = 0x80 | (code & 0x3F);
	to[0] = (uint8_t)(0xF00u >> bytes) | (uint8_t)code;
	return bytes;
}

/* Replaces the reference at *at ('&'). */
static uint32_t reference_replace(const uint8_t *bytes, uint32_t *at, uint32_t end, uint8_t to[static 4])
{
	uint32_t code, unused_at;
	enum xml_error unused;
	int used = xml_reference_read(bytes + *at + 1, end - *at - 1, &code, &unused, &unused_at);
	assert(used > 0);
	*at += 1 + (uint32_t)used;
	return code_write(code, to);
}

/* A line end is one byte, also when it is CR LF. */
static uint8_t byte_next(const uint8_t *bytes, uint32_t *at, uint32_t end)
{
	uint8_t c = bytes[(*at)++];
	if (c == '\r' && *at < end && bytes[*at] == '\n')
		(*at)++;
	return c;
}

/* What the next character or reference of an attribute's value means: white space that stands there itself is blanks.
 */
static uint32_t value_replace(const uint8_t *bytes, uint32_t *at, uint32_t end, uint8_t to[static 4])
{
	if (bytes[*at] == '&')
		return reference_replace(bytes, at, end, to);
	to[0] = byte_next(bytes, at, end);
	if (byte_is_space(to[0]))
		to[0] = ' ';
	return 1;
}

bool xml_is_equal(const uint8_t *bytes, struct xml_range range, const char *text)
{
	uint32_t at = range.at, end = range.at + range.len;
	uint8_t to[4];
	while (at < end) {
		uint32_t made = value_replace(bytes, &at, end, to);
		for (uint32_t i = 0; i < made; i++)
			if (*text == '\0' || (uint8_t)*text++ != to[i])
				return false;
	}
	return *text == '\0';
}

size_t xml_unescape_value(const uint8_t *bytes, struct xml_range range, uint8_t *to)
{
	uint32_t at = range.at, end = range.at + range.len;
	uint8_t *begin = to, made[4];
	while (at < end) {
		uint32_t len = value_replace(bytes, &at, end, made);
		for (uint32_t i = 0; i < len; i++)
			*to++ = made[i];
	}
	return (size_t)(to - begin);
}

static bool mark_at(const uint8_t *bytes, uint32_t at, uint32_t end, const char *mark)
{
	for (; *mark; mark++, at++)
		if (at >= end || bytes[at] != (uint8_t)*mark)
			return false;
	return true;
}

size_t xml_unescape_text(const uint8_t *bytes, struct xml_range range, uint8_t *to)
{
	uint32_t at = range.at, end = range.at + range.len;
	uint8_t *begin = to, made[4];
	bool cdata = false;
	while (at < end) {
		if (cdata && mark_at(bytes, at, end, "]]>")) {
			cdata = false;
			at += 3;
		} else if (!cdata && mark_at(bytes, at, end, "<![CDATA[")) {
			cdata = true;
			at += 9;
		} else if (!cdata && bytes[at] == '&') {
			uint32_t len = reference_replace(bytes, &at, end, made);
			for (uint32_t i = 0; i < len; i++)
				*to++ = made[i];
		} else {
			uint8_t c = byte_next(bytes, &at, end);
			*to++ = c == '\r' ? '\n' : c;
		}
	}
	return (size_t)(to - begin);
}

static const struct escape {
	char text[7];
	uint8_t len;
} escapes[] = {{"&amp;", 5}, {"&lt;", 4}, {"&gt;", 4}, {"&apos;", 6}, {"&quot;", 6}};

static const struct escape *escape_of(uint8_t c)
{
	return c == '&'	   ? &escapes[0]
	       : c == '<'  ? &escapes[1]
	       : c == '>'  ? &escapes[2]
	       : c == '\'' ? &escapes[3]
	       : c == '"'  ? &escapes[4]
			   : NULL;
}

static size_t escaped_bytes(const uint8_t *text, size_t len)
{
	size_t bytes = 0;
	for (size_t i = 0; i < len; i++) {
		const struct escape *escape = escape_of(text[i]);
		bytes += escape ? escape->len : 1;
	}
	return bytes;
}

size_t xml_escape(const uint8_t *text, size_t len, uint8_t *to, size_t cap)
{
	size_t bytes = escaped_bytes(text, len);
	if (bytes > cap)
		return bytes;
	for (size_t i = 0; i < len; i++) {
		const struct escape *escape = escape_of(text[i]);
		if (!escape)
			*to++ = text[i];
		for (uint8_t j = 0; escape && j < escape->len; j++)
			*to++ = (uint8_t)escape->text[j];
	}
	return bytes;
}
