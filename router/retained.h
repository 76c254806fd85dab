/*
 * retained: the numbered frames that one end has put on a link and must not forget yet, in their order: those that went
 * and were not acknowledged, and behind them those that wait, because the peer's window is full. Pure; memory is given.
 *
 *        retained_put                retained_next                 retained_ack
 *      ───────────────► [ waiting ] ───────────────► [ unacked ] ───────────────► forgotten
 *                                 └───────────────────────┘
 *                                     retained_walk: after a cut, oldest first
 *
 * The window is credit: unacknowledged frames of so many bytes (heads included) may be on their way, and one frame that
 * is longer than what is left may go when nothing is. So the memory held is the window, one frame, and what waits; who
 * fills a link on which much waits is to be stopped.
 *
 * With each frame stands its number in its session (docs/link-protocol.md, section 6), which the caller counts and
 * which is not on the wire. A FANOUT has one for each of its sessions, and none of its own.
 */
#ifndef ROUTER_RETAINED_H
#define ROUTER_RETAINED_H

#include "bytes.h"
#include "frame.h"

enum { RETAINED_NO_NUMBER = -1 }; /* of a FANOUT, and of frames before the session is bound, which never go again */

struct retained {
	struct bytes frames; /* each with its number before it */
	size_t next;	     /* where those that wait begin, from the first */
	size_t unacked_bytes, waiting_bytes;
	uint64_t put, sent, acked; /* frames of this link, so far */
	uint32_t window;
};

/* The window is the peer's, as its HELLO says. The memory lives longer. */
void retained_init(struct retained *, const struct memory *, uint32_t window);
/* Forgets everything. */
void retained_free(struct retained *);

/* A frame of len bytes, head included. Answers where the caller must write it, before the next call. */
uint8_t *retained_put(struct retained *, size_t len, int64_t number);
/*
 * The next frame that may go, if there is one: the caller puts it on the link. The bytes are good until the next call
 * of retained_put or retained_ack.
 */
bool retained_next(struct retained *, const uint8_t **ret_bytes, size_t *ret_len);
/* The peer has acknowledged so many frames, since the link began. False: that cannot be (FRAME_ERROR_ACK). */
bool retained_ack(struct retained *, uint64_t count);

/*
 * All of them, oldest first, whether they went or not: for the time after a cut, when sessions take back what is
 * theirs. *at is 0 before the first call. False: no more. The frame's payload is good as long as nothing is changed.
 */
bool retained_walk(const struct retained *, size_t *at, struct frame *ret, int64_t *ret_number);

#endif
