/*
 * link: one link between a gate's worker and a session server, as an automaton. It says hello, agrees on a version,
 * proves and asks for the shared key where there is one, keeps the heartbeat, answers PINGs, counts numbered frames,
 * and hands over every other frame, checked for direction and order. The frames' meaning is the caller's business.
 * Pure: it is given bytes and the time, and says what to send. docs/link-protocol.md is the protocol. What was sent and
 * may have to be sent again is kept by retained.h.
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
	LINK_HELLO_WITHIN_MS = 5000, /* HELLO, and PROOF where there is a key, must come within */
	LINK_WINDOW = 4 << 20,	     /* the usual WINDOW */
	LINK_WINDOW_MIN = 65536,
	LINK_ACK_BYTES = 65536, /* a gate that has taken so many acknowledges them */
	LINK_NONCE_BYTES = 32,
	LINK_BINDING_BYTES = 32,
	LINK_PROOF_BYTES = 32,
};

/*
 * A shared key, for one link. `mac` is HMAC-SHA-256 (RFC 2104) with the key, over at most 97 bytes; it is called during
 * link_next, and the context must live as long as the link. Both nonces go into a proof, and the TLS connection's
 * channel binding of type tls-exporter (RFC 9266), so that what was said on one link is worth nothing on another.
 */
struct link_key {
	void (*mac)(void *context, const uint8_t *bytes, size_t len, uint8_t ret[static LINK_PROOF_BYTES]);
	void *context;
	uint8_t nonce[LINK_NONCE_BYTES]; /* random, drawn for this link alone */
	uint8_t binding[LINK_BINDING_BYTES];
	size_t binding_len; /* LINK_BINDING_BYTES on TLS; 0 elsewhere */
};

/* Who we are; used while link_init runs. */
struct link_self {
	const char *name;     /* at most 255 bytes of UTF-8; asserted */
	const char *software; /* the same, or NULL */
	uint64_t epoch;
	uint32_t window;      /* what we take unacknowledged; 0: LINK_WINDOW, else LINK_WINDOW_MIN at least; asserted */
	uint32_t patience_ms; /* of a gate; 0: it does not try to get sessions back */
	const struct link_key *key;				/* copied; NULL: none is shared */
	uint32_t hello_within_ms, ping_after_ms, dead_after_ms; /* 0: as above */
};

struct link {
	enum link_end end; /* which end we are */
	bool greeted;	   /* HELLO was received and agreed on */
	bool up;	   /* and PROOF, where there is a key */
	bool pinged;	   /* a PING is out, and nothing was heard since */
	uint16_t version;
	uint32_t window;	    /* the peer's: what we may have unacknowledged */
	uint32_t patience_ms;	    /* the peer's */
	uint32_t taken_bytes;	    /* of numbered frames handed over since the last ACK that we made */
	uint64_t taken;		    /* numbered frames handed over */
	uint64_t acked;		    /* of these, told to the peer */
	uint64_t epoch;		    /* the peer's */
	uint64_t heard_ms;	    /* when the last whole frame was taken */
	char name[LINK_NAME_BYTES]; /* the peer's */
	uint32_t hello_within_ms, ping_after_ms, dead_after_ms;
	struct link_key key;		 /* mac is NULL: there is none */
	uint8_t nonce[LINK_NONCE_BYTES]; /* the peer's */
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
	LINK_UP, /* the peer's HELLO was taken, and its PROOF where there is a key: name, epoch and version are known */
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
 * end that may send it, and comes after HELLO and PROOF; whether its session exists is for the caller to know, and ACK
 * is for the caller too. LINK_MORE is said for at most FRAME_HEAD_BYTES + FRAME_PAYLOAD_MAX - 1 bytes. Each PING asks
 * for a PONG: a caller whose peer does not read bounds what it keeps, as for all other frames.
 */
void link_next(struct link *, const uint8_t *bytes, size_t len, uint64_t now_ms, struct link_found *ret);

/*
 * An ACK of the first `handled` numbered frames of those handed over (link->taken counts them): it will not be lost by
 * a cut of the link what they brought. Nothing, when the peer has been told already. No more than link->taken;
 * asserted. A backend acknowledges once a turn, as soon as it can; a gate may wait while taken_bytes is below
 * LINK_ACK_BYTES, but no longer than a second.
 */
void link_ack(struct link *, uint64_t handled, struct link_send *ret_send);

/* To be called about once a second. False: the peer is dead (FRAME_ERROR_SILENT). `ret_send` may be a PING, or nothing.
 */
bool link_tick(struct link *, uint64_t now_ms, struct link_send *ret_send);

#endif
