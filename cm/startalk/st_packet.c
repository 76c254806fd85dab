#include "st_packet.h"

#include "st_frame.h"
#include "st_wire.h"

#include <string.h>

/* ---- tables */

static const struct {
	int32_t number;
	enum st_payload payload;
	const char *type;
	bool from_client;
} signals[] = {
#define SIGNAL(number, name, payload, type, from_client) {number, ST_PAYLOAD_##payload, type, from_client},
#include "st_signal.def"
#undef SIGNAL
};
enum { SIGNALS = sizeof signals / sizeof signals[0] };

static const struct {
	int32_t number;
	const char *name;
} headers[] = {
#define HEADER(number, name) {number, name},
#include "st_header.def"
#undef HEADER
};
enum { HEADERS = sizeof headers / sizeof headers[0] };

static int signal_find(int32_t signal)
{
	for (int i = 0; i < SIGNALS; i++)
		if (signals[i].number == signal)
			return i;
	return -1;
}

const char *st_signal_type(int32_t signal)
{
	int found = signal_find(signal);

	return found < 0 ? NULL : signals[found].type;
}

int32_t st_signal_of_type(const char *type)
{
	for (int i = 0; i < SIGNALS; i++)
		if (signals[i].type != NULL && strcmp(signals[i].type, type) == 0)
			return signals[i].number;
	return -1;
}

bool st_signal_is_client_s(int32_t signal)
{
	int found = signal_find(signal);

	return found >= 0 && signals[found].from_client;
}

const char *st_header_name(const Startalk__StringHeader *header)
{
	for (int i = 0; header->has_definedkey && i < HEADERS; i++)
		if (headers[i].number == header->definedkey)
			return headers[i].name;
	return header->key;
}

int32_t st_header_number(const char *name)
{
	for (int i = 0; i < HEADERS; i++)
		if (strcmp(headers[i].name, name) == 0)
			return headers[i].number;
	return 0;
}

const char *st_header_find(const Startalk__MessageBody *body, const char *name)
{
	for (size_t i = 0; body != NULL && i < body->n_headers; i++) {
		const char *own = st_header_name(body->headers[i]);

		if (own != NULL && strcmp(own, name) == 0)
			return body->headers[i]->value;
	}
	return NULL;
}

/* ---- opening */

static void *take(void *arena, size_t len)
{
	return st_arena_take(arena, len);
}

static void give(void *arena, void *at)
{
	(void)arena;
	(void)at;
}

static void *unpack(struct st_arena *a, const ProtobufCMessageDescriptor *d, const uint8_t *bytes, size_t len)
{
	ProtobufCAllocator allocator = {.alloc = take, .free = give, .allocator_data = a};

	if (!st_wire_is_good(d, bytes, len))
		return NULL;
	return protobuf_c_message_unpack(d, &allocator, len, bytes);
}

/* The ProtoMessage in a seal. */
static const uint8_t *unseal(struct st_arena *a, const Startalk__ProtoHeader *header, size_t bytes_max, size_t *ret_len)
{
	uint8_t *bytes = header->message.data;

	*ret_len = header->message.len;
	if (!header->has_message || *ret_len > bytes_max)
		return NULL;
	switch (header->has_options ? header->options : ST_SEAL_PLAIN) {
	case ST_SEAL_PLAIN:
		return bytes;
	case ST_SEAL_TEA:
		st_tea_open(bytes, *ret_len);
		return bytes;
	case ST_SEAL_GZIP:
		return st_gzip_open(a, bytes, *ret_len, bytes_max, ret_len);
	}
	return NULL;
}

static const ProtobufCMessageDescriptor *payload_descriptor(enum st_payload is)
{
	static const ProtobufCMessageDescriptor *const descriptors[] = {
		[ST_PAYLOAD_WELCOME] = &startalk__welcome_message__descriptor,
		[ST_PAYLOAD_AUTH] = &startalk__auth_message__descriptor,
		[ST_PAYLOAD_SUCCEEDED] = &startalk__response_succeeded__descriptor,
		[ST_PAYLOAD_FAILURE] = &startalk__response_failure__descriptor,
		[ST_PAYLOAD_STREAM_END] = &startalk__stream_end__descriptor,
		[ST_PAYLOAD_IQ] = &startalk__iqmessage__descriptor,
		[ST_PAYLOAD_PRESENCE] = &startalk__presence_message__descriptor,
		[ST_PAYLOAD_MESSAGE] = &startalk__xmpp_message__descriptor,
	};

	return descriptors[is];
}

static enum st_opened payload_open(struct st_arena *a, struct st_packet *packet)
{
	int found = signal_find(packet->signal);
	const ProtobufCMessageDescriptor *d;

	if (found < 0)
		return ST_OPENED_UNKNOWN;
	packet->is = signals[found].payload;
	packet->payload = NULL;
	if (packet->is == ST_PAYLOAD_NOTHING)
		return ST_OPENED;
	d = payload_descriptor(packet->is);
	packet->payload = unpack(a, d, packet->outer->message.data, packet->outer->message.len);
	return packet->payload == NULL ? ST_OPENED_ODD : ST_OPENED;
}

enum st_opened st_packet_open(struct st_arena *a, uint8_t *frame, size_t len, size_t bytes_max, struct st_packet *ret)
{
	const Startalk__ProtoHeader *header = unpack(a, &startalk__proto_header__descriptor, frame, len);
	struct st_packet packet = {0};
	const uint8_t *plain;
	size_t plain_len;
	enum st_opened is;

	if (header == NULL || (plain = unseal(a, header, bytes_max, &plain_len)) == NULL)
		return ST_OPENED_BAD;
	packet.outer = unpack(a, &startalk__proto_message__descriptor, plain, plain_len);
	if (packet.outer == NULL)
		return ST_OPENED_BAD;
	packet.seal = header->has_options ? (enum st_seal)header->options : ST_SEAL_PLAIN;
	packet.signal = packet.outer->signaltype;
	is = payload_open(a, &packet);
	if (is == ST_OPENED)
		*ret = packet;
	else
		ret->signal = packet.signal;
	return is;
}

/* ---- writing */

static bool pack(struct st_arena *a, const ProtobufCMessage *message, ProtobufCBinaryData *ret)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	uint8_t *to = st_arena_take(a, len);

	if (to == NULL)
		return false;
	protobuf_c_message_pack(message, to);
	*ret = (ProtobufCBinaryData){.len = len, .data = to};
	return true;
}

static bool seal_in(struct st_arena *a, enum st_seal seal, ProtobufCBinaryData *bytes)
{
	if (seal == ST_SEAL_TEA)
		st_tea_seal(bytes->data, bytes->len);
	else if (seal == ST_SEAL_GZIP)
		bytes->data = st_gzip_seal(a, bytes->data, bytes->len, &bytes->len);
	return bytes->data != NULL;
}

static bool frame_write(struct st_arena *a, const Startalk__ProtoHeader *header, struct st_bytes *ret)
{
	size_t len = protobuf_c_message_get_packed_size(&header->base), head_len;
	uint8_t head[ST_LENGTH_BYTES_MAX], *to;

	if (len > ST_FRAME_TO_CLIENT_MAX || (to = st_arena_take(a, sizeof head + len)) == NULL)
		return false;
	head_len = st_frame_length(len, head);
	memcpy(to, head, head_len);
	protobuf_c_message_pack(&header->base, to + head_len);
	*ret = (struct st_bytes){to, head_len + len};
	return true;
}

static bool plain_write(struct st_arena *a, Startalk__ProtoMessage *outer, const ProtobufCMessage *payload,
			ProtobufCBinaryData *ret)
{
	outer->has_message = payload != NULL;
	return (payload == NULL || pack(a, payload, &outer->message)) && pack(a, &outer->base, ret);
}

static bool sealed_write(struct st_arena *a, ProtobufCBinaryData plain, enum st_seal seal, struct st_bytes *ret)
{
	Startalk__ProtoHeader header = STARTALK__PROTO_HEADER__INIT;

	header.has_options = header.has_message = true;
	header.options = (int32_t)seal;
	header.message = plain;
	return seal_in(a, seal, &header.message) && frame_write(a, &header, ret);
}

bool st_packet_write_sealed(struct st_arena *a, Startalk__ProtoMessage *outer, const ProtobufCMessage *payload,
			    enum st_seal seal, struct st_bytes *ret)
{
	ProtobufCBinaryData plain;

	return plain_write(a, outer, payload, &plain) && sealed_write(a, plain, seal, ret);
}

bool st_packet_write(struct st_arena *a, Startalk__ProtoMessage *outer, const ProtobufCMessage *payload,
		     struct st_bytes *ret)
{
	ProtobufCBinaryData plain;

	return plain_write(a, outer, payload, &plain) &&
	       sealed_write(a, plain, plain.len > ST_SEAL_GZIP_ABOVE ? ST_SEAL_GZIP : ST_SEAL_TEA, ret);
}
