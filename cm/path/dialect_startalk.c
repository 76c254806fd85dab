#include "dialect.h"
#include "ingress.h"
#include "st_frame.h"
#include "st_order.h"
#include "st_up.h"
#include "startalk.h"
#include "worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	AUTH_ID_BYTES = 128,
	KEY_BYTES = STREAM_ID_BYTES,
};

/* ---- from the client */

static enum st_phase phase_of(const struct client *c)
{
	switch ((enum stream_state)c->stream.state) {
	case STREAM_PLAIN:
	case STREAM_HANDSHAKE:
		return c->stream.header_due ? ST_NEW : ST_GREETED;
	case STREAM_SECURE:
	case STREAM_NEGOTIATING:
		return ST_SECURE;
	case STREAM_AUTHENTICATED:
		return ST_UNBOUND;
	case STREAM_BOUND:
	case STREAM_ENDED:
		break;
	}
	return ST_BOUND;
}

static void refuse(struct worker *w, struct client *c, enum reason reason, const char *why)
{
	struct client_end end = {.reason = reason, .text = why};

	client_close(w, c, &end);
}

/* The tokenizer looks at our XML too: what it refuses, no session server gets. */
static bool read_own(struct worker *w, const struct client *c, const uint8_t *xml, size_t len, struct xml_event *ret)
{
	const struct xml_limits *limits = c->stream.state == STREAM_BOUND ? &w->limits : &w->login_limits;
	struct xml x;

	if (c->stream.header_due)
		xml_restart(&x);
	else
		xml_enter(&x);
	xml_next(&x, w->work, limits, xml, len, ret);
	return ret->is == XML_BAD || ret->used == len;
}

void startalk_pass(struct worker *w, struct client *c, const uint8_t *xml, size_t len)
{
	struct xml_event event;

	if (!read_own(w, c, xml, len, &event)) {
		refuse(w, c, REASON_FRAME, NULL);
	} else if (event.is == XML_ELEMENT && c->stream.state == STREAM_BOUND) {
		ingress_pass_stamped(w, c, &event, xml); /* nothing but stanzas is made then */
	} else {
		ingress_found(w, c, &event, xml);
	}
}

/* Whether it may say that it is this one: itself, with its resource or without. */
static bool is_self(const struct startalk_desk *desk, const char *from)
{
	return strcmp(from, desk->bare) == 0 || strcmp(from, desk->full) == 0;
}

static char *copy(const char *text)
{
	char *to = strdup(text);

	assert(to != NULL);
	return to;
}

/* The id that goes back with success: the client's own, or one of ours. */
static void auth_id_keep(struct client *c, const Startalk__AuthMessage *auth)
{
	char id[STREAM_ID_BYTES + sizeof "PBMSG_"] = "PBMSG_";

	free(c->frames->auth_id);
	client_random_id(id + strlen(id));
	c->frames->auth_id =
		copy(auth->msgid != NULL && auth->msgid[0] != '\0' && strlen(auth->msgid) < AUTH_ID_BYTES ? auth->msgid
													  : id);
}

/* What cannot be PLAIN (RFC 4616) needs no session server to say so. NULL: nothing is wrong. */
static const char *auth_fault(const Startalk__AuthMessage *auth)
{
	if (auth->mechanism != NULL && strcmp(auth->mechanism, "PLAIN") != 0)
		return "no-mechanism";
	return auth->authkey == NULL || auth->authkey[0] == '\0' ? "bad-protocol" : NULL;
}

/* False: it was answered. */
static bool auth_begin(struct worker *w, struct client *c, const Startalk__AuthMessage *auth)
{
	const char *fault = auth_fault(auth);
	struct st_bytes frame;
	bool made;

	auth_id_keep(c, auth);
	if (fault == NULL)
		return true;
	made = st_say_failure(&w->startalk.arena, c->login->stream.domain, fault, &frame);
	startalk_send(w, c, made, &frame);
	return false;
}

static void said_presence(struct worker *w, struct client *c, const struct st_up *up)
{
	if (up->is_presence && c->conn.life == CONN_OPEN)
		startalk_is_here(w, c);
}

static void take_up(struct worker *w, struct client *c, const struct st_up *up)
{
	bool bound = c->stream.state == STREAM_BOUND;
	char *ack_id;

	if (bound && up->from != NULL && !is_self(&w->startalk, up->from)) {
		client_close_for(w, c, REASON_FROM_INVALID);
		return;
	}
	ack_id = bound && up->ack_id != NULL ? copy(up->ack_id) : NULL;
	startalk_pass(w, c, up->xml, up->xml_len);
	if (ack_id != NULL && c->conn.life == CONN_OPEN && c->uplink >= 0)
		startalk_due_add(w, c, ack_id);
	free(ack_id);
	if (bound)
		said_presence(w, c, up);
}

static void take_packet(struct worker *w, struct client *c, const struct st_view *view, const struct st_packet *packet)
{
	struct st_up up;

	st_up(&w->startalk.arena, view, packet, &up);
	switch (up.is) {
	case ST_UP_ELEMENT:
		take_up(w, c, &up);
		break;
	case ST_UP_NOTHING:
		counter_add(&w->counters, COUNTER_startalk_ignored_in, 1);
		break;
	case ST_UP_END:
		client_close_for(w, c, REASON_CLIENT_END);
		break;
	case ST_UP_BAD:
		refuse(w, c, REASON_FRAME, up.why);
		break;
	}
}

/* Before the client is bound, what the automaton does not see is limited like what it sees. */
static void count_extra(struct worker *w, struct client *c)
{
	counter_add(&w->counters, COUNTER_startalk_ignored_in, 1);
	if (c->conn.life == CONN_OPEN && c->login != NULL &&
	    ++c->login->stream.elements >= c->login->stream.elements_max)
		client_close_for(w, c, REASON_LOGIN_LIMIT);
}

/* Nothing of a password stays. */
static void take_auth(struct worker *w, struct client *c, const struct st_view *view, const struct st_packet *packet)
{
	if (auth_begin(w, c, packet->auth))
		take_packet(w, c, view, packet);
	else
		count_extra(w, c);
	st_arena_wipe(&w->startalk.arena);
}

static void take_frame(struct worker *w, struct client *c, uint8_t *bytes, size_t len, size_t bytes_max)
{
	struct st_view view = startalk_view(w, c);
	struct st_packet packet;
	enum st_opened opened = st_packet_open(&w->startalk.arena, bytes, len, bytes_max, &packet);
	enum st_order order = ST_IGNORE;

	counter_add(&w->counters, COUNTER_startalk_in, 1);
	if (opened == ST_OPENED_BAD) {
		refuse(w, c, REASON_FRAME, NULL);
		return;
	}
	order = opened == ST_OPENED ? st_order(phase_of(c), &packet) : st_order_odd(phase_of(c), packet.signal);
	if (order == ST_TAKE && packet.is == ST_PAYLOAD_AUTH)
		take_auth(w, c, &view, &packet);
	else if (order == ST_TAKE)
		take_packet(w, c, &view, &packet);
	else if (order == ST_END)
		refuse(w, c, opened == ST_OPENED_ODD ? REASON_FRAME : REASON_FRAME_ORDER, NULL);
	else
		count_extra(w, c);
}

static size_t take(struct worker *w, struct client *c, uint8_t *text, size_t len)
{
	size_t taken = 0;

	while (c->conn.life == CONN_OPEN && c->conn.tls != CONN_HANDSHAKE && !c->awaiting) {
		size_t bytes_max =
			c->stream.state == STREAM_BOUND ? w->config->stanza_bytes_max : w->config->login_bytes_max;
		struct st_frame frame;
		enum st_frame_is is = st_frame_read(text + taken, len - taken, bytes_max, &frame);

		if (is == ST_FRAME_MORE)
			break;
		if (is == ST_FRAME_BAD) {
			refuse(w, c, REASON_FRAME, "a frame longer than the limit, or without a length");
			break;
		}
		taken += frame.used;
		if (frame.len > 0)
			take_frame(w, c, text + taken - frame.len, frame.len, bytes_max);
	}
	return taken;
}

/* ---- to the client */

static void begin(struct worker *w, struct client *c)
{
	c->frames = shelf_take(&w->texts, sizeof *c->frames);
	*c->frames = (struct startalk){0};
}

static void greet(struct worker *w, struct client *c, struct pool_text features)
{
	struct st_view view = startalk_view(w, c);
	size_t user_len = strcspn(view.bare, "@");
	struct st_bytes frame;
	char *user;

	(void)features;
	if (view.bare[user_len] == '\0')
		user_len = 0;
	user = st_arena_text(&w->startalk.arena, view.bare, user_len);
	startalk_send(w, c,
		      user != NULL && st_say_welcome(&w->startalk.arena, c->login->stream.domain, user, true, &frame),
		      &frame);
}

static void proceed(struct worker *w, struct client *c)
{
	struct st_bytes frame;

	startalk_view(w, c);
	startalk_send(w, c, st_say_proceed(&w->startalk.arena, c->login->stream.domain, &frame), &frame);
}

/* There is no second Welcome. */
static void secure(struct worker *w, struct client *c)
{
	(void)w;
	c->stream.header_due = false;
	c->stream.header_sent = true;
	client_random_id(c->login->stream.id);
}

/* Nor a third; some session servers want a session besides, which is asked for when the client is bound. */
static void authenticated(struct worker *w, struct client *c)
{
	static const char session[] = "urn:ietf:params:xml:ns:xmpp-session";
	const char *features = c->login->features;
	size_t len = c->login->features_len;
	char key[KEY_BYTES];

	(void)w;
	c->stream.header_due = false;
	c->stream.header_sent = true;
	c->frames->wants_session = features != NULL && memmem(features, len, session, sizeof session - 1) != NULL &&
				   memmem(features, len, "<optional/>", 11) == NULL;
	client_random_id(key);
	free(c->frames->session_key);
	c->frames->session_key = copy(key);
}

/* What was remembered for the login is not needed any more. */
static void bound(struct worker *w, struct client *c)
{
	(void)w;
	free(c->frames->auth_id);
	c->frames->auth_id = NULL;
}

static void end(struct worker *w, struct client *c, const struct client_end *end)
{
	struct st_bytes frame;
	int number = condition_find(end->condition);

	if (end->condition[0] == '\0')
		return;
	if (number != CONDITION_NONE)
		counter_bump(&w->counters.stream_errors[number], 1);
	startalk_view(w, c);
	if (st_say_error(&w->startalk.arena, end->condition, end->text, &frame))
		startalk_send(w, c, true, &frame);
}

static void done(struct worker *w, struct client *c)
{
	startalk_due_free(w, c->frames);
	startalk_others_free(c->frames);
	free(c->frames->auth_id);
	free(c->frames->session_key);
	shelf_give(&w->texts, c->frames, sizeof *c->frames);
}

const struct dialect dialect_startalk = {
	.begin = begin,
	.take = take,
	.write = startalk_write,
	.greet = greet,
	.proceed = proceed,
	.secure = secure,
	.authenticated = authenticated,
	.bound = bound,
	.taken = startalk_due_taken,
	.end = end,
	.done = done,
};
