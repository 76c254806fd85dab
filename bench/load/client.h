/*
 * client: one XMPP client: connection, login, and then stanzas.
 */
#ifndef LOAD_CLIENT_H
#define LOAD_CLIENT_H

#include "account.h"
#include "traffic.h"
#include "wire.h"
#include "xml.h"

struct load;

enum client_state {
	CLIENT_NEW,
	CLIENT_CONNECTING,
	CLIENT_OFFER,	 /* features before TLS are awaited */
	CLIENT_PROCEED,	 /* the answer to <starttls/> */
	CLIENT_TLS,	 /* the handshake */
	CLIENT_FEATURES, /* features with mechanisms */
	CLIENT_SASL,
	CLIENT_BINDABLE, /* features with bind */
	CLIENT_BIND,	 /* the answer to bind */
	CLIENT_ONLINE,
	CLIENT_ENDED
};

struct client {
	struct wire wire;
	struct xml xml;
	struct xml_work *work; /* while an element is partly here; else NULL */
	uint8_t *rest;	       /* bytes of it */
	size_t rest_len;
	Gsasl_session *login;
	char *jid; /* full, once bound; escaped for an attribute */
	struct flow flow;
	uint64_t begun_ns;
	unsigned number;
	uint32_t polled; /* what epoll watches for */
	uint8_t state;	 /* enum client_state */
	bool dirty;
};

bool client_is_online(const struct client *);
bool client_is_logging_in(const struct client *);

/* Begins to connect. */
void client_begin(struct load *, struct client *, unsigned number);
/* epoll has something to say. */
void client_on_ready(struct load *, struct client *, uint32_t events);
/* Sends what was put. */
void client_flush(struct load *, struct client *);
/* The login took too long. */
void client_expire(struct load *, struct client *);
/* Ends the stream and closes; not a fault. */
void client_end(struct load *, struct client *);

#endif
