#include "retained.h"

#include <assert.h>
#include <string.h>

enum { NUMBER_BYTES = sizeof(int64_t) };

void retained_init(struct retained *r, const struct memory *memory, uint32_t window)
{
	*r = (struct retained){.frames = {.memory = memory}, .window = window};
}

void retained_free(struct retained *r)
{
	bytes_free(&r->frames);
	retained_init(r, r->frames.memory, r->window);
}

uint8_t *retained_put(struct retained *r, size_t len, int64_t number)
{
	assert(len >= FRAME_HEAD_BYTES && len <= FRAME_HEAD_BYTES + FRAME_PAYLOAD_MAX);
	uint8_t *to = bytes_room(&r->frames, NUMBER_BYTES + len);
	memcpy(to, &number, NUMBER_BYTES);
	r->frames.end += NUMBER_BYTES + len;
	r->waiting_bytes += len;
	r->put++;
	return to + NUMBER_BYTES;
}

bool retained_next(struct retained *r, const uint8_t **ret_bytes, size_t *ret_len)
{
	if (r->next == bytes_len(&r->frames))
		return false;
	const uint8_t *at = bytes_first(&r->frames) + r->next + NUMBER_BYTES;
	size_t len = frame_len(at);
	if (r->unacked_bytes > 0 && r->unacked_bytes + len > r->window)
		return false;
	r->next += NUMBER_BYTES + len;
	r->unacked_bytes += len;
	r->waiting_bytes -= len;
	r->sent++;
	*ret_bytes = at;
	*ret_len = len;
	return true;
}

bool retained_ack(struct retained *r, uint64_t count)
{
	size_t gone = 0;
	if (count < r->acked || count > r->sent)
		return false;
	for (; r->acked < count; r->acked++) {
		size_t len = frame_len(bytes_first(&r->frames) + gone + NUMBER_BYTES);
		gone += NUMBER_BYTES + len;
		r->unacked_bytes -= len;
	}
	r->next -= gone;
	bytes_drop(&r->frames, gone);
	return true;
}

bool retained_walk(const struct retained *r, size_t *at, struct frame *ret, int64_t *ret_number)
{
	enum frame_error error;
	if (*at == bytes_len(&r->frames))
		return false;
	const uint8_t *from = bytes_first(&r->frames) + *at;
	memcpy(ret_number, from, NUMBER_BYTES);
	size_t len = frame_len(from + NUMBER_BYTES), used = frame_read(from + NUMBER_BYTES, len, ret, &error);
	assert(used == len);
	*at += NUMBER_BYTES + len;
	return true;
}
