#include "vectors.h"

#include "frame.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct named {
	const char *name;
	int number;
};

static const struct named types[] = {
#define FRAME(id, name, from, session, numbered, payload, meaning) {#name, id},
#include "frames.def"
	{NULL, 0},
};
static const struct named fields[] = {
#define FIELD(key, name, kind, bytes, in, meaning) {#name, key},
#include "fields.def"
	{NULL, 0},
};
static const struct named errors[] = {
#define FRAME_ERROR(name, text) {#name, FRAME_ERROR_##name},
#include "frame_error.def"
	{NULL, 0},
};

static int number_of(const struct named *table, const char *name)
{
	for (; table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table->number;
	cr_assert(false, "nothing is called %s", name);
	return 0;
}

int vectors_type(const char *name)
{
	return number_of(types, name);
}

int vectors_field(const char *name)
{
	char *end;
	long number = strtol(name, &end, 16);
	return strlen(name) == 2 && *end == '\0' ? (int)number : number_of(fields, name);
}

int vectors_error(const char *name)
{
	return number_of(errors, name);
}

size_t vectors_hex(const char *hex, uint8_t *to, size_t cap)
{
	size_t len = strlen(hex) / 2;
	cr_assert(len <= cap && strlen(hex) % 2 == 0, "%s", hex);
	for (size_t i = 0; i < len; i++) {
		unsigned byte;
		cr_assert(sscanf(hex + 2 * i, "%2x", &byte) == 1, "%s", hex);
		to[i] = byte;
	}
	return len;
}

void vectors_open(struct vectors *v)
{
	v->file = fopen(LINK_VECTORS, "r");
	cr_assert(v->file, "%s", LINK_VECTORS);
}

void vectors_close(struct vectors *v)
{
	fclose(v->file);
}

bool vectors_line(struct vectors *v)
{
	if (!fgets(v->line, sizeof v->line, v->file))
		return false;
	size_t len = strcspn(v->line, "\n");
	cr_assert(v->line[len] == '\n', "a line is too long");
	v->line[len] = '\0';
	char *space = strchr(v->line, ' ');
	v->key = v->line;
	v->value = space ? space + 1 : "";
	if (space)
		*space = '\0';
	return len > 0;
}

bool vectors_block(struct vectors *v, const char *sort)
{
	while (!feof(v->file))
		if (vectors_line(v) && strcmp(v->key, sort) == 0)
			return true;
	return false;
}

const char *vectors_expect(struct vectors *v, const char *key)
{
	cr_assert(vectors_line(v) && strcmp(v->key, key) == 0, "%s is missing", key);
	return v->value;
}
