/*
 * outbox: what is said to a bound client. It is stored first, with the number that its frame has in the session; what
 * is one of ours and has a place on a link goes there too, at the end of the turn. What is another node's is there for
 * that one to collect.
 */
#ifndef SESSIOND_OUTBOX_H
#define SESSIOND_OUTBOX_H

#include "client.h"

/* What can wait for an inactive client is held back (inactive.h). */
void outbox_send(struct client *, const char *xml, size_t len);
/* The same, whatever it is. */
void outbox_say(struct client *, const char *xml, size_t len);
/* Whether it is one of ours, nothing is held back from it, and what is said to it goes to its link at once. */
bool outbox_is_open(const struct client *);
/* The same to each of these, all of which are open: stored for each, and one frame for each link. */
void outbox_send_together(struct client *const *, size_t count, const char *xml, size_t len);
/* What other nodes have put into the outbox of one of ours. */
void outbox_collect(struct client *);
/* Sends again what stands behind number `after`; the client's place is new. */
void outbox_again(struct client *, int64_t after);
/*
 * It goes on with a new stream, whose first element is this one; behind it comes what its client has not acknowledged.
 * Numbers begin anew.
 */
void outbox_resume(struct client *, const char *xml, size_t len);
/* The client's session is over: what is not known to have arrived goes to whom it is for. */
void outbox_return(struct client *);
/* The gate has taken some: client->at->acked. */
void outbox_acked(struct backend_session *);
/* Forgets what is known to have arrived. False: the store failed. */
bool outbox_forget(struct client *);

#endif
