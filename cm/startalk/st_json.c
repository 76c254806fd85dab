#include "st_json.h"

#include <string.h>

void st_json_begin(struct st_json *j, struct st_arena *a)
{
	*j = (struct st_json){.arena = a, .at = st_arena_take(a, 0)};
	j->full = j->at == NULL;
	j->cap = j->full ? 0 : a->cap - a->used;
}

static void put_byte(struct st_json *j, char byte)
{
	j->full |= j->len == j->cap;
	if (!j->full)
		j->at[j->len++] = byte;
}

const char *st_json_end(struct st_json *j)
{
	put_byte(j, '\0');
	if (j->full) {
		j->arena->spent = true;
		return NULL;
	}
	j->arena->used += j->len;
	return j->at;
}

void st_json_put(struct st_json *j, const char *text)
{
	while (*text != '\0')
		put_byte(j, *text++);
}

void st_json_put_string(struct st_json *j, const char *text, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	put_byte(j, '"');
	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)text[i];

		if (c < 0x20) {
			st_json_put(j, "\\u00");
			put_byte(j, digits[c >> 4]);
			c = (uint8_t)digits[c & 15];
		} else if (c == '"' || c == '\\') {
			put_byte(j, '\\');
		}
		put_byte(j, (char)c);
	}
	put_byte(j, '"');
}

static void member(struct st_json *j)
{
	if (j->some)
		put_byte(j, ',');
	j->some = true;
}

void st_json_string(struct st_json *j, const char *text, size_t len)
{
	member(j);
	st_json_put_string(j, text, len);
}

void st_json_friend(struct st_json *j, const char *jid)
{
	const char *at = strchr(jid, '@'), *host = at == NULL ? jid : at + 1;

	member(j);
	st_json_put(j, "{\"F\":");
	st_json_put_string(j, jid, at == NULL ? 0 : (size_t)(at - jid));
	st_json_put(j, ",\"H\":");
	st_json_put_string(j, host, strcspn(host, "/"));
	st_json_put(j, "}");
}
