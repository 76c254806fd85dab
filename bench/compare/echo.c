/*
 * bench-echo: sends back the bytes that come, on io_uring by cm/net's connections: plain, as what stands behind a
 * proxy; or over TLS, as the least that a server of TLS connections can do with a message.
 *
 *     bench-echo PORT [CERTIFICATE KEY]
 *
 * On 127.0.0.1; says `ready` on standard output. With a certificate: TLS from the first byte.
 */
#include "conn.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { PLACES = 1 << 17, ACCEPTS = 4, BACKLOG = 4096, WAIT_MS = 1000 };
#define TAG_ACCEPT (1ull << 55)

struct echo {
	struct net net;
	struct counters counters;
	struct conn *conns; /* by descriptor */
	struct tls_context *tls;
	int listener;
};

static void limit_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int listener_open(uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, BACKLOG) < 0) {
		perror("listen");
		exit(2);
	}
	return fd;
}

static void accepted(struct echo *e, const struct io_done *done)
{
	int fd = done->result, on = 1;
	struct conn *c;

	io_accept(e->net.io, e->listener, TAG_ACCEPT);
	if (fd < 0)
		return;
	assert(fd < PLACES);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	c = &e->conns[fd];
	conn_init(c, fd, (uint64_t)fd, false);
	if (e->tls && !conn_start_tls(c, e->tls))
		abort();
	conn_start(&e->net, c);
}

/* What came goes back. */
static void bytes_echo(struct echo *e, struct conn *c, const struct io_done *done)
{
	struct conn_input input = {done->bytes, done->result > 0 ? (size_t)done->result : 0};
	struct tls_facts facts;
	struct conn_text text;

	for (;;) {
		switch (conn_read(&e->net, c, &input, &text, &facts)) {
		case CONN_TEXT:
			conn_write(&e->net, c, text.at, text.len);
			break;
		case CONN_SECURE:
			break;
		case CONN_MORE:
			return;
		case CONN_END:
		case CONN_BAD:
			conn_end(&e->net, c, REASON_CLIENT_LOST);
			return;
		}
	}
}

static void event_take(struct echo *e, const struct io_done *done)
{
	struct conn *c = &e->conns[done->tag & (PLACES - 1)];
	enum conn_op op = (enum conn_op)(done->tag >> CONN_OP_SHIFT);

	if (done->tag == TAG_ACCEPT) {
		accepted(e, done);
		return;
	}
	switch (conn_complete(&e->net, c, op, done)) {
	case CONN_DID_RECEIVE:
	case CONN_DID_CONTROL:
		bytes_echo(e, c, done);
		break;
	case CONN_DID_LOST:
		conn_terminate(&e->net, c, REASON_CLIENT_LOST);
		break;
	default:
		break;
	}
}

static void run(struct echo *e)
{
	struct io_done done;

	for (int i = 0; i < ACCEPTS; i++)
		io_accept(e->net.io, e->listener, TAG_ACCEPT);
	puts("ready");
	fflush(stdout);
	for (;;) {
		io_wait(e->net.io, WAIT_MS);
		while (io_next(e->net.io, &done)) {
			event_take(e, &done);
			if (done.bytes)
				io_return(e->net.io, &done);
		}
		net_flush(&e->net);
		while (net_gone(&e->net))
			continue;
	}
}

static struct tls_context *tls_open(const char *certificate, const char *key)
{
	const struct tls_settings settings = {.certificate_file = certificate, .key_file = key, .version_min = 12};
	struct tls_fault fault;
	struct tls_context *tls = tls_context_new(&settings, &fault);

	if (!tls) {
		fprintf(stderr, "%s: %s\n", fault.file ? fault.file : "TLS", fault.why);
		exit(2);
	}
	return tls;
}

int main(int argc, char **argv)
{
	struct echo *e = calloc(1, sizeof *e);
	char error[IO_ERROR_BYTES];

	if (argc != 2 && argc != 4) {
		fprintf(stderr, "usage: bench-echo PORT [CERTIFICATE KEY]\n");
		return 2;
	}
	assert(e);
	limit_raise();
	e->conns = calloc(PLACES, sizeof *e->conns);
	assert(e->conns);
	if (argc == 4)
		e->tls = tls_open(argv[2], argv[3]);
	e->listener = listener_open((uint16_t)atoi(argv[1]));
	e->net = (struct net){.io = io_new(error), .counters = &e->counters, .crypto = record_crypto_new()};
	if (!e->net.io) {
		fprintf(stderr, "%s\n", error);
		return 2;
	}
	run(e);
	return 0;
}
