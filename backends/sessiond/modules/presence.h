/*
 * presence: who is available, and who is told (RFC 6121, section 4).
 *
 * A contact without any available resource is not reported to a user who comes online; silence says the same (4.3.2,
 * rule 3, leaves that open). A probe that a client sends itself is answered.
 */
#ifndef MODULES_PRESENCE_H
#define MODULES_PRESENCE_H

#include "incoming.h"

void presence_handle(const struct incoming *);
/* A session that leaves without a word: unavailable presence goes to all who saw it. */
void presence_end(struct session *);

/* Shows the contact (a bare JID) the presence of each of the user's available resources, or that each is gone. */
void presence_show(struct user *, const char *contact);
void presence_hide(struct user *, const char *contact);
/* Sends XML to each available session of an account (bare JID) that lets it in; `from` is the sender's JID. */
void presence_deliver(struct sessiond *, const char *account, const char *from, const char *xml, size_t len);

#endif
