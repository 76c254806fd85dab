/*
 * backlog: the frames of one session that cannot go now, in their order: first those that went on a link that was cut
 * and were not acknowledged, then those that have come up since. Both ends have one for each session that needs it.
 * Pure.
 *
 *     the link is cut                 it is made anew, and the other end says what it has taken
 *     backlog_take_back (in order)    backlog_resume, then backlog_next until it is empty
 *                backlog_room ◄── what comes up meanwhile
 */
#ifndef ROUTER_BACKLOG_H
#define ROUTER_BACKLOG_H

#include "bytes.h"
#include "frame.h"

struct backlog {
	struct bytes again, fresh;
	uint32_t again_count; /* frames in `again` */
};

/* Empty. The memory lives longer. */
void backlog_init(struct backlog *, const struct memory *);
/* Empties it. */
void backlog_free(struct backlog *);
static inline bool backlog_is_empty(const struct backlog *backlog)
{
	return bytes_len(&backlog->again) + bytes_len(&backlog->fresh) == 0;
}

/* Where the caller must write a frame of len bytes that has not gone yet, before the next call. */
uint8_t *backlog_room(struct backlog *, size_t len);
/* A frame that was numbered and went: of this session, in the order of retained_walk; its head may be made anew. */
void backlog_take_back(struct backlog *, enum frame_type, frame_session, const uint8_t *payload, size_t len);

/*
 * The other end has taken the session's first `received` numbered frames; *sent, those that were sent, becomes that,
 * and what it has is dropped. False: that cannot be, since it has acknowledged more, or was sent fewer; nothing is
 * changed.
 */
bool backlog_resume(struct backlog *, uint32_t received, uint32_t *sent);
/*
 * The first frame, if there is one: it is to go now, as a new one, and counts as sent anew. backlog_drop drops it; the
 * bytes are good until then.
 */
bool backlog_next(const struct backlog *, const uint8_t **ret_bytes, size_t *ret_len);
void backlog_drop(struct backlog *);

/* All of them in order, not dropped: *at is 0 before the first call. False: no more. The frame's payload points into
 * them. */
bool backlog_walk(const struct backlog *, size_t *at, struct frame *ret);

#endif
