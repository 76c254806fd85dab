/*
 * From a client's bytes to frames.
 *
 *   socket ─► conn_read ─► xml_next ─► stream_read ─► uplink_element ─► link
 *             TLS record   one element  what to do     twelve bytes before it
 *
 * Example: alice@localhost/x sends <message to='bob@localhost' from='eve@x'>...</message>, in a TLS record with half of
 * the next stanza behind it. conn_read answers the record's text. xml_next answers XML_ELEMENT [0, 54) with the places
 * of the name and of the from attribute. stream_read says STREAM_ACT_STANZA. The frame's payload is spliced together of
 * pieces: "<message", the client's stamp " from='alice@localhost/x'", " to='bob@localhost'", ">...</message>"; eve is
 * left out. (Had the stanza used a prefix that only the stream header declares, that declaration would stand behind the
 * stamp.) xml_next then says XML_MORE; the half stanza is copied into the
 * client's partial, where the next bytes will join it.
 */
#include "ingress.h"

#include "certificate_user.h"
#include "dialect.h"
#include "keepsake.h"
#include "uplink.h"
#include "worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- text that is partly there */

/* An element in two pieces is nothing unusual, and the tokenizer's notes are thousands of bytes: a few stay for the
 * next. */
static struct xml_work *work_new(struct worker *w)
{
	struct xml_work *work;

	if (w->spare_count > 0)
		return w->spare_works[--w->spare_count];
	work = aligned_alloc(64, (xml_work_bytes() + 63) / 64 * 64);
	assert(work != NULL);
	return work;
}

static void work_free(struct worker *w, struct xml_work *work)
{
	if (work != NULL && w->spare_count < WORKER_SPARE_WORKS)
		w->spare_works[w->spare_count++] = work;
	else
		free(work);
}

static size_t partial_bytes(const struct partial *p)
{
	return sizeof *p + p->cap + (p->work == NULL ? 0 : xml_work_bytes());
}

void partial_free(struct worker *w, struct partial *p)
{
	if (p == NULL)
		return;
	counter_add(&w->counters, COUNTER_memory_partial, -(int64_t)partial_bytes(p));
	explicit_bzero(p->bytes, p->cap); /* before login there may have been a password in it */
	work_free(w, p->work);
	free(p);
}

static struct partial *partial_grow(struct worker *w, struct partial *old, size_t need)
{
	size_t cap = old == NULL ? 512 : old->cap;
	struct partial *p;

	while (cap < need)
		cap *= 2;
	if (old != NULL && old->cap >= cap)
		return old;
	p = malloc(sizeof *p + cap);
	assert(p != NULL);
	counter_add(&w->counters, COUNTER_memory_partial, (int64_t)(sizeof *p + cap));
	*p = (struct partial){.cap = (uint32_t)cap};
	if (old == NULL)
		return p;
	p->work = old->work;
	p->len = old->len;
	memcpy(p->bytes, old->bytes, old->len);
	old->work = NULL;
	partial_free(w, old);
	return p;
}

/* Puts text behind what is there already. */
static void partial_append(struct worker *w, struct client *c, const uint8_t *text, size_t len)
{
	size_t have = c->partial == NULL ? 0 : c->partial->len;

	c->partial = partial_grow(w, c->partial, have + len);
	if (len > 0)
		memcpy(c->partial->bytes + have, text, len);
	c->partial->len += (uint32_t)len;
}

/* Keeps what could not be taken yet; the tokenizer's notes on it stay with it. */
static void partial_keep(struct worker *w, struct client *c, const uint8_t *rest, size_t len)
{
	if (c->partial != NULL && len > 0) {
		memmove(c->partial->bytes, rest, len);
		c->partial->len = (uint32_t)len;
	} else if (len > 0) {
		partial_append(w, c, rest, len);
	} else {
		partial_free(w, c->partial);
		c->partial = NULL;
		return;
	}
	if (c->partial->work == NULL && !c->startalk && xml_is_partial(&c->xml)) {
		c->partial->work = w->work;
		counter_add(&w->counters, COUNTER_memory_partial, (int64_t)xml_work_bytes());
		w->work = work_new(w);
	}
}

static size_t white_bytes(const uint8_t *text, size_t len)
{
	size_t count = 0;

	while (count < len && memchr(" \t\r\n", text[count], 4) != NULL)
		count++;
	return count;
}

/* ---- what an element leads to */

static void pass_spliced(struct worker *w, struct client *c, const struct xml_splice *splice)
{
	struct xml_piece pieces[XML_PIECES_MAX];
	size_t count = xml_splice_pieces(splice, pieces);

	worker_count_stanza(w, COUNTER_messages_in, splice->event, splice->bytes);
	w->stanzas_up++;
	uplink_element(w, c, pieces, count);
}

/* The element, a document of its own, with the client's own from, and its language when it names none; a from of its
 * own is left out. */
void ingress_pass_stamped(struct worker *w, struct client *c, const struct xml_event *event, const uint8_t *bytes)
{
	struct xml_splice splice;

	c->stanzas_in++;
	turns_hear(w, c);
	if (xml_is_equal(bytes, event->name, "presence"))
		keepsake_presence(w, c, event, bytes);
	xml_splice_begin(&splice, bytes, event);
	xml_splice_insert(&splice, c->stamp, event->lang.at == 0 ? c->stamp_len : c->stamp_from_len);
	xml_splice_declarations(&splice);
	if (event->from_whole.at != 0)
		xml_splice_remove(&splice, event->from_whole);
	pass_spliced(w, c, &splice);
}

/* The element, a document of its own. */
static void pass(struct worker *w, struct client *c, const struct xml_event *event, const uint8_t *bytes)
{
	struct xml_splice splice;

	xml_splice_begin(&splice, bytes, event);
	xml_splice_declarations(&splice);
	pass_spliced(w, c, &splice);
}

/* Negotiation goes one step at a time: the answer may change how the next bytes are read (RFC 6120, 10.1). */
static void pass_and_await(struct worker *w, struct client *c, const struct xml_event *event, const uint8_t *bytes)
{
	if (c->stream.state == STREAM_NEGOTIATING && c->uplink < 0) { /* the link was cut since the last answer */
		lobby_turn_away(w, c);
		return;
	}
	pass(w, c, event, bytes);
	if (c->stream.state == STREAM_NEGOTIATING || xml_is_equal(bytes, event->name, "iq"))
		client_await(w, c, c->conn.life == CONN_OPEN);
	client_steer_reading(w, c);
}

/* Who does not say a name may have one in its certificate (XEP-0178). */
static void user_guess(const struct login *login, char to[static JID_PART_BYTES_MAX + 1])
{
	struct jid jid = {0};

	if (login->facts.identity == NULL ||
	    !certificate_user_only(login->facts.identity->addresses, login->stream.domain, &jid))
		jid.local_len = 0;
	memcpy(to, jid.text, jid.local_len);
	to[jid.local_len] = '\0';
}

/* The client begins to authenticate: its session is opened where its user lives. */
static void open_session(struct worker *w, struct client *c, const struct xml_event *event, const uint8_t *bytes)
{
	struct xml_splice splice;
	char user[JID_PART_BYTES_MAX + 1];

	if (!stream_auth_user(event, bytes, user))
		user_guess(c->login, user);
	c->login->refusal = lobby_refusal(event, bytes);
	xml_splice_begin(&splice, bytes, event);
	xml_splice_declarations(&splice);
	lobby_enter(w, c, user, &splice);
}

static void close_for_xml(struct worker *w, struct client *c, enum xml_error error)
{
	struct client_end end = {
		.reason = REASON_XML, .condition = xml_error_condition(error), .text = xml_error_text(error)};

	client_close(w, c, &end);
}

static const struct xml_scope *scope_of(const struct client *c)
{
	return c->aside != NULL && c->aside->scope != NULL ? c->aside->scope : &xml_scope_usual;
}

static void scope_drop(struct client *c)
{
	if (c->aside == NULL)
		return;
	free(c->aside->scope);
	c->aside->scope = NULL;
}

/* What the header declares is in scope in its elements. False: it is too much, and the client was closed. */
static bool keep_scope(struct worker *w, struct client *c, const struct xml_event *header, const uint8_t *bytes)
{
	size_t size = 0;
	enum xml_error error = xml_scope_measure(bytes, header, &size);
	struct xml_scope *scope;

	scope_drop(c);
	if (error != XML_ERROR_NONE) {
		c->stream.header_sent = false;
		close_for_xml(w, c, error);
		return false;
	}
	if (size == 0)
		return true;
	scope = malloc(size);
	assert(scope != NULL);
	xml_scope_keep(scope, bytes, header);
	client_aside(c)->scope = scope;
	return true;
}

static void act(struct worker *w, struct client *c, const struct stream_verdict *v, const struct xml_event *event,
		const uint8_t *bytes)
{
	switch (v->act) {
	case STREAM_ACT_HEADER:
		if (keep_scope(w, c, event, bytes))
			client_greet(w, c);
		break;
	case STREAM_ACT_STARTTLS:
		client_await_tls(w, c);
		break;
	case STREAM_ACT_REPLY:
		client_dialect(c)->write(w, c, (const uint8_t *)v->reply, strlen(v->reply));
		break;
	case STREAM_ACT_OPEN:
		open_session(w, c, event, bytes);
		break;
	case STREAM_ACT_PASS:
		if (c->stream.state == STREAM_BOUND)
			pass(w, c, event, bytes);
		else
			pass_and_await(w, c, event, bytes);
		break;
	case STREAM_ACT_STANZA:
		ingress_pass_stamped(w, c, event, bytes);
		break;
	case STREAM_ACT_END:
		client_close_for(w, c, REASON_CLIENT_END);
		break;
	case STREAM_ACT_CLOSE:
		client_close_for(w, c, v->reason);
		break;
	}
}

void ingress_found(struct worker *w, struct client *c, const struct xml_event *event, const uint8_t *bytes)
{
	enum stream_state before = c->stream.state;
	struct stream_verdict verdict;

	if (event->is == XML_BAD) {
		close_for_xml(w, c, event->error);
		return;
	}
	stream_read(&c->stream, c->login == NULL ? NULL : &c->login->stream, event, bytes, &verdict);
	client_count_state(w, c, before);
	act(w, c, &verdict, event, bytes);
}

/* ---- the way */

/* White space behind <auth/> belongs to the stream that <success/> has ended, whenever it comes: were it left to the
 * new one, no XML declaration could follow. */
static bool is_of_the_old_stream(const struct client *c)
{
	return c->stream.state == STREAM_AUTHENTICATED && c->stream.header_due;
}

size_t ingress_take_elements(struct worker *w, struct client *c, uint8_t *text, size_t len)
{
	const struct xml_limits *limits = c->stream.state == STREAM_BOUND ? &w->limits : &w->login_limits;
	struct xml_work *work = c->partial != NULL && c->partial->work != NULL ? c->partial->work : w->work;
	size_t taken = is_of_the_old_stream(c) ? white_bytes(text, len) : 0;

	while (c->conn.life == CONN_OPEN && c->conn.tls != CONN_HANDSHAKE && !c->awaiting) {
		struct xml_event event;

		xml_next_within(&c->xml, work, limits, scope_of(c), text + taken, len - taken, &event);
		if (event.is != XML_MORE)
			ingress_found(w, c, &event, text + taken);
		taken += event.used;
		if (event.is == XML_MORE)
			break;
	}
	/* white space is nothing to act upon (RFC 6120, 5.3.3, forbids it all the same) */
	if (c->conn.tls == CONN_HANDSHAKE)
		taken += white_bytes(text + taken, len - taken);
	return taken;
}

static void take_text(struct worker *w, struct client *c, uint8_t *text, size_t len)
{
	size_t taken;

	if (c->partial != NULL) {
		partial_append(w, c, text, len);
		text = c->partial->bytes;
		len = c->partial->len;
	}
	taken = client_dialect(c)->take(w, c, text, len);
	if (c->conn.life != CONN_OPEN)
		return;
	if (c->conn.tls == CONN_HANDSHAKE && taken < len)
		client_close_for(w, c, REASON_TLS_INJECTION);
	else
		partial_keep(w, c, text + taken, len - taken);
}

static void take_bad(struct worker *w, struct client *c, const struct conn_text *text)
{
	struct client_end end = {.reason = text->reason, .detail = text->detail};

	client_close(w, c, &end);
}

void ingress(struct worker *w, struct client *c, uint8_t *bytes, size_t len)
{
	struct conn_input in = {bytes, len};
	struct conn_text text;

	c->heard_s = worker_now_s(w);
	counter_add(&w->counters, COUNTER_client_bytes_in, (int64_t)len);
	while (c->conn.life == CONN_OPEN) {
		enum conn_found found = conn_read(&w->net, &c->conn, &in, &text, NULL);

		if (found == CONN_MORE)
			break;
		if (found == CONN_TEXT)
			take_text(w, c, text.at, text.len);
		else if (found == CONN_END)
			client_close_for(w, c, REASON_CLIENT_TLS_END);
		else
			take_bad(w, c, &text);
	}
}

void ingress_step(struct worker *w, struct client *c, struct handshake_step *s)
{
	struct conn_text text;
	enum conn_found found = conn_take_step(&w->net, &c->conn, s, &text);

	counter_add(&w->counters, COUNTER_client_bytes_in, (int64_t)(s->len - s->leftover_len));
	if (found == CONN_BAD)
		take_bad(w, c, &text);
	if (found != CONN_SECURE)
		return;
	c->login->facts = s->facts;
	s->facts.identity = NULL;
	client_on_secure(w, c);
	ingress(w, c, s->bytes, s->leftover_len);
}

void ingress_go_on(struct worker *w, struct client *c)
{
	client_await(w, c, false);
	client_steer_reading(w, c);
	if (c->partial != NULL && c->conn.life == CONN_OPEN)
		take_text(w, c, NULL, 0);
}
