/*
 * What gates may send to a backend, whatever it is, over two links, and what the backend does meanwhile. The input is a
 * row of steps: a byte that says what, and for bytes of a link one that says how many. Nothing is to be lost of memory,
 * and what goes out must be frames.
 */
#include "backend.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { LINKS = 2, SESSIONS = 64, WAITING_MAX = 4096 };

struct world {
	struct backend backend;
	struct backend_link links[LINKS];
	bool live[LINKS];
	struct backend_session *sessions[SESSIONS]; /* by number */
	uint64_t now_ms;
};

static size_t blocks;

static void *resize(void *context, void *old, size_t len)
{
	(void)context;
	blocks += (len > 0) - (old != NULL);
	if (len == 0) {
		free(old);
		return NULL;
	}
	void *new = realloc(old, len);
	assert(new);
	return new;
}

/* What goes out is frames; the last one may be whole later. */
static void drain(struct backend_link *link)
{
	const uint8_t *bytes;
	struct frame frame;
	enum frame_error error;
	size_t len = backend_out(link, &bytes), at = 0, used;
	while ((used = frame_read(bytes + at, len - at, &frame, &error)) > 0) {
		assert(frame_is_from(frame.type, FRAME_FROM_BACKEND));
		at += used;
	}
	assert(at == len);
	backend_written(link, len);
}

static void gone(struct world *w, const void *user)
{
	for (size_t i = 0; user && i < SESSIONS; i++)
		if (user == &w->sessions[i])
			w->sessions[i] = NULL;
}

static void cut(struct world *w, struct backend_link *link)
{
	void *user;
	drain(link);
	backend_cut(link, w->now_ms);
	w->live[link - w->links] = false;
	while (backend_over(&w->backend, w->now_ms, &user))
		gone(w, user);
}

static void send_frame(struct world *w, struct backend_session *session, enum frame_type type, const char *payload)
{
	uint8_t bytes[64];
	size_t len = strlen(payload);
	frame_head(bytes, type, session->number, len);
	memcpy(bytes + FRAME_HEAD_BYTES, payload, len);
	const void *user = session->user;
	bool sent = backend_send(session, bytes, FRAME_HEAD_BYTES + len);
	assert(sent || type == FRAME_ELEMENT);
	if (type == FRAME_CLOSE)
		gone(w, user);
}

static void state_send(struct backend_session *session)
{
	uint8_t bytes[64];
	struct frame_builder b;
	frame_begin(&b, bytes, sizeof bytes, FRAME_STATE, session->number);
	frame_put_int(&b, FIELD_STAGE, FRAME_STAGE_BOUND);
	frame_put_text(&b, FIELD_JID, "a@b/c");
	backend_send(session, bytes, frame_end(&b));
}

static void born(struct world *w, struct backend_session *session)
{
	struct backend_session **place = &w->sessions[session->number % SESSIONS];
	if (*place)
		return; /* it lives, but nothing is done with it */
	*place = session;
	session->user = place;
}

/* False: the link is gone. */
static bool on_event(struct world *w, struct backend_link *link, const struct backend_event *event)
{
	switch (event->is) {
	case BACKEND_OPENED:
		born(w, event->session);
		state_send(event->session);
		break;
	case BACKEND_ADOPT:
		born(w, event->session);
		if (event->frame.payload_len % 2)
			backend_adopt(event->session, (uint32_t)frame_find_int(&event->frame, FIELD_ACKED, 0));
		break;
	case BACKEND_CLOSED:
	case BACKEND_OVER:
		assert(!event->session);
		gone(w, event->user);
		break;
	case BACKEND_DEAD:
		assert(w->live[event->link - w->links]);
		cut(w, event->link);
		return event->link != link;
	default:
		break;
	}
	return true;
}

static void take(struct world *w, struct backend_link *link)
{
	struct backend_event event;
	do {
		backend_next(link, &event);
		if (event.is != BACKEND_NOTHING && !on_event(w, link, &event))
			return;
	} while (event.is != BACKEND_NOTHING);
	backend_ack(link);
	drain(link);
}

static void fanout(struct world *w)
{
	struct backend_session *all[SESSIONS];
	size_t count = 0;
	for (size_t i = 0; i < SESSIONS; i++)
		if (w->sessions[i])
			all[count++] = w->sessions[i];
	backend_fanout(&w->backend, all, count, "<fan/>", 6);
}

static void act(struct world *w, uint8_t what)
{
	struct backend_session *session = w->sessions[what % 4];
	if (what % 8 == 7)
		fanout(w);
	if (!session)
		return;
	switch (what / 4 % 8) {
	case 0:
		send_frame(w, session, FRAME_CLOSE, "");
		break;
	case 1:
		send_frame(w, session, FRAME_KEEP, "kept");
		break;
	case 2:
		backend_hold(session, what & 64);
		break;
	case 3:
		if (session->adopting) {
			gone(w, session->user);
			backend_refuse(session, "no");
		}
		break;
	case 4:
		if (!session->link) {
			gone(w, session->user);
			backend_forget(session);
		}
		break;
	default:
		send_frame(w, session, FRAME_ELEMENT, "<message/>");
	}
}

static void hear(struct world *w, size_t which, const uint8_t *bytes, size_t len)
{
	static const struct link_self self = {.name = "b", .epoch = 1};
	struct backend_link *link = &w->links[which];
	if (!w->live[which])
		backend_begin(&w->backend, link, &self, w->now_ms);
	w->live[which] = true;
	if (len > 0)
		memcpy(backend_room(link, len), bytes, len);
	backend_heard(link, len, w->now_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const struct memory memory = {.resize = resize};
	struct world w = {.now_ms = 0};
	if (len > 1 << 16)
		return 0;
	backend_init(&w.backend, &memory, WAITING_MAX);
	for (size_t at = 0; at + 1 < len;) {
		uint8_t what = bytes[at++];
		size_t which = what & 1, some = what & 2 ? bytes[at++] : 0;
		if (what & 4 && w.live[which])
			cut(&w, &w.links[which]);
		if (what & 2) {
			some = some < len - at ? some : len - at;
			hear(&w, which, bytes + at, some);
			at += some;
		}
		act(&w, what >> 1);
		if (w.live[which] && !(what & 128))
			take(&w, &w.links[which]);
		w.now_ms += what & 8 ? 40000 : 1;
	}
	backend_free(&w.backend);
	assert(blocks == 0);
	return 0;
}
