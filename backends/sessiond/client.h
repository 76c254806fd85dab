/*
 * client: the core's side of a session: where it is (router/backend.h), its way through login. A client is closed once
 * (CLOSE goes out, nothing is sent afterwards, what still comes for it is ignored) and reaped after the frame at hand.
 */
#ifndef SESSIOND_CLIENT_H
#define SESSIOND_CLIENT_H

#include "server.h"

enum {
	CLIENT_FAILURES_MAX = 5,   /* of logging in, then of binding; after the last one the stream is closed */
	CLIENT_RESOURCES_MAX = 64, /* of one user */
	CLIENT_WAITING_BYTES_MAX = 1 << 20, /* what may wait while the session is paused, or without a link */
	CLIENT_ELEMENT_BYTES_MAX = 4 << 20,
	CLIENT_NEGOTIATION_BYTES_MAX = 64 << 10, /* an element before bind */
};

struct client {
	struct session session;
	struct backend_session *at; /* NULL once it is closed */
	struct table_node by_full;
	struct client *dying_next;
	struct sasl *sasl; /* until authenticated */
	unsigned failures, registering;
	bool encrypted, exporter;
	bool closed;
	bool verifying;
	struct client *verify_next;
	char address[65];
};

/* An account with bound sessions, in the registry. */
struct user_entry {
	struct user user;
	struct table_node by_bare;
};

static inline struct client *client_of(struct session *session)
{
	return (struct client *)session; /* its first member */
}

/* OPEN. Closes it at once when its domain is not served. */
void client_open(struct backend_session *, const struct frame *);
/* ELEMENT. */
void client_element(struct client *, const uint8_t *bytes, uint32_t len);
/* CLOSE came from the gate, and was answered. */
void client_closed_by_gate(struct client *);
/* Its link is gone, and nobody will come back for it. */
void client_lost(struct client *);
/* ADOPT. */
void client_adopt(struct backend_session *, const struct frame *);
/* All that backend_over knows of: they are lost. */
void clients_lose(struct sessiond *);

/* An element to the client, NUL-terminated text. */
void client_send(struct client *, const char *xml);
/* CLOSE with a condition, or in peace (NULL). */
void client_shut(struct client *, const char *condition, const char *reason);
/* STATE: what it has become, with features (NULL: none). */
void client_state(struct client *, enum frame_stage, const char *jid, const char *features);

/* Into the registry: `full_jid` is prepared and nobody's. Its stage becomes BOUND. */
void client_register(struct client *, const char *full_jid);
void client_unregister(struct client *);
/* Frees the clients that were closed, with stanza_session_ended for those that were bound. */
void clients_reap(struct sessiond *);

#endif
