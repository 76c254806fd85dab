/*
 * The tables of docs/link-protocol.md are those of the .def files, row by row. When they are not, what fails prints the
 * table that the page should have.
 */
#include "frame.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char page[200000];
static char table[40000];
static size_t table_len;

static void row(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void row(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	table_len += vsnprintf(table + table_len, sizeof table - table_len, format, args);
	va_end(args);
	cr_assert(table_len < sizeof table);
}

static void page_read(void)
{
	FILE *file = fopen(LINK_PROTOCOL, "r");
	cr_assert(file, "%s", LINK_PROTOCOL);
	size_t len = fread(page, 1, sizeof page - 1, file);
	cr_assert(len > 0 && len < sizeof page - 1);
	fclose(file);
}

/* The table must be there as a whole: the line behind it is no row. */
static void page_has_table(void)
{
	page_read();
	const char *at = strstr(page, table);
	cr_assert(at && at[table_len] == '\n', "the page should have\n%s", table);
}

static const char *payload_text(const char *payload)
{
	if (strcmp(payload, "NONE") == 0)
		return "none";
	if (strcmp(payload, "FIELDS") == 0)
		return "fields";
	if (strcmp(payload, "BYTES(0, FRAME_PING_MAX)") == 0)
		return "0 to 16 bytes";
	if (strcmp(payload, "BYTES(0, FRAME_KEEP_MAX)") == 0)
		return "0 to 1024 bytes";
	if (strcmp(payload, "BYTES(8, 8)") == 0)
		return "8 bytes";
	if (strcmp(payload, "BYTES(32, 32)") == 0)
		return "32 bytes";
	if (strcmp(payload, "BYTES(10, FRAME_PAYLOAD_MAX)") == 0)
		return "10 to 16777216 bytes";
	cr_assert_str_eq(payload, "BYTES(1, FRAME_PAYLOAD_MAX)");
	return "1 to 16777216 bytes";
}

static const char *sender_text(enum frame_from from)
{
	static const char *const texts[] = {NULL, "gate", "backend", "both"};
	return texts[from];
}

Test(doc, frames)
{
	row("| type | name | sent by | session | numbered | payload | meaning |\n|---|---|---|---|---|---|---|\n");
#define FRAME(id, name, from, session, numbered, payload, meaning)                                                     \
	row("| %s | %s | %s | %s | %s | %s | %s |\n", #id, #name, sender_text(FRAME_FROM_##from),                      \
	    session ? "yes" : "no", numbered ? "yes" : "no", payload_text(#payload), meaning);
#include "frames.def"
	cr_assert(FRAME_PING_MAX == 16 && FRAME_PAYLOAD_MAX == 16777216 && FRAME_KEEP_MAX == 1024);
	page_has_table();
}

/* "MUST(A) | MAY(B)" of fields.def, as the page says it: "A (must), B (may)". */
static const char *in_text(const char *in)
{
	static char text[160];
	size_t len = 0;
	while (*in) {
		const char *word = strncmp(in, "MUST(", 5) == 0 ? "must" : "may", *name = strchr(in, '(') + 1;
		int name_len = strcspn(name, ")");
		len += snprintf(text + len, sizeof text - len, "%s%.*s (%s)", len ? ", " : "", name_len, name, word);
		in = name + name_len + 1;
		in += strspn(in, " |");
	}
	return text;
}

Test(doc, fields)
{
	row("| key | name | kind | bytes | in | meaning |\n|---|---|---|---|---|---|\n");
#define FIELD(key, name, kind, bytes, in, meaning)                                                                     \
	row("| %s | %s | %s | %d | %s | %s |\n", #key, #name, #kind, bytes, in_text(#in), meaning);
#include "fields.def"
	page_has_table();
}

Test(doc, errors)
{
	row("| name | meaning |\n|---|---|\n");
#define FRAME_ERROR(name, text) row("| %s | %s |\n", #name, text);
#include "frame_error.def"
	page_has_table();
}
