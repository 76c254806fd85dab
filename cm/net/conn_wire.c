#include "conn_wire.h"

#include "conn_kernel.h"

#include <string.h>

/* Bytes of the handshake that were still waiting when the records began. */
static struct chunk *wire_raw(struct conn *c)
{
	struct chunk *wire = chunk_new(c->raw_bytes);

	while (c->raw_bytes > 0) {
		struct chunk *head = c->outbox.head;
		uint32_t part = head->filled - head->at < c->raw_bytes ? head->filled - head->at : c->raw_bytes;

		memcpy(wire->bytes + wire->filled, head->bytes + head->at, part);
		wire->filled += part;
		c->raw_bytes -= part;
		outbox_drop(&c->outbox, part);
	}
	return wire;
}

/* Room for what waits, but not more than a record's worth at a time; each chunk begins a record. */
static struct chunk *wire_new(const struct conn *c)
{
	size_t text = 0, records = 1;

	for (const struct chunk *at = c->outbox.head; at != NULL && text < RECORD_TEXT_MAX; at = at->next) {
		text += at->filled - at->at;
		records++;
	}
	if (text > RECORD_TEXT_MAX)
		text = RECORD_TEXT_MAX;
	return chunk_new(text + records * RECORD_SEAL_EXTRA);
}

/* The text at the front of the outbox, sealed: everything that one send should carry. */
static struct chunk *wire_sealed(struct net *net, struct conn *c)
{
	struct chunk *wire = wire_new(c);

	while (c->outbox.head != NULL) {
		struct chunk *head = c->outbox.head;
		uint32_t room = wire->cap - wire->filled, part = head->filled - head->at;
		size_t sealed;

		if (room <= RECORD_SEAL_EXTRA)
			break;
		if (part > room - RECORD_SEAL_EXTRA)
			part = room - RECORD_SEAL_EXTRA;
		if (part > RECORD_TEXT_MAX)
			part = RECORD_TEXT_MAX;
		sealed = record_seal(c->record, net->crypto, head->bytes + head->at, part, wire->bytes + wire->filled);
		if (sealed == 0) {
			chunk_free(wire);
			return NULL;
		}
		wire->filled += (uint32_t)sealed;
		outbox_drop(&c->outbox, part);
	}
	return wire;
}

static struct chunk *wire_owed(struct net *net, struct conn *c)
{
	struct chunk *wire = chunk_new(RECORD_SEAL_EXTRA);

	wire->filled = (uint32_t)record_seal_owed(c->record, net->crypto, wire->bytes);
	return wire;
}

static struct chunk *wire_alert(struct net *net, struct conn *c)
{
	struct chunk *wire = chunk_new(RECORD_SEAL_EXTRA);

	wire->filled = (uint32_t)record_seal_alert(c->record, net->crypto, c->alert, wire->bytes);
	return wire;
}

struct chunk *conn_wire(struct net *net, struct conn *c)
{
	if (c->tls != CONN_RECORDS)
		return outbox_take(&c->outbox);
	if (conn_kernel_sends(c))
		return conn_kernel_wire(net, c);
	if (c->raw_bytes > 0)
		return wire_raw(c);
	if (c->outbox.bytes > 0)
		return wire_sealed(net, c);
	if (c->record->update_owed)
		return wire_owed(net, c);
	if (c->life == CONN_ENDING && !c->notified) {
		c->notified = true;
		return wire_alert(net, c);
	}
	return NULL;
}
