#include "backlog.h"

#include <assert.h>
#include <string.h>

void backlog_init(struct backlog *backlog, const struct memory *memory)
{
	*backlog = (struct backlog){.again = {.memory = memory}, .fresh = {.memory = memory}};
}

void backlog_free(struct backlog *backlog)
{
	bytes_free(&backlog->again);
	bytes_free(&backlog->fresh);
	backlog->again_count = 0;
}

uint8_t *backlog_room(struct backlog *backlog, size_t len)
{
	uint8_t *room = bytes_room(&backlog->fresh, len);
	backlog->fresh.end += len;
	return room;
}

void backlog_take_back(struct backlog *backlog, enum frame_type type, frame_session session, const uint8_t *payload,
		       size_t len)
{
	frame_head(bytes_room(&backlog->again, FRAME_HEAD_BYTES), type, session, len);
	backlog->again.end += FRAME_HEAD_BYTES;
	bytes_add(&backlog->again, payload, len);
	backlog->again_count++;
}

bool backlog_resume(struct backlog *backlog, uint32_t received, uint32_t *sent)
{
	uint32_t skip = received - (*sent - backlog->again_count);
	if (skip > backlog->again_count)
		return false;
	while (skip-- > 0)
		backlog_drop(backlog);
	*sent = received;
	return true;
}

static const struct bytes *first_of(const struct backlog *backlog)
{
	return backlog->again_count > 0 ? &backlog->again : &backlog->fresh;
}

bool backlog_next(const struct backlog *backlog, const uint8_t **ret_bytes, size_t *ret_len)
{
	const struct bytes *first = first_of(backlog);
	if (bytes_len(first) == 0)
		return false;
	*ret_bytes = bytes_first(first);
	*ret_len = frame_len(*ret_bytes);
	return true;
}

void backlog_drop(struct backlog *backlog)
{
	const uint8_t *bytes;
	size_t len;
	bool is = backlog_next(backlog, &bytes, &len);
	assert(is);
	bytes_drop(backlog->again_count > 0 ? &backlog->again : &backlog->fresh, len);
	backlog->again_count -= backlog->again_count > 0;
}

bool backlog_walk(const struct backlog *backlog, size_t *at, struct frame *ret)
{
	size_t again_len = bytes_len(&backlog->again);
	bool fresh = *at >= again_len;
	const struct bytes *from = fresh ? &backlog->fresh : &backlog->again;
	size_t place = fresh ? *at - again_len : *at;
	enum frame_error error;
	if (place == bytes_len(from))
		return false;
	size_t used = frame_read(bytes_behind(from, place), bytes_len(from) - place, ret, &error);
	assert(used > 0);
	*at += used;
	return true;
}
