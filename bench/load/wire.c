#include "wire.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool source_bind(int fd, unsigned sources, unsigned number)
{
	struct sockaddr_in source = {.sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (sources ? number % sources : 0))};
	int on = 1;

	if (!sources)
		return true;
	/* The port is chosen when connecting, so that one port serves many source addresses. */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
	return bind(fd, (struct sockaddr *)&source, sizeof source) == 0;
}

enum wire_result wire_connect(struct wire *wire, const struct wire_target *target, unsigned number)
{
	int on = 1;

	*wire = (struct wire){.fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
	if (wire->fd < 0)
		return WIRE_FAULT;
	setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (!source_bind(wire->fd, target->sources, number))
		return WIRE_FAULT;
	wire->wants_write = true;
	if (connect(wire->fd, (const struct sockaddr *)&target->address, target->address_len) < 0)
		return errno == EINPROGRESS ? WIRE_AGAIN : WIRE_FAULT;
	return WIRE_DONE;
}

enum wire_result wire_connected(struct wire *wire)
{
	int error = 0;
	socklen_t len = sizeof error;

	wire->wants_write = false;
	if (getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error) {
		errno = error;
		return WIRE_FAULT;
	}
	return WIRE_DONE;
}

static enum wire_result tls_result(struct wire *wire, int answer)
{
	switch (SSL_get_error(wire->ssl, answer)) {
	case SSL_ERROR_WANT_READ:
		return WIRE_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		wire->wants_write = true;
		return WIRE_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return WIRE_END;
	default:
		return WIRE_FAULT;
	}
}

static bool tls_begin(struct wire *wire, const struct wire_target *target)
{
	static const unsigned char alpn[] = "\x0bxmpp-client";

	wire->ssl = SSL_new(target->tls);
	if (!wire->ssl || !SSL_set_fd(wire->ssl, wire->fd) || !SSL_set_tlsext_host_name(wire->ssl, target->name))
		return false;
	if (target->verify && !SSL_set1_host(wire->ssl, target->name))
		return false;
	if (target->direct && SSL_set_alpn_protos(wire->ssl, alpn, sizeof alpn - 1))
		return false;
	SSL_set_connect_state(wire->ssl);
	return true;
}

enum wire_result wire_handshake(struct wire *wire, const struct wire_target *target)
{
	int answer;

	if (!wire->ssl && !tls_begin(wire, target))
		return WIRE_FAULT;
	wire->wants_write = false;
	ERR_clear_error();
	answer = SSL_do_handshake(wire->ssl);
	return answer == 1 ? WIRE_DONE : tls_result(wire, answer);
}

enum wire_result wire_read(struct wire *wire, uint8_t *to, size_t cap, size_t *ret_len)
{
	ssize_t got;
	int answer;

	if (wire->ssl) {
		ERR_clear_error();
		answer = SSL_read_ex(wire->ssl, to, cap, ret_len);
		return answer == 1 ? WIRE_DONE : tls_result(wire, answer);
	}
	got = recv(wire->fd, to, cap, 0);
	if (got > 0)
		*ret_len = (size_t)got;
	return got > 0 ? WIRE_DONE : got == 0 ? WIRE_END : errno == EAGAIN ? WIRE_AGAIN : WIRE_FAULT;
}

static void room_make(struct wire *wire, size_t len)
{
	if (wire->out_at) {
		memmove(wire->out, wire->out + wire->out_at, wire->out_len - wire->out_at);
		wire->out_len -= wire->out_at;
		wire->out_at = 0;
	}
	if (wire->out_len + len <= wire->out_cap)
		return;
	wire->out_cap = (wire->out_len + len) * 2;
	wire->out = realloc(wire->out, wire->out_cap);
	assert(wire->out);
}

void wire_put(struct wire *wire, const char *bytes, size_t len)
{
	if (wire->out_len + len > wire->out_cap)
		room_make(wire, len);
	memcpy(wire->out + wire->out_len, bytes, len);
	wire->out_len += len;
}

static enum wire_result write_some(struct wire *wire, size_t *ret_len)
{
	const char *from = wire->out + wire->out_at;
	size_t len = wire->out_len - wire->out_at;
	ssize_t sent;
	int answer;

	if (wire->ssl) {
		ERR_clear_error();
		answer = SSL_write_ex(wire->ssl, from, len, ret_len);
		return answer == 1 ? WIRE_DONE : tls_result(wire, answer);
	}
	sent = send(wire->fd, from, len, MSG_NOSIGNAL);
	if (sent >= 0) {
		*ret_len = (size_t)sent;
		return WIRE_DONE;
	}
	wire->wants_write = errno == EAGAIN;
	return errno == EAGAIN ? WIRE_AGAIN : WIRE_FAULT;
}

enum wire_result wire_flush(struct wire *wire)
{
	enum wire_result result;
	size_t sent;

	wire->wants_write = false;
	while (wire->out_at < wire->out_len) {
		result = write_some(wire, &sent);
		if (result != WIRE_DONE)
			return result;
		wire->out_at += sent;
	}
	/* Idle clients own no buffer. */
	free(wire->out);
	wire->out = NULL;
	wire->out_at = wire->out_len = wire->out_cap = 0;
	return WIRE_DONE;
}

void wire_close(struct wire *wire)
{
	if (wire->ssl && SSL_is_init_finished(wire->ssl))
		SSL_shutdown(wire->ssl);
	SSL_free(wire->ssl);
	if (wire->fd >= 0)
		close(wire->fd);
	free(wire->out);
	*wire = (struct wire){.fd = -1};
}
