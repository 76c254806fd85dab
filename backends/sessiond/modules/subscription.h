/*
 * subscription: subscribe, subscribed, unsubscribe and unsubscribed (RFC 6121, section 3 and Appendix A).
 *
 * Both rosters of a subscription are in our database: one step changes both of them together and then tells the
 * clients. A request to an account that does not exist is kept as if it waited for an answer (8.5.1: silence), so that
 * nobody can ask us for names. Pre-approval (3.4) is not offered.
 */
#ifndef MODULES_SUBSCRIPTION_H
#define MODULES_SUBSCRIPTION_H

#include "incoming.h"
#include "store_roster.h"

enum subscription_kind { KIND_SUBSCRIBE, KIND_SUBSCRIBED, KIND_UNSUBSCRIBE, KIND_UNSUBSCRIBED, KIND_COUNT };

/* One side of a subscription, before and after. */
struct subscription_side {
	struct roster_item item; /* as it is now */
	enum subscription_state before;
	bool delivered; /* this user is to see the stanza; for the sender: the reply */
};

/* One stanza of `user` to `contact` (bare JIDs) and what it did. */
struct subscription_change {
	struct sessiond *server;
	char *user, *contact;
	enum subscription_kind kind;
	char *xml; /* with bare addresses */
	size_t xml_len;
	struct subscription_side own, other;
	bool reaches; /* it came to the other side */
	bool replies; /* the server answered `subscribed` for the contact, who had agreed already (A.3.1) */
};

/* A presence stanza of one of the four types. */
void subscription_handle(const struct incoming *, enum subscription_kind);

/*
 * Changes both rosters; to be called in a transaction. True: it is to be followed by subscription_change_tell() once
 * that is committed, and by subscription_change_free() in any case. `xml` is copied; NULL: a plain stanza is made.
 */
bool subscription_change_make(struct sessiond *, const char *user, const char *contact, enum subscription_kind,
			      const struct text *xml, struct subscription_change *ret);
void subscription_change_tell(const struct subscription_change *);
void subscription_change_free(struct subscription_change *);

/* The requests that wait for the user's answer, to a session that has just become available. */
void subscription_remind(struct session *);

/* The tables of Appendix A: the next state, and whether the stanza is routed to the contact or delivered to the user.
 */
bool subscription_outbound(enum subscription_kind, enum subscription_state, enum subscription_state *ret_next);
bool subscription_inbound(enum subscription_kind, enum subscription_state, enum subscription_state *ret_next);

#endif
