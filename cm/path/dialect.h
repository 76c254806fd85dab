/*
 * dialect: how a client speaks: XMPP's XML, or Startalk's frames. Everything else about a client is the same: its
 * connection, the automaton of its stream, its session. A dialect makes XML of what the client sends and hands it to
 * ingress_found(), and writes to the client what is said in XML.
 */
#ifndef PATH_DIALECT_H
#define PATH_DIALECT_H

#include "client.h"
#include "pool.h"

struct dialect {
	/* Before the first byte. */
	void (*begin)(struct worker *, struct client *);
	/* What the client has sent, as far as it was not taken before; it may be written to. Answers how much was
	 * taken. */
	size_t (*take)(struct worker *, struct client *, uint8_t *text, size_t len);
	/* One element for the client, which the tokenizer has accepted; without NUL. */
	void (*write)(struct worker *, struct client *, const uint8_t *xml, size_t len);
	/* The answer to a stream header, with what is offered. */
	void (*greet)(struct worker *, struct client *, struct pool_text features);
	/* TLS may begin. */
	void (*proceed)(struct worker *, struct client *);
	/* TLS is there, and the stream is new. */
	void (*secure)(struct worker *, struct client *);
	/* It has logged in; the stream is new when the automaton says that a header is due. */
	void (*authenticated)(struct worker *, struct client *);
	/* It is bound: it has a stamp, and no login any more. */
	void (*bound)(struct worker *, struct client *);
	/* The session server has taken the numbered frames of its session up to this one. */
	void (*taken)(struct worker *, struct client *, uint32_t number);
	/* The last words: condition, text and element, which are there; condition "": no error. */
	void (*end)(struct worker *, struct client *, const struct client_end *);
	/* Gives back what it has of the client. */
	void (*done)(struct worker *, struct client *);
};

extern const struct dialect dialect_xmpp, dialect_startalk;

static inline const struct dialect *client_dialect(const struct client *c)
{
	return c->startalk ? &dialect_startalk : &dialect_xmpp;
}

#endif
