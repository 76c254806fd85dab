/*
 * management: stream management (XEP-0198): a client and we acknowledge each other's stanzas, and a client that has
 * lost its connection resumes its session over another stream, at whichever node of the store.
 *
 * Once a session is managed its outbox keeps each stanza until the client has acknowledged it. A resumable one whose
 * stream has ended without </stream:stream>, or whose gate is gone for good, hibernates: it is bound and as present as
 * before, what is said to it stays in its outbox (CLIENT_WAITING_BYTES_MAX of it), and it is nowhere, until its time is
 * over. Then, or when there is too much, it ends, and what its client has not acknowledged goes elsewhere
 * (outbox_return).
 */
#ifndef SESSIOND_MANAGEMENT_H
#define SESSIOND_MANAGEMENT_H

#include "client.h"
#include "element.h"

#define MANAGEMENT_FEATURE "<sm xmlns='urn:xmpp:sm:3'/>"

enum {
	MANAGEMENT_RESUMABLE_S_MAX = 300, /* unless the client wants less */
	MANAGEMENT_ASK_AFTER = 10,	  /* stanzas that are not acknowledged; fewer are asked for at the next tick */
};

/* An element of a client that is authenticated and not bound: resumption. False: it is none of stream management. */
bool management_take(struct client *, const struct element *);
/* The same for one that is bound. */
bool management_take_bound(struct client *, const struct element *);

/* Something was sent to the client, one of ours: it is asked what it has handled, if it is time. */
void management_ask(struct client *);
/* About once a second, within the turn's work. */
void management_tick(struct sessiond *);

/* Its stream is gone. False: it cannot be resumed, or has waited for that already; then it ends. */
bool management_hibernate(struct client *);
/* It waits for its client. */
bool management_is_hibernating(const struct client *);

#endif
