/*
 * ctl_table: JSON as tables for people: columns as wide as what stands in them, numbers to the right. Whatever could
 * move a terminal's cursor is shown as a question mark.
 */
#ifndef OPS_CTL_TABLE_H
#define OPS_CTL_TABLE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum ctl_kind { CTL_TEXT, CTL_COUNT, CTL_BYTES, CTL_TIME, CTL_YES, CTL_SHARE };

struct ctl_column {
	const char *title, *key;
	enum ctl_kind kind;
};

enum { CTL_CELL_BYTES = 1024 };

/* A value as it stands in a table: "1234567", "12.3 MiB", "2 h 05 min", "yes", "12 %"; "-" for null. */
void ctl_cell(enum ctl_kind, const json_t *value, char to[static CTL_CELL_BYTES]);
/* An array of objects. Columns in which no row has anything to tell are left out. */
void ctl_table_print(FILE *, const struct ctl_column *, size_t columns, const json_t *rows);
/* One object: a line for each column. */
void ctl_lines_print(FILE *, const struct ctl_column *, size_t columns, const json_t *object);
/* Writes the text, which ends with a line feed, with each line cut to so many characters; 0: none is cut. */
void ctl_lines_cut(FILE *, const char *text, size_t columns);

#endif
