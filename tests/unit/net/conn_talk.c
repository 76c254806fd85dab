#include "conn_talk.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TAG = 42, QUIET_TICKS = 3, DIRECT_SOCKETS = 4 };

static struct talk *talk_begin(void)
{
	struct talk *t = calloc(1, sizeof *t);
	char error[IO_ERROR_BYTES];

	cr_assert(t != NULL);
	t->text = malloc(TALK_TEXT_MAX);
	t->io = io_new(error);
	cr_assert(t->io != NULL, "%s", error);
	if (getenv("CONN_DIRECT") != NULL && io_direct_open(t->io, DIRECT_SOCKETS, error) == 0)
		cr_skip_test("%s", error);
	t->net = (struct net){.io = t->io, .counters = &t->counters, .crypto = record_crypto_new()};
	return t;
}

static void tcp_pair(int pair[2])
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	cr_assert_eq(bind(listener, (struct sockaddr *)&address, len), 0);
	cr_assert_eq(listen(listener, 1), 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	pair[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(connect(pair[1], (struct sockaddr *)&address, len), 0);
	cr_assert_eq(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
	cr_assert_eq(setsockopt(pair[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), 0);
	pair[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	cr_assert_geq(pair[0], 0);
	close(listener);
}

static struct talk *talk_new_on(bool tcp)
{
	struct talk *t = talk_begin();
	int pair[2];

	if (tcp)
		tcp_pair(pair);
	else
		cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	t->fd = pair[1];
	conn_init(&t->conn, io_adopt(t->io, pair[0]), TAG, false);
	conn_start(&t->net, &t->conn);
	return t;
}

struct talk *talk_new(void)
{
	return talk_new_on(false);
}

static void client_make(struct talk *t, enum record_version version, enum record_cipher cipher)
{
	SSL_CTX *openssl = SSL_CTX_new(TLS_client_method());

	t->peer.client = SSL_new(openssl);
	SSL_CTX_free(openssl);
	t->peer.in = BIO_new(BIO_s_mem());
	t->peer.out = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(t->peer.in, -1);
	SSL_set_bio(t->peer.client, t->peer.in, t->peer.out);
	SSL_set_connect_state(t->peer.client);
	peer_choose(&t->peer, version, cipher);
}

void talk_start_tls(struct talk *t)
{
	cr_assert(conn_start_tls(&t->conn, t->peer.context));
}

static struct talk *talk_new_tls_on(bool tcp, enum record_version version, enum record_cipher cipher, bool direct)
{
	struct talk *t = talk_new_on(tcp);
	struct tls_files files = tls_files_make("EC", "SHA256");
	struct tls_settings settings = {files.certificate, files.key, 12};
	struct tls_fault fault;

	t->peer.context = tls_context_new(&settings, &fault);
	cr_assert(t->peer.context != NULL, "%s", fault.why);
	tls_files_remove(&files);
	client_make(t, version, cipher);
	if (direct)
		talk_start_tls(t);
	return t;
}

struct talk *talk_new_tls(enum record_version version, enum record_cipher cipher, bool direct)
{
	return talk_new_tls_on(false, version, cipher, direct);
}

struct talk *talk_new_tcp(enum record_version version, enum record_cipher cipher)
{
	return talk_new_tls_on(true, version, cipher, true);
}

struct talk *talk_new_secure(enum record_version version, enum record_cipher cipher)
{
	struct talk *t = talk_new_tls(version, cipher, true);

	talk_shake(t, SIZE_MAX);
	talk_settle(t);
	cr_assert_eq(t->secured, 1);
	cr_assert_eq(conn_unsent(&t->conn), 0);
	t->sent = 0;
	return t;
}

void talk_free(struct talk *t)
{
	if (t->gone == 0)
		conn_terminate(&t->net, &t->conn, REASON_CLIENT_LOST);
	talk_until(t, t->gone > 0);
	talk_settle(t);
	cr_assert_eq(t->gone, 1, "came back %u times", t->gone);
	cr_assert_eq(t->conn.pending, 0);
	cr_assert_eq(t->counters.value[COUNTER_sends_pending], 0);
	cr_assert_null(t->conn.sending);
	cr_assert_eq(chunk_memory(), 0, "chunks are left");
	for (size_t i = 0; i < t->hoard_len; i++)
		io_return(t->io, &t->hoard[i]);
	free(t->hoard);
	if (t->fd >= 0)
		close(t->fd);
	SSL_free(t->peer.client);
	if (t->peer.context != NULL)
		tls_context_unref(t->peer.context);
	record_crypto_free(t->net.crypto);
	shelf_done(&t->net.records);
	io_free(t->io);
	free(t->text);
	free(t);
}

/* ---- the owner */

static void text_note(struct talk *t, const struct conn_text *text)
{
	cr_assert_leq(t->text_len + text->len, (size_t)TALK_TEXT_MAX);
	memcpy(t->text + t->text_len, text->at, text->len);
	t->text_len += text->len;
	t->texts++;
	if (t->on_text != NULL)
		t->on_text(t);
}

static void read_all(struct talk *t, struct conn_input in)
{
	struct conn_text text;
	enum conn_found found;

	while (t->conn.life == CONN_OPEN &&
	       (found = conn_read(&t->net, &t->conn, &in, &text, &t->facts)) != CONN_MORE) {
		if (found == CONN_TEXT) {
			text_note(t, &text);
		} else if (found == CONN_SECURE) {
			t->secured++;
			if (t->on_secure != NULL)
				t->on_secure(t);
		} else {
			t->ended += found == CONN_END;
			t->bad += found == CONN_BAD;
			t->why = text;
			conn_end(&t->net, &t->conn, found == CONN_END ? REASON_CLIENT_TLS_END : text.reason);
		}
	}
}

static void complete(struct talk *t, const struct io_done *done)
{
	enum conn_op op = (enum conn_op)(done->tag >> CONN_OP_SHIFT & 15);

	cr_assert_eq(done->tag & 0xffffffff, TAG);
	cr_assert_eq(t->gone, 0, "a completion after the end");
	switch (conn_complete(&t->net, &t->conn, op, done)) {
	case CONN_DID_RECEIVE:
		read_all(t, (struct conn_input){done->bytes, (size_t)done->result});
		break;
	case CONN_DID_CONTROL:
		read_all(t, (struct conn_input){0});
		break;
	case CONN_DID_SEND:
		t->sent++;
		break;
	case CONN_DID_SPENT:
		t->sent++;
		t->spent++;
		conn_end(&t->net, &t->conn, REASON_TLS_SPENT);
		break;
	case CONN_DID_CONNECT:
		t->connected++;
		break;
	case CONN_DID_LOST:
		t->lost++;
		conn_terminate(&t->net, &t->conn, REASON_CLIENT_LOST);
		break;
	case CONN_DID_NOTHING:
		break;
	}
}

static void give_back(struct talk *t, const struct io_done *done)
{
	if (t->hoard != NULL && done->bytes != NULL)
		t->hoard[t->hoard_len++] = *done;
	else
		io_return(t->io, done);
}

bool talk_tick(struct talk *t)
{
	struct io_done done;
	bool something = t->net.dirty != NULL;
	struct conn *gone;

	io_wait(t->io, 0);
	while (io_next(t->io, &done)) {
		something = true;
		complete(t, &done);
		give_back(t, &done);
	}
	net_flush(&t->net);
	while ((gone = net_gone(&t->net)) != NULL) {
		cr_assert_eq(gone, &t->conn);
		t->gone++;
	}
	return something;
}

void talk_settle(struct talk *t)
{
	for (int quiet = 0; quiet < QUIET_TICKS; quiet++)
		if (talk_tick(t))
			quiet = 0;
}

/* ---- the peer */

void talk_put(struct talk *t, const void *bytes, size_t len, size_t chunk)
{
	const uint8_t *at = bytes;

	while (len > 0) {
		size_t part = len < chunk ? len : chunk;
		ssize_t put = send(t->fd, at, part, MSG_NOSIGNAL);

		if (put > 0) {
			at += put;
			len -= (size_t)put;
		} else {
			cr_assert_eq(errno, EAGAIN);
		}
		talk_settle(t);
	}
}

void talk_put_parts(struct talk *t, const uint8_t *bytes, size_t len, size_t part_max, uint64_t *x)
{
	for (size_t at = 0; at < len;) {
		size_t part = random_next(x) % part_max + 1;

		part = part < len - at ? part : len - at;
		talk_put(t, bytes + at, part, SIZE_MAX);
		at += part;
	}
}

size_t talk_wire(struct talk *t, uint8_t *to, size_t cap)
{
	return peer_client_says(&t->peer, to, cap);
}

bool talk_pull(struct talk *t)
{
	uint8_t bytes[16384];
	ssize_t got;

	while ((got = recv(t->fd, bytes, sizeof bytes, 0)) > 0)
		peer_client_hears(&t->peer, bytes, (size_t)got);
	return got < 0;
}

void talk_shake(struct talk *t, size_t chunk)
{
	uint64_t until_us = io_now_us() + TALK_PATIENCE_US;
	uint8_t bytes[16384];

	while (!SSL_is_init_finished(t->peer.client)) {
		cr_assert(t->bad + t->lost == 0 && io_now_us() < until_us, "no handshake: %s", t->why.detail);
		talk_put(t, bytes, talk_wire(t, bytes, sizeof bytes), chunk);
		talk_settle(t);
		talk_pull(t);
	}
	talk_put(t, bytes, talk_wire(t, bytes, sizeof bytes), chunk);
}

void talk_say(struct talk *t, const void *text, size_t len, size_t chunk)
{
	static uint8_t wire[TALK_TEXT_MAX + 65536];

	cr_assert_eq(SSL_write(t->peer.client, text, (int)len), (int)len);
	talk_put(t, wire, talk_wire(t, wire, sizeof wire), chunk);
}

void talk_hear(struct talk *t, void *to, size_t len)
{
	uint64_t until_us = io_now_us() + TALK_PATIENCE_US;
	uint8_t *at = to;

	while (len > 0) {
		int got = SSL_read(t->peer.client, at, (int)len);

		if (got > 0) {
			at += got;
			len -= (size_t)got;
			continue;
		}
		cr_assert_lt(io_now_us(), until_us, "%zu bytes never came", len);
		talk_tick(t);
		talk_pull(t);
	}
}

size_t talk_drain(struct talk *t, uint8_t *to, size_t cap, bool *ret_end)
{
	uint64_t until_us = io_now_us() + TALK_PATIENCE_US;
	size_t len = 0;
	ssize_t got;

	do {
		talk_settle(t);
		got = recv(t->fd, to + len, cap - len, 0);
		if (got > 0)
			len += (size_t)got;
		cr_assert_lt(io_now_us(), until_us, "never sent");
	} while (got > 0 || (got < 0 && t->conn.sending != NULL));
	*ret_end = got == 0;
	return len;
}
