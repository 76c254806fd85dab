/* The sessions of a backend: what goes to them, what waits, what comes again after a cut. */
#include "backend_inside.h"

#include <assert.h>
#include <string.h>

enum { FANOUT_CHUNK = 1024, RECEIVED_BYTES = 3 + 4 };

/* Room for a frame where it belongs now: on the link, or behind what waits. NULL: too much waits already. */
static uint8_t *room_for(struct backend_session *session, enum frame_type type, size_t len)
{
	assert(!session->closed);
	if (type == FRAME_ELEMENT ? backend_is_open(session) : session_is_attached(session))
		return backend_session_room_on_link(session, type, len);
	return backend_session_room_to_wait(session, type, len);
}

static void release(struct backend_session *session)
{
	if (session_is_attached(session))
		link_release(session->link);
}

/* ---- sending */

static bool is_bind(const struct frame *frame)
{
	return frame->type == FRAME_STATE && frame_find_int(frame, FIELD_STAGE, 0) == FRAME_STAGE_BOUND;
}

/* What our own frame, that is queued, makes of the session. It counts from its being bound. */
static void note(struct backend_session *session, const struct frame *frame)
{
	if (is_bind(frame)) {
		session->bound = true;
		session->sent = session->received = session->acked = 0;
	}
	if (frame->type == FRAME_CLOSE) {
		session->closed = true;
		session->user = NULL;
	}
}

/*
 * What is not an element waits for no client. If one is slow, what waits for it is overtaken, and dropped at its end;
 * else it goes before.
 */
static void make_way(struct backend_session *session, enum frame_type type)
{
	if (type == FRAME_ELEMENT || !session_is_attached(session))
		return;
	if (!session->paused)
		backend_session_flush(session);
	else if (type == FRAME_CLOSE)
		backlog_free(&session->backlog);
}

bool backend_send(struct backend_session *session, const uint8_t *bytes, size_t len)
{
	struct frame frame;
	enum frame_error error;
	size_t used = frame_read(bytes, len, &frame, &error);
	assert(used == len);
	assert(frame.session == session->number);
	assert(frame_is_numbered(frame.type) && frame_is_from(frame.type, FRAME_FROM_BACKEND));
	make_way(session, frame.type);
	uint8_t *room = room_for(session, frame.type, len);
	if (!room)
		return false;
	memcpy(room, bytes, len);
	release(session);
	note(session, &frame);
	return true;
}

bool backend_send_element(struct backend_session *session, const void *xml, size_t len)
{
	uint8_t *room = room_for(session, FRAME_ELEMENT, FRAME_HEAD_BYTES + len);
	if (!room)
		return false;
	frame_head(room, FRAME_ELEMENT, session->number, len);
	memcpy(room + FRAME_HEAD_BYTES, xml, len);
	release(session);
	return true;
}

void backend_session_answer_close(struct backend_session *session)
{
	uint8_t close[FRAME_HEAD_BYTES];
	frame_head(close, FRAME_CLOSE, session->number, 0);
	bool sent = backend_send(session, close, sizeof close);
	assert(sent);
}

/* ---- one for many */

/* Can the session take an element on this link, and now? */
static bool is_open_on(const struct backend_session *session, const struct backend_link *link)
{
	return session->link == link && session->bound && backend_is_open(session);
}

/* The next few of the sessions that are open on the link, from *at on. */
static size_t chunk_of(const struct backend_link *link, struct backend_session *const *sessions, size_t count,
		       size_t *at, struct backend_session *ret[static FANOUT_CHUNK])
{
	size_t found = 0;
	for (; *at < count && found < FANOUT_CHUNK; ++*at)
		if (is_open_on(sessions[*at], link))
			ret[found++] = sessions[*at];
	return found;
}

static void chunk_send(struct backend_link *link, struct backend_session *const *sessions, size_t count,
		       const void *xml, size_t len)
{
	frame_session numbers[FANOUT_CHUNK];
	size_t head = frame_fanout_head_bytes(count);
	for (size_t i = 0; i < count; i++) {
		numbers[i] = sessions[i]->number;
		sessions[i]->sent++;
		sessions[i]->unacked_bytes += FRAME_HEAD_BYTES + len;
	}
	uint8_t *room = retained_put(&link->retained, head + len, RETAINED_NO_NUMBER);
	frame_fanout_head(room, numbers, count, len);
	memcpy(room + head, xml, len);
	link_release(link);
}

/* Those that stand alone on their link, or cannot take it now. */
static bool send_each(struct backend_session *const *sessions, size_t count, const void *xml, size_t len)
{
	bool good = true;
	for (size_t i = 0; i < count; i++)
		good &= backend_send_element(sessions[i], xml, len);
	return good;
}

static bool fanout_on(struct backend_link *link, struct backend_session *const *sessions, size_t count, const void *xml,
		      size_t len)
{
	struct backend_session *chunk[FANOUT_CHUNK];
	bool good = true;
	for (size_t at = 0, found; (found = chunk_of(link, sessions, count, &at, chunk)) > 0;) {
		if (found == 1 || frame_fanout_head_bytes(found) - FRAME_HEAD_BYTES + len > FRAME_PAYLOAD_MAX)
			good &= send_each(chunk, found, xml, len);
		else
			chunk_send(link, chunk, found, xml, len);
	}
	return good;
}

bool backend_fanout(struct backend *backend, struct backend_session *const *sessions, size_t count, const void *xml,
		    size_t len)
{
	bool good = true;
	for (size_t i = 0; i < count; i++)
		if (!is_open_on(sessions[i], sessions[i]->link))
			good &= backend_send_element(sessions[i], xml, len);
	for (struct backend_link *link = backend->links; link; link = link->next)
		good &= fanout_on(link, sessions, count, xml, len);
	return good;
}

/* ---- pauses of our own */

static void say_hold(const struct backend_session *session)
{
	link_say(session->link, session->holding ? FRAME_PAUSE : FRAME_RESUME, session->number);
}

void backend_hold(struct backend_session *session, bool hold)
{
	if (session->holding == hold)
		return;
	session->holding = hold;
	if (session_is_attached(session))
		say_hold(session);
}

/* ---- after a cut */

/* `at`: how many frames the link was given before. */
static void take_back(const struct backend_link *link, uint64_t at, frame_session number, enum frame_type type,
		      const uint8_t *payload, size_t len)
{
	struct backend_session *session = backend_find(link->backend, link->link.epoch, number);
	if (session && session->link == link && at >= session->since)
		backlog_take_back(&session->backlog, type, number, payload, len);
}

void backend_sessions_take_back(struct backend_link *link)
{
	struct frame frame;
	int64_t number;
	uint64_t i = link->retained.acked;
	for (size_t at = 0; retained_walk(&link->retained, &at, &frame, &number); i++) {
		if (frame.type != FRAME_FANOUT) {
			if (number != RETAINED_NO_NUMBER)
				take_back(link, i, frame.session, frame.type, frame.payload, frame.payload_len);
			continue;
		}
		struct frame_fanout fanout = frame_fanout(&frame);
		for (uint32_t s = 0; s < fanout.count; s++)
			take_back(link, i, frame_fanout_session(&fanout, s), FRAME_ELEMENT, fanout.element,
				  fanout.element_len);
	}
}

static void say_attached(const struct backend_session *session)
{
	uint8_t bytes[FRAME_HEAD_BYTES + RECEIVED_BYTES];
	struct frame_builder attached;
	frame_begin(&attached, bytes, sizeof bytes, FRAME_ATTACHED, session->number);
	frame_put_int(&attached, FIELD_RECEIVED, session->received);
	size_t len = frame_end(&attached);
	assert(len == sizeof bytes);
	backend_say(session->link, bytes, len);
}

/* Behind the answer: what was said before and is still so, and what waits. */
static void go_on(struct backend_session *session)
{
	say_attached(session);
	if (session->holding)
		say_hold(session);
	backend_session_go_on(session);
}

/* The gate wants nothing of it any more; but it waits for a CLOSE that it may not have got. */
static void forget_all_but_close(struct backend_session *session)
{
	backlog_free(&session->backlog);
	if (session->closed)
		frame_head(backlog_room(&session->backlog, FRAME_HEAD_BYTES), FRAME_CLOSE, session->number, 0);
}

void backend_session_acked(struct backend_session *session, uint32_t acked)
{
	session->acked = acked;
	if (session->backend->on_acked && !session->closed)
		session->backend->on_acked(session);
}

bool backend_session_attach(struct backend_session *session, struct backend_link *link, bool has_received,
			    uint32_t received)
{
	assert(!session->link);
	if (!has_received)
		received = session->sent - session->backlog.again_count;
	if (session->adopting || !backlog_resume(&session->backlog, received, &session->sent))
		return false;
	backend_session_acked(session, received);
	if (!has_received)
		forget_all_but_close(session);
	backend_session_arrive(session, link);
	go_on(session);
	return true;
}

/* ---- adopting */

void backend_adopt(struct backend_session *session, uint32_t received)
{
	assert(session->adopting);
	session->adopting = false;
	session->received = received;
	if (session->link)
		go_on(session);
}

void backend_refuse(struct backend_session *session, const char *reason)
{
	assert(session->adopting);
	if (session->link)
		link_say_lost(session->link, session->number, reason);
	backend_session_end(session);
}

void backend_forget(struct backend_session *session)
{
	backend_session_end(session);
}
