/*
 * bound: bound clients and their rows in the store. What changes is noted during the turn's work, and written at its
 * end, once for each client. What has been acknowledged is forgotten over as many turns as it takes, so that nobody
 * waits when thousands have read again what had waited for them.
 */
#ifndef SESSIOND_BOUND_H
#define SESSIOND_BOUND_H

#include "client.h"

/* The client has just been registered (client_register): it is ours, where it is now. False: the store failed. */
bool bound_begin(struct client *);
/* It has come to a place on a link, by REATTACH or ADOPT. */
void bound_place(struct client *, struct backend_session *);
/* Another node's, or nobody's, as its row has it; registered. */
struct client *bound_from(struct sessiond *, const struct store_session *);
/* What its row says now. */
void bound_read(struct client *, const struct store_session *);
/* NULL: there is none. */
struct client *bound_find(struct sessiond *, int64_t id);

/* CLIENT_CHANGED_... */
void bound_changed(struct client *, unsigned what);
/* The client is gone: nothing of it is written. */
void bound_unchanged(struct client *);
/*
 * At the end of the turn's work. Of what needs to be forgotten only, so many bytes of elements and somewhat more; if
 * something is left there is work for the next turn. INT64_MAX: all.
 */
void bound_write(struct sessiond *, int64_t forget_bytes_max);
/* The client goes from our memory alone. */
void bound_forget(struct client *);
/* The client has been closed, and is out of the registry: what it has not got goes elsewhere, and its row is gone. */
void bound_end(struct client *);

#endif
