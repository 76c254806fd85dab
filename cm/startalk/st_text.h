/*
 * text: XML as it is written. Names are ours, or of tables of ours; values are anybody's, and are escaped so that they
 * are read as they were: line ends and tabs too, which XML would otherwise make blanks of (XML 1.0, 2.11 and 3.3.3).
 * Pure.
 */
#ifndef STARTALK_TEXT_H
#define STARTALK_TEXT_H

#include "st_arena.h"

#include <stdbool.h>

struct st_text {
	struct st_arena *arena;
	uint8_t *at;
	size_t len, cap;
	bool full; /* it did not fit, and nothing more is written */
};

/* Begins, with room for at most cap bytes. Until st_text_end() nothing else may be taken of the arena. */
void st_text_begin(struct st_text *, struct st_arena *, size_t cap);
/* What was written stays in the arena. False: it did not fit, and is forgotten. */
bool st_text_end(struct st_text *, const uint8_t **ret, size_t *ret_len);

void st_put(struct st_text *, const char *xml);
void st_put_value(struct st_text *, const char *value);
void st_put_value_len(struct st_text *, const char *value, size_t len);
/* ` name='value'`; nothing when value is NULL. */
void st_put_attribute(struct st_text *, const char *name, const char *value);
void st_put_number(struct st_text *, const char *name, int64_t value);

#endif
