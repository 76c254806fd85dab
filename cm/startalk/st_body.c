#include "st_down_own.h"
#include "st_words.h"

#include <string.h>

enum { HEADERS_EACH = 8 };

Startalk__MessageBody *st_body_new(struct st_arena *a, const char *value)
{
	Startalk__MessageBody *body = st_arena_take(a, sizeof *body);

	if (body == NULL)
		return NULL;
	startalk__message_body__init(body);
	body->value = st_as_field(value);
	return body;
}

static Startalk__StringHeader *header_new(struct st_arena *a, const char *name, const char *value)
{
	Startalk__StringHeader *header = st_arena_take(a, sizeof *header);
	int32_t number = st_header_number(name);

	if (header == NULL)
		return NULL;
	startalk__string_header__init(header);
	header->value = st_as_field(value);
	header->has_definedkey = number != 0;
	header->definedkey = number;
	header->key = number != 0 ? NULL : st_as_field(name);
	return header;
}

void st_body_header(struct st_arena *a, Startalk__MessageBody *body, const char *name, const char *value)
{
	Startalk__StringHeader *header;

	if (body == NULL || value == NULL || value[0] == '\0' || (header = header_new(a, name, value)) == NULL)
		return;
	if (body->n_headers % HEADERS_EACH == 0) {
		Startalk__StringHeader **more = st_arena_take(a, (body->n_headers + HEADERS_EACH) * sizeof *more);

		if (more == NULL)
			return;
		if (body->n_headers > 0)
			memcpy(more, body->headers, body->n_headers * sizeof *more);
		body->headers = more;
	}
	body->headers[body->n_headers++] = header;
}

void st_body_headers(struct st_arena *a, Startalk__MessageBody *body, const char *names, const struct st_node *node,
		     const struct st_node *other)
{
	const char *word;
	size_t len;

	while ((word = st_words_next(&names, &len)) != NULL) {
		const char *name = st_arena_text(a, word, len);
		const char *value = name == NULL ? NULL : st_node_attribute(a, node, name);

		if (name != NULL && value == NULL)
			value = st_node_attribute(a, other, name);
		if (name != NULL)
			st_body_header(a, body, name, value);
	}
}

const char *st_digits(struct st_arena *a, uint64_t value)
{
	char digits[21], *at = digits + sizeof digits;

	do
		*--at = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	return st_arena_text(a, at, (size_t)(digits + sizeof digits - at));
}

const char *st_joined(struct st_arena *a, const char *const *texts)
{
	size_t len = 0;
	char *to, *at;

	for (const char *const *text = texts; *text != NULL; text++)
		len += strlen(*text);
	at = to = st_arena_take(a, len + 1);
	if (to == NULL)
		return NULL;
	for (const char *const *text = texts; *text != NULL; text++)
		at = mempcpy(at, *text, strlen(*text));
	*at = '\0';
	return to;
}
