/*
 * bytes: bytes that come at one end and go at the other, in memory that is given. A zeroed one with its memory set is
 * empty and owns nothing.
 *     begin <= end <= cap; the bytes held are [begin, end)
 */
#ifndef ROUTER_BYTES_H
#define ROUTER_BYTES_H

#include <stddef.h>
#include <stdint.h>

/*
 * Where memory comes from. `resize` is what realloc is: NULL gives new memory, 0 bytes give it back (and the answer is
 * NULL). It aligns as malloc does. It does not fail: who cannot get memory cannot serve, so it ends the process.
 */
struct memory {
	void *(*resize)(void *context, void *old, size_t len);
	void *context;
};

struct bytes {
	const struct memory *memory; /* lives longer */
	uint8_t *at;
	size_t begin, end, cap;
};

static inline size_t bytes_len(const struct bytes *bytes)
{
	return bytes->end - bytes->begin;
}
/* What is `skip` bytes behind the first one held; NULL where there is no memory yet, or no longer. */
static inline uint8_t *bytes_behind(const struct bytes *bytes, size_t skip)
{
	return bytes->at ? bytes->at + bytes->begin + skip : NULL;
}
static inline uint8_t *bytes_first(const struct bytes *bytes)
{
	return bytes_behind(bytes, 0);
}
/* Room for at least `len` more bytes behind the last; add to `end` what was filled. Moves what is held. */
uint8_t *bytes_room(struct bytes *, size_t len);
void bytes_add(struct bytes *, const void *from, size_t len);
/* Drops bytes from the front, and overwrites them. Who is empty and has grown large gives the memory back. */
void bytes_drop(struct bytes *, size_t len);
/* Empties it, and gives the memory back. */
void bytes_free(struct bytes *);

#endif
