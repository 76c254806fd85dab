#include "vector.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VECTORS = 25 };

static size_t hex_read(const char *hex, uint8_t to[static VECTOR_BYTES_MAX])
{
	size_t len = strlen(hex) / 2;

	cr_assert(len <= VECTOR_BYTES_MAX);
	for (size_t i = 0; i < len; i++)
		cr_assert_eq(sscanf(hex + 2 * i, "%2hhx", &to[i]), 1);
	return len;
}

static void line_take(struct vector *v, const char *word, const char *rest)
{
	char direction[8];

	if (strcmp(word, "vector") == 0) {
		*v = (struct vector){0};
		cr_assert_eq(sscanf(rest, "%63s %7s %d", v->name, direction, &v->seal), 3);
		v->up = strcmp(direction, "up") == 0;
	} else if (strcmp(word, "frame") == 0) {
		v->frame_len = hex_read(rest, v->frame);
	} else if (strcmp(word, "plain") == 0) {
		v->plain_len = hex_read(rest, v->plain);
	} else if (strcmp(word, "field") == 0) {
		strcat(v->fields, rest);
		strcat(v->fields, "\n");
	} else {
		cr_assert_str_eq(word, "xml");
		strcpy(v->xml, rest);
	}
}

void vectors_each(void (*call)(const struct vector *))
{
	static struct vector v;
	FILE *file = fopen(STARTALK_VECTORS, "r");
	char *line = NULL, *blank;
	size_t cap = 0, count = 0;

	cr_assert_not_null(file);
	while (getline(&line, &cap, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		cr_assert_not_null(blank = strchr(line, ' '));
		*blank = '\0';
		if (strcmp(line, "vector") == 0 && count++ > 0)
			call(&v);
		line_take(&v, line, blank + 1);
	}
	call(&v);
	cr_assert_eq(count, VECTORS);
	free(line);
	fclose(file);
}
