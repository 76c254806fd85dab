#include "backend_inside.h"

#include <assert.h>
#include <string.h>

/* ---- links */

void backend_init(struct backend *backend, const struct memory *memory, size_t waiting_bytes_max)
{
	*backend = (struct backend){.memory = *memory, .waiting_bytes_max = waiting_bytes_max};
}

void backend_begin(struct backend *backend, struct backend_link *link, const struct link_self *self, uint64_t now_ms)
{
	struct link_send hello;
	*link = (struct backend_link){.backend = backend,
				      .next = backend->links,
				      .place = &backend->links,
				      .in = {.memory = &backend->memory},
				      .out = {.memory = &backend->memory},
				      .window = self->window > 0 ? self->window : LINK_WINDOW};
	link->due_end = &link->due;
	retained_init(&link->retained, &backend->memory, 0);
	if (link->next)
		link->next->place = &link->next;
	backend->links = link;
	link_init(&link->link, LINK_BACKEND, self, now_ms, &hello);
	bytes_add(&link->out, hello.bytes, hello.len);
}

/* Where those stand that wait until then: behind all that wait less long. */
static struct backend_session **place_of(struct backend *backend, uint64_t until_ms)
{
	struct backend_session **place = &backend->orphans;
	while (*place && (*place)->orphan_until_ms < until_ms)
		place = &(*place)->next;
	return place;
}

/* A place in the list of orphans is the head of all behind it. */
static void orphan(struct backend_session *session, struct backend_session **place, uint64_t until_ms)
{
	backend_session_depart(session);
	session->link = NULL;
	session->orphan_until_ms = until_ms;
	backend_session_move(session, place);
}

/* Those that will be asked for again wait for it; the others are over. */
void backend_cut(struct backend_link *link, uint64_t now_ms)
{
	struct backend *backend = link->backend;
	uint64_t until_ms = now_ms + link->link.patience_ms + BACKEND_MARGIN_MS;
	struct backend_session **place = place_of(backend, until_ms);
	backend_sessions_take_back(link);
	while (link->sessions) {
		bool waits = link->sessions->bound && link->link.patience_ms > 0;
		orphan(link->sessions, waits ? place : &backend->over, until_ms);
	}
	retained_free(&link->retained);
	bytes_free(&link->in);
	bytes_free(&link->out);
	*link->place = link->next;
	if (link->next)
		link->next->place = link->place;
}

void backend_free(struct backend *backend)
{
	while (backend->links)
		backend_cut(backend->links, 0);
	backend_sessions_free(backend);
}

static struct backend_session *first_over(const struct backend *backend, uint64_t now_ms)
{
	struct backend_session *first = backend->orphans;
	if (backend->over)
		return backend->over;
	return first && now_ms >= first->orphan_until_ms ? first : NULL;
}

bool backend_over(struct backend *backend, uint64_t now_ms, void **ret_user)
{
	for (struct backend_session *session; (session = first_over(backend, now_ms));) {
		bool closed = session->closed;
		void *user = backend_session_end(session);
		if (closed)
			continue; /* the caller has ended it long ago */
		*ret_user = user;
		return true;
	}
	return false;
}

/* ---- out */

void link_release(struct backend_link *link)
{
	const uint8_t *bytes;
	size_t len;
	while (retained_next(&link->retained, &bytes, &len))
		bytes_add(&link->out, bytes, len);
}

void backend_say(struct backend_link *link, const uint8_t *frame, size_t len)
{
	bytes_add(&link->out, frame, len);
}

void link_say(struct backend_link *link, enum frame_type type, frame_session session)
{
	uint8_t head[FRAME_HEAD_BYTES];
	frame_head(head, type, session, 0);
	bytes_add(&link->out, head, sizeof head);
}

void link_say_lost(struct backend_link *link, frame_session session, const char *reason)
{
	uint8_t bytes[FRAME_HEAD_BYTES + 3 + 1024];
	struct frame_builder lost;
	frame_begin(&lost, bytes, sizeof bytes, FRAME_LOST, session);
	if (reason)
		frame_put_text(&lost, FIELD_REASON, reason);
	size_t len = frame_end(&lost);
	assert(len > 0);
	backend_say(link, bytes, len);
}

size_t backend_out(const struct backend_link *link, const uint8_t **ret)
{
	*ret = bytes_first(&link->out);
	return bytes_len(&link->out);
}

void backend_written(struct backend_link *link, size_t len)
{
	bytes_drop(&link->out, len);
}

size_t backend_waiting(const struct backend_link *link)
{
	return bytes_len(&link->out) + link->retained.waiting_bytes + link->behind_bytes;
}

void backend_ack(struct backend_link *link)
{
	struct link_send ack;
	link_ack(&link->link, link->handed, &ack);
	bytes_add(&link->out, ack.bytes, ack.len);
}

void backend_tick(struct backend_link *link, uint64_t now_ms)
{
	struct link_send ping;
	if (!link_tick(&link->link, now_ms, &ping))
		link->bad = FRAME_ERROR_SILENT;
	bytes_add(&link->out, ping.bytes, ping.len);
}

/* ---- in: what cannot wait is acted on at once */

uint8_t *backend_room(struct backend_link *link, size_t len)
{
	bytes_drop(&link->in, link->used);
	link->looked_at -= link->used;
	link->used = 0;
	return bytes_room(&link->in, len);
}

static void on_up(struct backend_link *link)
{
	retained_init(&link->retained, &link->backend->memory, link->link.window);
	link->up_due = true;
}

/* The session, when it is at home on this link. */
static struct backend_session *session_here(const struct backend_link *link, frame_session number)
{
	struct backend_session *session = backend_find(link->backend, link->link.epoch, number);
	return session && session->link == link && !session->adopting ? session : NULL;
}

/* False: it has to wait for what makes its session, or for others before it. What was done comes to mean nothing. */
static bool on_pause(struct backend_link *link, const struct link_found *found)
{
	struct backend_session *session = session_here(link, found->frame.session);
	if (!session || link->pauses > 0) {
		link->pauses++;
		return false;
	}
	backend_session_pause(session, found->frame.type == FRAME_PAUSE);
	frame_head(bytes_first(&link->in) + link->looked_at - found->used, FRAME_PONG, 0, 0);
	return true;
}

static bool is_pause(enum frame_type type)
{
	return type == FRAME_PAUSE || type == FRAME_RESUME;
}

/* False: it is to be handed out. */
static bool is_done_at_once(struct backend_link *link, const struct link_found *found)
{
	if (found->is == LINK_UP)
		on_up(link);
	if (found->is != LINK_FRAME)
		return true;
	if (found->frame.type != FRAME_ACK)
		return is_pause(found->frame.type) && on_pause(link, found);
	if (!link_acked(link, frame_ack_count(&found->frame)))
		link->bad = FRAME_ERROR_ACK;
	return true;
}

/* What is held may be our window, or one frame that is larger, and what is not numbered beside it. */
static void on_held(struct backend_link *link, const struct frame *frame)
{
	size_t len = FRAME_HEAD_BYTES + frame->payload_len;
	if (frame_is_numbered(frame->type)) {
		if (link->held_bytes > 0 && link->held_bytes + len > link->window)
			link->bad = FRAME_ERROR_WINDOW;
		link->held_bytes += len;
	}
	if (link->looked_at - link->used - link->held_bytes > FRAME_PAYLOAD_MAX)
		link->bad = FRAME_ERROR_WINDOW;
}

/* False: it is done with; if nothing stands before it that waits, it need not wait either. */
static bool on_found(struct backend_link *link, const struct link_found *found)
{
	bytes_add(&link->out, found->send.bytes, found->send.len);
	if (!is_done_at_once(link, found)) {
		on_held(link, &found->frame);
		return true;
	}
	return link->looked_at > found->used;
}

void backend_heard(struct backend_link *link, size_t len, uint64_t now_ms)
{
	struct link_found found;
	link->in.end += len;
	while (link->bad == FRAME_ERROR_NONE) {
		link_next(&link->link, bytes_behind(&link->in, link->looked_at), bytes_len(&link->in) - link->looked_at,
			  now_ms, &found);
		if (found.is == LINK_MORE)
			return;
		if (found.is == LINK_BAD) {
			link->bad = found.error;
			return;
		}
		link->looked_at += found.used;
		if (!on_found(link, &found)) {
			bytes_drop(&link->in, found.used);
			link->looked_at = 0;
		}
	}
}

/* ---- in: frames are handed out, in their order */

static void end_with(struct backend_event *event, enum backend_is is, struct backend_session *session)
{
	event->is = is;
	event->user = backend_session_end(session);
}

static void begin_with(struct backend_event *event, enum backend_is is, struct backend_session *session)
{
	event->is = is;
	event->session = session;
	event->user = session->user;
}

static struct backend_session *session_new(struct backend_link *link, frame_session number)
{
	struct backend_session *session = backend_session_add(link->backend, link->link.epoch, number);
	backend_session_arrive(session, link);
	return session;
}

/* Nothing that stands behind it is taken. */
static void on_fault(struct backend_link *link, enum frame_error error)
{
	link->bad = error;
	link->looked_at = link->used;
}

static void on_open(struct backend_link *link, struct backend_session *session, struct backend_event *event)
{
	if (session) {
		on_fault(link, FRAME_ERROR_IN_USE);
		return;
	}
	session = session_new(link, event->frame.session);
	begin_with(event, BACKEND_OPENED, session);
}

static void on_close(struct backend_session *session, struct backend_event *event)
{
	if (session->closed) {
		backend_session_end(session);
		return;
	}
	void *user = session->user;
	backend_session_answer_close(session);
	backend_session_end(session);
	event->is = BACKEND_CLOSED;
	event->user = user;
}

/* Frames that need the session to be at home on this link. */
static void on_session(struct backend_link *link, struct backend_session *session, struct backend_event *event)
{
	enum frame_type type = event->frame.type;
	link->pauses -= is_pause(type);
	if (!session || session->link != link || session->adopting) {
		link->stale++;
		return;
	}
	session->received += frame_is_numbered(type);
	if (type == FRAME_CLOSE)
		on_close(session, event);
	else if (session->closed)
		return;
	else if (type == FRAME_ELEMENT)
		begin_with(event, BACKEND_ELEMENT, session);
	else
		backend_session_pause(session, type == FRAME_PAUSE);
}

/*
 * A session that comes to this link must be an orphan by then. False: the link that it is on is to be cut first, and
 * the frame comes again; or it is this one, which is a fault.
 */
static bool is_free(struct backend_link *link, const struct backend_session *session, struct backend_event *event)
{
	if (!session)
		return true;
	if (frame_find_int(&event->frame, FIELD_SERIAL, 0) <= session->serial) {
		link->stale++; /* of a link that was cut before the one that the session is on now, or was last */
		return false;
	}
	if (!session->link)
		return true;
	if (session->link == link) {
		on_fault(link, FRAME_ERROR_IN_USE);
		return false;
	}
	event->is = BACKEND_DEAD;
	event->link = session->link;
	link->used = 0;
	return false;
}

static void on_reattach(struct backend_link *link, struct backend_session *session, struct backend_event *event)
{
	struct frame_value value;
	uint32_t received = frame_find_int(&event->frame, FIELD_RECEIVED, 0);
	if (session &&
	    backend_session_attach(session, link, frame_find(&event->frame, FIELD_RECEIVED, &value), received)) {
		session->serial = frame_find_int(&event->frame, FIELD_SERIAL, 0);
		if (!session->closed)
			begin_with(event, BACKEND_REATTACHED, session);
		return;
	}
	link_say_lost(link, event->frame.session, NULL);
	if (session && session->closed)
		backend_session_end(session);
	else if (session)
		end_with(event, BACKEND_OVER, session);
}

static void on_adopt(struct backend_link *link, struct backend_session *session, struct backend_event *event)
{
	if (session && session->closed) {
		backend_session_end(session);
	} else if (session) {
		end_with(event, BACKEND_OVER, session);
		link->used = 0; /* the frame comes again */
		return;
	}
	session = session_new(link, event->frame.session);
	session->adopting = session->bound = true;
	session->sent = session->acked = frame_find_int(&event->frame, FIELD_RECEIVED, 0);
	session->serial = frame_find_int(&event->frame, FIELD_SERIAL, 0);
	begin_with(event, BACKEND_ADOPT, session);
}

static void on_frame(struct backend_link *link, struct backend_event *event)
{
	enum frame_type type = event->frame.type;
	if (event->frame.session == 0) {
		if (type == FRAME_DRAIN)
			event->is = BACKEND_DRAIN;
		return;
	}
	struct backend_session *session = backend_find(link->backend, link->link.epoch, event->frame.session);
	if (type == FRAME_OPEN)
		on_open(link, session, event);
	else if (type != FRAME_REATTACH && type != FRAME_ADOPT)
		on_session(link, session, event);
	else if (!is_free(link, session, event))
		return;
	else if (type == FRAME_REATTACH)
		on_reattach(link, session, event);
	else
		on_adopt(link, session, event);
}

/* Drops the frame of the last time, and takes the next. False: there is none. */
static bool frame_take(struct backend_link *link, struct frame *ret)
{
	enum frame_error error;
	bytes_drop(&link->in, link->used);
	link->looked_at -= link->used;
	link->used = link->looked_at > 0 ? frame_read(bytes_first(&link->in), link->looked_at, ret, &error) : 0;
	return link->used > 0;
}

/* It will not come again. */
static void count_handed(struct backend_link *link, enum frame_type type)
{
	if (link->used == 0 || !frame_is_numbered(type))
		return;
	link->handed++;
	link->held_bytes -= link->used;
}

void backend_next(struct backend_link *link, struct backend_event *ret)
{
	*ret = (struct backend_event){.is = BACKEND_NOTHING, .link = link};
	if (link->up_due) {
		link->up_due = false;
		ret->is = BACKEND_UP;
		return;
	}
	while (ret->is == BACKEND_NOTHING && frame_take(link, &ret->frame)) {
		on_frame(link, ret);
		count_handed(link, ret->frame.type);
	}
	if (ret->is == BACKEND_NOTHING && link->bad != FRAME_ERROR_NONE) {
		ret->is = BACKEND_DEAD;
		ret->error = link->bad;
	}
}

bool backend_has_next(const struct backend_link *link)
{
	return link->up_due || link->looked_at > link->used || link->bad != FRAME_ERROR_NONE;
}
