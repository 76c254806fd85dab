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
	FRAME_VERSION = 1,	      /* of the protocol, this one */
};

enum frame_type {
#define FRAME(id, name, from, session, payload, meaning) FRAME_##name = id,
#include "frames.def"
};
enum frame_field {
#define FIELD(key, name, kind, bytes, in, meaning) FIELD_##name = key,
#include "fields.def"
};
enum frame_stage { FRAME_STAGE_AUTHENTICATED = 1, FRAME_STAGE_BOUND = 2 };

/* Names a session on its link: chosen by the gate, opaque to the backend, never 0, never used again in the life of a
 * link. */
typedef uint64_t frame_session; /* below 2^56 */

/* What is wrong with the peer's bytes. frame_read finds those up to MISSING, link.h the others. */
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

/* A frame in the caller's bytes; payload points into them. */
struct frame {
	enum frame_type type;
	frame_session session;
	const uint8_t *payload;
	uint32_t payload_len;
};

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
 * is asserted. For ELEMENT, PING, PONG and the frames without a payload; frames of fields are built below.
 */
void frame_head(uint8_t to[static FRAME_HEAD_BYTES], enum frame_type, frame_session, size_t payload_len);

/* The value of a field of a frame that frame_read gave, inside its payload; false: absent, or no frame of fields. */
struct frame_value {
	const uint8_t *at;
	uint32_t len;
};
bool frame_find(const struct frame *, enum frame_field, struct frame_value *ret);
/* The same, for U16, U64, FLAG and STAGE: `absent` when there is none. */
uint64_t frame_find_int(const struct frame *, enum frame_field, uint64_t absent);

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
