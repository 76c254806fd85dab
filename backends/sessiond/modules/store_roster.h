/*
 * store_roster: rosters and the state of every subscription (RFC 6121, sections 2 and 3).
 *
 * A row exists for each contact that the user has listed, and for each that has asked to subscribe. JIDs are bare and
 * prepared. All calls answer false when the database fails; nothing was changed or returned then.
 */
#ifndef STORE_ROSTER_H
#define STORE_ROSTER_H

#include "store.h"
#include "subscription_state.h"

enum { ROSTER_GROUP_END = 0x1f }; /* ends each group's name in `groups`: a character that XML does not have */

struct roster_item {
	char *contact;
	char *name;   /* "" when there is none */
	char *groups; /* all of them, each followed by ROSTER_GROUP_END */
	enum subscription_state state;
	bool listed; /* part of the roster the user sees */
};

struct roster {
	struct roster_item *items;
	size_t count;
};

/* The item; when there is no row: an unlisted one in STATE_NONE. Free it with roster_item_free. */
bool roster_item_get(struct store *, const char *account, const char *contact, struct roster_item *ret);
void roster_item_free(struct roster_item *);
/* Writes it. One that is neither listed nor in any state is deleted; a request is forgotten once it is not pending. */
bool roster_item_put(struct store *, const char *account, const struct roster_item *);
/* The subscription request that waits for the user's answer: the stanza as it is to be delivered. Only after the put of
 * an item with SUBSCRIPTION_IN. */
bool roster_request_put(struct store *, const char *account, const char *contact, const char *xml, size_t len);

/* The items in a state that has one of `mask`; listed ones only, or with mask 0 all listed ones. In the order of
 * contacts. */
bool roster_load(struct store *, const char *account, int mask, struct roster *ret);
void roster_free(struct roster *);
bool roster_listed_count(struct store *, const char *account, size_t *ret);
bool roster_request_count(struct store *, const char *account, size_t *ret);
/* Whether a listed item has this group. */
bool roster_has_group(struct store *, const char *account, const char *group, bool *ret);
bool roster_item_in_group(const struct roster_item *, const char *group);

/* Requests not answered yet, in the order of contacts. `each` may read the store. */
bool roster_requests(struct store *, const char *account,
		     void (*each)(void *context, const char *contact, const char *xml, size_t len), void *context);

#endif
