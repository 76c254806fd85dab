/*
 * What of a session's elements goes on its link, and when. A session is open while it is not paused and less than
 * BACKEND_UNACKED_BYTES of it are on the link; what comes up meanwhile is put into its backlog, and when it may go on,
 * it stands in its link's line, from which one after the other is given a slice.
 *
 *     element ──► backend_is_open? ──yes──► retained ──► link
 *                      │ no                    ▲
 *                      ▼                       │ a slice, while little is under way
 *                   backlog ──► due line ──► link_serve ◄── ACK, RESUME
 */
#include "backend_inside.h"

#include <assert.h>
#include <string.h>

enum {
	SLICE_BYTES = 16 << 10,
	SERVED_SHARE = 4 /* one part of so many of the window is for what has waited: others find the rest free */
};

static bool waits(const struct backend_session *session)
{
	return !backlog_is_empty(&session->backlog);
}

/* ---- the line */

static bool is_due(const struct backend_session *session)
{
	return session->due_place;
}

static void line_leave(struct backend_session *session)
{
	if (!is_due(session))
		return;
	*session->due_place = session->due_next;
	if (session->due_next)
		session->due_next->due_place = session->due_place;
	else
		session->link->due_end = session->due_place;
	session->due_place = NULL;
	session->due_next = NULL;
}

static bool may_go_on(const struct backend_session *session)
{
	return session_is_attached(session) && !session->paused && session->unacked_bytes < BACKEND_UNACKED_BYTES &&
	       waits(session);
}

static void line_enter(struct backend_session *session)
{
	struct backend_link *link = session->link;
	if (is_due(session) || !may_go_on(session))
		return;
	session->due_next = NULL;
	session->due_place = link->due_end;
	*link->due_end = session;
	link->due_end = &session->due_next;
}

/* ---- what waits, and is the link's fault and not the client's */

static bool is_behind(const struct backend_session *session)
{
	return session_is_attached(session) && !session->paused && !session->slow;
}

static void behind_forget(struct backend_session *session)
{
	if (is_behind(session))
		session->link->behind_bytes -= bytes_len(&session->backlog.fresh);
}

/* ---- room */

bool backend_is_open(const struct backend_session *session)
{
	if (!session_is_attached(session) || session->paused)
		return false;
	return !session->bound || (session->unacked_bytes < BACKEND_UNACKED_BYTES && !waits(session));
}

uint8_t *backend_session_room_on_link(struct backend_session *session, enum frame_type type, size_t len)
{
	int64_t number = RETAINED_NO_NUMBER;
	if (session->bound)
		number = ++session->sent;
	if (type == FRAME_ELEMENT)
		session->unacked_bytes += len;
	return retained_put(&session->link->retained, len, number);
}

uint8_t *backend_session_room_to_wait(struct backend_session *session, enum frame_type type, size_t len)
{
	if (is_behind(session))
		session->link->behind_bytes += len;
	else if (type == FRAME_ELEMENT &&
		 bytes_len(&session->backlog.fresh) + len > session->backend->waiting_bytes_max)
		return NULL;
	return backlog_room(&session->backlog, len);
}

/* ---- going on */

/* The first of what waits. Answers how long it is. */
static size_t move_one(struct backend_session *session)
{
	const uint8_t *bytes;
	struct frame frame;
	enum frame_error error;
	size_t len;
	bool is = backlog_next(&session->backlog, &bytes, &len);
	assert(is);
	size_t used = frame_read(bytes, len, &frame, &error);
	assert(used == len);
	memcpy(backend_session_room_on_link(session, frame.type, len), bytes, len);
	if (is_behind(session))
		session->link->behind_bytes -= len;
	backlog_drop(&session->backlog);
	if (!waits(session))
		session->slow = false;
	return len;
}

static void move_slice(struct backend_session *session)
{
	for (size_t moved = 0; moved < SLICE_BYTES && may_go_on(session);)
		moved += move_one(session);
	link_release(session->link);
}

void backend_session_flush(struct backend_session *session)
{
	line_leave(session);
	while (waits(session))
		move_one(session);
	backlog_free(&session->backlog);
	link_release(session->link);
}

static bool is_served(const struct backend_link *link)
{
	const struct retained *retained = &link->retained;
	return retained->waiting_bytes == 0 &&
	       (retained->unacked_bytes == 0 || retained->unacked_bytes < retained->window / SERVED_SHARE);
}

static void serve_one(struct backend_session *session)
{
	line_leave(session);
	move_slice(session);
	line_enter(session);
}

static void link_serve(struct backend_link *link)
{
	while (link->due && is_served(link))
		serve_one(link->due);
}

/* What went before comes again at once: more than a session's share of the link it was not. */
void backend_session_go_on(struct backend_session *session)
{
	while (session->backlog.again_count > 0)
		move_one(session);
	session->slow = waits(session);
	if (session->closed || !session->bound) {
		backend_session_flush(session);
		return;
	}
	link_release(session->link);
	line_enter(session);
	link_serve(session->link);
}

void backend_session_pause(struct backend_session *session, bool paused)
{
	if (session->paused == paused)
		return;
	if (paused) {
		behind_forget(session);
		line_leave(session);
	}
	session->paused = paused;
	session->slow = true;
	if (!paused)
		backend_session_go_on(session);
}

void backend_session_arrive(struct backend_session *session, struct backend_link *link)
{
	backend_session_move(session, &link->sessions);
	session->link = link;
	session->since = link->retained.put;
	session->unacked_bytes = 0;
	session->paused = false;
	session->slow = waits(session);
}

void backend_session_depart(struct backend_session *session)
{
	if (!session->link)
		return;
	behind_forget(session);
	line_leave(session);
}

/* ---- acknowledgements */

/* `at`: how many frames the link was given before. What is older than the session's coming was another life's. */
static void acked_of(const struct backend_link *link, uint64_t at, frame_session number, int64_t count,
		     size_t element_bytes)
{
	struct backend_session *session = backend_find(link->backend, link->link.epoch, number);
	if (!session || session->link != link || at < session->since)
		return;
	assert(session->unacked_bytes >= element_bytes);
	session->unacked_bytes -= element_bytes;
	if (count != RETAINED_NO_NUMBER)
		backend_session_acked(session, (uint32_t)count);
	line_enter(session);
}

/* Each session's frames are in their order, those of a FANOUT among them. */
static void acked_of_all(const struct backend_link *link, uint64_t at, const struct frame *frame)
{
	struct frame_fanout fanout = frame_fanout(frame);
	for (uint32_t i = 0; i < fanout.count; i++) {
		frame_session number = frame_fanout_session(&fanout, i);
		const struct backend_session *session = backend_find(link->backend, link->link.epoch, number);
		if (session)
			acked_of(link, at, number, (uint32_t)(session->acked + 1),
				 FRAME_HEAD_BYTES + fanout.element_len);
	}
}

static void tell_acked(struct backend_link *link, uint64_t count)
{
	struct frame frame;
	int64_t number;
	size_t at = 0;
	for (uint64_t i = link->retained.acked; i < count && retained_walk(&link->retained, &at, &frame, &number); i++)
		if (frame.type == FRAME_FANOUT)
			acked_of_all(link, i, &frame);
		else
			acked_of(link, i, frame.session, number,
				 frame.type == FRAME_ELEMENT ? FRAME_HEAD_BYTES + frame.payload_len : 0);
}

/* One of those who wait gets its turn in any case: others may keep the link full. */
bool link_acked(struct backend_link *link, uint64_t count)
{
	if (count < link->retained.acked || count > link->retained.sent)
		return false;
	tell_acked(link, count);
	retained_ack(&link->retained, count);
	link_release(link);
	if (link->due)
		serve_one(link->due);
	link_serve(link);
	return true;
}
