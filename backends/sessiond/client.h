/*
 * client: the core's side of a session: where it is (router/backend.h), its way through login. A client is closed once
 * (CLOSE goes out, nothing is sent afterwards, what still comes for it is ignored) and reaped after the frame at hand.
 */
#ifndef SESSIOND_CLIENT_H
#define SESSIOND_CLIENT_H

#include "server.h"
#include "store_session.h"

enum {
	CLIENT_FAILURES_MAX = 5,	   /* of logging in, then of binding; after the last one the stream is closed */
	CLIENT_RESOURCES_MAX = 64,	   /* of one user */
	CLIENT_OUTBOX_BYTES_MAX = 8 << 20, /* what may be there that is not known to have arrived */
	CLIENT_WAITING_BYTES_MAX = 1 << 20, /* what may wait while the session is paused, or without a link or stream */
	CLIENT_ELEMENT_BYTES_MAX = 4 << 20,
	CLIENT_NEGOTIATION_BYTES_MAX = 64 << 10, /* an element before bind */
	CLIENT_RESUMPTION_BYTES = 41,
};

struct client {
	struct session session;
	struct backend_session *at; /* NULL: it is closed, or another node's, or nobody's */
	struct table_node by_full;
	struct client *dying_next;
	struct sasl *sasl; /* until authenticated */
	unsigned failures, registering;
	bool encrypted, exporter;
	bool closed;
	int8_t priority; /* that it had when it was closed */
	bool lost;	 /* what it has not got is to be delivered elsewhere */
	bool verifying;
	struct client *verify_next;
	char address[65];

	/* Once it is bound: */
	int64_t id;    /* in the store */
	int64_t owner; /* the node that acts for it; 0: none */
	bool at_gate;  /* it has, or had last, a place on a link: this one */
	uint64_t gate;
	frame_session number;
	uint64_t serial;
	uint32_t patience_ms;
	int64_t until_ms; /* by the calendar: when it ends, if nobody comes for it; 0: somebody is there */
	struct store_progress progress; /* of one of ours */
	struct table_node by_id;
	unsigned changed; /* CLIENT_CHANGED_... in this turn */
	struct client *changed_next;
	struct client *attended_next, **attended_place; /* attended.h; place NULL: it is not there */
	bool managed;					/* stream management is on (management.h) */
	bool resumable;					/* and it outlives its stream, by the next two */
	char resumption[CLIENT_RESUMPTION_BYTES];
	uint32_t resumption_ms;
	bool inactive;		 /* nobody looks at it (inactive.h) */
	bool asking;		 /* the client has been asked what it has handled; of ours */
	unsigned long read_mark; /* when its row was read last, of those times when all are */
	char condition[65];	 /* with which it was closed, if it has no link here */
};

enum {
	CLIENT_CHANGED_STATE = 1,    /* what other nodes see of it */
	CLIENT_CHANGED_PROGRESS = 2, /* counts; of ours */
	CLIENT_CHANGED_ACKED = 4,    /* some of its outbox can be forgotten; of ours */
	CLIENT_CHANGED_MAIL = 8	     /* its owner has to look into its outbox */
};

/* An account with bound sessions, in the registry. */
struct user_entry {
	struct user user;
	struct table_node by_bare;
};

static inline bool client_is_ours(const struct client *client)
{
	return client->owner == client->session.server->node;
}

/* Whoever sees that it is to end ends it. */
static inline bool client_is_ours_or_nobodys(const struct client *client)
{
	return client->owner == 0 || client_is_ours(client);
}

static inline struct client *client_of(struct session *session)
{
	return (struct client *)session; /* its first member */
}

/* Zeroed, of a session on a link, or (NULL) of none. */
struct client *client_make(struct sessiond *, struct backend_session *at);
/* OPEN. Closes it at once when its domain is not served. */
void client_open(struct backend_session *, const struct frame *);
/* ELEMENT. */
void client_element(struct client *, const uint8_t *bytes, uint32_t len);
/* CLOSE came from the gate, and was answered; whether the client has ended its stream itself. */
void client_closed_by_gate(struct client *, bool clean);
/* Its place on a link is another's now: it ends without a word. */
void client_leave(struct client *);
/* Its link is gone, and nobody will come back for it, unless it can be resumed. */
void client_lost(struct client *);
/* All that backend_over knows of: they are lost. */
void clients_lose(struct sessiond *);

/* An element to the client, NUL-terminated text. */
void client_send(struct client *, const char *xml);
/* Whether an element that is queued now goes to its link at once. */
bool client_is_open(const struct client *);
/* Queues an element where each of these is, all of which are open. */
void clients_pass(struct client *const *, size_t count, const char *xml, size_t len);
/* CLOSE with a condition, or in peace (NULL). */
void client_shut(struct client *, const char *condition, const char *reason);
/* The same, with an element that goes with the condition (RFC 6120, 4.9.4); each may be NULL. */
struct client_close {
	const char *condition, *reason, *element;
};
void client_shut_for(struct client *, const struct client_close *);
/* STATE: what it has become, with features (NULL: none). */
void client_state(struct client *, enum frame_stage, const char *jid, const char *features);

/* CLOSE where its session is, which it leaves. */
void client_say_close(struct client *, const char *condition, const char *reason);
/* Queues an element where its session is. False: there is no room. */
bool client_pass(struct client *, const char *xml, size_t len);

/* Into the registry: `full_jid` is prepared and nobody's. Its stage becomes BOUND. */
void client_register(struct client *, const char *full_jid);
void client_unregister(struct client *);
/* Frees the clients that were closed, with stanza_session_ended for those that were bound. */
void clients_reap(struct sessiond *);
/* Out of the registry without a word to anybody, and frees it: it lives on elsewhere, or has ended there. */
void client_drop(struct client *);

#endif
