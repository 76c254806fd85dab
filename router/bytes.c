#include "bytes.h"

#include <assert.h>
#include <string.h>

enum { CAP_MIN = 512, CAP_KEPT = 64 << 10 };

void bytes_free(struct bytes *bytes)
{
	if (bytes->at) {
		explicit_bzero(bytes->at, bytes->end); /* there may have been a password in it */
		bytes->memory->resize(bytes->memory->context, bytes->at, 0);
	}
	*bytes = (struct bytes){.memory = bytes->memory};
}

/* Moving is worth it only when it frees as much as it moves; else bytes would be moved again and again. */
static void close_up(struct bytes *bytes)
{
	size_t len = bytes_len(bytes);
	if (bytes->begin == 0 || bytes->begin < len)
		return;
	memmove(bytes->at, bytes_first(bytes), len);
	explicit_bzero(bytes->at + len, bytes->end - len);
	bytes->begin = 0;
	bytes->end = len;
}

/* By hand, since `resize` would leave a copy behind. */
static void grow(struct bytes *bytes, size_t cap)
{
	const struct memory *memory = bytes->memory;
	uint8_t *at = memory->resize(memory->context, NULL, cap);
	size_t begin = bytes->begin, end = bytes->end;
	assert(at);
	if (bytes->at)
		memcpy(at, bytes->at, end);
	bytes_free(bytes);
	*bytes = (struct bytes){.memory = memory, .at = at, .begin = begin, .end = end, .cap = cap};
}

uint8_t *bytes_room(struct bytes *bytes, size_t len)
{
	size_t cap = bytes->cap ? bytes->cap : CAP_MIN;
	if (bytes->at && bytes->cap - bytes->end >= len)
		return bytes->at + bytes->end;
	close_up(bytes);
	while (cap - bytes->end < len)
		cap *= 2;
	if (cap > bytes->cap)
		grow(bytes, cap);
	return bytes->at + bytes->end;
}

void bytes_add(struct bytes *bytes, const void *from, size_t len)
{
	if (len > 0)
		memcpy(bytes_room(bytes, len), from, len);
	bytes->end += len;
}

void bytes_drop(struct bytes *bytes, size_t len)
{
	assert(len <= bytes_len(bytes));
	if (len > 0)
		explicit_bzero(bytes_first(bytes), len);
	bytes->begin += len;
	if (bytes->begin < bytes->end)
		return;
	bytes->begin = bytes->end = 0;
	if (bytes->cap > CAP_KEPT)
		bytes_free(bytes);
}
