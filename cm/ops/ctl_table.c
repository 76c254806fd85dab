#include "ctl_table.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

enum { COLUMNS_MAX = 24 };

static void bytes_cell(double bytes, char to[static CTL_CELL_BYTES])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	size_t unit = 0;

	for (; bytes >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
		bytes /= 1024;
	snprintf(to, CTL_CELL_BYTES, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

/* A clock that was set back makes what is younger than that begin in the future. */
static void time_cell(double seconds, char to[static CTL_CELL_BYTES])
{
	uint64_t s = seconds > 0 ? (uint64_t)seconds : 0;

	if (s < 60)
		snprintf(to, CTL_CELL_BYTES, "%" PRIu64 " s", s);
	else if (s < 3600)
		snprintf(to, CTL_CELL_BYTES, "%" PRIu64 " min %02" PRIu64 " s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(to, CTL_CELL_BYTES, "%" PRIu64 " h %02" PRIu64 " min", s / 3600, s / 60 % 60);
	else
		snprintf(to, CTL_CELL_BYTES, "%" PRIu64 " d %02" PRIu64 " h", s / 86400, s / 3600 % 24);
}

static void text_cell(const char *text, char to[static CTL_CELL_BYTES])
{
	snprintf(to, CTL_CELL_BYTES, "%s", *text == '\0' ? "-" : text);
	for (char *at = to; *at != '\0'; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
}

void ctl_cell(enum ctl_kind kind, const json_t *value, char to[static CTL_CELL_BYTES])
{
	if (value == NULL || json_is_null(value))
		text_cell("", to);
	else if (json_is_string(value))
		text_cell(json_string_value(value), to);
	else if (json_is_boolean(value))
		text_cell(json_is_true(value) ? "yes" : "no", to);
	else if (kind == CTL_BYTES)
		bytes_cell(json_number_value(value), to);
	else if (kind == CTL_TIME)
		time_cell(json_number_value(value), to);
	else if (kind == CTL_SHARE)
		snprintf(to, CTL_CELL_BYTES, "%.0f %%", 100 * json_number_value(value));
	else
		snprintf(to, CTL_CELL_BYTES, "%.0f", json_number_value(value));
}

/* Characters of UTF-8: bytes that begin one. */
static size_t width(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

static bool is_number(enum ctl_kind kind)
{
	return kind != CTL_TEXT && kind != CTL_YES;
}

static void pad(FILE *to, size_t count)
{
	fprintf(to, "%*s", (int)count, "");
}

static void cell_print(FILE *to, const struct ctl_column *column, const char *text, size_t room, bool last)
{
	size_t missing = room - width(text);

	if (is_number(column->kind))
		pad(to, missing);
	fputs(text, to);
	if (!is_number(column->kind) && !last)
		pad(to, missing);
	fputs(last ? "\n" : "  ", to);
}

/* Of a column: 0 when it is left out. */
static size_t room_of(const struct ctl_column *column, const json_t *rows)
{
	size_t i, room = 0;
	json_t *row;
	char cell[CTL_CELL_BYTES];

	json_array_foreach (rows, i, row) {
		ctl_cell(column->kind, json_object_get(row, column->key), cell);
		if (strcmp(cell, "-") != 0 && (column->kind != CTL_YES || strcmp(cell, "no") != 0) &&
		    width(cell) > room)
			room = width(cell);
	}
	return room > 0 && room < width(column->title) ? width(column->title) : room;
}

void ctl_table_print(FILE *to, const struct ctl_column *columns, size_t count, const json_t *rows)
{
	size_t room[COLUMNS_MAX], i, last = 0;
	json_t *row;
	char cell[CTL_CELL_BYTES];

	assert(count <= COLUMNS_MAX);
	for (size_t n = 0; n < count; n++) {
		room[n] = room_of(&columns[n], rows);
		last = room[n] > 0 ? n : last;
	}
	for (size_t n = 0; n < count; n++)
		if (room[n] > 0)
			cell_print(to, &columns[n], columns[n].title, room[n], n == last);
	json_array_foreach (rows, i, row) {
		for (size_t n = 0; n < count; n++) {
			ctl_cell(columns[n].kind, json_object_get(row, columns[n].key), cell);
			if (room[n] > 0)
				cell_print(to, &columns[n], cell, room[n], n == last);
		}
	}
}

void ctl_lines_print(FILE *to, const struct ctl_column *columns, size_t count, const json_t *object)
{
	size_t room = 0;
	char cell[CTL_CELL_BYTES];

	for (size_t n = 0; n < count; n++)
		room = width(columns[n].title) > room ? width(columns[n].title) : room;
	for (size_t n = 0; n < count; n++) {
		ctl_cell(columns[n].kind, json_object_get(object, columns[n].key), cell);
		fprintf(to, "%s%*s  %s\n", columns[n].title, (int)(room - width(columns[n].title)), "", cell);
	}
}

void ctl_lines_cut(FILE *to, const char *text, size_t columns)
{
	for (size_t at = 0; *text != '\0'; text++) {
		at += ((unsigned char)*text & 0xc0) != 0x80;
		if (*text == '\n')
			at = 0;
		if (columns == 0 || at <= columns)
			fputc(*text, to);
	}
}
