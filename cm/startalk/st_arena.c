#include "st_arena.h"

#include <assert.h>
#include <string.h>

enum { ALIGN = 16 };

void st_arena_init(struct st_arena *a, void *block, size_t cap)
{
	assert((uintptr_t)block % ALIGN == 0);
	*a = (struct st_arena){.at = block, .cap = cap};
}

void st_arena_clear(struct st_arena *a)
{
	a->used = 0;
	a->spent = false;
}

void st_arena_wipe(struct st_arena *a)
{
	explicit_bzero(a->at, a->most);
	a->most = 0;
	st_arena_clear(a);
}

void st_arena_note(struct st_arena *a, size_t end)
{
	if (a->most < end)
		a->most = end;
}

void *st_arena_take(struct st_arena *a, size_t len)
{
	size_t begin = (a->used + ALIGN - 1) / ALIGN * ALIGN;

	a->spent |= begin > a->cap || len > a->cap - begin;
	if (a->spent)
		return NULL;
	a->used = begin + len;
	st_arena_note(a, a->used);
	return a->at + begin;
}

void *st_arena_zeroes(struct st_arena *a, size_t len)
{
	void *at = st_arena_take(a, len);

	if (at != NULL)
		memset(at, 0, len);
	return at;
}

char *st_arena_text(struct st_arena *a, const void *bytes, size_t len)
{
	char *to = st_arena_take(a, len + 1);

	if (to == NULL)
		return NULL;
	if (len > 0)
		memcpy(to, bytes, len);
	to[len] = '\0';
	return to;
}
