#include "conn_kernel.h"

#include "record_crypto.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

static bool can_rekey(const struct net *net, const struct conn *c)
{
	return (kernel_tls_can(net->kernel_can, (enum record_version)c->record->version,
			       (enum record_cipher)c->record->cipher) &
		KERNEL_TLS_REKEY) != 0;
}

/* ---- which engine */

/* By kernel_has: receiving is never the kernel's alone. */
static const struct {
	const char *name;
	enum counter counter;
} engines[] = {
	[0] = {"user", COUNTER_tls_user},
	[KERNEL_TLS_SEND] = {"kernel_send", COUNTER_tls_kernel_send},
	[KERNEL_TLS_SEND | KERNEL_TLS_RECEIVE] = {"kernel", COUNTER_tls_kernel},
};

const char *conn_engine(const struct conn *c)
{
	return c->tls == CONN_RECORDS ? engines[c->kernel_has].name : "none";
}

static void count_engine(const struct net *net, const struct conn *c, int by)
{
	counter_add(net->counters, engines[c->kernel_has].counter, by);
}

static void want(const struct net *net, struct conn *c)
{
	c->kernel_asked = true;
	c->kernel_wants = kernel_tls_ways(net->kernel_can, net->kernel_use, (enum record_version)c->record->version,
					  (enum record_cipher)c->record->cipher) &
			  3u;
}

void conn_kernel_begin(struct net *net, struct conn *c)
{
	count_engine(net, c, 1);
	if (net->kernel_use == KERNEL_TLS_ON)
		want(net, c);
}

void net_second(struct net *net)
{
	if (net->kernel_use == KERNEL_TLS_AUTO)
		busy_clear(&net->busy);
}

void conn_kernel_count(struct net *net, struct conn *c, size_t bytes)
{
	if (net->kernel_use == KERNEL_TLS_AUTO && !c->kernel_asked && c->tls == CONN_RECORDS &&
	    busy_count(&net->busy, c->tag, bytes) >= net->kernel_bytes_per_s)
		want(net, c);
}

static struct conn_kernel *kernel_of(const struct conn *c)
{
	assert(c->kernel_has != 0);
	return (struct conn_kernel *)c->record;
}

static size_t block_bytes(const struct conn *c)
{
	return c->kernel_has != 0 ? sizeof(struct conn_kernel) : record_bytes(c->record);
}

size_t conn_kernel_end(struct net *net, const struct conn *c)
{
	count_engine(net, c, -1);
	return block_bytes(c);
}

/* ---- handing over */

static bool may_hand_over(const struct conn *c, enum kernel_tls_way way)
{
	const struct record *r = c->record;

	if (way == KERNEL_TLS_SEND)
		return c->sending == NULL && c->raw_bytes == 0 && !r->update_owed && !r->write_closed;
	return (c->pending & 1u << CONN_RECEIVE) == 0 && c->partial == NULL && r->update_had == 0 && !r->read_closed;
}

/* A peer that has ended cannot be promoted any more, and need not. */
static void give_up(struct net *net, struct conn *c, int error)
{
	c->kernel_wants = 0;
	counter_add(net->counters, COUNTER_tls_kernel_failures, error != ENOTCONN);
}

/* Keys that the kernel has are of no use here: the next ones are derived from the secret. */
static void forget_key(struct conn *c, enum record_direction direction)
{
	struct record_keys keys = record_keys(c->record, direction);

	OPENSSL_cleanse(keys.iv, AEAD_NONCE_BYTES);
	OPENSSL_cleanse(keys.key, record_suite((enum record_cipher)c->record->cipher)->key_len);
}

/* The record moves to where there is room for the rest. */
static void move(struct net *net, struct conn *c)
{
	size_t bytes = record_bytes(c->record);
	struct conn_kernel *k = shelf_take(&net->records, sizeof *k);

	memset(k, 0, sizeof *k);
	memcpy(&k->record, c->record, bytes);
	record_done(c->record);
	shelf_give(&net->records, c->record, bytes);
	c->record = &k->record;
}

/* The socket options are for plain descriptors alone; of a direct one there is one for as long as it takes. */
static int take(struct net *net, struct conn *c, enum kernel_tls_way way)
{
	int fd = io_plain(net->io, c->fd), error = EBADF;

	if (fd >= 0)
		error = c->kernel_has == 0 ? kernel_tls_attach(fd) : 0;
	if (error == 0)
		error = kernel_tls_take(fd, c->record, way);
	io_plain_end(c->fd, fd);
	return error;
}

static void hand_over(struct net *net, struct conn *c, enum kernel_tls_way way)
{
	int error = take(net, c, way);

	if (error != 0) {
		give_up(net, c, error);
		return;
	}
	if (c->kernel_has == 0)
		move(net, c);
	count_engine(net, c, -1);
	c->kernel_has |= (uint8_t)(way & 3u);
	c->kernel_wants &= (uint8_t)(~way & 3u);
	count_engine(net, c, 1);
	counter_add(net->counters, way == KERNEL_TLS_SEND ? COUNTER_tls_promoted_send : COUNTER_tls_promoted_receive,
		    1);
	forget_key(c, way == KERNEL_TLS_SEND ? RECORD_WRITE : RECORD_READ);
	if (way == KERNEL_TLS_RECEIVE)
		c->readable = true; /* what came meanwhile is the kernel's to open, and no edge tells of it */
}

void conn_kernel_switch(struct net *net, struct conn *c)
{
	if (c->life != CONN_OPEN)
		return;
	if ((c->kernel_wants & KERNEL_TLS_SEND) != 0 && may_hand_over(c, KERNEL_TLS_SEND))
		hand_over(net, c, KERNEL_TLS_SEND);
	if (c->kernel_wants == KERNEL_TLS_RECEIVE && may_hand_over(c, KERNEL_TLS_RECEIVE))
		hand_over(net, c, KERNEL_TLS_RECEIVE);
}

/* ---- sequence numbers: counted here from above, and asked for when that looks like too many */

static void sequences_ask(const struct net *net, struct conn *c)
{
	int fd = io_plain(net->io, c->fd);

	if (fd >= 0 && conn_kernel_sends(c))
		kernel_tls_sequence(fd, c->record, KERNEL_TLS_SEND, &c->record->write.sequence);
	if (fd >= 0 && conn_kernel_receives(c))
		kernel_tls_sequence(fd, c->record, KERNEL_TLS_RECEIVE, &c->record->read.sequence);
	io_plain_end(c->fd, fd);
}

static bool is_worn(const struct net *net, struct conn *c)
{
	if (!record_is_worn(c->record, net->crypto))
		return false;
	sequences_ask(net, c);
	return record_is_worn(c->record, net->crypto);
}

bool conn_kernel_is_spent(struct net *net, struct conn *c)
{
	return conn_kernel_sends(c) && !can_rekey(net, c) && is_worn(net, c);
}

bool conn_kernel_owes(const struct net *net, const struct conn *c)
{
	return conn_kernel_sends(c) && c->record->update_owed && !can_rekey(net, c);
}

/* ---- sending */

static struct chunk *wire_of(struct conn *c, enum record_content type, const uint8_t *bytes, size_t len)
{
	struct chunk *wire = chunk_new(len);

	kernel_of(c)->type = type;
	memcpy(wire->bytes, bytes, len);
	wire->filled = (uint32_t)len;
	return wire;
}

struct chunk *conn_kernel_wire(struct net *net, struct conn *c)
{
	uint8_t control[RECORD_UPDATE_BYTES];
	size_t len = 0;

	if (can_rekey(net, c) && (c->record->update_owed || is_worn(net, c)))
		len = record_update(c->record, net->crypto, control);
	if (len > 0)
		return wire_of(c, RECORD_CONTENT_HANDSHAKE, control, len);
	if (c->record->write_closed)
		return NULL;
	kernel_of(c)->type = RECORD_CONTENT_DATA;
	if (c->outbox.bytes > 0)
		return outbox_take(&c->outbox);
	if (c->life != CONN_ENDING || c->notified)
		return NULL;
	c->notified = true;
	len = record_alert(c->record, c->alert, control);
	return wire_of(c, RECORD_CONTENT_ALERT, control, len);
}

/* The last record goes when there is room for all that the kernel still holds back: FIN follows it, and must be behind.
 */
void conn_kernel_send(struct net *net, struct conn *c, uint64_t tag)
{
	const struct chunk *s = c->sending;

	kernel_tls_compose(&kernel_of(c)->message, (uint8_t)kernel_of(c)->type, s->bytes + s->at, s->filled - s->at);
	io_send_message(net->io, c->fd, &kernel_of(c)->message.header, kernel_of(c)->type == RECORD_CONTENT_ALERT, tag);
}

static uint64_t records_of(uint32_t bytes)
{
	return (bytes + RECORD_TEXT_MAX - 1) / RECORD_TEXT_MAX;
}

bool conn_kernel_sent(struct net *net, struct conn *c, int32_t result)
{
	struct chunk *s = c->sending;

	if (result <= 0)
		return false;
	assert((uint32_t)result <= s->filled - s->at);
	s->at += (uint32_t)result;
	if (kernel_of(c)->type != RECORD_CONTENT_HANDSHAKE) {
		c->record->write.sequence += records_of((uint32_t)result);
		return true;
	}
	if (s->at < s->filled || take(net, c, KERNEL_TLS_SEND) != 0)
		return false;
	forget_key(c, RECORD_WRITE);
	counter_add(net->counters, COUNTER_tls_kernel_rekeys, 1);
	return true;
}

/* ---- receiving */

void conn_kernel_received(struct conn *c, size_t len)
{
	c->record->read.sequence += len; /* nobody can say more with less than a byte in each */
	c->record->empty_in_a_row = 0;
}

const struct record_found *conn_kernel_heard(const struct conn *c)
{
	return &kernel_of(c)->heard;
}

/* What the kernel says to a record that is none; 0: something else is wrong. */
static uint8_t alert_of(int32_t error)
{
	switch (error) {
	case -EBADMSG:
		return RECORD_BAD_RECORD_MAC;
	case -EMSGSIZE:
		return RECORD_RECORD_OVERFLOW;
	case -EINVAL:
		return RECORD_PROTOCOL_VERSION;
	case -EKEYEXPIRED: /* behind a part of a KeyUpdate, which takes the kernel's key away already */
		return RECORD_UNEXPECTED_MESSAGE;
	}
	return 0;
}

/* The kernel must have the client's next key before it can go on. */
static void take_next(struct net *net, struct conn *c)
{
	struct record_found *heard = &kernel_of(c)->heard;

	counter_add(net->counters, COUNTER_key_updates, 1);
	if (take(net, c, KERNEL_TLS_RECEIVE) != 0)
		*heard = (struct record_found){.is = RECORD_BAD, .alert = RECORD_INTERNAL_ERROR};
	else
		counter_add(net->counters, COUNTER_tls_kernel_rekeys, 1);
	forget_key(c, RECORD_READ);
}

static ssize_t fetch(struct net *net, struct conn *c, void *to, size_t cap, uint8_t *ret_type)
{
	int fd = io_plain(net->io, c->fd);
	ssize_t len = fd >= 0 ? kernel_tls_fetch(fd, to, cap, ret_type) : -EBADF;

	io_plain_end(c->fd, fd);
	return len;
}

bool conn_kernel_hear(struct net *net, struct conn *c, int32_t error)
{
	uint8_t bytes[64], type = 0, alert = alert_of(error);
	ssize_t len = error == -EIO ? fetch(net, c, bytes, sizeof bytes, &type) : 0;

	if (error == -EIO && len >= 0) {
		c->record->read.sequence++;
		record_hear(c->record, type, bytes, (size_t)len, &kernel_of(c)->heard);
		if (kernel_of(c)->heard.is == RECORD_QUIET && c->record->read.sequence == 0)
			take_next(net, c);
		return true;
	}
	if (len < 0)
		alert = alert_of((int32_t)len);
	kernel_of(c)->heard = (struct record_found){.is = RECORD_BAD, .alert = alert};
	return alert != 0;
}
