#include "st_frame.h"

#include <assert.h>
#include <stdbool.h>

enum st_frame_is st_frame_read(const uint8_t *bytes, size_t len, size_t bytes_max, struct st_frame *ret)
{
	size_t value = 0, at = 0;
	bool more = true;

	for (; more && at < ST_LENGTH_BYTES_MAX; at++) {
		if (at == len)
			return ST_FRAME_MORE;
		value |= (size_t)(bytes[at] & 0x7f) << 7 * at;
		more = bytes[at] & 0x80;
	}
	if (more || value > bytes_max)
		return ST_FRAME_BAD;
	if (value > len - at)
		return ST_FRAME_MORE;
	*ret = (struct st_frame){.at = bytes + at, .len = value, .used = at + value};
	return ST_FRAME_WHOLE;
}

size_t st_frame_length(size_t len, uint8_t to[static ST_LENGTH_BYTES_MAX])
{
	size_t at = 0;

	assert(len < (size_t)1 << 28);
	for (; len >= 0x80; len >>= 7)
		to[at++] = (uint8_t)(len | 0x80);
	to[at++] = (uint8_t)len;
	return at;
}
