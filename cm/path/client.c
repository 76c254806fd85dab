#include "client.h"

#include "certificate_user.h"
#include "client_name.h"
#include "dialect.h"
#include "entry.h"
#include "fleet.h"
#include "ingress.h"
#include "jid.h"
#include "keepsake.h"
#include "log.h"
#include "uplink.h"
#include "worker.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
	CLOSE_PATIENCE_MS = 2000, /* for the client's own end, after ours was said */
};

/* ---- counters */

static enum counter state_counter(enum stream_state state)
{
	return COUNTER_clients_plain + (enum counter)state;
}

void client_count_state(struct worker *w, const struct client *c, enum stream_state before)
{
	if (c->stream.state == before)
		return;
	counter_add(&w->counters, state_counter(before), -1);
	counter_add(&w->counters, state_counter(c->stream.state), 1);
}

/* How it came; `first` is the first of three lines of counters.def. */
static enum counter transport_counter(const struct client *c, enum counter first)
{
	return first + (c->startalk ? 2 : c->direct);
}

static void count_new(struct worker *w, const struct client *c)
{
	counter_add(&w->counters, transport_counter(c, COUNTER_accepted_starttls), 1);
	counter_add(&w->counters, transport_counter(c, COUNTER_transport_starttls), 1);
	counter_add(&w->counters, state_counter(c->stream.state), 1);
}

/* ---- the beginning */

static uint64_t client_tag(struct slab_handle self)
{
	return (uint64_t)WORKER_CLIENT << WORKER_KIND_SHIFT | (uint64_t)self.index << WORKER_INDEX_SHIFT |
	       self.generation;
}

/* Its handle, as it stands in the tag; generations leave room for the count of its sessions. */
frame_session client_session(const struct client *c)
{
	static_assert(SLAB_GENERATION_MAX < 1 << CLIENT_SESSIONS_SHIFT, "there is room");
	return (c->conn.tag & (((uint64_t)1 << CONN_OP_SHIFT) - 1)) | (uint64_t)c->sessions << CLIENT_SESSIONS_SHIFT;
}

static struct slab_handle session_handle(frame_session session)
{
	return (struct slab_handle){(uint32_t)(session >> WORKER_INDEX_SHIFT), session & SLAB_GENERATION_MAX};
}

/* The login's deadline, or the handshake's when that is nearer. */
static uint64_t handshake_deadline(const struct worker *w, const struct client *c)
{
	uint64_t by_ms = worker_now_ms(w) + w->config->tls_handshake_ms_max;

	return by_ms < c->login->until_ms ? by_ms : c->login->until_ms;
}

/* What must come first: the PROXY header, the TLS handshake, or the login. */
static uint64_t first_deadline(const struct worker *w, const struct client *c)
{
	if (c->proxy != PROXY_NONE)
		return worker_now_ms(w) + w->config->proxy_header_ms_max;
	return c->direct ? handshake_deadline(w, c) : c->login->until_ms;
}

static bool is_let_in(struct worker *w, const struct listener *by, const struct address *peer)
{
	return by->proxy == PROXY_NONE ? address_limit_accept(w, peer) : entry_is_trusted(w, peer);
}

void client_new(struct worker *w, int fd, const struct listener *by)
{
	struct address peer = {0};
	struct slab_handle self;
	struct client *c;

	if (!address_of_peer(fd, &peer))
		peer.len = 0;
	if (!is_let_in(w, by, &peer)) {
		io_close(w->net.io, fd);
		return;
	}
	c = slab_new(&w->clients, &self);
	if (c == NULL) {
		counter_add(&w->counters, COUNTER_refused, 1);
		io_close(w->net.io, fd);
		return;
	}
	c->direct = by->direct;
	c->proxy = (uint8_t)by->proxy;
	c->uplink = -1;
	c->login = login_new(w);
	c->login->peer = peer;
	c->heard_s = worker_now_s(w);
	stream_init(&c->stream, c->direct);
	c->startalk = by->startalk;
	client_dialect(c)->begin(w, c);
	conn_init(&c->conn, io_adopt(w->net.io, fd), client_tag(self), false);
	conn_start(&w->net, &c->conn);
	wheel_set(&w->wheel, &c->timer, first_deadline(w, c));
	count_new(w, c);
}

/* ---- the end of a stream */

/* Whether an end without an error is said at all. */
static bool end_is_said(enum reason reason, const char *condition)
{
	return condition[0] != '\0' || reason == REASON_CLIENT_END || reason == REASON_SERVER_SAID ||
	       reason == REASON_STREAM_ERROR;
}

bool client_peer(struct worker *w, const struct client *c, struct address *ret)
{
	bool found;
	int plain;

	if (c->login != NULL) {
		*ret = c->login->peer;
		return ret->len > 0;
	}
	plain = io_plain(w->net.io, c->conn.fd);
	found = address_of_peer(plain, ret);
	io_plain_end(c->conn.fd, plain);
	return found;
}

void client_address(struct worker *w, const struct client *c, char to[static ADDRESS_TEXT_BYTES], uint16_t *ret_port)
{
	struct address peer;
	bool told = client_is_told(c);

	snprintf(to, ADDRESS_TEXT_BYTES, "%s", told ? c->aside->host : "gone");
	*ret_port = told ? c->aside->port : 0;
	if (!told && client_peer(w, c, &peer))
		address_host(&peer, to, ret_port);
}

static void log_close(struct worker *w, struct client *c, const struct client_end *end, const char *condition)
{
	enum config_log_level level = reason_is_error(end->reason) ? CONFIG_LOG_INFO : CONFIG_LOG_DEBUG;
	char host[ADDRESS_TEXT_BYTES], name[CLIENT_NAME_BYTES], jid[CLIENT_JID_BYTES];
	uint16_t port;

	if (!log_is_on(level))
		return;
	client_address(w, c, host, &port);
	client_name_write(w, c, name);
	client_jid_write(c, jid);
	log_event(level, "client.closed", log_text("session", name), log_text("jid", jid), log_text("address", host),
		  log_count("port", port), log_text("tls", conn_engine(&c->conn)),
		  log_text("reason", reason_label(end->reason)), log_text("condition", condition),
		  log_text("text", end->text), log_text("detail", end->detail != NULL ? end->detail : ""));
}

/* What cannot be said any more, or must not be. */
static bool end_is_abrupt(const struct client *c, enum reason reason)
{
	return (reason == REASON_ADDRESS_RATE && (c->direct || c->proxy != PROXY_NONE)) ||
	       reason == REASON_CLIENT_LOST || reason == REASON_TLS_INJECTION || reason == REASON_TLS_SLOW ||
	       reason == REASON_TOO_SLOW || reason == REASON_PROXY || reason == REASON_PROXY_SLOW;
}

static void end_handshake(struct worker *w, struct client *c)
{
	if (c->handshaking) {
		w->handshakes--;
		counter_add(&w->counters, COUNTER_handshakes_running, -1);
	}
	c->handshaking = false;
}

/* What the end means to everybody but the client itself. */
static void end_account(struct worker *w, struct client *c, const struct client_end *end)
{
	enum stream_state before = c->stream.state;

	log_close(w, c, end, end->condition);
	counter_bump(&w->counters.closes[end->reason], 1);
	counter_add(&w->counters, COUNTER_handshakes_failed,
		    end->reason == REASON_TLS_FAILED || end->reason == REASON_TLS_SLOW);
	end_handshake(w, c);
	turns_leave(w, c);
	client_await(w, c, false);
	if (c->uplink >= 0)
		uplink_close(w, c, end->reason == REASON_CLIENT_END, end->condition, end->text);
	c->stream.state = STREAM_ENDED;
	client_count_state(w, c, before);
}

/* Condition, text and element as they are said: the reason's own where none is given. */
static struct client_end end_whole(struct client_end end)
{
	if (end.condition == NULL)
		end.condition = reason_condition(end.reason);
	if (end.text == NULL)
		end.text = reason_text(end.reason);
	if (end.element == NULL)
		end.element = "";
	return end;
}

/* Nobody would understand a word before or in the middle of a TLS handshake. */
static bool may_speak(const struct client *c)
{
	return c->conn.tls == CONN_RECORDS || (c->conn.tls == CONN_PLAIN && !c->direct);
}

void client_close(struct worker *w, struct client *c, const struct client_end *given)
{
	const struct client_end whole = end_whole(*given), *end = &whole;

	if (c->conn.life >= CONN_ENDING)
		return;
	end_account(w, c, end);
	if (end_is_abrupt(c, end->reason)) {
		conn_terminate(&w->net, &c->conn, end->reason);
	} else {
		if (may_speak(c) && end_is_said(end->reason, end->condition))
			client_dialect(c)->end(w, c, end);
		conn_end(&w->net, &c->conn, end->reason);
	}
	wheel_set(&w->wheel, &c->timer, worker_now_ms(w) + CLOSE_PATIENCE_MS);
}

void client_close_for(struct worker *w, struct client *c, enum reason reason)
{
	struct client_end end = {.reason = reason};

	client_close(w, c, &end);
}

struct client_aside *client_aside(struct client *c)
{
	if (c->aside == NULL)
		c->aside = calloc(1, sizeof *c->aside);
	assert(c->aside != NULL);
	return c->aside;
}

static void aside_free(struct client *c)
{
	if (c->aside != NULL)
		free(c->aside->scope);
	free(c->aside);
}

void client_free(struct worker *w, struct client *c)
{
	if (c->stream.state != STREAM_ENDED) { /* its conn has ended by itself */
		struct client_end end = end_whole((struct client_end){.reason = (enum reason)c->conn.reason});

		end_account(w, c, &end);
	}
	assert(c->stream.state == STREAM_ENDED && c->uplink < 0 && !c->choked && !c->orphaned);
	counter_add(&w->counters, state_counter(c->stream.state), -1);
	counter_add(&w->counters, transport_counter(c, COUNTER_transport_starttls), -1);
	wheel_clear(&c->timer);
	login_free(w, c->login);
	c->login = NULL;
	partial_free(w, c->partial);
	shelf_give(&w->texts, c->stamp, c->stamp_len);
	keepsakes_free(w, c);
	aside_free(c);
	client_dialect(c)->done(w, c);
	slab_free(&w->clients, session_handle(client_session(c)));
}

/* ---- time */

static uint64_t idle_until_ms(const struct worker *w, const struct client *c)
{
	return (uint64_t)c->heard_s * 1000 + w->config->idle_ms_max;
}

void client_set_idle(struct worker *w, struct client *c)
{
	if (w->config->idle_ms_max > 0)
		wheel_set(&w->wheel, &c->timer, idle_until_ms(w, c));
	else
		wheel_clear(&c->timer);
}

static void idle_timeout(struct worker *w, struct client *c)
{
	if (w->config->idle_ms_max > 0 && idle_until_ms(w, c) <= worker_now_ms(w))
		client_close_for(w, c, REASON_IDLE);
	else
		client_set_idle(w, c);
}

void client_timeout(struct worker *w, struct client *c)
{
	if (c->conn.life == CONN_ENDING)
		conn_terminate(&w->net, &c->conn, c->conn.reason);
	else if (c->conn.life == CONN_TERMINATED)
		return;
	else if (c->proxy != PROXY_NONE)
		client_close_for(w, c, REASON_PROXY_SLOW);
	else if (c->stream.state == STREAM_HANDSHAKE)
		client_close_for(w, c, REASON_TLS_SLOW);
	else if (c->stream.state != STREAM_BOUND)
		client_close_for(w, c, REASON_LOGIN_SLOW);
	else
		idle_timeout(w, c);
}

/* ---- completions */

bool client_await_tls(struct worker *w, struct client *c)
{
	bool is_room = w->handshakes < w->config->tls_handshakes_max;

	if (!is_room || !address_limit_client(w, c, ADDRESS_LIMIT_HANDSHAKES)) {
		client_close_for(w, c, is_room ? REASON_ADDRESS_RATE : REASON_RESOURCES);
		return false;
	}
	conn_await_tls(&c->conn);
	client_dialect(c)->proceed(w, c);
	wheel_set(&w->wheel, &c->timer, handshake_deadline(w, c));
	return true;
}

void client_begin_tls(struct worker *w, struct client *c, struct handshake_step *ret)
{
	const char *domain = c->login->stream.domain;

	if (c->direct)
		conn_await_tls(&c->conn);
	c->login->context = tls_context_ref(w->context);
	ret->context = tls_context_ref(w->context);
	ret->direct = c->direct;
	if (!c->direct && strlen(domain) < sizeof ret->host)
		memcpy(ret->host, domain, strlen(domain) + 1);
	c->handshaking = true;
	w->handshakes++;
	counter_add(&w->counters, COUNTER_handshakes_running, 1);
}

/* There is room again: the session server may go on. */
static void sent(struct worker *w, struct client *c)
{
	if (!c->paused || c->uplink < 0 || conn_unsent(&c->conn) > w->config->unread_bytes_high / 2)
		return;
	uplink_pause(w, c, false);
}

static bool is_in_handshake(const struct client *c)
{
	return c->conn.tls == CONN_HANDSHAKE || (c->conn.tls == CONN_PLAIN && c->direct);
}

/* Bytes of a client; a PROXY header that must stand before them is taken off. */
static void received(struct worker *w, struct client *c, uint8_t *whole, size_t whole_len)
{
	bool secret = c->login != NULL;
	uint8_t *bytes = whole;
	size_t len = whole_len;

	if (c->proxy != PROXY_NONE) {
		if (!entry_read(w, c, &bytes, &len))
			return;
		wheel_set(&w->wheel, &c->timer, first_deadline(w, c));
	}
	if (len == 0)
		return;
	if (is_in_handshake(c))
		turns_hold(w, c, bytes, len);
	else
		ingress(w, c, bytes, len);
	if (secret) /* records are opened where they lie */
		explicit_bzero(whole, whole_len);
}

void client_complete(struct worker *w, struct client *c, enum conn_op op, const struct io_done *done)
{
	switch (conn_complete(&w->net, &c->conn, op, done)) {
	case CONN_DID_RECEIVE:
		received(w, c, done->bytes, (size_t)done->result);
		break;
	case CONN_DID_CONTROL:
		ingress(w, c, NULL, 0);
		break;
	case CONN_DID_SEND:
		counter_add(&w->counters, COUNTER_client_bytes_out, done->result);
		sent(w, c);
		break;
	case CONN_DID_SPENT:
		counter_add(&w->counters, COUNTER_client_bytes_out, done->result);
		client_close_for(w, c, REASON_TLS_SPENT);
		break;
	case CONN_DID_LOST:
		client_close_for(w, c, REASON_CLIENT_LOST);
		break;
	case CONN_DID_CONNECT:
	case CONN_DID_NOTHING:
		break;
	}
}

void client_await(struct worker *w, struct client *c, bool awaiting)
{
	counter_add(&w->counters, COUNTER_logins_awaiting, awaiting - c->awaiting);
	c->awaiting = awaiting;
}

void client_steer_reading(struct worker *w, struct client *c)
{
	if (c->awaiting || c->choked || c->held || c->orphaned)
		conn_stop_reading(&c->conn);
	else
		conn_resume_reading(&w->net, &c->conn);
}

struct client *client_find(struct worker *w, frame_session session)
{
	struct client *c = slab_get(&w->clients, session_handle(session));

	return c != NULL && client_session(c) == session ? c : NULL;
}

/* ---- the stages of a login */

static void count_handshake(struct worker *w, const struct tls_facts *facts)
{
	enum counter first =
		facts->version == RECORD_TLS13 ? COUNTER_handshakes_13_aes128 : COUNTER_handshakes_12_aes128;

	counter_add(&w->counters, first + (enum counter)facts->cipher, 1);
	counter_add(&w->counters, COUNTER_resumptions, facts->resumed);
}

void client_on_secure(struct worker *w, struct client *c)
{
	enum stream_state before = c->stream.state;

	end_handshake(w, c);
	count_handshake(w, &c->login->facts);
	stream_on_tls(&c->stream);
	client_count_state(w, c, before);
	client_dialect(c)->secure(w, c);
	wheel_set(&w->wheel, &c->timer, c->login->until_ms);
}

void client_random_id(char to[static STREAM_ID_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t random[(STREAM_ID_BYTES - 1) / 2];
	ssize_t got = getrandom(random, sizeof random, 0);

	assert(got == sizeof random);
	for (size_t i = 0; i < sizeof random; i++) {
		to[2 * i] = digits[random[i] >> 4];
		to[2 * i + 1] = digits[random[i] & 15];
	}
	to[2 * sizeof random] = '\0';
}

/* Whose features they are: a client that cannot log in by its certificate is not offered to. */
static enum pool_client greet_kind(const struct login *login)
{
	const char *lines = login->facts.identity != NULL ? login->facts.identity->addresses : "";
	struct jid jid;

	if (!login->facts.has_exporter)
		return POOL_PLAIN;
	return certificate_user_next(&lines, login->stream.domain, &jid) ? POOL_CERTIFICATE : POOL_BINDING;
}

/* The features for this client now; false: nobody serves the domain. */
static bool greet_features(struct worker *w, struct client *c, struct pool_text *ret)
{
	struct pool_text domain = {c->login->stream.domain, strlen(c->login->stream.domain)};

	if (c->stream.state == STREAM_AUTHENTICATED) {
		*ret = (struct pool_text){c->login->features, c->login->features_len};
		return true;
	}
	return pool_features(&w->pool, domain, greet_kind(c->login), ret);
}

/* Whether the certificate that the client was shown is for another domain than the one it wants now, and that matters.
 */
static bool certificate_is_another_s(const struct login *login)
{
	return login->context != NULL && tls_context_is_strict(login->context) &&
	       !tls_context_covers(login->context, login->facts.certificate, login->stream.domain);
}

static bool offers_registration(struct pool_text features)
{
	static const char feature[] = "'http://jabber.org/features/iq-register'";

	return memmem(features.at, features.len, feature, sizeof feature - 1) != NULL;
}

void client_greet(struct worker *w, struct client *c)
{
	struct stream_login *login = &c->login->stream;
	struct pool_text domain = {login->domain, strlen(login->domain)}, features;

	client_random_id(login->id);
	if (!greet_features(w, c, &features)) {
		c->stream.header_sent = false;
		client_close_for(w, c, fleet_may_serve(w, domain) ? REASON_SERVER_LOST : REASON_HOST_UNKNOWN);
		return;
	}
	if (c->conn.tls == CONN_RECORDS && certificate_is_another_s(c->login)) {
		c->stream.header_sent = false;
		client_close_for(w, c, REASON_HOST_CERTIFICATE);
		return;
	}
	login->registration = offers_registration(features);
	client_dialect(c)->greet(w, c, features);
}

/* A session server speaks for the domain that the client came to, and for no other. */
static bool identity_read(const struct client *c, const struct frame *frame, bool full, struct jid *ret)
{
	struct frame_value value;

	return c->login != NULL && frame_find(frame, FIELD_JID, &value) &&
	       jid_parse((const char *)value.at, value.len, ret) && full == (ret->resource_at != 0) &&
	       ret->domain_len == strlen(c->login->stream.domain) &&
	       memcmp(ret->text + ret->domain_at, c->login->stream.domain, ret->domain_len) == 0;
}

bool client_on_authenticated(struct worker *w, struct client *c, const struct frame *frame)
{
	enum stream_state before = c->stream.state;
	struct frame_value features = {0};
	struct jid jid;

	if (!identity_read(c, frame, false, &jid) ||
	    !stream_on_authenticated(&c->stream, frame_find_int(frame, FIELD_NO_RESTART, 0) != 0))
		return false;
	memcpy(c->login->stream.from, jid.text, jid.len + 1u);
	if (frame_find(frame, FIELD_FEATURES, &features)) {
		free(c->login->features);
		c->login->features = malloc(features.len + 1);
		assert(c->login->features != NULL);
		memcpy(c->login->features, features.at, features.len);
		c->login->features_len = features.len;
	}
	client_dialect(c)->authenticated(w, c);
	counter_add(&w->counters, COUNTER_logins, 1);
	client_count_state(w, c, before);
	return true;
}

static void log_bound(struct worker *w, const struct client *c)
{
	char host[ADDRESS_TEXT_BYTES], name[CLIENT_NAME_BYTES], jid[CLIENT_JID_BYTES];
	uint16_t port;

	if (!log_is_on(CONFIG_LOG_DEBUG))
		return;
	client_address(w, c, host, &port);
	client_name_write(w, c, name);
	client_jid_write(c, jid);
	log_event(CONFIG_LOG_DEBUG, "client.bound", log_text("session", name), log_text("jid", jid),
		  log_text("address", host), log_count("port", port), log_text("tls", conn_engine(&c->conn)),
		  log_text("backend", c->uplink < 0 ? "" : w->uplinks[c->uplink].name));
}

/* What is spliced into each stanza. */
static void stamp_make(struct worker *w, struct client *c, const struct jid *jid)
{
	char text[64 + 6 * (JID_BYTES_MAX + STREAM_LANG_BYTES)];
	size_t len = sizeof " from='" - 1;

	memcpy(text, " from='", len);
	len += xml_escape((const uint8_t *)jid->text, jid->len, (uint8_t *)text + len, sizeof text - len - 1);
	text[len++] = '\'';
	c->stamp_from_len = (uint16_t)len;
	if (c->login->stream.lang[0] != '\0')
		len += (size_t)snprintf(text + len, sizeof text - len, " xml:lang='%s'", c->login->stream.lang);
	c->stamp_len = (uint16_t)len;
	c->stamp = shelf_take(&w->texts, len);
	memcpy(c->stamp, text, len);
}

bool client_on_bound(struct worker *w, struct client *c, const struct frame *frame)
{
	enum stream_state before = c->stream.state;
	struct jid jid;

	if (!identity_read(c, frame, true, &jid) || !stream_on_bound(&c->stream))
		return false;
	stamp_make(w, c, &jid);
	client_dialect(c)->bound(w, c);
	login_free(w, c->login);
	c->login = NULL;
	client_count_state(w, c, before);
	client_set_idle(w, c);
	log_bound(w, c);
	return true;
}
