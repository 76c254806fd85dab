#include "st_text.h"

#include <string.h>

void st_text_begin(struct st_text *t, struct st_arena *a, size_t cap)
{
	size_t room;

	*t = (struct st_text){.arena = a, .at = st_arena_take(a, 0)};
	room = a->cap - a->used;
	t->full = t->at == NULL;
	t->cap = t->full ? 0 : cap < room ? cap : room;
}

bool st_text_end(struct st_text *t, const uint8_t **ret, size_t *ret_len)
{
	st_arena_note(t->arena, t->arena->used + t->len);
	if (t->full)
		return false;
	t->arena->used += t->len;
	*ret = t->at;
	*ret_len = t->len;
	return true;
}

static void put_bytes(struct st_text *t, const char *bytes, size_t len)
{
	t->full |= len > t->cap - t->len;
	if (t->full)
		return;
	memcpy(t->at + t->len, bytes, len);
	t->len += len;
}

void st_put(struct st_text *t, const char *xml)
{
	put_bytes(t, xml, strlen(xml));
}

static const char *reference(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '\'':
		return "&apos;";
	case '"':
		return "&quot;";
	case '\t':
		return "&#9;";
	case '\n':
		return "&#10;";
	case '\r':
		return "&#13;";
	}
	return NULL;
}

void st_put_value_len(struct st_text *t, const char *value, size_t len)
{
	const char *run = value, *end = value + len;

	for (; value < end; value++) {
		const char *as = reference(*value);

		if (as == NULL)
			continue;
		put_bytes(t, run, (size_t)(value - run));
		st_put(t, as);
		run = value + 1;
	}
	put_bytes(t, run, (size_t)(end - run));
}

void st_put_value(struct st_text *t, const char *value)
{
	st_put_value_len(t, value, strlen(value));
}

void st_put_attribute(struct st_text *t, const char *name, const char *value)
{
	if (value == NULL)
		return;
	st_put(t, " ");
	st_put(t, name);
	st_put(t, "='");
	st_put_value(t, value);
	st_put(t, "'");
}

void st_put_number(struct st_text *t, const char *name, int64_t value)
{
	char digits[24], *at = digits + sizeof digits;
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	*--at = '\0';
	do
		*--at = (char)('0' + rest % 10);
	while ((rest /= 10) > 0);
	if (value < 0)
		*--at = '-';
	st_put_attribute(t, name, at);
}
