#include "buffer.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CAP_MIN = 4096, CAP_KEPT = 256 << 10 };

void buffer_free(struct buffer *buffer)
{
	if (buffer->bytes)
		explicit_bzero(buffer->bytes, buffer->end);
	free(buffer->bytes);
	*buffer = (struct buffer){0};
}

/* What was dropped may have been a password. */
static void buffer_wipe(const struct buffer *buffer, size_t from, size_t to)
{
	explicit_bzero(buffer->bytes + from, to - from);
}

static void buffer_close_up(struct buffer *buffer)
{
	if (buffer->begin == 0)
		return;
	memmove(buffer->bytes, buffer_at(buffer), buffer_len(buffer));
	buffer_wipe(buffer, buffer_len(buffer), buffer->end);
	buffer->end -= buffer->begin;
	buffer->begin = 0;
}

uint8_t *buffer_room(struct buffer *buffer, size_t len)
{
	if (buffer->cap - buffer->end >= len && buffer->bytes)
		return buffer->bytes + buffer->end;
	/* Moving is worth it only when it frees as much as it moves; else bytes would be moved again and again. */
	if (buffer->begin >= buffer_len(buffer))
		buffer_close_up(buffer);
	if (buffer->cap - buffer->end < len || !buffer->bytes) {
		size_t cap = buffer->cap ? buffer->cap : CAP_MIN;
		while (cap - buffer->end < len)
			cap *= 2;
		uint8_t *bytes = malloc(cap);
		if (!bytes)
			abort();
		if (buffer->bytes) {
			memcpy(bytes, buffer->bytes, buffer->end);
			buffer_wipe(buffer, 0, buffer->end);
			free(buffer->bytes);
		}
		buffer->bytes = bytes;
		buffer->cap = cap;
	}
	return buffer->bytes + buffer->end;
}

void buffer_drop(struct buffer *buffer, size_t len)
{
	assert(len <= buffer_len(buffer));
	if (len > 0)
		buffer_wipe(buffer, buffer->begin, buffer->begin + len);
	buffer->begin += len;
	if (buffer->begin < buffer->end)
		return;
	buffer->begin = buffer->end = 0;
	if (buffer->cap > CAP_KEPT) {
		free(buffer->bytes);
		buffer->bytes = NULL;
		buffer->cap = 0;
	}
}

void buffer_add(struct buffer *buffer, const void *bytes, size_t len)
{
	memcpy(buffer_room(buffer, len), bytes, len);
	buffer->end += len;
}
