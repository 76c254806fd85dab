#include "turns.h"

#include "client.h"
#include "ingress.h"
#include "worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	HELLO_BYTES_MAX = 2048, /* of a first record that is waited for without an object of OpenSSL's */
	TLS_HANDSHAKE_RECORD = 22,
	TLS_RECORD_HEAD = 5,
	COST_WEIGHT = 16, /* a step's part of the cost of late: one in so many */
	LINE_MS_MAX = 500,
};

/* ---- lines */

static void line_widen(struct turn_line *line)
{
	uint32_t room = line->room == 0 ? 64 : 2 * line->room;
	frame_session *at = malloc(room * sizeof *at);

	assert(at != NULL);
	for (uint32_t i = 0; i < line->count; i++)
		at[i] = line->at[(line->first + i) & (line->room - 1)];
	free(line->at);
	*line = (struct turn_line){.at = at, .count = line->count, .room = room};
}

static void line_put(struct turn_line *line, frame_session of)
{
	if (line->count == line->room)
		line_widen(line);
	line->at[(line->first + line->count) & (line->room - 1)] = of;
	line->count++;
}

static struct client *line_take(struct worker *w, struct turn_line *line)
{
	while (line->count > 0) {
		struct client *c = client_find(w, line->at[line->first]);

		line->first = (line->first + 1) & (line->room - 1);
		line->count--;
		if (c != NULL && c->waiting)
			return c;
	}
	return NULL;
}

static void wake(void *io)
{
	io_wake(io);
}

bool turns_begin(struct worker *w)
{
	w->turns.handshaker = handshaker_new(wake, w->net.io);
	return w->turns.handshaker != NULL;
}

void turns_end(struct worker *w)
{
	handshaker_free(w->turns.handshaker);
	w->turns.handshaker = NULL;
}

void turns_done(struct worker *w)
{
	for (enum turn_kind kind = 0; kind < TURN_KINDS; kind++)
		free(w->turns.lines[kind].at);
}

/* ---- waiting */

/* What is no TLS, or a record too long for it, is whole at once: it will be refused. */
static bool hello_is_whole(const uint8_t *bytes, size_t len)
{
	size_t promised = len < TLS_RECORD_HEAD ? HELLO_BYTES_MAX : (size_t)bytes[3] << 8 | bytes[4];

	return bytes[0] != TLS_HANDSHAKE_RECORD || len >= HELLO_BYTES_MAX || promised > RECORD_TEXT_MAX ||
	       len >= TLS_RECORD_HEAD + promised;
}

void turns_hold(struct worker *w, struct client *c, const uint8_t *bytes, size_t len)
{
	assert(!c->waiting);
	login_hold(w, c->login, bytes, len);
	if (!c->handshaking && !hello_is_whole(c->login->held, c->login->held_len))
		return;
	if (!c->handshaking && c->direct && !address_limit_client(w, c, ADDRESS_LIMIT_HANDSHAKES)) {
		client_close_for(w, c, REASON_ADDRESS_RATE);
		return;
	}
	conn_stop_reading(&c->conn);
	c->waiting = true;
	counter_add(&w->counters, COUNTER_handshakes_waiting, 1);
	line_put(&w->turns.lines[c->handshaking ? TURN_GOES_ON : TURN_BEGINS], client_session(c));
}

void turns_leave(struct worker *w, struct client *c)
{
	if (c->waiting && !handshaker_forget(w->turns.handshaker, client_session(c)))
		counter_add(&w->counters, COUNTER_handshakes_waiting, -1);
	c->waiting = false;
}

bool turns_are_many(const struct worker *w)
{
	const struct turns *t = &w->turns;
	uint64_t count = t->lines[TURN_BEGINS].count;

	return count >= w->config->tls_handshakes_max ||
	       count * (t->cost_ns[TURN_BEGINS] + t->cost_ns[TURN_GOES_ON]) > LINE_MS_MAX * 1000000ull;
}

/* ---- turns */

/* Where the session servers are behind, more handshakes would only wait further on, each with a session. */
static bool may_begin(const struct worker *w)
{
	return w->turns.lines[TURN_BEGINS].count > 0 && w->handshakes < w->config->tls_handshakes_max &&
	       w->counters.value[COUNTER_logins_awaiting] < w->config->logins_max;
}

static bool kind_next(const struct worker *w, enum turn_kind *ret)
{
	*ret = w->turns.lines[TURN_GOES_ON].count > 0 ? TURN_GOES_ON : TURN_BEGINS;
	return *ret == TURN_GOES_ON || may_begin(w);
}

bool turns_are_due(const struct worker *w)
{
	enum turn_kind kind;

	return handshaker_place(w->turns.handshaker) != NULL && kind_next(w, &kind);
}

static void step_take(struct worker *w, struct handshake_step *s)
{
	struct client *c = client_find(w, s->of);
	uint64_t *cost_ns = &w->turns.cost_ns[s->began ? TURN_BEGINS : TURN_GOES_ON];

	assert(c != NULL && c->waiting);
	*cost_ns = (*cost_ns * (COST_WEIGHT - 1) + s->cost_ns) / COST_WEIGHT;
	c->waiting = false;
	conn_resume_reading(&w->net, &c->conn);
	ingress_step(w, c, s);
}

static void step_hand_out(struct worker *w, struct client *c)
{
	struct handshake_step *s = handshaker_place(w->turns.handshaker);

	if (!c->handshaking && c->conn.hung_up) {
		client_close_for(w, c, REASON_CLIENT_LOST);
		return;
	}
	if (!c->handshaking)
		client_begin_tls(w, c, s);
	s->of = client_session(c);
	s->handshake = conn_lend_handshake(&c->conn);
	s->bytes = c->login->held;
	s->len = c->login->held_len;
	login_let_go(w, c->login);
	counter_add(&w->counters, COUNTER_handshakes_waiting, -1);
	handshaker_hand_out(w->turns.handshaker);
}

void turns_run(struct worker *w)
{
	struct handshaker *handshaker = w->turns.handshaker;
	bool going = handshaker_is_idle(handshaker);
	struct handshake_step *s;
	enum turn_kind kind;
	struct client *c;

	for (; (s = handshaker_next(handshaker)) != NULL; going = true) {
		step_take(w, s);
		handshaker_give_back(handshaker);
	}
	if (going)
		atomic_store_explicit(&w->orders.shaken_us, w->now_us, memory_order_relaxed);
	while (handshaker_place(handshaker) != NULL && kind_next(w, &kind)) {
		c = line_take(w, &w->turns.lines[kind]);
		if (c != NULL)
			step_hand_out(w, c);
	}
}
