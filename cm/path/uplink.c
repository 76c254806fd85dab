#include "uplink.h"

#include "client.h"
#include "dialect.h"
#include "egress.h"
#include "guard.h"
#include "lobby.h"
#include "log.h"
#include "worker.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { END_PATIENCE_MS = 2000 };

static const char *backend_name(const struct worker *w, const struct uplink *u)
{
	return w->pool.backends[u->index].name;
}

static uint64_t uplink_tag(const struct uplink *u)
{
	return (uint64_t)WORKER_UPLINK << WORKER_KIND_SHIFT | (uint64_t)u->index << WORKER_INDEX_SHIFT | u->serial;
}

/* ---- dialling */

/* With TLS the bytes come by themselves, in records. */
static void receive(struct worker *w, struct uplink *u)
{
	if (!u->tls)
		conn_receive_into(&w->net, &u->conn, u->in + u->in_len, u->in_cap - u->in_len);
}

static void send_bytes(struct worker *w, struct uplink *u, const void *bytes, size_t len)
{
	conn_write(&w->net, &u->conn, bytes, len);
}

static void *resize(void *context, void *old, size_t len)
{
	void *new;

	(void)context;
	if (len == 0) {
		free(old);
		return NULL;
	}
	new = realloc(old, len);
	assert(new != NULL);
	return new;
}

const struct memory uplink_memory = {.resize = resize};

static void dial(struct worker *w, struct uplink *u)
{
	int fd = address_socket(&u->address);

	pool_dialling(&w->pool, u->index);
	if (fd < 0) {
		log_event(CONFIG_LOG_WARNING, "link.failed", log_text("backend", backend_name(w, u)),
			  log_text("why", strerror(errno)));
		pool_down(&w->pool, u->index, worker_now_ms(w), worker_random(w));
		return;
	}
	u->serial++;
	u->live = true;
	u->in_len = 0;
	retained_init(&u->retained, &uplink_memory, 0);
	u->by_ms = worker_now_ms(w) + LINK_HELLO_WITHIN_MS;
	conn_init(&u->conn, fd, uplink_tag(u), !u->tls);
	conn_connect(&w->net, &u->conn, (const struct sockaddr *)&u->address.at, u->address.len);
}

void uplinks_dial(struct worker *w, uint64_t *ret_wait_ms)
{
	int next;

	while ((next = pool_dial_next(&w->pool, worker_now_ms(w), ret_wait_ms)) != POOL_NONE) {
		if (w->uplinks[next].live) {
			*ret_wait_ms = 100; /* its last connection is still ending */
			return;
		}
		dial(w, &w->uplinks[next]);
	}
}

void uplink_say_hello(struct worker *w, struct uplink *u, const uint8_t *binding)
{
	bool has_key = w->link_secret != NULL && w->link_secret->len > 0;
	struct link_key key;
	struct link_self self = {.name = w->name,
				 .software = "stanzagate " STANZAGATE_VERSION,
				 .epoch = w->epoch,
				 .patience_ms = (uint32_t)w->config->link_patience_ms,
				 .ping_after_ms = (uint32_t)w->config->link_silence_ms_max / 3,
				 .dead_after_ms = (uint32_t)w->config->link_silence_ms_max};
	struct link_send send;

	u->by_ms = 0;
	u->foreign = false;
	if (has_key && !link_secret_key(w->link_secret, binding, &key)) {
		uplink_fail(w, u, "no random numbers");
		return;
	}
	self.key = has_key ? &key : NULL;
	link_init(&u->link, LINK_GATE, &self, worker_now_ms(w), &send);
	send_bytes(w, u, send.bytes, send.len);
	receive(w, u);
}

void uplink_on_up(struct worker *w, struct uplink *u)
{
	retained_init(&u->retained, &uplink_memory, u->link.window);
	pool_up(&w->pool, u->index, u->link.name, worker_now_ms(w));
	counter_add(&w->counters, COUNTER_backends_up, 1);
	orphans_attach(w, u);
}

/* ---- blame */

void uplink_blame(struct worker *w, struct uplink *u, enum blame_for of, const char *what)
{
	counter_add(&w->counters, COUNTER_backend_faults, 1);
	if (!blame_fault(&u->blame, of, w->pool.backends[u->index].sessions, worker_now_ms(w)))
		return;
	pool_avoid(&w->pool, u->index, true);
	log_event(CONFIG_LOG_WARNING, "link.avoided", log_text("backend", backend_name(w, u)), log_text("why", what),
		  log_count("milliseconds", u->blame.until_ms - worker_now_ms(w)));
}

static void forgive(struct worker *w, struct uplink *u)
{
	if (!w->pool.backends[u->index].avoided || worker_now_ms(w) < u->blame.until_ms)
		return;
	pool_avoid(&w->pool, u->index, false);
	log_event(CONFIG_LOG_INFO, "link.forgiven", log_text("backend", backend_name(w, u)));
}

/* ---- ends */

static void unchoke(struct worker *w, struct client *c)
{
	struct client **at = &w->uplinks[c->uplink].choked;

	if (!c->choked)
		return;
	while (*at != c)
		at = &(*at)->choked_next;
	*at = c->choked_next;
	c->choked = false;
}

/* The client has no session any more. */
static void session_detach(struct worker *w, struct client *c)
{
	unchoke(w, c);
	if (c->paused)
		counter_add(&w->counters, COUNTER_paused, -1);
	c->paused = false;
	pool_session_count(&w->pool, c->uplink, -1);
	c->uplink = -1;
}

/* Of those that are no orphans. */
static void sessions_end(struct worker *w, const struct uplink *u)
{
	struct slab_handle at = {0};
	struct client *c;

	while ((c = slab_next(&w->clients, &at)) != NULL) {
		if (c->uplink != (int8_t)u->index || c->orphaned)
			continue;
		session_detach(w, c);
		lobby_return(w, c);
	}
}

static size_t unsent(const struct uplink *u)
{
	return conn_unsent(&u->conn) + u->retained.waiting_bytes;
}

bool uplink_is_full(const struct uplink *u)
{
	return unsent(u) >= UPLINK_UNSENT_HIGH;
}

static void unchoke_all(struct worker *w, struct uplink *u)
{
	while (u->choked != NULL) {
		struct client *c = u->choked;

		u->choked = c->choked_next;
		c->choked = false;
		client_steer_reading(w, c);
	}
}

/* With TLS the other end is told why. */
static void conn_break(struct worker *w, struct uplink *u)
{
	if (u->tls)
		conn_end(&w->net, &u->conn, REASON_SERVER_LOST);
	else
		conn_terminate(&w->net, &u->conn, REASON_SERVER_LOST);
	u->by_ms = worker_now_ms(w) + END_PATIENCE_MS;
}

void uplink_fail(struct worker *w, struct uplink *u, const char *why)
{
	enum pool_state was = w->pool.backends[u->index].state;
	bool was_up = was >= POOL_UP;

	if (u->conn.life >= CONN_ENDING)
		return;
	log_event(CONFIG_LOG_WARNING, was_up ? "link.lost" : "link.failed", log_text("backend", backend_name(w, u)),
		  log_text("why", why), log_count("sessions", w->pool.backends[u->index].sessions));
	counter_add(&w->counters, COUNTER_link_failures, 1);
	if (was_up)
		counter_add(&w->counters, COUNTER_backends_up, -1);
	conn_break(w, u);
	pool_down(&w->pool, u->index, worker_now_ms(w), worker_random(w));
	unchoke_all(w, u);
	orphans_begin(w, u, was);
	retained_free(&u->retained);
	if (was_up) /* else it has no session but orphans, and to look for others costs a look at every client */
		sessions_end(w, u);
}

void uplink_gone(struct worker *w, struct uplink *u)
{
	(void)w;
	retained_free(&u->retained);
	u->live = false;
}

bool uplinks_gone(const struct worker *w)
{
	for (size_t i = 0; i < w->pool.count; i++)
		if (w->uplinks[i].live)
			return false;
	return true;
}

void uplinks_drain(struct worker *w)
{
	uint8_t head[FRAME_HEAD_BYTES];

	frame_head(head, FRAME_DRAIN, 0, 0);
	for (size_t i = 0; i < w->pool.count; i++)
		if (w->uplinks[i].live && w->uplinks[i].link.up)
			send_bytes(w, &w->uplinks[i], head, sizeof head);
}

void uplinks_end(struct worker *w)
{
	for (size_t i = 0; i < w->pool.count; i++)
		if (w->uplinks[i].live)
			conn_end(&w->net, &w->uplinks[i].conn, REASON_SHUTDOWN);
}

void uplinks_cut(struct worker *w)
{
	for (size_t i = 0; i < w->pool.count; i++)
		if (w->uplinks[i].live)
			conn_terminate(&w->net, &w->uplinks[i].conn, REASON_SHUTDOWN);
}

/* ---- completions and time */

static void overdue(struct worker *w, struct uplink *u)
{
	if (u->conn.life < CONN_ENDING)
		uplink_fail(w, u, "connecting has taken too long");
	else
		conn_terminate(&w->net, &u->conn, REASON_SERVER_LOST);
}

void uplinks_tick(struct worker *w)
{
	for (size_t i = 0; i < w->pool.count; i++) {
		struct uplink *u = &w->uplinks[i];
		struct link_send send;

		if (u->name != NULL)
			forgive(w, u);
		if (u->live && u->by_ms != 0 && worker_now_ms(w) >= u->by_ms)
			overdue(w, u);
		if (!u->live || u->by_ms != 0 || u->conn.life != CONN_OPEN)
			continue;
		if (!link_tick(&u->link, worker_now_ms(w), &send))
			uplink_fail(w, u, frame_error_text(FRAME_ERROR_SILENT));
		else
			send_bytes(w, u, send.bytes, send.len);
		if (u->link.up)
			uplink_ack(w, u, true);
	}
}

void uplink_ack(struct worker *w, struct uplink *u, bool at_once)
{
	struct link_send send;

	if (u->conn.life != CONN_OPEN || (!at_once && u->link.taken_bytes < LINK_ACK_BYTES))
		return;
	link_ack(&u->link, u->link.taken, &send);
	send_bytes(w, u, send.bytes, send.len);
}

void uplink_release(struct worker *w, struct uplink *u)
{
	const uint8_t *bytes;
	size_t len;

	while (retained_next(&u->retained, &bytes, &len))
		send_bytes(w, u, bytes, len);
}

/* Those who wait for it learn how much of their session was taken. */
static void tell_taken(struct worker *w, struct uplink *u, uint64_t count)
{
	struct frame frame;
	int64_t number;
	size_t at = 0;

	for (uint64_t i = u->retained.acked; i < count && retained_walk(&u->retained, &at, &frame, &number); i++) {
		struct client *c = number == RETAINED_NO_NUMBER ? NULL : client_find(w, frame.session);

		if (c != NULL && c->conn.life == CONN_OPEN)
			client_dialect(c)->taken(w, c, (uint32_t)number);
	}
}

void uplink_on_ack(struct worker *w, struct uplink *u, uint64_t count)
{
	if (w->counters.value[COUNTER_startalk_due] > 0 && count <= u->retained.sent)
		tell_taken(w, u, count);
	if (!retained_ack(&u->retained, count)) {
		uplink_blame(w, u, BLAME_FOR_LINK, frame_error_text(FRAME_ERROR_ACK));
		uplink_fail(w, u, frame_error_text(FRAME_ERROR_ACK));
		return;
	}
	uplink_release(w, u);
	if (unsent(u) < UPLINK_UNSENT_LOW)
		unchoke_all(w, u);
}

static void received(struct worker *w, struct uplink *u, const struct io_done *done)
{
	counter_add(&w->counters, COUNTER_link_bytes_in, done->result);
	if (u->tls) {
		guard_read(w, u, done->bytes, (size_t)done->result);
		return;
	}
	u->in_len += (size_t)done->result;
	egress(w, u);
	if (u->conn.life == CONN_OPEN)
		receive(w, u);
}

void uplink_complete(struct worker *w, struct uplink *u, enum conn_op op, const struct io_done *done)
{
	switch (conn_complete(&w->net, &u->conn, op, done)) {
	case CONN_DID_CONNECT:
		guard_connected(w, u);
		break;
	case CONN_DID_RECEIVE:
		received(w, u, done);
		break;
	case CONN_DID_SEND:
		counter_add(&w->counters, COUNTER_link_bytes_out, done->result);
		if (unsent(u) < UPLINK_UNSENT_LOW)
			unchoke_all(w, u);
		break;
	case CONN_DID_LOST:
		uplink_fail(w, u, done->result < 0 ? strerror(-done->result) : "the session server closed the link");
		break;
	case CONN_DID_CONTROL: /* of TLS, which links do not use */
	case CONN_DID_SPENT:
	case CONN_DID_NOTHING:
		break;
	}
}

/* ---- frames of a session */

static struct uplink *uplink_of(struct worker *w, const struct client *c)
{
	assert(c->uplink >= 0);
	return &w->uplinks[c->uplink];
}

/* The number of the next frame of its session, which counts from its being bound. */
static int64_t next_number(struct client *c)
{
	if (!client_was_bound(c))
		return RETAINED_NO_NUMBER;
	return ++c->sent;
}

/* Where its next numbered frame must be written; an orphan's has no link to go on. */
static uint8_t *frame_room(struct worker *w, struct client *c, size_t len)
{
	if (c->orphaned)
		return orphan_room(c->orphan, len);
	return retained_put(&uplink_of(w, c)->retained, len, next_number(c));
}

/* A numbered frame of the client's session. */
static void send_frame(struct worker *w, struct client *c, const void *bytes, size_t len)
{
	assert(len > 0); /* a frame that did not fit its room would leave the session server behind */
	counter_add(&w->counters, COUNTER_link_frames_out, 1);
	memcpy(frame_room(w, c, len), bytes, len);
	uplink_release(w, uplink_of(w, c));
}

/* A session server that does not keep up slows those who fill its link. */
static void choke_if_full(struct worker *w, struct uplink *u, struct client *c)
{
	if (c->choked || c->orphaned || !uplink_is_full(u))
		return;
	c->choked = true;
	c->choked_next = u->choked;
	u->choked = c;
	client_steer_reading(w, c);
}

void uplink_put_connection(struct worker *w, struct frame_builder *b, const struct client *c)
{
	char host[ADDRESS_TEXT_BYTES];
	uint16_t port;

	client_address(w, c, host, &port);
	frame_put_text(b, FIELD_ADDRESS, host);
	frame_put_int(b, FIELD_PORT, port);
	frame_put_int(b, FIELD_DIRECT, c->direct);
	if (c->conn.tls != CONN_RECORDS)
		return;
	frame_put_int(b, FIELD_TLS_VERSION, c->conn.record->version == RECORD_TLS13 ? 0x0304 : 0x0303);
	frame_put_text(b, FIELD_TLS_CIPHER, record_cipher_name((enum record_cipher)c->conn.record->cipher));
}

static void put_facts(struct frame_builder *b, const struct tls_facts *facts)
{
	if (facts->has_exporter)
		frame_put(b, FIELD_TLS_EXPORTER, facts->exporter, sizeof facts->exporter);
	frame_put(b, FIELD_TLS_END_POINT, facts->end_point, facts->end_point_len);
	if (facts->identity == NULL)
		return;
	frame_put_text(b, FIELD_CLIENT_CERT_XMPP_ADDR, facts->identity->addresses);
	frame_put_text(b, FIELD_CLIENT_CERT_NAMES, facts->identity->names);
}

static void put_open(struct worker *w, struct frame_builder *b, const struct client *c)
{
	const struct stream_login *login = &c->login->stream;

	frame_put_text(b, FIELD_DOMAIN, login->domain);
	frame_put_text(b, FIELD_STREAM_ID, login->id);
	uplink_put_connection(w, b, c);
	if (login->lang[0] != '\0')
		frame_put_text(b, FIELD_LANG, login->lang);
	put_facts(b, &c->login->facts);
}

static int choose_backend(const struct worker *w, const struct client *c, const char *user)
{
	const struct stream_login *login = &c->login->stream;
	char jid[STREAM_DOMAIN_BYTES + STREAM_JID_BYTES];
	struct pool_text domain = {login->domain, strlen(login->domain)};
	struct pool_text whom = {jid, 0};

	if (user[0] == '\0')
		whom = (struct pool_text){login->id, strlen(login->id)};
	else
		whom.len = (size_t)snprintf(jid, sizeof jid, "%s@%s", user, login->domain);
	return pool_choose(&w->pool, domain, whom);
}

bool uplink_open(struct worker *w, struct client *c, const char *user)
{
	int chosen = choose_backend(w, c, user);
	uint8_t bytes[12288];
	struct frame_builder b;

	struct pace_settings pace = {w->config->link_logins_per_s, w->config->link_slow_start_ms};

	if (chosen == POOL_NONE || !pace_take(&w->uplinks[chosen].pace, &pace, worker_now_ms(w)))
		return false;
	c->uplink = (int8_t)chosen;
	pool_session_count(&w->pool, chosen, 1);
	frame_begin(&b, bytes, sizeof bytes, FRAME_OPEN, client_session(c));
	put_open(w, &b, c);
	send_frame(w, c, bytes, frame_end(&b));
	return true;
}

void uplink_element(struct worker *w, struct client *c, const struct xml_piece *parts, size_t count)
{
	struct uplink *u;
	uint8_t *to;
	size_t len = 0;

	if (c->uplink < 0)
		return;
	u = uplink_of(w, c);
	for (size_t i = 0; i < count; i++)
		len += parts[i].len;
	counter_add(&w->counters, COUNTER_link_frames_out, 1);
	to = frame_room(w, c, FRAME_HEAD_BYTES + len);
	frame_head(to, FRAME_ELEMENT, client_session(c), len);
	to += FRAME_HEAD_BYTES;
	for (size_t i = 0; i < count; i++) {
		if (parts[i].len > 0)
			memcpy(to, parts[i].at, parts[i].len);
		to += parts[i].len;
	}
	uplink_release(w, u);
	choke_if_full(w, u, c);
}

void uplink_close(struct worker *w, struct client *c, bool clean, const char *condition, const char *text)
{
	uint8_t bytes[2048];
	struct frame_builder b;

	if (c->uplink < 0)
		return;
	frame_begin(&b, bytes, sizeof bytes, FRAME_CLOSE, client_session(c));
	frame_put_int(&b, FIELD_CLEAN, clean);
	if (condition[0] != '\0')
		frame_put_text(&b, FIELD_CONDITION, condition);
	frame_put_text(&b, FIELD_REASON, text);
	send_frame(w, c, bytes, frame_end(&b));
	if (c->orphaned)
		orphan_abandon(w, c);
	session_detach(w, c);
}

void uplink_pause(struct worker *w, struct client *c, bool pause)
{
	uint8_t head[FRAME_HEAD_BYTES];

	if (c->uplink < 0 || c->orphaned || c->paused == pause)
		return;
	c->paused = pause;
	counter_add(&w->counters, COUNTER_paused, pause ? 1 : -1);
	frame_head(head, pause ? FRAME_PAUSE : FRAME_RESUME, client_session(c), 0);
	counter_add(&w->counters, COUNTER_link_frames_out, 1);
	send_bytes(w, uplink_of(w, c), head, sizeof head);
}
