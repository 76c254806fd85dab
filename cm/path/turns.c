#include "turns.h"

#include "client.h"
#include "ingress.h"
#include "registers.h"
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
	LEAST_NS_FIRST = 1000000, /* as long as nothing is known */
	SHORT_NS_MAX = 500000,	  /* of a step that may be made here */
	HERE_US_MAX = 500,	  /* of such steps, one behind the other */
	QUIET_US_MIN = 100000,
	LOGIN_STANZAS = 16, /* a client's first ones: presence, roster and what else a login brings */
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

void turns_init(struct turns *t)
{
	*t = (struct turns){.short_ns_max = SHORT_NS_MAX, .quiet_us_min = QUIET_US_MIN};
	for (enum turn_kind kind = 0; kind < TURN_KINDS; kind++)
		t->least_ns[kind] = LEAST_NS_FIRST;
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
	handshake_step_done(&w->turns.here);
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

static void cost_note(struct turns *t, const struct handshake_step *s)
{
	enum turn_kind kind = s->began ? TURN_BEGINS : TURN_GOES_ON;
	uint64_t *cost_ns = &t->cost_ns[kind], *least_ns = &t->least_ns[kind];

	*cost_ns = (*cost_ns * (COST_WEIGHT - 1) + s->cost_ns) / COST_WEIGHT;
	*least_ns += *least_ns / COST_WEIGHT;
	if (s->cost_ns < *least_ns)
		*least_ns = s->cost_ns;
}

static void step_take(struct worker *w, struct handshake_step *s)
{
	struct client *c = client_find(w, s->of);

	assert(c != NULL && c->waiting);
	cost_note(&w->turns, s);
	c->waiting = false;
	conn_resume_reading(&w->net, &c->conn);
	ingress_step(w, c, s);
}

/* False: nobody is there any more. */
static bool step_fill(struct worker *w, struct client *c, struct handshake_step *ret)
{
	if (!c->handshaking && c->conn.hung_up) {
		client_close_for(w, c, REASON_CLIENT_LOST);
		return false;
	}
	if (!c->handshaking)
		client_begin_tls(w, c, ret);
	ret->of = client_session(c);
	ret->handshake = conn_lend_handshake(&c->conn);
	ret->bytes = c->login->held;
	ret->len = c->login->held_len;
	login_let_go(w, c->login);
	counter_add(&w->counters, COUNTER_handshakes_waiting, -1);
	return true;
}

/* ---- on the handshaker's thread */

static bool steps_take(struct worker *w)
{
	struct handshaker *handshaker = w->turns.handshaker;
	bool any = false;
	struct handshake_step *s;

	for (; (s = handshaker_next(handshaker)) != NULL; any = true) {
		step_take(w, s);
		handshaker_give_back(handshaker);
		counter_add(&w->counters, COUNTER_steps_handshaker, 1);
	}
	return any;
}

static void steps_hand_out(struct worker *w)
{
	struct handshaker *handshaker = w->turns.handshaker;
	struct handshake_step *s;
	enum turn_kind kind;
	struct client *c;

	while ((s = handshaker_place(handshaker)) != NULL && kind_next(w, &kind)) {
		c = line_take(w, &w->turns.lines[kind]);
		if (c != NULL && step_fill(w, c, s))
			handshaker_hand_out(handshaker);
	}
}

/* ---- on the worker's own */

void turns_hear(struct worker *w, const struct client *c)
{
	if (c->stanzas_in + c->stanzas_out > LOGIN_STANZAS)
		w->turns.heard_us = w->now_us;
}

/*
 * Nobody is there who would notice a step of this kind, and to hand it out and to be told that it was made would cost
 * a good part of what the step itself does.
 */
static bool is_made_here(const struct worker *w, enum turn_kind kind)
{
	const struct turns *t = &w->turns;

	return t->least_ns[kind] < t->short_ns_max && w->now_us >= t->heard_us + t->quiet_us_min &&
	       handshaker_is_idle(t->handshaker);
}

static void step_make_here(struct worker *w, struct client *c)
{
	struct handshake_step *s = &w->turns.here;

	if (!step_fill(w, c, s))
		return;
	handshake_step_make(s);
	registers_wipe();
	step_take(w, s);
	handshake_step_clear(s);
	counter_add(&w->counters, COUNTER_steps_worker, 1);
}

static void steps_make_here(struct worker *w)
{
	uint64_t until_us = io_now_us() + HERE_US_MAX;
	enum turn_kind kind;
	struct client *c;

	while (kind_next(w, &kind) && is_made_here(w, kind) && io_now_us() < until_us) {
		c = line_take(w, &w->turns.lines[kind]);
		if (c != NULL)
			step_make_here(w, c);
	}
}

void turns_run(struct worker *w)
{
	enum turn_kind kind;

	if (steps_take(w) || handshaker_is_idle(w->turns.handshaker))
		atomic_store_explicit(&w->orders.shaken_us, w->now_us, memory_order_relaxed);
	if (kind_next(w, &kind) && is_made_here(w, kind))
		steps_make_here(w);
	else
		steps_hand_out(w);
}
