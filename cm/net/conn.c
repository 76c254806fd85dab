#include "conn.h"

#include "conn_kernel.h"
#include "conn_wire.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

static uint64_t conn_tag(const struct conn *c, enum conn_op op)
{
	return c->tag | (uint64_t)op << CONN_OP_SHIFT;
}

static bool conn_is_pending(const struct conn *c, enum conn_op op)
{
	return c->pending & 1u << op;
}

static void conn_pend(struct net *net, struct conn *c, enum conn_op op)
{
	assert(!conn_is_pending(c, op));
	c->pending |= (uint8_t)(1u << op);
	if (op == CONN_SEND)
		counter_add(net->counters, COUNTER_sends_pending, 1);
}

static void conn_unpend(struct net *net, struct conn *c, enum conn_op op)
{
	assert(conn_is_pending(c, op));
	c->pending &= (uint8_t) ~(1u << op);
	if (op == CONN_SEND)
		counter_add(net->counters, COUNTER_sends_pending, -1);
}

static void conn_want(struct net *net, struct conn *c)
{
	if (c->dirty)
		return;
	c->dirty = true;
	c->dirty_next = net->dirty;
	net->dirty = c;
}

void conn_init(struct conn *c, int fd, uint64_t tag, bool whole)
{
	*c = (struct conn){.fd = fd, .tag = tag, .life = CONN_OPEN, .receive_whole = whole};
}

static void conn_watch(struct net *net, struct conn *c)
{
	conn_pend(net, c, CONN_WATCH);
	io_watch(net->io, c->fd, conn_tag(c, CONN_WATCH));
}

static void conn_receive(struct net *net, struct conn *c)
{
	c->readable = c->hung_up;
	conn_pend(net, c, CONN_RECEIVE);
	io_receive(net->io, c->fd, conn_tag(c, CONN_RECEIVE));
}

static bool conn_may_receive(const struct conn *c)
{
	return c->life < CONN_TERMINATED && !c->reading_stopped && !c->peer_ended && !conn_is_pending(c, CONN_RECEIVE);
}

void conn_start(struct net *net, struct conn *c)
{
	c->life = CONN_OPEN;
	if (!c->receive_whole)
		conn_watch(net, c);
}

void conn_connect(struct net *net, struct conn *c, const struct sockaddr *address, uint32_t len)
{
	c->life = CONN_CONNECTING;
	conn_pend(net, c, CONN_CONNECT);
	io_connect(net->io, c->fd, address, len, conn_tag(c, CONN_CONNECT));
}

void conn_receive_into(struct net *net, struct conn *c, void *to, size_t cap)
{
	if (!conn_may_receive(c))
		return;
	conn_pend(net, c, CONN_RECEIVE);
	io_receive_into(net->io, c->fd, to, cap, conn_tag(c, CONN_RECEIVE));
}

/* ---- completions */

static enum conn_did done_watch(struct net *net, struct conn *c, const struct io_done *done)
{
	if (!done->more && c->life < CONN_TERMINATED)
		conn_watch(net, c);
	if (done->result < 0)
		return CONN_DID_NOTHING;
	c->readable = true;
	c->hung_up |= (done->result & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
	if (c->life == CONN_OPEN && c->reading_stopped && (done->result & (POLLHUP | POLLERR)) != 0)
		return CONN_DID_LOST; /* nobody would read, and find out */
	if (conn_may_receive(c))
		conn_receive(net, c);
	return CONN_DID_NOTHING;
}

/* Nothing was there. What an edge told meanwhile is looked at once more. */
static void receive_again(struct net *net, struct conn *c)
{
	c->hung_up = false;
	if (c->readable)
		conn_receive(net, c);
}

/*
 * The kernel came upon a record that is no text, or none at all. What it refuses it refuses for ever: nothing more will
 * be read then. False: the connection is broken.
 */
static bool receive_control(struct net *net, struct conn *c, int32_t error)
{
	if (!conn_kernel_hear(net, c, error))
		return false;
	c->peer_ended = conn_kernel_heard(c)->is == RECORD_BAD;
	c->readable = !c->peer_ended;
	conn_want(net, c);
	return true;
}

/* What is thrown away while ENDING. The peer's end is the end of it, once everything is said. */
static enum conn_did receive_discarded(struct net *net, struct conn *c, const struct io_done *done)
{
	if (done->result == -EAGAIN) {
		receive_again(net, c);
	} else if (done->result > 0 || done->result == -ENOBUFS) {
		c->readable |= done->result < 0 || done->result == IO_RECEIVE_BYTES || conn_kernel_receives(c);
		if (c->readable)
			conn_want(net, c);
	} else if (done->result < 0 && conn_kernel_receives(c) && receive_control(net, c, done->result)) {
		if (c->peer_ended && c->finished)
			conn_terminate(net, c, c->reason);
	} else if (done->result < 0 || c->finished) {
		c->peer_ended = done->result == 0;
		conn_terminate(net, c, c->reason);
	} else {
		c->peer_ended = true;
		c->readable = false;
	}
	return CONN_DID_NOTHING;
}

static enum conn_did done_receive(struct net *net, struct conn *c, const struct io_done *done)
{
	if (c->life == CONN_ENDING && !c->receive_whole)
		return receive_discarded(net, c, done);
	if (c->life != CONN_OPEN)
		return CONN_DID_NOTHING;
	if (done->result == -ENOBUFS) {
		c->readable = true;
		conn_want(net, c);
		return CONN_DID_NOTHING;
	}
	if (done->result == -EAGAIN) {
		receive_again(net, c);
		return CONN_DID_NOTHING;
	}
	if (done->result < 0 && conn_kernel_receives(c) && receive_control(net, c, done->result))
		return conn_kernel_heard(c)->is == RECORD_QUIET ? CONN_DID_NOTHING : CONN_DID_CONTROL;
	if (done->result <= 0) {
		c->peer_ended = true;
		return CONN_DID_LOST;
	}
	if (done->result == IO_RECEIVE_BYTES || conn_kernel_receives(c))
		c->readable = true; /* there may be more, and no new edge will tell */
	conn_kernel_count(net, c, (size_t)done->result);
	if (c->readable || c->kernel_wants != 0)
		conn_want(net, c);
	return CONN_DID_RECEIVE;
}

/* Moves on what is being sent. False: the connection broke. */
static bool sent(struct net *net, struct conn *c, int32_t result)
{
	int32_t whole = (int32_t)(c->sending->filled - c->sending->at);

	if (conn_kernel_sends(c))
		return conn_kernel_sent(net, c, result);
	c->sending->at = c->sending->filled;
	return result >= whole;
}

static enum conn_did done_send(struct net *net, struct conn *c, const struct io_done *done)
{
	bool good = sent(net, c, done->result);

	if (!good || c->life == CONN_TERMINATED || c->sending->at == c->sending->filled) {
		chunk_free(c->sending);
		c->sending = NULL;
	}
	if (c->life == CONN_TERMINATED)
		return CONN_DID_NOTHING;
	if (!good) {
		if (c->life == CONN_OPEN)
			return CONN_DID_LOST;
		conn_terminate(net, c, c->reason);
		return CONN_DID_NOTHING;
	}
	conn_kernel_count(net, c, (size_t)done->result);
	conn_want(net, c);
	return c->life == CONN_OPEN && conn_kernel_is_spent(net, c) ? CONN_DID_SPENT : CONN_DID_SEND;
}

static enum conn_did done_connect(struct net *net, struct conn *c, const struct io_done *done)
{
	if (c->life != CONN_CONNECTING)
		return CONN_DID_NOTHING;
	if (done->result < 0)
		return CONN_DID_LOST;
	conn_start(net, c);
	conn_want(net, c);
	return CONN_DID_CONNECT;
}

enum conn_did conn_complete(struct net *net, struct conn *c, enum conn_op op, const struct io_done *done)
{
	enum conn_did did = CONN_DID_NOTHING;

	if (!done->more)
		conn_unpend(net, c, op);
	switch (op) {
	case CONN_WATCH:
		did = done_watch(net, c, done);
		break;
	case CONN_RECEIVE:
		did = done_receive(net, c, done);
		break;
	case CONN_SEND:
		did = done_send(net, c, done);
		break;
	case CONN_CONNECT:
		did = done_connect(net, c, done);
		break;
	case CONN_OPS:
		break;
	}
	if (c->life == CONN_TERMINATED)
		conn_want(net, c); /* it may be the last one */
	return did;
}

/* ---- reading */

void conn_await_tls(struct conn *c)
{
	assert(c->tls == CONN_PLAIN);
	c->tls = CONN_HANDSHAKE;
}

bool conn_start_tls(struct conn *c, struct tls_context *context)
{
	assert(c->tls != CONN_RECORDS && c->handshake == NULL);
	c->handshake = handshake_new(context, false);
	c->tls = CONN_HANDSHAKE;
	return c->handshake != NULL;
}

/* Moves what the handshake wants sent to the outbox, unsealed. */
static void handshake_speak(struct net *net, struct conn *c)
{
	uint8_t bytes[2048];
	size_t len;

	while ((len = handshake_output(c->handshake, bytes, sizeof bytes)) > 0)
		conn_write(net, c, bytes, len);
}

/* Keeps of the record what its suite needs. */
static void record_keep(struct net *net, struct conn *c, struct record *whole)
{
	size_t bytes = record_bytes(whole);

	c->record = shelf_take(&net->records, bytes);
	memcpy(c->record, whole, bytes);
	record_done(whole);
	c->tls = CONN_RECORDS;
}

bool conn_join_tls(struct net *net, struct conn *c, struct tls_context *context, const char *names)
{
	if (!conn_start_tls(c, context) || !handshake_peer_names(c->handshake, names))
		return false;
	if (handshake_feed(c->handshake, NULL, 0) != HANDSHAKE_MORE)
		return false;
	handshake_speak(net, c);
	return true;
}

static void records_begin(struct net *net, struct conn *c, struct record *record)
{
	record_keep(net, c, record);
	c->raw_bytes = c->outbox.bytes;
	conn_kernel_begin(net, c);
	if (c->kernel_wants != 0)
		conn_want(net, c);
}

struct handshake *conn_lend_handshake(struct conn *c)
{
	struct handshake *handshake = c->handshake;

	assert(c->tls == CONN_HANDSHAKE);
	c->handshake = NULL;
	return handshake;
}

enum conn_found conn_take_step(struct net *net, struct conn *c, struct handshake_step *s, struct conn_text *ret)
{
	assert(c->life == CONN_OPEN && c->tls == CONN_HANDSHAKE && c->handshake == NULL);
	if (s->output_len > 0)
		conn_write(net, c, s->output, s->output_len);
	c->handshake = s->handshake;
	s->handshake = NULL;
	if (s->is == HANDSHAKE_MORE)
		return CONN_MORE;
	if (s->is == HANDSHAKE_DONE) {
		records_begin(net, c, &s->record);
		return CONN_SECURE;
	}
	*ret = (struct conn_text){.reason = REASON_TLS_FAILED, .detail = s->error};
	return CONN_BAD;
}

static enum conn_found handshake_done(struct net *net, struct conn *c, struct conn_input *in, struct conn_text *ret,
				      struct tls_facts *ret_facts)
{
	struct record record;

	in->at = net->leftover;
	if (!handshake_finish(&c->handshake, &record, ret_facts, net->leftover, &in->len)) {
		ret->reason = REASON_TLS_FAILED;
		ret->detail = "the keys could not be taken over";
		return CONN_BAD;
	}
	records_begin(net, c, &record);
	return CONN_SECURE;
}

static enum conn_found handshake_read(struct net *net, struct conn *c, struct conn_input *in, struct conn_text *ret,
				      struct tls_facts *ret_facts)
{
	enum handshake_is is = handshake_feed(c->handshake, in->at, in->len);

	in->len = 0;
	handshake_speak(net, c);
	if (is == HANDSHAKE_MORE)
		return CONN_MORE;
	if (is == HANDSHAKE_DONE)
		return handshake_done(net, c, in, ret, ret_facts);
	ret->reason = REASON_TLS_FAILED;
	ret->detail = handshake_error(c->handshake);
	return CONN_BAD;
}

/* Appends to the partial record; memory grows with what has arrived, not with what was announced. */
static void partial_put(struct conn *c, struct conn_input *in, size_t len)
{
	struct chunk *old = c->partial;
	size_t have = old == NULL ? 0 : old->filled;

	if (old == NULL || old->cap - old->filled < len) {
		c->partial = chunk_new(2 * have > have + len ? 2 * have : have + len);
		if (old != NULL)
			memcpy(c->partial->bytes, old->bytes, have);
		c->partial->filled = (uint32_t)have;
		chunk_free(old);
	}
	memcpy(c->partial->bytes + have, in->at, len);
	c->partial->filled += (uint32_t)len;
	in->at += len;
	in->len -= len;
}

/* How many bytes the partial record still lacks, as far as is known: its head first. */
static size_t partial_lacks(const struct chunk *p)
{
	size_t have = p->filled;
	size_t whole = have < 5 ? 5 : 5 + ((size_t)p->bytes[3] << 8 | p->bytes[4]);

	return whole > have ? whole - have : 0;
}

/* A record that began in an earlier input. Its head alone may be enough to refuse it. */
static bool partial_open(struct net *net, struct conn *c, struct conn_input *in, struct record_found *ret)
{
	ret->is = RECORD_MORE;
	while (in->len > 0 && ret->is == RECORD_MORE) {
		size_t lacks = partial_lacks(c->partial);

		partial_put(c, in, lacks < in->len ? lacks : in->len);
		record_open(c->record, net->crypto, c->partial->bytes, c->partial->filled, ret);
	}
	return ret->is != RECORD_MORE;
}

/* The partial record's text is good until the next call: then it goes. */
static bool record_take(struct net *net, struct conn *c, struct conn_input *in, struct record_found *ret)
{
	if (c->partial != NULL && c->partial->at != 0) {
		chunk_free(c->partial);
		c->partial = NULL;
	}
	if (c->partial != NULL) {
		if (!partial_open(net, c, in, ret))
			return false;
		c->partial->at = c->partial->filled;
		return true;
	}
	if (in->len == 0)
		return false;
	record_open(c->record, net->crypto, in->at, in->len, ret);
	if (ret->is == RECORD_MORE) {
		partial_put(c, in, in->len);
		return false;
	}
	in->at += ret->used;
	in->len -= ret->used;
	return true;
}

static enum conn_found record_found(struct conn *c, const struct record_found *found, struct conn_text *ret)
{
	if (found->is == RECORD_END)
		return CONN_END;
	if (found->is == RECORD_BAD) {
		c->alert = found->alert;
		ret->reason = found->alert == 0 ? REASON_CLIENT_LOST : REASON_TLS_RECORD;
		ret->detail = found->peer_alert != 0 ? handshake_alert_text(found->peer_alert) : NULL;
		return CONN_BAD;
	}
	ret->at = found->text;
	ret->len = found->text_len;
	return CONN_TEXT;
}

/* What the kernel opened is text; what is not was fetched when the kernel said so. */
static enum conn_found kernel_read(struct conn *c, struct conn_input *in, struct conn_text *ret)
{
	const struct record_found *heard = conn_kernel_heard(c);

	if (heard->is == RECORD_END || heard->is == RECORD_BAD)
		return record_found(c, heard, ret);
	if (in->len == 0)
		return CONN_MORE;
	conn_kernel_received(c, in->len);
	in->len = 0;
	return CONN_TEXT;
}

static enum conn_found records_read(struct net *net, struct conn *c, struct conn_input *in, struct conn_text *ret)
{
	struct record_found found;

	while (record_take(net, c, in, &found)) {
		if (found.is != RECORD_QUIET)
			return record_found(c, &found, ret);
		counter_add(net->counters, COUNTER_key_updates, 1);
		if (conn_kernel_owes(net, c)) { /* before any more text: nothing but the end is left */
			outbox_clear(&c->outbox);
			ret->reason = REASON_TLS_REKEY;
			return CONN_BAD;
		}
		if (c->record->update_owed)
			conn_want(net, c);
	}
	return CONN_MORE;
}

enum conn_found conn_read(struct net *net, struct conn *c, struct conn_input *in, struct conn_text *ret,
			  struct tls_facts *ret_facts)
{
	*ret = (struct conn_text){.at = in->at, .len = in->len};
	if (conn_kernel_receives(c))
		return kernel_read(c, in, ret);
	if (c->tls == CONN_RECORDS)
		return records_read(net, c, in, ret);
	if (in->len == 0)
		return CONN_MORE;
	if (c->tls == CONN_HANDSHAKE)
		return handshake_read(net, c, in, ret, ret_facts);
	in->len = 0;
	return CONN_TEXT;
}

void conn_stop_reading(struct conn *c)
{
	c->reading_stopped = true;
}

void conn_resume_reading(struct net *net, struct conn *c)
{
	c->reading_stopped = false;
	if (c->readable)
		conn_want(net, c);
}

/* ---- writing */

void conn_write(struct net *net, struct conn *c, const void *bytes, size_t len)
{
	if (c->life >= CONN_ENDING)
		return;
	outbox_put(&c->outbox, bytes, len);
	conn_want(net, c);
}

void conn_write_apart(struct net *net, struct conn *c, const void *bytes, size_t len)
{
	if (c->life >= CONN_ENDING)
		return;
	outbox_put_apart(&c->outbox, bytes, len);
	conn_want(net, c);
}

size_t conn_unsent(const struct conn *c)
{
	return c->outbox.bytes + (c->sending == NULL ? 0 : c->sending->filled - c->sending->at);
}

static void conn_send(struct net *net, struct conn *c, struct chunk *chunk)
{
	c->sending = chunk;
	conn_pend(net, c, CONN_SEND);
	if (conn_kernel_sends(c))
		conn_kernel_send(net, c, conn_tag(c, CONN_SEND));
	else
		io_send(net->io, c->fd, chunk->bytes + chunk->at, chunk->filled - chunk->at, conn_tag(c, CONN_SEND));
}

/* Of what was sent in part; unless no more text may follow (records_read). */
static void send_rest(struct net *net, struct conn *c)
{
	if (!conn_kernel_owes(net, c)) {
		conn_send(net, c, c->sending);
		return;
	}
	chunk_free(c->sending);
	c->sending = NULL;
}

/* Everything is said: FIN. The peer's end, or the owner's patience, ends the rest. */
static void conn_finish(struct net *net, struct conn *c)
{
	if (c->finished)
		return;
	c->finished = true;
	io_shutdown(net->io, c->fd, SHUT_WR);
	if (c->peer_ended || c->receive_whole)
		conn_terminate(net, c, c->reason);
}

static void conn_flush(struct net *net, struct conn *c)
{
	struct chunk *wire;

	if (c->life == CONN_CONNECTING || c->life == CONN_TERMINATED)
		return;
	if (c->kernel_wants != 0)
		conn_kernel_switch(net, c);
	if (c->sending != NULL && !conn_is_pending(c, CONN_SEND))
		send_rest(net, c);
	if (c->sending == NULL) {
		bool waiting = c->tls == CONN_RECORDS && c->outbox.bytes > 0;

		wire = conn_wire(net, c);
		if (wire != NULL && wire->filled > wire->at)
			conn_send(net, c, wire);
		else if (wire != NULL)
			chunk_free(wire);
		else if (waiting)
			conn_terminate(net, c, REASON_TLS_SPENT);
		if (c->sending == NULL && c->life == CONN_ENDING)
			conn_finish(net, c);
	}
	if (!c->receive_whole && c->readable && conn_may_receive(c))
		conn_receive(net, c);
}

static void tls_free(struct net *net, struct conn *c)
{
	size_t bytes;

	if (c->tls == CONN_HANDSHAKE)
		handshake_free(c->handshake);
	if (c->tls != CONN_RECORDS)
		return;
	bytes = conn_kernel_end(net, c);
	record_crypto_forget(net->crypto, c->record->cipher);
	record_done(c->record);
	shelf_give(&net->records, c->record, bytes);
}

/* The last step: nothing is with the kernel any more. */
static void conn_bury(struct net *net, struct conn *c)
{
	outbox_clear(&c->outbox);
	chunk_free(c->sending);
	c->sending = NULL;
	chunk_free(c->partial);
	tls_free(net, c);
	io_close(net->io, c->fd);
	c->fd = -1;
	c->dirty_next = net->gone;
	net->gone = c;
}

void net_flush(struct net *net)
{
	struct conn *c;

	while ((c = net->dirty) != NULL) {
		net->dirty = c->dirty_next;
		c->dirty = false;
		conn_flush(net, c);
		if (c->life == CONN_TERMINATED && c->pending == 0 && !c->dirty)
			conn_bury(net, c);
	}
}

struct conn *net_gone(struct net *net)
{
	struct conn *c = net->gone;

	if (c != NULL)
		net->gone = c->dirty_next;
	return c;
}

/* ---- the end */

void conn_end(struct net *net, struct conn *c, enum reason reason)
{
	if (c->life >= CONN_ENDING)
		return;
	if (c->life == CONN_CONNECTING) {
		conn_terminate(net, c, reason);
		return;
	}
	c->life = CONN_ENDING;
	c->reason = (uint8_t)reason;
	c->reading_stopped = false;
	conn_want(net, c);
}

void conn_terminate(struct net *net, struct conn *c, enum reason reason)
{
	if (c->life == CONN_TERMINATED)
		return;
	if (c->life != CONN_ENDING)
		c->reason = (uint8_t)reason;
	c->life = CONN_TERMINATED;
	if (!c->finished || !c->peer_ended) /* else both ends have ended it */
		io_shutdown(net->io, c->fd, SHUT_RDWR);
	for (enum conn_op op = CONN_WATCH; op < CONN_OPS; op++)
		if (conn_is_pending(c, op) && op != CONN_SEND)
			io_cancel(net->io, conn_tag(c, op));
	conn_want(net, c);
}
