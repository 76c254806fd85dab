/*
 * link: one link between a gate's worker and a session server, as an automaton. It says hello, agrees on a version,
 * keeps the heartbeat, answers PINGs, and hands over every other frame, checked for direction and order. The frames'
 * meaning is the caller's business. Pure: it is given bytes and the time, and says what to send. docs/link-protocol.md
 * is the protocol.
 */
#ifndef ROUTER_LINK_H
#define ROUTER_LINK_H

#include "frame.h"

enum link_end { LINK_GATE, LINK_BACKEND };

enum {
	LINK_NAME_BYTES = 256,
	LINK_SEND_MAX = 1024,	     /* what one call may want sent, at most */
	LINK_PING_AFTER_MS = 10000,  /* nothing heard for so long: a PING is sent */
	LINK_DEAD_AFTER_MS = 30000,  /* nothing heard for so long: the link is dead */
	LINK_HELLO_WITHIN_MS = 5000, /* HELLO must come within */
};

/* Who we are; used while link_init runs. */
struct link_self {
	const char *name;     /* at most 255 bytes of UTF-8; asserted */
	const char *software; /* the same, or NULL */
	uint64_t epoch;
};

struct link {
	enum link_end end; /* which end we are */
	bool up;	   /* HELLO was received and agreed on */
	bool pinged;	   /* a PING is out, and nothing was heard since */
	uint16_t version;
	uint64_t epoch;		    /* the peer's */
	uint64_t heard_ms;	    /* when the last whole frame was taken */
	char name[LINK_NAME_BYTES]; /* the peer's */
};

/* What must be sent now: bytes of `send`. */
struct link_send {
	uint8_t bytes[LINK_SEND_MAX];
	size_t len;
};

/* Begins: `ret_send` is our HELLO, the first bytes on the link. Times are of any clock that runs steadily. */
void link_init(struct link *, enum link_end, const struct link_self *, uint64_t now_ms, struct link_send *ret_send);

enum link_is {
	LINK_MORE,  /* no whole frame: call again with these bytes and more (used is 0) */
	LINK_QUIET, /* a frame was taken that is none of the caller's business */
	LINK_UP,    /* the peer's HELLO was taken: name, epoch and version are known */
	LINK_FRAME, /* `frame` is for the caller */
	LINK_BAD    /* the peer broke the protocol: close the link */
};
struct link_found {
	enum link_is is;
	size_t used;		/* bytes to drop from the front; the frame's payload points into them */
	struct frame frame;	/* of LINK_FRAME only */
	enum frame_error error; /* of LINK_BAD only */
	struct link_send
		send; /* to be sent, whatever `is` says, except BAD; send.bytes beyond send.len are undefined */
};
/*
 * Takes the first frame of the peer's bytes, which are the caller's and start at a frame's first byte. To be called
 * until it says LINK_MORE. After LINK_BAD the link is spent. A frame handed over has passed frame_read, comes from an
 * end that may send it, and comes after HELLO; whether its session exists is for the caller to know. LINK_MORE is said
 * for at most FRAME_HEAD_BYTES + FRAME_PAYLOAD_MAX - 1 bytes. Each PING asks for a PONG: a caller whose peer does not
 * read bounds what it keeps, as for all other frames.
 */
void link_next(struct link *, const uint8_t *bytes, size_t len, uint64_t now_ms, struct link_found *ret);

/* To be called about once a second. False: the peer is dead (FRAME_ERROR_SILENT). `ret_send` may be a PING, or nothing.
 */
bool link_tick(struct link *, uint64_t now_ms, struct link_send *ret_send);

#endif
