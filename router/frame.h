/*
 * frame: the bytes of the link between a gate and a session server, and their meaning. docs/link-protocol.md tells the
 * protocol; frames.def and fields.def are its tables. This file serves both ends, and any backend written in C.
 *
 *    0        4        5                       12
 *    +--------+--------+-----------------------+----------
 *    | length | type   | session (56 bits)     | payload     all big-endian; the length counts what follows it
 *    +--------+--------+-----------------------+----------
 *
 * Twelve bytes in front of every payload. Frames that belong to no session carry session 0. Pure: bytes to views and
 * back.
 */
#ifndef ROUTER_FRAME_H
#define ROUTER_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FRAME_HEAD_BYTES = 12,
	FRAME_PAYLOAD_MAX = 16 << 20, /* a longer frame is FRAME_ERROR_LENGTH as soon as its length is there */
	FRAME_FIELDS_MAX = 65535,     /* payload of a frame of fields */
	FRAME_PING_MAX = 16,	      /* payload of PING and PONG */
	FRAME_KEEP_MAX = 1024,	      /* payload of KEEP */
	FRAME_ACK_BYTES = 20,	      /* a whole ACK */
	FRAME_FANOUT_MAX = 4096,      /* sessions of one FANOUT */
	FRAME_VERSION = 1,	      /* of the protocol, this one */
};

enum frame_type {
#define FRAME(id, name, from, session, numbered, payload, meaning) FRAME_##name = id,
#include "frames.def"
};
enum frame_field {
#define FIELD(key, name, kind, bytes, in, meaning) FIELD_##name = key,
#include "fields.def"
};
enum frame_stage { FRAME_STAGE_AUTHENTICATED = 1, FRAME_STAGE_BOUND = 2 };

/*
 * Names a session of one worker of a gate: chosen by the gate, opaque to the backend, never 0, never used again while
 * that worker lives. Together with the EPOCH of the worker it names the session over all links.
 */
typedef uint64_t frame_session; /* below 2^56 */

/* What is wrong with the peer's bytes. frame_read finds those up to FANOUT, link.h, retained.h and backend.h the
 * others.
 */
enum frame_error {
	FRAME_ERROR_NONE,
#define FRAME_ERROR(name, text) FRAME_ERROR_##name,
#include "frame_error.def"
	FRAME_ERROR_COUNT
};
const char *frame_error_text(enum frame_error); /* a sentence for logs */
const char *frame_type_name(enum frame_type);	/* as in frames.def */
/* May this end send such a frame? */
enum frame_from { FRAME_FROM_GATE = 1, FRAME_FROM_BACKEND = 2, FRAME_FROM_BOTH = 3 };
bool frame_is_from(enum frame_type, enum frame_from);
/* Is it counted, acknowledged, and sent again after a cut? */
bool frame_is_numbered(enum frame_type);

/* A frame in the caller's bytes; payload points into them. */
struct frame {
	enum frame_type type;
	frame_session session;
	const uint8_t *payload;
	uint32_t payload_len;
};

enum { FRAME_LENGTH_BYTES = 4 };
/*
 * How long the frame is that begins with these FRAME_LENGTH_BYTES, head and all. Of a peer's bytes that frame_read has
 * not judged it may be any number, below 2^33.
 */
static inline size_t frame_len(const uint8_t *bytes)
{
	return FRAME_LENGTH_BYTES +
	       ((size_t)bytes[0] << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3]);
}

/*
 * The first frame of the bytes. Answers how many bytes it takes, 0 when more are needed (ret_error is FRAME_ERROR_NONE)
 * or they are no frame (ret_error says why: the link must be closed); ret is untouched then. Payloads of fields are
 * checked whole against fields.def, so that frame_find can rely on them. The verdict on a head falls as soon as the
 * head is there, so that nobody waits for a payload that would be refused, and it is the same however the bytes were
 * cut.
 */
size_t frame_read(const uint8_t *bytes, size_t len, struct frame *ret, enum frame_error *ret_error);

/*
 * Writes the twelve bytes in front of a payload of payload_len bytes. It must be a head that frame_read accepts: that
 * is asserted. For ELEMENT, PING, PONG, PROOF, KEEP and the frames without a payload; ACK, FANOUT and frames of fields
 * are built below.
 */
void frame_head(uint8_t to[static FRAME_HEAD_BYTES], enum frame_type, frame_session, size_t payload_len);

/* The value of a field of a frame that frame_read gave, inside its payload; false: absent, or no frame of fields. */
struct frame_value {
	const uint8_t *at;
	uint32_t len;
};
bool frame_find(const struct frame *, enum frame_field, struct frame_value *ret);
/* The same, for U16, U32, U64, FLAG and STAGE: `absent` when there is none. */
uint64_t frame_find_int(const struct frame *, enum frame_field, uint64_t absent);

/* A whole ACK of so many frames, and the count in one. */
void frame_ack(uint8_t to[static FRAME_ACK_BYTES], uint64_t count);
uint64_t frame_ack_count(const struct frame *);

/*
 * FANOUT: a count of two bytes, so many sessions of seven bytes, and one element. frame_fanout answers the parts of one
 * that frame_read gave; the views point into its payload. frame_fanout_head writes what stands before the element into
 * room of frame_fanout_head_bytes(count): 1 to FRAME_FANOUT_MAX sessions, none of them 0, and an element with which the
 * payload is not too long; that is asserted.
 */
struct frame_fanout {
	const uint8_t *sessions, *element;
	uint32_t count, element_len;
};
struct frame_fanout frame_fanout(const struct frame *);
frame_session frame_fanout_session(const struct frame_fanout *, uint32_t index);
size_t frame_fanout_head_bytes(uint32_t count);
void frame_fanout_head(uint8_t *to, const frame_session *sessions, uint32_t count, size_t element_len);

/*
 * Builds a frame of fields in the caller's room. Put fields, then end; end answers the frame's bytes, head included, or
 * 0 when the room was too small or the frame would break fields.def (a value, a field twice, in the wrong frame, or
 * missing). The bytes are the caller's all the time; when end answers 0 they are not to be sent.
 */
struct frame_builder {
	uint8_t *to;
	size_t cap, len;
	bool bad;
};
void frame_begin(struct frame_builder *, uint8_t *to, size_t cap, enum frame_type, frame_session);
void frame_put(struct frame_builder *, enum frame_field, const void *value, size_t len);
void frame_put_text(struct frame_builder *, enum frame_field, const char *text);
void frame_put_int(struct frame_builder *, enum frame_field,
		   uint64_t value); /* in the field's size, which it must fit */
size_t frame_end(struct frame_builder *);

#endif
