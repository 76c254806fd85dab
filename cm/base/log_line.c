#include "log_line.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct line {
	char *text;
	size_t len, room;
};
enum { ROOM = LOG_LINE_MAX - sizeof " ,\"left_out\":18446744073709551615}\n" };

static bool add(struct line *line, const void *text, size_t len)
{
	if (len > line->room - line->len)
		return false;
	memcpy(line->text + line->len, text, len);
	line->len += len;
	return true;
}

static bool add_text(struct line *line, const char *text)
{
	return add(line, text, strlen(text));
}

static bool add_number(struct line *line, const struct log_field *field)
{
	char number[24];
	int len = field->kind == LOG_KIND_COUNT ? snprintf(number, sizeof number, "%" PRIu64, field->count)
						: snprintf(number, sizeof number, "%" PRId64, field->number);
	return add(line, number, (size_t)len);
}

static void time_write(int64_t now_ms, char to[static 32])
{
	time_t seconds = (time_t)(now_ms / 1000);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	size_t len = strftime(to, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(to + len, 32 - len, ".%03dZ", (int)(now_ms % 1000));
}

/* ---- values between quotes, or bare */

static bool is_bare(unsigned char c)
{
	return isalnum(c) ? c < 0x80 : c && strchr("._:/@+-[]%,", c);
}

static bool add_escaped(struct line *line, const unsigned char *bytes, size_t len)
{
	bool fits = true;
	for (size_t i = 0; i < len && fits; i++) {
		char text[5] = {'\\', (char)bytes[i]};
		if (bytes[i] == '"' || bytes[i] == '\\')
			fits = add(line, text, 2);
		else if (bytes[i] >= ' ' && bytes[i] <= '~')
			fits = add(line, &bytes[i], 1);
		else
			fits = add(line, text, (size_t)snprintf(text, sizeof text, "\\x%02x", bytes[i]));
	}
	return fits;
}

static bool add_value(struct line *line, const unsigned char *bytes, size_t len)
{
	size_t shown = len < LOG_VALUE_MAX ? len : LOG_VALUE_MAX, bare = 0;
	while (bare < len && is_bare(bytes[bare]))
		bare++;
	if (bare == len && len > 0 && len == shown)
		return add(line, bytes, len);
	return add_text(line, "\"") && add_escaped(line, bytes, shown) && add_text(line, shown < len ? "\"..." : "\"");
}

/* " key=value" */
static bool add_field(struct line *line, const struct log_field *field)
{
	return add_text(line, " ") && add_text(line, field->key) && add_text(line, "=") &&
	       (field->kind == LOG_KIND_BYTES ? add_value(line, field->bytes.at, field->bytes.len)
					      : add_number(line, field));
}

/* ---- values in JSON */

/* Bytes of the character at the beginning of these; 0: none begins there (RFC 3629). */
static size_t character(const unsigned char *at, size_t len)
{
	size_t size = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0;
	if (size > len)
		return 0;
	for (size_t i = 1; i < size; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if (size > 2 && ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
			 (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f)))
		return 0;
	return size;
}

/* Characters as they are, but for those that JSON or a terminal would mind; bytes that are none of UTF-8 as U+FFFD. */
static bool add_json(struct line *line, const unsigned char *bytes, size_t len)
{
	bool fits = true;
	for (size_t i = 0, size; i < len && fits; i += size ? size : 1) {
		char text[8] = {'\\', (char)bytes[i]};
		size = character(bytes + i, len - i);
		if (size == 0)
			fits = add_text(line, "\\ufffd");
		else if (bytes[i] == '"' || bytes[i] == '\\')
			fits = add(line, text, 2);
		else if (bytes[i] < ' ' || bytes[i] == 0x7f || (size == 2 && bytes[i] == 0xc2 && bytes[i + 1] < 0xa0))
			fits = add(line, text,
				   (size_t)snprintf(text, sizeof text, "\\u%04x", size == 1 ? bytes[i] : bytes[i + 1]));
		else
			fits = add(line, bytes + i, size);
	}
	return fits;
}

/* ,"key":value */
static bool add_json_field(struct line *line, const struct log_field *field)
{
	size_t len = field->bytes.len, shown = len < LOG_VALUE_MAX ? len : LOG_VALUE_MAX;
	if (!add_text(line, ",\"") || !add_text(line, field->key) || !add_text(line, "\":"))
		return false;
	if (field->kind != LOG_KIND_BYTES)
		return add_number(line, field);
	return add_text(line, "\"") && add_json(line, field->bytes.at, shown) &&
	       add_text(line, shown < len ? "...\"" : "\"");
}

/* ---- the forms */

/* All of each field or nothing of it. */
static uint64_t add_fields(struct line *line, const struct log_field *fields, size_t count,
			   bool (*how)(struct line *, const struct log_field *))
{
	uint64_t left_out = 0;
	for (size_t i = 0; i < count; i++) {
		size_t before = line->len;
		if (how(line, &fields[i]))
			continue;
		line->len = before;
		left_out++;
	}
	return left_out;
}

/* There is room for it whatever came before. */
static void add_end(struct line *line, const char *format, uint64_t left_out, const char *end)
{
	char text[64];
	line->room = LOG_LINE_MAX;
	if (left_out > 0)
		add(line, text, (size_t)snprintf(text, sizeof text, format, left_out));
	bool fits = add_text(line, end);
	assert(fits);
}

static void event_write(struct line *line, const char *event, const struct log_field *fields, size_t count)
{
	bool fits = add_text(line, event);
	assert(fits);
	add_end(line, " left_out=%" PRIu64, add_fields(line, fields, count, add_field), "\n");
}

static void text_write(struct line *line, int64_t now_ms, enum config_log_level level, const char *event,
		       const struct log_field *fields, size_t count)
{
	char head[64], when[32];
	time_write(now_ms, when);
	add(line, head, (size_t)snprintf(head, sizeof head, "%s %s ", when, log_level_name(level)));
	event_write(line, event, fields, count);
}

static void json_write(struct line *line, int64_t now_ms, enum config_log_level level, const char *event,
		       const struct log_field *fields, size_t count)
{
	char head[128], when[32];
	time_write(now_ms, when);
	add(line, head,
	    (size_t)snprintf(head, sizeof head, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"", when,
			     log_level_name(level)));
	bool fits = add_text(line, event) && add_text(line, "\"");
	assert(fits);
	add_end(line, ",\"left_out\":%" PRIu64, add_fields(line, fields, count, add_json_field), "}\n");
}

/* STANZAGATE_KEY=value */
static bool add_journal_field(struct line *line, const struct log_field *field)
{
	char key[64];
	size_t len = strlen(field->key), shown = field->bytes.len < LOG_VALUE_MAX ? field->bytes.len : LOG_VALUE_MAX;
	if (len > sizeof key)
		return false;
	for (size_t i = 0; i < len; i++)
		key[i] = (char)toupper((unsigned char)field->key[i]);
	return add_text(line, "STANZAGATE_") && add(line, key, len) && add_text(line, "=") &&
	       (field->kind == LOG_KIND_BYTES ? add_escaped(line, field->bytes.at, shown) : add_number(line, field)) &&
	       add_text(line, "\n");
}

static void journal_write(struct line *line, enum config_log_level level, const char *event,
			  const struct log_field *fields, size_t count)
{
	static const int priorities[] = {
		[CONFIG_LOG_ERROR] = 3, [CONFIG_LOG_WARNING] = 4, [CONFIG_LOG_INFO] = 6, [CONFIG_LOG_DEBUG] = 7};
	char head[128];
	struct line message = {line->text, 0, ROOM};
	message.len = (size_t)snprintf(message.text, ROOM,
				       "SYSLOG_IDENTIFIER=stanzagate\nPRIORITY=%d\nMESSAGE=", priorities[level]);
	event_write(&message, event, fields, count);
	line->len = message.len;
	line->room = LOG_DATAGRAM_MAX;
	add(line, head, (size_t)snprintf(head, sizeof head, "STANZAGATE_EVENT=%.80s\n", event));
	add_fields(line, fields, count, add_journal_field);
}

size_t log_line_write(enum log_form form, int64_t now_ms, enum config_log_level level, const char *event,
		      const struct log_field *fields, size_t count, char to[static LOG_DATAGRAM_MAX])
{
	struct line line = {to, 0, ROOM};
	if (form == LOG_TEXT)
		text_write(&line, now_ms, level, event, fields, count);
	else if (form == LOG_JSON)
		json_write(&line, now_ms, level, event, fields, count);
	else
		journal_write(&line, level, event, fields, count);
	return line.len;
}
