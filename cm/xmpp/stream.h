/*
 * stream: the automaton of one client's XMPP stream, as the gate sees it (RFC 6120, sections 4 to 8; XEP-0368).
 *
 * It is told what the tokenizer found and what the session server reported, and answers what to do: an act. It owns no
 * bytes, sends nothing, and knows nobody. What to send is written by the stream_write_... functions into the caller's
 * room.
 *
 *   PLAIN ─<starttls/>─► HANDSHAKE ─TLS─► SECURE ─<auth/>─► NEGOTIATING ─STATE 1─► AUTHENTICATED ─STATE 2─► BOUND
 *                              ▲
 *                         direct TLS starts here
 *
 * A stream header is due at the start, after TLS, and after login (the restart); `header_due` says so.
 * Before BOUND only what the state allows passes; anything else ends the stream. Nothing is ever guessed.
 */
#ifndef XMPP_STREAM_H
#define XMPP_STREAM_H

#include "reason.h"
#include "xml.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stream_state {
	STREAM_PLAIN,	      /* STARTTLS is offered, and nothing else */
	STREAM_HANDSHAKE,     /* TLS is being made: no XML until stream_on_tls() */
	STREAM_SECURE,	      /* login is offered; no session yet */
	STREAM_NEGOTIATING,   /* the session server has the session; SASL goes on */
	STREAM_AUTHENTICATED, /* who it is is known; a resource must be bound */
	STREAM_BOUND,	      /* stanzas pass */
	STREAM_ENDED
};

struct stream {
	uint8_t state; /* enum stream_state */
	bool header_due;
	bool header_sent; /* ours, since the last restart: errors need it before them */
};

/* What a login needs to remember until the client is bound; the caller keeps it, and frees it then. */
enum { STREAM_ID_BYTES = 33, STREAM_DOMAIN_BYTES = 1024, STREAM_LANG_BYTES = 36, STREAM_JID_BYTES = 3072 };
struct stream_login {
	char domain[STREAM_DOMAIN_BYTES]; /* prepared; fixed once TLS is there */
	char lang[STREAM_LANG_BYTES];	  /* xml:lang of the header, "" for none */
	char from[STREAM_JID_BYTES];	  /* the header's from, prepared bare JID, "" for none; see below */
	char id[STREAM_ID_BYTES];	  /* of the present stream: 128 random bits, given by the caller */
	bool registration;		  /* set by the caller: the features offered contain registration (XEP-0077) */
	uint32_t bytes, elements;	  /* seen until the client is bound; kept by stream_read() */
	uint32_t bytes_max, elements_max; /* set by the caller: one more of either is REASON_LOGIN_LIMIT */
};

enum stream_act {
	STREAM_ACT_HEADER,   /* answer with our header and the features of this state */
	STREAM_ACT_STARTTLS, /* answer <proceed/>, begin TLS; nothing may be buffered behind it (RFC 6120, 5.4.3.3) */
	STREAM_ACT_REPLY,    /* answer `reply`, a static text, and go on */
	STREAM_ACT_OPEN,     /* open a session at the session server and pass the element on */
	STREAM_ACT_PASS,     /* pass the element on as it is (negotiation, stream management) */
	STREAM_ACT_STANZA,   /* pass the element on with the client's own `from` */
	STREAM_ACT_END,	     /* the client ended its stream: answer in kind and close */
	STREAM_ACT_CLOSE     /* close with `reason` */
};
struct stream_verdict {
	enum stream_act act;
	enum reason reason;
	const char *reply;
};

/* A connection begins; direct: TLS comes first. */
void stream_init(struct stream *, bool direct);

/*
 * The tokenizer found a header, an element, the footer. `event` is not XML_MORE or XML_BAD; `bytes` are those it
 * describes, and the scope in which it was read still exists. The state is not HANDSHAKE or ENDED. `login` is NULL
 * exactly when the state is BOUND. Before the first call the caller zeroes login and sets its limits. kind.def is the
 * automaton, element.def lists the elements there are, answer.def the answers. After a close or an end the state is
 * ENDED.
 *
 * Headers (RFC 6120, 4.7 and 4.8) are checked in this order; login has what was good before the fault:
 *
 *   content namespace   jabber:client, else REASON_NAMESPACE.
 *   version             Major at least 1, else (or absent, which means 0.9) REASON_VERSION.
 *   to                  Absent: REASON_ADDRESS_MISSING. No domain: REASON_HOST_UNKNOWN. Another than in the header
 *                       before TLS or login: REASON_HOST_CHANGED. Whether it is served is for the caller to say, on
 *                       STREAM_ACT_HEADER.
 *   from                May be absent. A JID of the domain in `to`, else REASON_FROM_INVALID; its bare part counts.
 *                       When the client is authenticated, the caller has put the authenticated bare JID into
 *                       login->from before the header is read: it must be that one, and login->from stays.
 *   xml:lang            Copied if it looks like a language tag, else ignored.
 *   id                  Ignored.
 *
 * STREAM_ACT_HEADER sets header_sent, since the caller sends its header whatever it decides next. On a close with
 * header_sent false the caller sends its header, and then the error (RFC 6120, 4.9.1.2; for an unknown host 4.9.1.3).
 */
void stream_read(struct stream *, struct stream_login *, const struct xml_event *event, const uint8_t *bytes,
		 struct stream_verdict *ret);

/* TLS is there: a header is due. */
void stream_on_tls(struct stream *);
/* The session could not be opened, and the client was told: it may try again. The state is NEGOTIATING. */
void stream_on_refused(struct stream *);
/* The session server reported who the client is (STATE stage 1). False: not in this state. */
bool stream_on_authenticated(struct stream *, bool no_restart);
/* The session server reported the full JID (STATE stage 2). False: not in this state, or the restart's header has not
 * come yet. */
bool stream_on_bound(struct stream *);

/*
 * What is said. All write text without NUL into `to` and answer the bytes written, 0 when cap was too small (enough is
 * STREAM_WRITE_BYTES and the sum of the texts passed, escaped; `to` is then spoilt). Values are escaped here;
 * `features` are the children of <stream:features/>, XML already, and are copied.
 */
enum { STREAM_WRITE_BYTES = 1024 };
struct stream_greeting {
	const char *domain, *id, *lang; /* lang "" : en */
	const char *to;			/* the client's bare JID if it sent a `from`, else "" (RFC 6120, 4.7.2) */
	bool version;			/* false: the client spoke version 0.9; so do we */
};
size_t stream_write_header(char *to, size_t cap, const struct stream_greeting *);
/* PLAIN: STARTTLS, required. Otherwise the features given by the session server. */
size_t stream_write_features(char *to, size_t cap, const struct stream *, const char *features, size_t features_len);
/* <stream:error> (RFC 6120, 4.9.2), and the footer. */
struct stream_farewell {
	const char *condition; /* a defined one; "": the footer alone */
	const char *text;      /* "": none */
	const char *element;   /* XML, as it is: what is more than the condition says (4.9.4); "": nothing */
};
size_t stream_write_end(char *to, size_t cap, const struct stream_farewell *);

/*
 * The user that an <auth/> (RFC 6120, 6.4.2) or <authenticate/> (XEP-0388) speaks of, for choosing the session server:
 * from the initial response of PLAIN (RFC 4616), SCRAM-* (RFC 5802), HT-* (XEP-0484). Where an authorization identity
 * is given it is that one's. Writes the prepared local part, NUL-terminated. False: the mechanism does not tell, or
 * what it tells is malformed; then any server of the domain will do, and the session server judges the exchange.
 */
bool stream_auth_user(const struct xml_event *auth, const uint8_t *bytes, char *to /* 1024 bytes */);

#endif
