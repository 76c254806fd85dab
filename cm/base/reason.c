#include "reason.h"

#include <assert.h>
#include <stddef.h>

/* The labels are made at compile time, letter by letter, so that they are constants like all the rest. */
enum { LABEL_BYTES = 24 };
#define LETTER(s, i)  (s)[(i) < sizeof(s) ? (i) : sizeof(s) - 1]
#define LOWER(s, i)   (LETTER(s, i) >= 'A' && LETTER(s, i) <= 'Z' ? LETTER(s, i) + ('a' - 'A') : LETTER(s, i))
#define LOWER_4(s, i) LOWER(s, i), LOWER(s, (i) + 1), LOWER(s, (i) + 2), LOWER(s, (i) + 3)
#define LOWER_8(s, i) LOWER_4(s, i), LOWER_4(s, (i) + 4)
#define LOWER_24(s)   LOWER_8(s, 0), LOWER_8(s, 8), LOWER_8(s, 16)

#define CLOSE(name, error, condition, text) static_assert(sizeof #name <= LABEL_BYTES, "make LABEL_BYTES larger");
#include "close.def"

static const struct {
	bool error;
	const char *condition, *text;
	char label[LABEL_BYTES];
} reasons[REASON_COUNT] = {
	[REASON_NONE] = {false, "", "no reason", "none"},
#define CLOSE(name, error, condition, text) [REASON_##name] = {error, condition, text, {LOWER_24(#name)}},
#include "close.def"
};

bool reason_is_error(enum reason reason)
{
	assert((size_t)reason < REASON_COUNT);
	return reasons[reason].error;
}

const char *reason_condition(enum reason reason)
{
	assert((size_t)reason < REASON_COUNT);
	return reasons[reason].condition;
}

const char *reason_text(enum reason reason)
{
	assert((size_t)reason < REASON_COUNT);
	return reasons[reason].text;
}

const char *reason_label(enum reason reason)
{
	assert((size_t)reason < REASON_COUNT);
	return reasons[reason].label;
}
