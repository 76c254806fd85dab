#include "stage.h"

#include "address.h"
#include "outbox.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- the stage */

void stage_init(struct stage *s)
{
	*s = (struct stage){.files = tls_files_make("EC", "SHA256")};
	s->config = (struct config){
		.workers = 1,
		.drain_ms_max = 5000,
		.tls_version_min = 12,
		.tls_handshakes_max = 100,
		.tls_handshake_ms_max = 30000,
		.clients_max = 100,
		.login_bytes_max = 10000,
		.login_elements_max = 50,
		.login_ms_max = 60000,
		.logins_max = 100,
		.stanza_bytes_max = 262144,
		.stanza_elements_max = 25000,
		.depth_max = 128,
		.attributes_max = 64,
		.name_bytes_max = 1024,
		.namespaces_max = 64,
		.unread_bytes_high = 1 << 20,
		.unread_bytes_max = 4 << 20,
		.backend_count = 1,
		.pools = {{.name = "all", .failover = true}},
		.pool_count = 1,
	};
	strcpy(s->directory, "/tmp/stage-XXXXXX");
	cr_assert(mkdtemp(s->directory) != NULL);
}

static struct sockaddr_un server_address(const struct stage *s, size_t which)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof address.sun_path, "%s/%zu", s->directory, which);
	return address;
}

static void servers_listen(struct stage *s)
{
	for (size_t i = 0; i < s->config.backend_count; i++) {
		struct sockaddr_un address = server_address(s, i);
		struct config_backend *b = &s->config.backends[i];

		s->server_fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		cr_assert_eq(bind(s->server_fds[i], (struct sockaddr *)&address, sizeof address), 0);
		cr_assert_eq(listen(s->server_fds[i], 8), 0);
		b->weight = 100;
		cr_assert_geq(asprintf(&b->address, "unix:%s", address.sun_path), 0);
		cr_assert_geq(asprintf(&b->name, "server-%zu", i), 0);
	}
}

static struct listener listen_on(bool direct, uint16_t *ret_port)
{
	struct address address;
	char error[ADDRESS_ERROR_BYTES], host[ADDRESS_TEXT_BYTES];
	struct listener l = {.direct = direct};

	cr_assert(address_parse("127.0.0.1:0", &address));
	l.fd = address_listen(&address, error);
	cr_assert_geq(l.fd, 0, "%s", error);
	address_host(&address, host, ret_port);
	return l;
}

static struct tls_context *context_new(const struct stage *s)
{
	struct tls_settings settings = {s->files.certificate, s->files.key, s->config.tls_version_min};
	struct tls_fault fault;
	struct tls_context *context = tls_context_new(&settings, &fault);

	cr_assert(context != NULL, "%s", fault.why);
	return context;
}

void stage_make(struct stage *s)
{
	struct listener listeners[2] = {listen_on(false, &s->port_starttls), listen_on(true, &s->port_direct)};

	cr_assert(xml_kernel_choose(NULL));
	servers_listen(s);
	s->worker = worker_new(&s->config, context_new(s), listeners, 2, 7, "gate/0");
	cr_assert(atomic_load(&s->worker->orders.alive_us) > 0, "who has not begun is given time, and is not stuck");
	s->worker->direct_wanted = getenv("STAGE_DIRECT") != NULL ? 100 : 0;
}

static void *run(void *stage)
{
	struct stage *s = stage;

	s->good = worker_run(s->worker, s->error);
	cr_expect_eq(chunk_memory(), 0, "chunks are left");
	return NULL;
}

void stage_begin(struct stage *s)
{
	if (s->worker == NULL)
		stage_make(s);
	cr_assert_eq(pthread_create(&s->thread, NULL, run, s), 0);
}

void stage_drain(struct stage *s)
{
	stage_until(atomic_load(&s->worker->orders.io) != NULL);
	atomic_store(&s->worker->orders.drain, true);
	worker_wake(s->worker);
}

void stage_join(struct stage *s)
{
	stage_until(atomic_load(&s->worker->orders.done));
	cr_assert_eq(pthread_join(s->thread, NULL), 0);
	s->thread = 0;
	cr_assert(s->good, "%s", s->error);
}

static void gauges_check(const struct stage *s)
{
	static const enum counter gauges[] = {COUNTER_clients_plain,	     COUNTER_clients_handshake,
					      COUNTER_clients_secure,	     COUNTER_clients_negotiating,
					      COUNTER_clients_authenticated, COUNTER_clients_bound,
					      COUNTER_clients_ended,	     COUNTER_transport_starttls,
					      COUNTER_transport_direct,	     COUNTER_paused,
					      COUNTER_sends_pending,	     COUNTER_memory_login,
					      COUNTER_memory_partial,	     COUNTER_orphans,
					      COUNTER_logins_awaiting,	     COUNTER_handshakes_running,
					      COUNTER_handshakes_waiting,    COUNTER_transport_startalk,
					      COUNTER_startalk_due};

	for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++)
		cr_assert_eq(stage_counter(s, gauges[i]), 0, "gauge %d is %ld", (int)gauges[i],
			     (long)stage_counter(s, gauges[i]));
	cr_assert_eq(s->worker->handshakes, 0);
	cr_assert_eq(s->worker->clients.used, 0);
}

void stage_end(struct stage *s)
{
	if (!atomic_load(&s->worker->orders.drain))
		stage_drain(s);
	if (s->thread != 0)
		stage_join(s);
	gauges_check(s);
	worker_free(s->worker);
	for (size_t i = 0; i < s->config.backend_count; i++) {
		close(s->server_fds[i]);
		unlink(server_address(s, i).sun_path);
		free(s->config.backends[i].name);
		free(s->config.backends[i].address);
	}
	rmdir(s->directory);
	tls_files_remove(&s->files);
}

uint64_t stage_counter(const struct stage *s, enum counter which)
{
	return counter_load(&s->worker->counters.value[which]);
}

uint64_t stage_closes(const struct stage *s, enum reason reason)
{
	return counter_load(&s->worker->counters.closes[reason]);
}

/* It may be in the middle of a turn, and in the next one what the kernel has done comes to it. */
void stage_settle(const struct stage *s)
{
	uint64_t ticks = stage_counter(s, COUNTER_ticks);

	stage_until((worker_wake(s->worker), stage_counter(s, COUNTER_ticks) >= ticks + 4));
}

void stage_pass_ms(const struct stage *s, uint64_t ms)
{
	clock_pass_ms(ms);
	stage_settle(s);
}

/* Waits until the descriptor can be read from. */
static void wait_readable(int fd, const char *who)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	cr_assert_eq(poll(&ready, 1, STAGE_PATIENCE_MS), 1, "%s waits in vain", who);
}

/* ---- a session server */

static void server_up(struct server *v, const char *name, uint64_t epoch)
{
	struct link_self self = {.name = name, .epoch = epoch};
	struct link_send hello;
	struct link_found found = {.is = LINK_MORE};

	link_init(&v->link, LINK_BACKEND, &self, 0, &hello);
	server_send(v, hello.bytes, hello.len);
	while (found.is == LINK_MORE) {
		wait_readable(v->fd, "the server");
		v->len += (size_t)recv(v->fd, v->in + v->len, v->cap - v->len, 0);
		link_next(&v->link, v->in + v->at, v->len - v->at, 0, &found);
		v->at += found.used;
	}
	cr_assert_eq(found.is, LINK_UP);
	server_send(v, found.send.bytes, found.send.len);
}

static void server_take_call(struct stage *s, size_t which, struct server *v, const char *name, uint64_t epoch)
{
	*v = (struct server){.cap = 1 << 20, .in = malloc(1 << 20)};
	wait_readable(s->server_fds[which], "the server that listens");
	v->fd = accept4(s->server_fds[which], NULL, NULL, SOCK_CLOEXEC);
	cr_assert_geq(v->fd, 0);
	server_up(v, name, epoch);
}

void server_accept_mute(struct stage *s, size_t which, struct server *v)
{
	server_take_call(s, which, v, "fake", 1);
}

static void server_domain(struct server *v)
{
	uint8_t bytes[1024];
	struct frame_builder b;

	frame_begin(&b, bytes, sizeof bytes, FRAME_DOMAIN, 0);
	frame_put_text(&b, FIELD_DOMAIN, "example.org");
	frame_put_text(&b, FIELD_FEATURES, MECHANISMS);
	server_send(v, bytes, frame_end(&b));
}

void server_accept_as(struct stage *s, size_t which, struct server *v, const char *name, uint64_t epoch)
{
	uint64_t frames = stage_counter(s, COUNTER_link_frames_in);

	server_take_call(s, which, v, name, epoch);
	server_domain(v);
	stage_until(stage_counter(s, COUNTER_link_frames_in) >= frames + 2);
}

void server_accept(struct stage *s, size_t which, struct server *v)
{
	server_accept_as(s, which, v, "fake", 1);
}

void server_free(struct server *v)
{
	if (v->fd >= 0)
		close(v->fd);
	free(v->in);
	*v = (struct server){.fd = -1};
}

void server_send(struct server *v, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	while (len > 0) {
		ssize_t put = send(v->fd, at, len, MSG_NOSIGNAL);

		if (put <= 0)
			return; /* the gate has ended the link: the test sees that when it reads */
		at += put;
		len -= (size_t)put;
	}
}

/* One read. False: the end. */
static bool server_fill(struct server *v)
{
	ssize_t got;

	memmove(v->in, v->in + v->at, v->len - v->at);
	v->len -= v->at;
	v->at = 0;
	if (v->len == v->cap) {
		v->cap *= 2;
		v->in = realloc(v->in, v->cap);
	}
	wait_readable(v->fd, "the server");
	got = recv(v->fd, v->in + v->len, v->cap - v->len, 0);
	v->len += got > 0 ? (size_t)got : 0;
	return got > 0;
}

void server_ack(struct server *v)
{
	struct link_send ack;

	link_ack(&v->link, v->link.taken, &ack);
	server_send(v, ack.bytes, ack.len);
}

void server_next(struct server *v, struct frame *ret)
{
	struct link_found found;

	for (;;) {
		link_next(&v->link, v->in + v->at, v->len - v->at, 0, &found);
		v->at += found.used;
		cr_assert_neq(found.is, LINK_BAD, "the gate breaks the protocol: %s", frame_error_text(found.error));
		server_send(v, found.send.bytes, found.send.len);
		if (found.is == LINK_FRAME && found.frame.type != FRAME_ACK)
			break;
		if (found.is == LINK_MORE)
			cr_assert(server_fill(v), "the gate has ended the link");
	}
	*ret = found.frame;
	if (v->link.taken_bytes >= LINK_WINDOW_MIN)
		server_ack(v);
}

void server_expect(struct server *v, enum frame_type type, frame_session session, struct frame *ret)
{
	server_next(v, ret);
	cr_assert_eq(ret->type, type, "expected %s, got %s: %.*s", frame_type_name(type), frame_type_name(ret->type),
		     (int)ret->payload_len, (const char *)ret->payload);
	cr_assert(session == 0 || ret->session == session, "another session");
}

frame_session server_expect_element(struct server *v, frame_session session, const char *text)
{
	struct frame frame;

	server_expect(v, FRAME_ELEMENT, session, &frame);
	cr_assert(frame.payload_len == strlen(text) && memcmp(frame.payload, text, frame.payload_len) == 0,
		  "expected %s\n     got %.*s", text, (int)frame.payload_len, (const char *)frame.payload);
	return frame.session;
}

bool server_hears(struct server *v, int wait_ms)
{
	struct pollfd ready = {.fd = v->fd, .events = POLLIN};

	for (;;) {
		struct frame frame;
		enum frame_error error;
		size_t used = frame_read(v->in + v->at, v->len - v->at, &frame, &error);

		if (used > 0 && frame.type == FRAME_ACK)
			v->at += used;
		else if (used > 0 || error != FRAME_ERROR_NONE)
			return true;
		else if (poll(&ready, 1, wait_ms) != 1)
			return false;
		else if (!server_fill(v))
			return true;
	}
}

bool server_is_quiet(struct server *v)
{
	return !server_hears(v, 0);
}

void server_expect_end(struct server *v)
{
	do
		v->at = v->len;
	while (server_fill(v));
}

void server_bare(struct server *v, enum frame_type type, frame_session session)
{
	uint8_t head[FRAME_HEAD_BYTES];

	frame_head(head, type, session, 0);
	server_send(v, head, sizeof head);
}

void server_put_bytes(struct server *v, frame_session session, const void *element, size_t len)
{
	uint8_t *frame = malloc(FRAME_HEAD_BYTES + len);

	frame_head(frame, FRAME_ELEMENT, session, len);
	memcpy(frame + FRAME_HEAD_BYTES, element, len);
	server_send(v, frame, FRAME_HEAD_BYTES + len);
	free(frame);
}

void server_put(struct server *v, frame_session session, const char *element)
{
	server_put_bytes(v, session, element, strlen(element));
}

void server_state(struct server *v, frame_session session, enum frame_stage stage, const char *jid,
		  const char *features)
{
	uint8_t bytes[4096];
	struct frame_builder b;

	frame_begin(&b, bytes, sizeof bytes, FRAME_STATE, session);
	frame_put_int(&b, FIELD_STAGE, stage);
	frame_put_text(&b, FIELD_JID, jid);
	if (features != NULL)
		frame_put_text(&b, FIELD_FEATURES, features);
	server_send(v, bytes, frame_end(&b));
}

void server_close(struct server *v, frame_session session, const char *condition, const char *text)
{
	uint8_t bytes[2048];
	struct frame_builder b;

	frame_begin(&b, bytes, sizeof bytes, FRAME_CLOSE, session);
	if (condition != NULL)
		frame_put_text(&b, FIELD_CONDITION, condition);
	if (text != NULL)
		frame_put_text(&b, FIELD_REASON, text);
	server_send(v, bytes, frame_end(&b));
}

/* ---- a client */

void actor_dial(struct stage *s, struct actor *a, bool direct)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(direct ? s->port_direct : s->port_starttls),
				      .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int one = 1, room = ACTOR_ROOM_BYTES;

	*a = (struct actor){.stage = s, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	cr_assert_eq(setsockopt(a->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
	cr_assert_eq(connect(a->fd, (struct sockaddr *)&address, sizeof address), 0);
}

void actor_send(struct actor *a, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	while (len > 0) {
		ssize_t put = send(a->fd, at, len, MSG_NOSIGNAL);

		if (put <= 0)
			return; /* the test sees it when it reads */
		at += put;
		len -= (size_t)put;
	}
}

static void speak(struct actor *a)
{
	uint8_t wire[16384];
	size_t len;

	while ((len = peer_client_says(&a->peer, wire, sizeof wire)) > 0)
		actor_send(a, wire, len);
}

void actor_secure(struct actor *a, enum record_version version)
{
	SSL_CTX *openssl = SSL_CTX_new(TLS_client_method());
	uint8_t bytes[8192];

	a->peer.client = SSL_new(openssl);
	SSL_CTX_free(openssl);
	a->peer.in = BIO_new(BIO_s_mem());
	a->peer.out = BIO_new(BIO_s_mem());
	SSL_set_bio(a->peer.client, a->peer.in, a->peer.out);
	SSL_set_connect_state(a->peer.client);
	peer_choose(&a->peer, version, RECORD_AES_128_GCM);
	a->tls = true;
	while (!SSL_is_init_finished(a->peer.client)) {
		ssize_t got;

		speak(a);
		if (SSL_is_init_finished(a->peer.client))
			break;
		wait_readable(a->fd, "the client that makes TLS");
		got = recv(a->fd, bytes, sizeof bytes, 0);
		cr_assert_gt(got, 0, "the gate ended the handshake");
		peer_client_hears(&a->peer, bytes, (size_t)got);
	}
	speak(a);
}

void actor_connect_as(struct stage *s, struct actor *a, enum client_way way, enum record_version version)
{
	actor_dial(s, a, way == WAY_DIRECT);
	if (way == WAY_STARTTLS) {
		actor_say(a, HEADER_ "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
		actor_until(a, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
		cr_assert_eq(a->heard_len, 0);
	}
	if (way != WAY_PLAIN)
		actor_secure(a, version);
}

void actor_connect(struct stage *s, struct actor *a, enum client_way way)
{
	actor_connect_as(s, a, way, RECORD_TLS13);
}

void actor_free(struct actor *a)
{
	SSL_free(a->peer.client);
	if (a->fd >= 0)
		close(a->fd);
	free(a->heard);
	*a = (struct actor){.fd = -1};
}

void actor_reset(struct actor *a)
{
	struct linger now = {.l_onoff = 1};

	setsockopt(a->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	actor_free(a);
}

void actor_say_bytes(struct actor *a, const void *text, size_t len)
{
	if (!a->tls) {
		actor_send(a, text, len);
		return;
	}
	if (len > 0)
		cr_assert_eq(SSL_write(a->peer.client, text, (int)len), (int)len);
	speak(a);
}

void actor_say(struct actor *a, const char *text)
{
	actor_say_bytes(a, text, strlen(text));
}

static void heard_put(struct actor *a, const void *bytes, size_t len)
{
	if (a->heard_cap - a->heard_len < len + 1) {
		a->heard_cap = 2 * (a->heard_len + len + 1);
		a->heard = realloc(a->heard, a->heard_cap);
	}
	memcpy(a->heard + a->heard_len, bytes, len);
	a->heard_len += len;
	a->heard[a->heard_len] = '\0';
}

bool actor_hear(struct actor *a)
{
	uint8_t wire[16384], text[16384];
	ssize_t got;
	int len;

	wait_readable(a->fd, "the client");
	got = recv(a->fd, wire, sizeof wire, 0);
	if (got <= 0)
		return false;
	if (!a->tls) {
		heard_put(a, wire, (size_t)got);
		return true;
	}
	peer_client_hears(&a->peer, wire, (size_t)got);
	while ((len = SSL_read(a->peer.client, text, sizeof text)) > 0)
		heard_put(a, text, (size_t)len);
	return true;
}

void actor_take(struct actor *a, size_t len)
{
	while (a->heard_len < len)
		cr_assert(actor_hear(a), "the gate ended the connection");
	memmove(a->heard, a->heard + len, a->heard_len - len);
	a->heard_len -= len;
	if (a->heard != NULL)
		a->heard[a->heard_len] = '\0';
}

void actor_until(struct actor *a, const char *text)
{
	const uint8_t *found;

	while (a->heard_len == 0 || (found = memmem(a->heard, a->heard_len, text, strlen(text))) == NULL)
		cr_assert(actor_hear(a), "expected %s\n     got %s", text, a->heard == NULL ? "" : (char *)a->heard);
	actor_take(a, (size_t)(found - a->heard) + strlen(text));
}

void actor_expect(struct actor *a, const char *text)
{
	while (a->heard_len < strlen(text))
		cr_assert(actor_hear(a), "expected %s\n     got %s", text, a->heard == NULL ? "" : (char *)a->heard);
	cr_assert_eq(memcmp(a->heard, text, strlen(text)), 0, "expected %s\n     got %s", text, a->heard);
	actor_take(a, strlen(text));
}

void actor_expect_end(struct actor *a)
{
	while (actor_hear(a))
		;
	cr_assert_eq(a->heard_len, 0, "at the end came %s", a->heard);
}

/* ---- the way in */

void actor_open(struct actor *a)
{
	actor_say(a, HEADER_);
	actor_until(a, FEATURES(MECHANISMS));
}

void actor_auth(struct actor *a, struct server *v)
{
	struct frame frame;

	actor_open(a);
	actor_say(a, AUTH);
	server_expect(v, FRAME_OPEN, 0, &frame);
	a->session = frame.session;
	server_expect_element(v, a->session, AUTH);
}

void actor_login(struct actor *a, struct server *v, const char *resource)
{
	actor_login_with(a, v, resource, HEADER_);
}

void actor_login_with(struct actor *a, struct server *v, const char *resource, const char *header)
{
	char jid[128];

	actor_auth(a, v);
	server_state(v, a->session, FRAME_STAGE_AUTHENTICATED, "juliet@example.org", BINDING);
	server_put(v, a->session, SUCCESS);
	actor_expect(a, SUCCESS);
	actor_say(a, header);
	actor_say(a, BIND);
	actor_until(a, FEATURES(BINDING));
	server_expect_element(v, a->session, BIND);
	snprintf(jid, sizeof jid, "juliet@example.org/%s", resource);
	server_state(v, a->session, FRAME_STAGE_BOUND, jid, NULL);
	server_put(v, a->session, BOUND);
	actor_expect(a, BOUND);
}
