#include "text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xml.h"

void *text_memory(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	assert(memory != NULL);
	return memory;
}

void *text_again(void *memory, size_t count, size_t size)
{
	memory = reallocarray(memory, count, size);
	assert(memory != NULL);
	return memory;
}

char *text_copy_len(const char *text, size_t len)
{
	char *copy = text_memory(len + 1, 1);

	memcpy(copy, text, len);
	return copy;
}

char *text_copy(const char *text)
{
	return text_copy_len(text, strlen(text));
}

void text_free(struct text *t)
{
	free(t->bytes);
	*t = (struct text){0};
}

/* Room for `more` bytes and the NUL. */
static char *room(struct text *t, size_t more)
{
	if (t->cap - t->len <= more) {
		size_t cap = t->cap ? t->cap : 256;

		while (cap - t->len <= more)
			cap *= 2;
		t->bytes = realloc(t->bytes, cap);
		assert(t->bytes != NULL);
		t->cap = cap;
	}
	return t->bytes + t->len;
}

static void put_raw(struct text *t, const void *bytes, size_t len)
{
	char *to = room(t, len);

	if (len > 0)
		memcpy(to, bytes, len);
	t->len += len;
}

static void put_number(struct text *t, long long number)
{
	char digits[24];
	int len = snprintf(digits, sizeof digits, "%lld", number);

	put_raw(t, digits, (size_t)len);
}

/* White space that a reader would normalise away goes as character references (XML 1.0, 2.11 and 3.3.3). */
#define NORMALISED "\t\n\r"
/* What xml_escape() changes. */
#define ESCAPED "&<>'\""

static void put_special(struct text *t, char special)
{
	uint8_t escaped[8];

	if (strchr(NORMALISED, special) == NULL) {
		put_raw(t, escaped, xml_escape((const uint8_t *)&special, 1, escaped, sizeof escaped));
		return;
	}
	put_raw(t, "&#", 2);
	put_number(t, special);
	put_raw(t, ";", 1);
}

/* In runs of what stands as it is, since messages may be long. */
static void put_exact(struct text *t, const char *string, const char *special)
{
	for (;;) {
		size_t plain = strcspn(string, special);

		put_raw(t, string, plain);
		string += plain;
		if (*string == '\0')
			return;
		put_special(t, *string++);
	}
}

static void put_string(struct text *t, char directive, const char *string)
{
	if (directive == 's')
		put_exact(t, string, ESCAPED NORMALISED);
	else if (directive == 't')
		put_exact(t, string, ESCAPED "\r");
	else
		put_raw(t, string, strlen(string));
}

void text_put(struct text *t, const char *format, ...)
{
	va_list list;
	const void *bytes;

	va_start(list, format);
	for (const char *p = format; *p != '\0'; p++) {
		if (*p != '%') {
			size_t plain = strcspn(p, "%");

			put_raw(t, p, plain);
			p += plain - 1;
			continue;
		}
		switch (*++p) {
		case 's':
		case 't':
		case 'r':
			put_string(t, *p, va_arg(list, const char *));
			break;
		case 'b':
			bytes = va_arg(list, const void *);
			put_raw(t, bytes, va_arg(list, size_t));
			break;
		case 'u':
			put_number(t, va_arg(list, unsigned));
			break;
		case 'd':
			put_number(t, va_arg(list, int));
			break;
		default:
			assert(!"a directive that text_put does not know");
		}
	}
	va_end(list);
	*room(t, 0) = '\0';
}
