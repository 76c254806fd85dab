#include "wire.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static bool is_pending(const struct wire *w, enum wire_op op)
{
	return w->pending & 1u << op;
}

static uint64_t pend(struct wire *w, enum wire_op op)
{
	assert(!is_pending(w, op));
	w->pending |= (uint8_t)(1u << op);
	return w->tag | (uint64_t)op << WIRE_OP_SHIFT;
}

/* Puts bytes behind those of a chunk, which is NULL while there are none. */
static void put_behind(struct chunk **chunk, const void *bytes, size_t len)
{
	struct chunk *old = *chunk, *to = old;
	size_t have = old ? old->filled : 0;

	if (!old || old->cap - have < len) {
		*chunk = to = chunk_new(2 * have > have + len ? 2 * have : have + len);
		if (old)
			memcpy(to->bytes, old->bytes, have);
		to->filled = (uint32_t)have;
		chunk_free(old);
	}
	memcpy(to->bytes + have, bytes, len);
	to->filled += (uint32_t)len;
}

/* ---- to connect */

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

bool wire_connect(struct wires *wires, struct wire *w, uint64_t tag, unsigned number)
{
	int on = 1, fd;

	*w = (struct wire){.fd = -1};
	fd = socket(wires->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (!source_bind(fd, wires->sources, number)) {
		close(fd);
		return false;
	}
	*w = (struct wire){.fd = fd, .tag = tag, .life = WIRE_CONNECTING};
	io_connect(wires->io, fd, (const struct sockaddr *)&wires->address, wires->address_len, pend(w, WIRE_CONNECT));
	return true;
}

/* ---- completions */

static void watch(struct wires *wires, struct wire *w)
{
	io_watch(wires->io, w->fd, pend(w, WIRE_WATCH));
}

static enum wire_did done_connect(struct wires *wires, struct wire *w, const struct io_done *done, int *ret_error)
{
	if (w->life != WIRE_CONNECTING)
		return WIRE_NOTHING;
	if (done->result < 0) {
		*ret_error = -done->result;
		return WIRE_LOST;
	}
	w->life = WIRE_OPEN;
	watch(wires, w);
	return WIRE_CONNECTED;
}

static enum wire_did done_watch(struct wires *wires, struct wire *w, const struct io_done *done)
{
	if (w->life == WIRE_DYING)
		return WIRE_NOTHING;
	if (!done->more)
		watch(wires, w);
	w->readable |= done->result > 0;
	w->hung_up |= done->result > 0 && (done->result & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
	return WIRE_NOTHING;
}

/* The peer has ended the connection, or it broke. */
static enum wire_did ended(struct wires *wires, struct wire *w, int error, int *ret_error)
{
	if (w->life == WIRE_ENDING) {
		wire_kill(wires, w);
		return WIRE_NOTHING;
	}
	*ret_error = error;
	return WIRE_LOST;
}

static enum wire_did done_receive(struct wires *wires, struct wire *w, const struct io_done *done, int *ret_error)
{
	if (w->life == WIRE_DYING)
		return WIRE_NOTHING;
	if (done->result == -EAGAIN) {
		w->hung_up = false;
		return WIRE_NOTHING;
	}
	if (done->result == -ENOBUFS) {
		w->readable = true;
		return WIRE_NOTHING;
	}
	if (done->result <= 0)
		return ended(wires, w, -done->result, ret_error);
	w->readable |= done->result == IO_RECEIVE_BYTES || w->hung_up;
	return w->life == WIRE_OPEN ? WIRE_INPUT : WIRE_NOTHING;
}

static enum wire_did done_send(struct wires *wires, struct wire *w, const struct io_done *done, int *ret_error)
{
	bool whole = done->result == (int32_t)(w->sending->filled - w->sending->at);

	chunk_free(w->sending);
	w->sending = NULL;
	if (whole || w->life == WIRE_DYING)
		return WIRE_NOTHING;
	return ended(wires, w, done->result < 0 ? -done->result : EPIPE, ret_error);
}

enum wire_did wire_complete(struct wires *wires, struct wire *w, enum wire_op op, const struct io_done *done,
			    int *ret_error)
{
	assert(is_pending(w, op));
	if (!done->more)
		w->pending &= (uint8_t) ~(1u << op);
	switch (op) {
	case WIRE_CONNECT:
		return done_connect(wires, w, done, ret_error);
	case WIRE_WATCH:
		return done_watch(wires, w, done);
	case WIRE_RECEIVE:
		wires->reading--;
		return done_receive(wires, w, done, ret_error);
	case WIRE_SEND:
		return done_send(wires, w, done, ret_error);
	case WIRE_OPS:
		break;
	}
	return WIRE_NOTHING;
}

/* ---- reading */

bool wire_start_tls(struct wires *wires, struct wire *w, SSL_SESSION **session)
{
	w->tls = tls_new(&wires->tls, session);
	return w->tls && tls_feed(w->tls, NULL, 0) == TLS_MORE;
}

static enum wire_found handshake_read(struct wires *wires, struct wire *w, struct wire_input *in, const char **ret_why,
				      wire_secured *secured, void *context)
{
	enum tls_is is = tls_feed(w->tls, in->at, in->len);
	size_t leftover = 0;

	in->len = 0;
	if (is == TLS_MORE)
		return WIRE_MORE;
	if (is == TLS_FAILED) {
		*ret_why = tls_error(w->tls);
		return WIRE_BAD;
	}
	secured(context, w->tls);
	w->secure = true;
	w->record = tls_take_over(w->tls, &wires->tls, wires->leftover, &leftover);
	*in = (struct wire_input){wires->leftover, leftover};
	return WIRE_SECURE;
}

/* By OpenSSL: what was put into it comes out in pieces. */
static enum wire_found kept_read(struct wires *wires, struct wire *w, struct wire_input *in, struct wire_input *ret,
				 const char **ret_why)
{
	enum tls_is is;
	bool end;

	tls_put(w->tls, in->at, in->len);
	in->len = 0;
	is = tls_read(w->tls, wires->text, sizeof wires->text, &ret->len, &end);
	ret->at = wires->text;
	if (is == TLS_DONE)
		return WIRE_TEXT;
	if (is == TLS_MORE)
		return WIRE_MORE;
	*ret_why = tls_error(w->tls);
	return end ? WIRE_END : WIRE_BAD;
}

/* Whatever is partly here and what has come are one piece; what is left of it is the partial record then. */
static void input_join(struct wire *w, struct wire_input *in)
{
	if (!w->partial || w->partial->at)
		return;
	put_behind(&w->partial, in->at, in->len);
	w->partial->at = 1; /* it is the input now, and goes when that is used up */
	*in = (struct wire_input){w->partial->bytes, w->partial->filled};
}

static void input_keep(struct wire *w, struct wire_input *in)
{
	struct chunk *joined = w->partial;

	w->partial = NULL;
	if (in->len)
		put_behind(&w->partial, in->at, in->len);
	chunk_free(joined);
	in->len = 0;
}

static enum wire_found record_read(struct wires *wires, struct wire *w, struct wire_input *in, struct wire_input *ret,
				   const char **ret_why)
{
	struct record_found found;

	input_join(w, in);
	do {
		record_open(w->record, wires->tls.crypto, in->at, in->len, &found);
		in->at += found.used;
		in->len -= found.used;
	} while (found.is == RECORD_QUIET);
	switch (found.is) {
	case RECORD_TEXT:
		*ret = (struct wire_input){found.text, found.text_len};
		return WIRE_TEXT;
	case RECORD_END:
		return WIRE_END;
	case RECORD_BAD:
		*ret_why = found.peer_alert ? "the server sent an alert" : "a record that is not acceptable";
		return WIRE_BAD;
	default:
		input_keep(w, in);
		return WIRE_MORE;
	}
}

enum wire_found wire_read(struct wires *wires, struct wire *w, struct wire_input *in, struct wire_input *ret,
			  const char **ret_why, wire_secured *secured, void *context)
{
	if (w->record)
		return record_read(wires, w, in, ret, ret_why);
	if (w->secure)
		return kept_read(wires, w, in, ret, ret_why);
	if (w->tls)
		return handshake_read(wires, w, in, ret_why, secured, context);
	*ret = *in;
	in->len = 0;
	return ret->len ? WIRE_TEXT : WIRE_MORE;
}

void wire_stop(struct wire *w)
{
	w->stopped = true;
}

void wire_resume(struct wire *w)
{
	w->stopped = false;
}

/* ---- writing */

void wire_put(struct wire *w, const char *bytes, size_t len)
{
	if (w->life == WIRE_OPEN)
		put_behind(&w->out, bytes, len);
}

/* All that was put, sealed: as many records as it takes. NULL: the engine refuses. */
static struct chunk *text_seal(struct wires *wires, struct wire *w)
{
	size_t len = w->out->filled, records = len / RECORD_TEXT_MAX + 1, part;
	struct chunk *sealed = chunk_new(len + records * RECORD_SEAL_EXTRA);

	for (size_t at = 0; at < len; at += part) {
		size_t got;
		part = len - at < RECORD_TEXT_MAX ? len - at : RECORD_TEXT_MAX;
		got = record_seal(w->record, wires->tls.crypto, w->out->bytes + at, part,
				  sealed->bytes + sealed->filled);
		if (!got) {
			chunk_free(sealed);
			return NULL;
		}
		sealed->filled += (uint32_t)got;
	}
	return sealed;
}

/* The same by either engine, or none. */
static struct chunk *text_take(struct wires *wires, struct wire *w)
{
	struct chunk *chunk = w->out;

	if (w->record)
		chunk = text_seal(wires, w);
	else if (w->secure)
		chunk = tls_write(w->tls, w->out->bytes, w->out->filled) ? tls_output(w->tls) : NULL;
	if (chunk != w->out)
		chunk_free(w->out);
	w->out = NULL;
	return chunk;
}

/* The last words. */
static struct chunk *farewell_take(struct wires *wires, struct wire *w)
{
	struct chunk *chunk;

	w->farewell = true;
	if (w->record) {
		chunk = chunk_new(RECORD_SEAL_EXTRA);
		chunk->filled = (uint32_t)record_seal_alert(w->record, wires->tls.crypto, 0, chunk->bytes);
		return chunk;
	}
	if (!w->tls)
		return NULL;
	tls_say_goodbye(w->tls);
	return tls_output(w->tls);
}

/* What is to be sent next, in order: bytes of the handshake, text, last words. */
static struct chunk *next_take(struct wires *wires, struct wire *w)
{
	struct chunk *chunk = w->tls ? tls_output(w->tls) : NULL;

	if (w->record && !chunk) {
		tls_free(w->tls);
		w->tls = NULL;
	}
	if (!chunk && w->out && (!w->tls || w->secure))
		chunk = text_take(wires, w);
	if (!chunk && w->life == WIRE_ENDING && !w->farewell)
		chunk = farewell_take(wires, w);
	return chunk;
}

static void send_next(struct wires *wires, struct wire *w)
{
	if (w->sending)
		return;
	w->sending = next_take(wires, w);
	if (w->sending) {
		io_send(wires->io, w->fd, w->sending->bytes, w->sending->filled, pend(w, WIRE_SEND));
	} else if (w->life == WIRE_ENDING && !w->finished) {
		w->finished = true;
		w->readable = true; /* what nobody will read may stand before the end */
		io_shutdown(wires->io, w->fd, SHUT_WR);
	}
}

bool wire_waits(const struct wire *w)
{
	return (w->life == WIRE_OPEN ? !w->stopped : w->life == WIRE_ENDING) && w->readable &&
	       !is_pending(w, WIRE_RECEIVE);
}

static void receive_next(struct wires *wires, struct wire *w)
{
	if (!wire_waits(w) || wires->reading == WIRES_READ_MAX)
		return;
	wires->reading++;
	w->readable = w->hung_up;
	io_receive(wires->io, w->fd, pend(w, WIRE_RECEIVE));
}

/* Nothing is with the kernel any more. */
static void bury(struct wires *wires, struct wire *w)
{
	io_close(wires->io, w->fd);
	tls_free(w->tls);
	if (w->record)
		record_crypto_forget(wires->tls.crypto, w->record->cipher);
	tls_record_free(w->record);
	chunk_free(w->out);
	chunk_free(w->partial);
	*w = (struct wire){.fd = -1};
}

bool wire_flush(struct wires *wires, struct wire *w)
{
	if (w->life == WIRE_OPEN || w->life == WIRE_ENDING) {
		send_next(wires, w);
		receive_next(wires, w);
	}
	if (w->life != WIRE_DYING || w->pending)
		return false;
	bury(wires, w);
	return true;
}

void wire_end(struct wire *w)
{
	if (w->life == WIRE_OPEN)
		w->life = WIRE_ENDING;
}

void wire_kill(struct wires *wires, struct wire *w)
{
	if (w->life == WIRE_DYING || w->life == WIRE_GONE)
		return;
	w->life = WIRE_DYING;
	shutdown(w->fd, SHUT_RDWR);
	for (enum wire_op op = WIRE_WATCH; op < WIRE_OPS; op++)
		if (is_pending(w, op) && op != WIRE_SEND)
			io_cancel(wires->io, w->tag | (uint64_t)op << WIRE_OP_SHIFT);
}
