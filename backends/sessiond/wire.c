#include "wire.h"
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

void wire_open(struct wire *wire, int fd, SSL *tls)
{
	*wire = (struct wire){.fd = fd, .tls = tls};
}

void wire_close(struct wire *wire)
{
	if (!wire->tls)
		return;
	if (wire_is_ready(wire))
		SSL_shutdown(wire->tls);
	ERR_clear_error();
	SSL_free(wire->tls);
	wire->tls = NULL;
}

bool wire_is_ready(const struct wire *wire)
{
	return !wire->tls || (SSL_is_init_finished(wire->tls) && !wire->failed);
}

bool wire_binding(const struct wire *wire, uint8_t ret[static 32])
{
	static const char label[] = "EXPORTER-Channel-Binding";
	return wire->tls &&
	       SSL_export_keying_material(wire->tls, ret, 32, label, strlen(label), (const uint8_t *)"", 0, 1) == 1;
}

bool wire_wants_room(const struct wire *wire)
{
	return wire->tls && !wire->failed && SSL_want_write(wire->tls);
}

/* The certificate's fault is OpenSSL's verdict; all others are in its queue. */
static void error_take(struct wire *wire)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());
	long verdict = SSL_get_verify_result(wire->tls);
	if (verdict != X509_V_OK)
		snprintf(wire->error, sizeof wire->error, "TLS: the gate's certificate: %s",
			 X509_verify_cert_error_string(verdict));
	else
		snprintf(wire->error, sizeof wire->error, "TLS: %s", reason ? reason : "the connection broke");
}

/* OpenSSL's answer in recv's words. */
static ssize_t answer(struct wire *wire, int done)
{
	if (done > 0)
		return done;
	int saved = errno;
	switch (SSL_get_error(wire->tls, done)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		errno = saved ? saved : ECONNRESET;
		return -1;
	default:
		error_take(wire);
		ERR_clear_error();
		wire->failed = true;
		shutdown(wire->fd, SHUT_WR);
		errno = EAGAIN;
		return -1;
	}
}

/* Until the peer ends too. */
static ssize_t discard(struct wire *wire, void *to, size_t cap)
{
	ssize_t got;
	while ((got = recv(wire->fd, to, cap, MSG_DONTWAIT)) > 0)
		continue;
	if (got == 0)
		errno = EPROTO;
	return -1;
}

/* As many whole records as there are and fit: what OpenSSL held back of one nobody would be told of again. */
ssize_t wire_receive(struct wire *wire, void *to, size_t cap)
{
	size_t got = 0;
	int done = 1;
	if (!wire->tls)
		return recv(wire->fd, to, cap, MSG_DONTWAIT);
	if (wire->failed)
		return discard(wire, to, cap);
	assert(cap >= SSL3_RT_MAX_PLAIN_LENGTH);
	ERR_clear_error();
	errno = 0;
	while (cap - got >= SSL3_RT_MAX_PLAIN_LENGTH &&
	       (done = SSL_read(wire->tls, (char *)to + got, (int)(cap - got))) > 0)
		got += (size_t)done;
	return got > 0 ? (ssize_t)got : answer(wire, done);
}

ssize_t wire_send(struct wire *wire, const void *bytes, size_t len)
{
	if (!wire->tls)
		return send(wire->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (!wire_is_ready(wire)) {
		errno = EAGAIN;
		return -1;
	}
	ERR_clear_error();
	errno = 0;
	return answer(wire, SSL_write(wire->tls, bytes, len > INT32_MAX ? INT32_MAX : (int)len));
}

void wire_finish(struct wire *wire)
{
	if (wire->tls && wire_is_ready(wire))
		SSL_shutdown(wire->tls);
	ERR_clear_error();
	shutdown(wire->fd, SHUT_WR);
}

const char *wire_error(struct wire *wire, int error)
{
	return error == EPROTO && wire->error[0] ? wire->error : strerror(error);
}
