/*
 * client: one XMPP client: connection, login, and then stanzas. Idle, it is this struct and its record engine.
 */
#ifndef LOAD_CLIENT_H
#define LOAD_CLIENT_H

#include "account.h"
#include "fault.h"
#include "traffic.h"
#include "wire.h"
#include "xml.h"

struct load;
struct management;

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
	CLIENT_ENABLE,	 /* the answer to <enable/> */
	CLIENT_RESUME,	 /* the answer to <resume/> */
	CLIENT_ONLINE,
	CLIENT_ENDED
};

/* An element that is partly here. */
struct rest {
	struct xml_work *work;
	size_t len, cap;
	uint8_t bytes[];
};

struct client {
	struct wire wire;
	struct xml xml;
	struct rest *rest; /* NULL: none */
	Gsasl_session *login;
	unsigned char *exporter;       /* of the TLS connection, until the login has used it */
	char *jid;		       /* full and escaped for an attribute, if it is another than was asked for */
	SSL_SESSION *session;	       /* for the next handshake; with --resume */
	struct management *management; /* of a stream that can be resumed (management.h); NULL: there is none */
	struct flow flow;
	uint64_t begun_ns; /* when the login was due; when the end began */
	unsigned number;
	uint8_t state;				/* enum client_state */
	uint8_t scope;				/* of load->scopes; 0: the usual */
	bool dirty, joined, returning, cut_off; /* cut_off: by the server, since it did not read */
};

bool client_is_online(const struct client *);
bool client_is_logging_in(const struct client *);

/* Begins to connect. `due_ns`: when it should have. */
void client_begin(struct load *, struct client *, unsigned number, uint64_t due_ns);
/* A completion of its wire. */
void client_on_done(struct load *, struct client *, enum wire_op, const struct io_done *);
/* Sends what was put, and takes note of a wire that is gone. */
void client_flush(struct load *, struct client *);
/* Once a second, whether its login, or its end, takes too long. */
void client_expire(struct load *, struct client *, uint64_t now_ns);
/* Ends the stream and closes; not a fault. */
void client_end(struct load *, struct client *);
/* The client is given up. */
void client_fail(struct load *, struct client *, enum fault, const char *detail);
/* TLS begins on its connection. */
void client_start_tls(struct load *, struct client *);
/* Text to be sent. */
void client_say(struct load *, struct client *, const char *text, size_t len);

#endif
