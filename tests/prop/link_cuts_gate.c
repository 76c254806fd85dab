/* A gate as small as can be: it keeps the protocol's promises and checks the backends'. */
#include "link_cuts.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum state { NONE, OPENING, BOUND, ORPHAN, ATTACHING, CLOSING, GHOST };

struct session {
	enum state state;
	bool adopting; /* while ATTACHING */
	bool held;     /* by the backend */
	bool paused;
	frame_session number;
	uint64_t home; /* epoch of its backend */
	uint32_t sent, received, stanzas_out;
	uint32_t said, heard; /* elements of the client, and for it */
	struct backlog backlog;
	uint8_t keep[8];
	bool has_keep;
};

struct gate {
	uint64_t epoch;
	uint32_t target;
	struct wire *wire;
	struct link link;
	struct retained retained;
	struct bytes in;
	frame_session last;
	uint64_t serial;
	struct session sessions[SLOTS];
};

static struct gate gates[GATES];
struct gate_counts gate_counts;

static uint32_t index_of(const struct gate *g)
{
	return (uint32_t)(g - gates);
}

void gates_begin(void)
{
	for (uint32_t i = 0; i < GATES; i++)
		gates[i] = (struct gate){.epoch = 1000 + i, .target = i % BACKENDS, .in = {.memory = &memory}};
}

static void session_end(struct session *s)
{
	backlog_free(&s->backlog);
	s->state = NONE;
}

void gates_end(void)
{
	for (uint32_t i = 0; i < GATES; i++) {
		for (size_t s = 0; s < SLOTS; s++)
			session_end(&gates[i].sessions[s]);
		retained_free(&gates[i].retained);
		bytes_free(&gates[i].in);
	}
}

const struct wire *gate_wire(uint32_t gate)
{
	return gates[gate].wire;
}

/* ---- the link */

static void put(struct gate *g, const void *bytes, size_t len)
{
	if (g->wire && !g->wire->cut)
		bytes_add(&g->wire->up, bytes, len);
}

static void release(struct gate *g)
{
	const uint8_t *bytes;
	size_t len;
	while (retained_next(&g->retained, &bytes, &len))
		put(g, bytes, len);
}

/* A numbered frame: on the link, or behind what waits. */
static uint8_t *room_for(struct gate *g, struct session *s, size_t len)
{
	if (s->state == ORPHAN || s->state == ATTACHING || s->state == GHOST)
		return backlog_room(&s->backlog, len);
	int64_t number = RETAINED_NO_NUMBER;
	if (s->state != OPENING)
		number = ++s->sent;
	return retained_put(&g->retained, len, number);
}

void gate_dial(uint32_t gate)
{
	struct gate *g = &gates[gate];
	struct link_send hello;
	struct link_self self = {.name = "g", .epoch = g->epoch, .window = WINDOW, .patience_ms = 1 << 30};
	if (g->wire || !(g->wire = wire_new(gate, g->target)))
		return;
	retained_init(&g->retained, &memory, 0);
	link_init(&g->link, LINK_GATE, &self, 0, &hello);
	put(g, hello.bytes, hello.len);
	backend_wire(g->wire);
}

/* The session of this number, as it may still be named in a frame. */
static struct session *session_of(struct gate *g, frame_session number)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (g->sessions[i].state != NONE && g->sessions[i].number == number)
			return &g->sessions[i];
	return NULL;
}

static void orphan(struct session *s)
{
	if (s->state == OPENING)
		session_end(s);
	else if (s->state == CLOSING && backlog_is_empty(&s->backlog))
		session_end(s);
	else if (s->state == CLOSING || s->state == GHOST)
		s->state = GHOST;
	else if (s->state != NONE)
		s->state = ORPHAN;
}

void gate_lose(uint32_t gate)
{
	struct gate *g = &gates[gate];
	struct frame frame;
	int64_t number;
	if (!g->wire)
		return;
	for (size_t at = 0; retained_walk(&g->retained, &at, &frame, &number);) {
		struct session *s = session_of(g, frame.session);
		if (s && number != RETAINED_NO_NUMBER)
			backlog_take_back(&s->backlog, frame.type, frame.session, frame.payload, frame.payload_len);
	}
	for (size_t i = 0; i < SLOTS; i++)
		orphan(&g->sessions[i]);
	retained_free(&g->retained);
	bytes_free(&g->in);
	g->wire->gate_has = false;
	g->wire->cut = true;
	g->wire = NULL;
}

void gate_move(uint32_t gate)
{
	struct gate *g = &gates[gate];
	gate_lose(gate);
	g->target = (g->target + 1) % BACKENDS;
}

/* ---- reattaching */

/* Of the client's elements those that will be sent again. */
static uint32_t elements_again(const struct session *s)
{
	uint32_t count = 0;
	const uint8_t *at = bytes_first(&s->backlog.again);
	for (uint32_t i = 0; i < s->backlog.again_count; i++) {
		struct frame frame;
		enum frame_error error;
		at += frame_read(at, SIZE_MAX / 2, &frame, &error);
		count += frame.type == FRAME_ELEMENT;
	}
	return count;
}

/* Those of the client's elements that have no frame in `again` are either acknowledged or fresh. */
static uint32_t elements_fresh(const struct session *s)
{
	uint32_t count = 0;
	const uint8_t *bytes = bytes_first(&s->backlog.fresh);
	for (size_t at = 0, len = bytes_len(&s->backlog.fresh); at < len;) {
		struct frame frame;
		enum frame_error error;
		at += frame_read(bytes + at, len - at, &frame, &error);
		count += frame.type == FRAME_ELEMENT;
	}
	return count;
}

static void adopt(struct gate *g, struct session *s)
{
	uint8_t bytes[512];
	struct frame_builder b;
	frame_begin(&b, bytes, sizeof bytes, FRAME_ADOPT, s->number);
	frame_put_text(&b, FIELD_DOMAIN, "example.org");
	frame_put_text(&b, FIELD_JID, "a@example.org/b");
	frame_put_text(&b, FIELD_ADDRESS, "192.0.2.1");
	frame_put_int(&b, FIELD_RECEIVED, s->received);
	frame_put_int(&b, FIELD_SERIAL, ++g->serial);
	frame_put_int(&b, FIELD_ACKED, s->sent - s->backlog.again_count);
	frame_put_int(&b, FIELD_STANZAS_IN, s->said - elements_again(s) - elements_fresh(s));
	frame_put_int(&b, FIELD_STANZAS_OUT, s->stanzas_out);
	if (s->has_keep)
		frame_put(&b, FIELD_KEEP, s->keep, sizeof s->keep);
	put(g, bytes, frame_end(&b));
	s->adopting = true;
	gate_counts.adopted++;
}

static void reattach(struct gate *g, struct session *s)
{
	uint8_t bytes[64];
	struct frame_builder b;
	frame_begin(&b, bytes, sizeof bytes, FRAME_REATTACH, s->number);
	frame_put_int(&b, FIELD_SERIAL, ++g->serial);
	if (s->state != GHOST)
		frame_put_int(&b, FIELD_RECEIVED, s->received);
	put(g, bytes, frame_end(&b));
	gate_counts.reattached++;
	gate_counts.ghosts += s->state == GHOST;
}

static void on_up(struct gate *g)
{
	retained_init(&g->retained, &memory, g->link.window);
	for (size_t i = 0; i < SLOTS; i++) {
		struct session *s = &g->sessions[i];
		bool same = s->home == g->link.epoch;
		if (s->state == GHOST && !same)
			session_end(s); /* nobody can adopt what has no client */
		if (s->state != ORPHAN && s->state != GHOST)
			continue;
		if (same && !s->adopting)
			reattach(g, s);
		else
			adopt(g, s);
		if (s->state == ORPHAN)
			s->state = ATTACHING;
	}
}

static void on_attached(struct gate *g, struct session *s, const struct frame *frame)
{
	uint32_t received = (uint32_t)frame_find_int(frame, FIELD_RECEIVED, 0);
	const uint8_t *bytes;
	size_t len;
	cr_assert(s->state == ATTACHING || s->state == GHOST);
	gate_counts.again += s->backlog.again_count;
	cr_assert(backlog_resume(&s->backlog, received, &s->sent), "%u of %u received", received, s->sent);
	s->state = s->state == GHOST ? CLOSING : BOUND;
	s->home = g->link.epoch;
	s->adopting = s->held = s->paused = false;
	while (backlog_next(&s->backlog, &bytes, &len)) {
		memcpy(retained_put(&g->retained, len, ++s->sent), bytes, len);
		backlog_drop(&s->backlog);
	}
	release(g);
}

/* ---- frames */

static void take_element(struct gate *g, struct session *s, const uint8_t *element, size_t len)
{
	s->received++;
	if (s->state == CLOSING)
		return;
	cr_assert(s->state == BOUND, "an element in state %d", s->state);
	s->stanzas_out++;
	uint32_t n = element_n(element, len, index_of(g), s->number);
	cr_assert(n == s->heard + 1, "seed %zu, gate %u, session %zu: %u after %u", (size_t)seed_now, index_of(g),
		  (size_t)s->number, n, s->heard);
	s->heard = n;
}

static void close_put(struct gate *g, struct session *s)
{
	frame_head(room_for(g, s, FRAME_HEAD_BYTES), FRAME_CLOSE, s->number, 0);
	release(g);
}

static void on_close(struct gate *g, struct session *s)
{
	if (s->state != CLOSING)
		close_put(g, s);
	/* A CLOSE that is cut off is answered with LOST later, or forgotten: nobody waits for it. */
	s->state = CLOSING;
	session_end(s);
}

static void on_session_frame(struct gate *g, struct session *s, const struct frame *frame)
{
	switch ((int)frame->type) {
	case FRAME_ELEMENT:
		take_element(g, s, frame->payload, frame->payload_len);
		break;
	case FRAME_STATE:
		if (s->state == OPENING && frame_find_int(frame, FIELD_STAGE, 0) == FRAME_STAGE_BOUND) {
			s->state = BOUND;
			s->home = g->link.epoch;
		}
		break;
	case FRAME_KEEP:
		s->received++;
		memcpy(s->keep, frame->payload, sizeof s->keep);
		s->has_keep = true;
		break;
	case FRAME_CLOSE:
		on_close(g, s);
		break;
	case FRAME_PAUSE:
	case FRAME_RESUME:
		s->held = frame->type == FRAME_PAUSE;
		break;
	case FRAME_ATTACHED:
		on_attached(g, s, frame);
		break;
	case FRAME_LOST:
		gate_counts.lost++;
		cr_assert(s->state == GHOST || (s->adopting && backend_has_closed(index_of(g), s->number)),
			  "seed %zu, gate %u, session %zu is lost", (size_t)seed_now, index_of(g), (size_t)s->number);
		session_end(s);
		break;
	}
}

static void on_frame(struct gate *g, const struct frame *frame)
{
	if (frame->type == FRAME_ACK) {
		cr_assert(retained_ack(&g->retained, frame_ack_count(frame)));
		release(g);
	} else if (frame->type == FRAME_FANOUT) {
		struct frame_fanout fanout = frame_fanout(frame);
		for (uint32_t i = 0; i < fanout.count; i++) {
			struct session *s = session_of(g, frame_fanout_session(&fanout, i));
			if (s)
				take_element(g, s, fanout.element, fanout.element_len);
		}
	} else if (frame->session != 0) {
		struct session *s = session_of(g, frame->session);
		if (s)
			on_session_frame(g, s, frame);
	}
}

void gate_turn(uint32_t gate, bool lazy)
{
	struct gate *g = &gates[gate];
	struct link_found found;
	struct link_send ack;
	if (!g->wire)
		return;
	size_t len = draw(bytes_len(&g->wire->down) + 1);
	bytes_add(&g->in, bytes_first(&g->wire->down), len);
	bytes_drop(&g->wire->down, len);
	for (;;) {
		link_next(&g->link, bytes_first(&g->in), bytes_len(&g->in), 0, &found);
		cr_assert(found.is != LINK_BAD, "%s", frame_error_text(found.error));
		put(g, found.send.bytes, found.send.len);
		if (found.is == LINK_MORE)
			break;
		if (found.is == LINK_UP)
			on_up(g);
		if (found.is == LINK_FRAME)
			on_frame(g, &found.frame);
		bytes_drop(&g->in, found.used);
	}
	if (!lazy) {
		link_ack(&g->link, g->link.taken, &ack);
		put(g, ack.bytes, ack.len);
	}
}

/* ---- clients */

static struct session *some(struct gate *g)
{
	return &g->sessions[draw(SLOTS)];
}

void gate_open(uint32_t gate)
{
	struct gate *g = &gates[gate];
	struct session *s = some(g);
	uint8_t bytes[128];
	struct frame_builder b;
	if (s->state != NONE || !g->wire || !g->link.up)
		return;
	*s = (struct session){.state = OPENING, .number = ++g->last};
	backlog_init(&s->backlog, &memory);
	frame_begin(&b, bytes, sizeof bytes, FRAME_OPEN, s->number);
	frame_put_text(&b, FIELD_DOMAIN, "example.org");
	frame_put_text(&b, FIELD_STREAM_ID, "1");
	frame_put_text(&b, FIELD_ADDRESS, "192.0.2.1");
	size_t len = frame_end(&b);
	memcpy(room_for(g, s, len), bytes, len);
	uint8_t *auth = room_for(g, s, FRAME_HEAD_BYTES + 4);
	frame_head(auth, FRAME_ELEMENT, s->number, 4);
	memcpy(auth + FRAME_HEAD_BYTES, "auth", 4);
	release(g);
}

/* Orphans are not read from; but what one has said may still be on its way through the gate. */
void gate_say(uint32_t gate)
{
	static uint8_t element[LARGE];
	struct gate *g = &gates[gate];
	struct session *s = some(g);
	bool can = s->state == BOUND || ((s->state == ORPHAN || s->state == ATTACHING) && draw(20) == 0);
	if (!can || s->held || g->retained.waiting_bytes > WINDOW)
		return;
	size_t len = element_make(element, &(struct place){gate, (uint32_t)s->number, ++s->said}, 1);
	uint8_t *room = room_for(g, s, FRAME_HEAD_BYTES + len);
	frame_head(room, FRAME_ELEMENT, s->number, len);
	memcpy(room + FRAME_HEAD_BYTES, element, len);
	release(g);
}

void gate_leave(uint32_t gate)
{
	struct gate *g = &gates[gate];
	struct session *s = some(g);
	if (s->state == BOUND) {
		close_put(g, s);
		s->state = CLOSING;
	} else if (s->state == ORPHAN && !s->adopting) {
		close_put(g, s);
		s->state = GHOST;
	}
}

void gate_pause(uint32_t gate, bool all_resume)
{
	struct gate *g = &gates[gate];
	for (size_t i = 0; i < SLOTS; i++) {
		struct session *s = &g->sessions[i];
		uint8_t head[FRAME_HEAD_BYTES];
		if (s->state != BOUND || (all_resume ? !s->paused : draw(3) > 0))
			continue;
		s->paused = !s->paused;
		frame_head(head, s->paused ? FRAME_PAUSE : FRAME_RESUME, s->number, 0);
		put(g, head, sizeof head);
	}
}

/* ---- the end */

bool gate_is_settled(uint32_t gate)
{
	struct gate *g = &gates[gate];
	for (size_t i = 0; i < SLOTS; i++)
		if (g->sessions[i].state != NONE && g->sessions[i].state != BOUND)
			return false;
	return g->wire && g->link.up && bytes_len(&g->retained.frames) == 0 && bytes_len(&g->in) == 0 &&
	       bytes_len(&g->wire->down) == 0 && bytes_len(&g->wire->up) == 0;
}

void gate_check(uint32_t gate)
{
	for (size_t i = 0; i < SLOTS; i++) {
		struct session *s = &gates[gate].sessions[i];
		uint32_t in, out;
		if (s->state == NONE)
			continue;
		cr_assert(backend_counts(gate, s->number, &in, &out), "a session without a backend");
		cr_assert(in == s->said, "seed %zu: the client has said %u, the backend heard %u", (size_t)seed_now,
			  s->said, in);
		cr_assert(out == s->heard, "seed %zu: the backend has said %u, the client heard %u", (size_t)seed_now,
			  out, s->heard);
	}
}
