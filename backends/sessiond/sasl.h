/*
 * sasl: the server's side of logging in (RFC 6120 section 6; SCRAM of RFC 5802 and RFC 7677, with channel binding of
 * type tls-exporter, RFC 9266; PLAIN of RFC 4616; EXTERNAL of RFC 4422 with a client's certificate, XEP-0178), on top
 * of GNU SASL. It reads and makes base64 and names conditions; the XML around them is the caller's.
 *
 * Who does not exist, and who gives a wrong password, get the same answers after the same work: salt and iterations are
 * made up for a name without an account (password.h).
 */
#ifndef SESSIOND_SASL_H
#define SESSIOND_SASL_H

#include "password.h"

enum { SASL_EXPORTER_BYTES = 32, SASL_MESSAGE_MAX = 4096 };

/* The mechanisms, for all clients of a server. */
struct sasl_server;
/* One client's logging in: any number of exchanges, one after the other. */
struct sasl;

/* What decides which mechanisms a client is offered. Used during sasl_new; `domain` is prepared. */
struct sasl_client {
	const char *domain;
	bool encrypted;
	const uint8_t *exporter; /* SASL_EXPORTER_BYTES, or NULL */
	const char *addresses;	 /* XmppAddr names of a verified certificate, one in a line; NULL: none was shown */
};

/* NULL: no memory. `passwords` must stay. */
struct sasl_server *sasl_server_new(struct passwords *);
/* After all its clients. Accepts NULL. */
void sasl_server_free(struct sasl_server *);

/* The names offered to a client, the preferred ones first; as many as there are, then NULL. */
enum { SASL_MECHANISMS_MAX = 8 };
struct sasl_kind {
	bool encrypted, binding, certificate; /* the last two: only where the first is */
};
void sasl_offers(struct sasl_kind, const char *ret[static SASL_MECHANISMS_MAX + 1]);

struct sasl *sasl_new(struct sasl_server *, const struct sasl_client *);
/* At any time. Accepts NULL. */
void sasl_free(struct sasl *);

enum sasl_is {
	SASL_CHALLENGE, /* `text` goes to the client, which must respond */
	SASL_SUCCESS,	/* `text` goes with the success (NULL: nothing does); sasl_jid() is who the client is */
	SASL_FAILURE,	/* `condition` (RFC 6120, 6.5); the exchange is over, another may begin */
	SASL_VERIFY /* a password must be checked, which is much work: call sasl_verify() when there is time for it */
};
struct sasl_answer {
	enum sasl_is is;
	const char *text; /* base64, "=" for empty data; good until the next call */
	const char *condition;
};

/*
 * The client's <auth/>: mechanism (NULL: absent) and text. An exchange that was going on is dropped. An empty text
 * means no initial response.
 */
void sasl_begin(struct sasl *, const char *mechanism, const char *text, struct sasl_answer *ret);
/* The client's <response/>. */
void sasl_respond(struct sasl *, const char *text, struct sasl_answer *ret);
/* Only after SASL_VERIFY, before anything else. Answers success or failure. */
void sasl_verify(struct sasl *, struct sasl_answer *ret);
/* Whether an exchange has begun that is not over. */
bool sasl_is_going(const struct sasl *);
/* The client's <abort/>, or nobody waits any more. */
void sasl_abort(struct sasl *, struct sasl_answer *ret);

/* After SASL_SUCCESS: the prepared bare JID. */
const char *sasl_jid(const struct sasl *);

#endif
