/*
 * arena: the memory of one step of translation. The caller gives a block; what a step needs is taken from it, front to
 * back, and all of it is forgotten at once. So a frame can cost no more memory than the block has, whatever stands in
 * it, and no step takes memory from anywhere else. Pure.
 */
#ifndef STARTALK_ARENA_H
#define STARTALK_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct st_arena {
	uint8_t *at;
	size_t cap, used;
	size_t most; /* that was used since it was last wiped */
	bool spent;  /* something did not fit: nothing fits any more, so that nothing is left out unseen */
};

/* The block, of any content, aligned as malloc does. It is the caller's, and lives as long as what was taken of it. */
void st_arena_init(struct st_arena *, void *block, size_t cap);
/* Forgets everything: what was taken is nobody's any more. */
void st_arena_clear(struct st_arena *);
/* The same, and nothing can be read there any more. */
void st_arena_wipe(struct st_arena *);
/* So many bytes, aligned to 16. NULL: there is no room. */
void *st_arena_take(struct st_arena *, size_t len);
/* The same, zeroes. */
void *st_arena_zeroes(struct st_arena *, size_t len);
/* For whoever writes behind what was taken: up to this place there may be something. */
void st_arena_note(struct st_arena *, size_t end);
/* A text with its NUL: a copy of len bytes. NULL: there is no room. */
char *st_arena_text(struct st_arena *, const void *bytes, size_t len);

#endif
