/*
 * packet: the inside of one frame: protobuf messages (startalk.proto) in a seal (st_seal.h). Opening and writing them.
 * Pure; protobuf-c packs and unpacks, in memory of the arena.
 *
 *     frame ─► ProtoHeader{options, message} ─► seal ─► ProtoMessage{signalType, from, to, ..., message} ─► payload
 */
#ifndef STARTALK_PACKET_H
#define STARTALK_PACKET_H

#include "st_arena.h"
#include "st_seal.h"

#include <startalk.pb-c.h>

enum st_signal {
#define SIGNAL(number, name, payload, type, from_client) ST_SIGNAL_##name = number,
#include "st_signal.def"
#undef SIGNAL
};

enum st_payload {
	ST_PAYLOAD_NOTHING,
	ST_PAYLOAD_WELCOME,
	ST_PAYLOAD_AUTH,
	ST_PAYLOAD_SUCCEEDED,
	ST_PAYLOAD_FAILURE,
	ST_PAYLOAD_STREAM_END,
	ST_PAYLOAD_IQ,
	ST_PAYLOAD_PRESENCE,
	ST_PAYLOAD_MESSAGE
};

/* All that it refers to is in the arena. */
struct st_packet {
	int32_t signal;
	enum st_seal seal;
	enum st_payload is;
	const Startalk__ProtoMessage *outer;
	union {
		const ProtobufCMessage *payload; /* NULL: NOTHING */
		const Startalk__WelcomeMessage *welcome;
		const Startalk__AuthMessage *auth;
		const Startalk__ResponseSucceeded *succeeded;
		const Startalk__ResponseFailure *failure;
		const Startalk__StreamEnd *stream_end;
		const Startalk__IQMessage *iq;
		const Startalk__PresenceMessage *presence;
		const Startalk__XmppMessage *message;
	};
};

enum st_opened {
	ST_OPENED,
	ST_OPENED_UNKNOWN, /* a signal without a line in st_signal.def: signal alone is set */
	ST_OPENED_ODD, /* its payload is not what its signal says, or holds what no XML could: signal alone is set */
	ST_OPENED_BAD  /* not a frame of this dialect; too long when opened; no room. Nothing is set */
};
/*
 * Opens the inside of a frame (st_frame.h), which is at least one byte and is changed. What it opens to may be
 * bytes_max long. Every text in it is UTF-8 of XML's characters.
 */
enum st_opened st_packet_open(struct st_arena *, uint8_t *frame, size_t len, size_t bytes_max, struct st_packet *ret);

/* A whole frame, its length before it, in the arena. */
struct st_bytes {
	const uint8_t *at;
	size_t len;
};
/*
 * Writes a frame. `outer` has everything but its field 5, which is made of the payload: NULL for none, whereas a
 * payload without fields gives a field of no bytes. The seal is chosen by the length, as Startalk's server does. False:
 * there is no room, or it would be longer than a client takes.
 */
bool st_packet_write(struct st_arena *, Startalk__ProtoMessage *outer, const ProtobufCMessage *payload,
		     struct st_bytes *ret);
/* The same with a seal of the caller's choice. */
bool st_packet_write_sealed(struct st_arena *, Startalk__ProtoMessage *outer, const ProtobufCMessage *payload,
			    enum st_seal, struct st_bytes *ret);

/* A text as a field of a packet that is to be written. The library wants what it could change, and only reads it. */
static inline char *st_as_field(const char *text)
{
	return (char *)(uintptr_t)text;
}

/* The type that a message of this signal has as XML; NULL: it is none. */
const char *st_signal_type(int32_t signal);
/* The signal of a type of XML; -1: none has it. */
int32_t st_signal_of_type(const char *type);
/* Whether clients may send it. */
bool st_signal_is_client_s(int32_t signal);

/* The name of a header; NULL: it has neither a number that we know nor a key. */
const char *st_header_name(const Startalk__StringHeader *);
/* The number of a name; 0: it has none. */
int32_t st_header_number(const char *name);
/* The value of the first header with this name; NULL: there is none, or it has no value. The body may be NULL. */
const char *st_header_find(const Startalk__MessageBody *, const char *name);

#endif
