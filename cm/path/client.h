/*
 * client: one client connection from accept to the end: socket and TLS (conn), tokenizer, stream automaton, its session
 * at a session server, its timer. What it needs only until it is bound is in a struct login of its own, so that an idle
 * client is this struct, its TLS state, a stamp of some fifty bytes, and nothing else (docs/architecture.md has the
 * sum; a byte more here is a byte for every client).
 */
#ifndef PATH_CLIENT_H
#define PATH_CLIENT_H

#include "address.h"
#include "conn.h"
#include "frame.h"
#include "login.h"
#include "proxy.h"
#include "slab.h"
#include "stream.h"
#include "wheel.h"
#include "xml_scope.h"

struct worker;
struct uplink;

/* Bytes of an element that is partly there, and the tokenizer's notes on them. */
struct partial {
	struct xml_work *work;
	uint32_t len, cap;
	uint8_t bytes[];
};

/* What few clients have. */
struct client_aside {
	char host[ADDRESS_TEXT_BYTES]; /* where it is, as the PROXY header said; "": the socket's own peer */
	uint16_t port;
	struct xml_scope *scope; /* what its stream's header declares; NULL: the usual */
	struct keepsake *keep;	 /* of its session server; NULL: none */
};

struct client {
	struct conn conn; /* first: a conn of kind WORKER_CLIENT is a client */
	struct wheel_node timer;
	union {
		struct xml xml;
		struct startalk *frames; /* startalk */
	};
	struct login *login;
	struct partial *partial;
	char *stamp;		    /* " from='...' xml:lang='...'", ready to be spliced into stanzas; once bound */
	struct client_aside *aside; /* NULL: nothing of it */
	union {
		struct client *choked_next; /* choked: the next of those whose link is full */
		struct orphan *orphan;	    /* orphaned */
	};
	struct common *presence; /* the last that it broadcast (keepsake.h); NULL: it is not available */
	uint16_t stamp_from_len; /* without xml:lang */
	uint16_t stamp_len;
	uint32_t heard_s;  /* when it last sent anything: seconds of the worker's clock */
	uint32_t sent;	   /* numbered frames of its session, since it is bound, that were put on the link */
	uint32_t received; /* the same, that have come */
	uint32_t stanzas_in, stanzas_out; /* since it is bound: from it, for it */
	struct stream stream;
	int8_t uplink; /* index of its session server; -1: no session is open */
	uint8_t proxy; /* enum proxy_version: the header that must come first; none any more after it */
	bool direct : 1;
	bool awaiting : 1;    /* an answer of the session server must come before the client's next element */
	bool choked : 1;      /* on its uplink's list of those that must not send */
	bool held : 1;	      /* the session server paused it */
	bool paused : 1;      /* the session server was told to pause */
	bool handshaking : 1; /* OpenSSL is at it */
	bool orphaned : 1;    /* its session has no link (orphan.h), and it is not read from */
	bool waiting : 1;     /* in a line of turns.h, or its step is being made; not read from meanwhile */
	uint8_t sessions : 4; /* that it has had before this one */
	bool startalk : 1;    /* its dialect (dialect.h) */
};
enum { CLIENT_SESSIONS_MAX = 15, CLIENT_SESSIONS_SHIFT = 28 };

struct listener;
/*
 * A socket that a listener accepted. It is closed at once when there is no room, or when the listener asks for a PROXY
 * header and the peer is not trusted with one.
 */
void client_new(struct worker *, int fd, const struct listener *);
/*
 * The socket's own peer. False: it has left. While the client logs in it costs nothing; later it takes three calls of
 * the system.
 */
bool client_peer(struct worker *, const struct client *, struct address *ret);
/* Where it is, as text: what its PROXY header said, or the socket's own peer; "gone" and 0 when that has left. */
void client_address(struct worker *, const struct client *, char to[static ADDRESS_TEXT_BYTES], uint16_t *ret_port);
/* What few have; made of zeros when it had nothing of it. */
struct client_aside *client_aside(struct client *);
/* Whether a PROXY header said where it is. */
static inline bool client_is_told(const struct client *c)
{
	return c->aside != NULL && c->aside->host[0] != '\0';
}
/* Whether it was bound once: its stream may have ended since. */
static inline bool client_was_bound(const struct client *c)
{
	return c->stamp != NULL;
}
/* A completion of one of its conn's operations. */
void client_complete(struct worker *, struct client *, enum conn_op, const struct io_done *);
/* It has ended and nothing of it is with the kernel: gives everything back. */
void client_free(struct worker *, struct client *);
/* Once bound: it may be silent until idle_ms_max is over, from when it was last heard. */
void client_set_idle(struct worker *, struct client *);
/* Its timer has come. */
void client_timeout(struct worker *, struct client *);

/* The name of its session on the link: its own handle, and which of its sessions it is. */
frame_session client_session(const struct client *);
/* The client of a session; NULL: it is gone. */
struct client *client_find(struct worker *, frame_session);

/*
 * Ends it: says what the reason demands (close.def), tells the session server, counts, logs. `condition` and `text`
 * replace the reason's own when not NULL; `element`, checked XML, goes with the condition. `detail` is for the log
 * alone. Nothing happens when it is ending already.
 */
struct client_end {
	enum reason reason;
	const char *condition, *text, *element, *detail;
};
void client_close(struct worker *, struct client *, const struct client_end *);
void client_close_for(struct worker *, struct client *, enum reason);

/*
 * After <starttls/>, which it answers: a handshake comes next. False: there is no room for one more, or too many came
 * from this address, and the client was closed.
 */
bool client_await_tls(struct worker *, struct client *);
/* A handshake's first record is there, and it is its turn: says in the step how it begins. */
void client_begin_tls(struct worker *, struct client *, struct handshake_step *ret);
/* The TLS handshake is done. */
void client_on_secure(struct worker *, struct client *);
/* A new stream id: 128 random bits (RFC 6120, 4.7.3). */
void client_random_id(char to[static STREAM_ID_BYTES]);
/* Answers a stream header with ours and the features of the state. */
void client_greet(struct worker *, struct client *);
/* The session server says who it is, and later its full JID. False: that cannot be now. */
bool client_on_authenticated(struct worker *, struct client *, const struct frame *);
bool client_on_bound(struct worker *, struct client *, const struct frame *);
/* Its state has changed from `before`: the counters follow. */
void client_count_state(struct worker *, const struct client *, enum stream_state before);
/* Whether an answer of the session server must come first. */
void client_await(struct worker *, struct client *, bool awaiting);
/* Whether it may be read from, all reasons not to considered; acts on it. */
void client_steer_reading(struct worker *, struct client *);

#endif
