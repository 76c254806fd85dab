/*
 * buffer: bytes that come at one end and go at the other. A zeroed one is empty and owns nothing.
 *     begin <= end <= cap; the bytes held are [begin, end)
 * Who cannot get memory cannot serve: allocation failures abort.
 */
#ifndef SESSIOND_BUFFER_H
#define SESSIOND_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
	uint8_t *bytes;
	size_t begin, end, cap;
};

void buffer_free(struct buffer *);
static inline size_t buffer_len(const struct buffer *buffer)
{
	return buffer->end - buffer->begin;
}
static inline uint8_t *buffer_at(const struct buffer *buffer)
{
	return buffer->bytes + buffer->begin;
}
/* Room for at least `len` more bytes behind the last; add to `end` what was filled. */
uint8_t *buffer_room(struct buffer *, size_t len);
/* Drops bytes from the front. An empty buffer that has grown large gives its memory back. */
void buffer_drop(struct buffer *, size_t len);

void buffer_add(struct buffer *, const void *bytes, size_t len);

#endif
