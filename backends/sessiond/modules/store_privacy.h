/*
 * store_privacy: the privacy lists of accounts (XEP-0016), and which one is the default. Calls answer false when the
 * database fails.
 */
#ifndef STORE_PRIVACY_H
#define STORE_PRIVACY_H

#include "store.h"

enum privacy_match { PRIVACY_EVERYBODY, PRIVACY_JID, PRIVACY_GROUP, PRIVACY_SUBSCRIPTION };

/* What an item is about: a set. OTHER is all that has no name of its own; only an item about everything covers it. */
enum privacy_kind {
	PRIVACY_MESSAGE = 1,
	PRIVACY_IQ = 2,
	PRIVACY_PRESENCE_IN = 4,
	PRIVACY_PRESENCE_OUT = 8,
	PRIVACY_OTHER = 16,
	PRIVACY_ALL = 31
};

struct privacy_item {
	unsigned order;
	enum privacy_match match;
	char *value; /* prepared JID, group, or a subscription's word; "" for everybody */
	bool allow;
	unsigned kinds; /* of enum privacy_kind */
};

/* In ascending order. */
struct privacy_list {
	struct privacy_item *items;
	size_t count;
};

bool privacy_list_exists(struct store *, const char *account, const char *name, bool *ret);
bool privacy_list_count(struct store *, const char *account, size_t *ret);
/* The items; none when there is no such list. */
bool privacy_list_get(struct store *, const char *account, const char *name, struct privacy_list *ret);
void privacy_list_free(struct privacy_list *);
/* Creates or replaces; to be called in a transaction. */
bool privacy_list_put(struct store *, const char *account, const char *name, const struct privacy_list *);
bool privacy_list_remove(struct store *, const char *account, const char *name);
/* The names, in their order. `each` must not use the store. */
bool privacy_list_names(struct store *, const char *account, void (*each)(void *context, const char *name),
			void *context);

/* The default list's name, for the caller to free; NULL: none. */
bool privacy_default_get(struct store *, const char *account, char **ret);
/* NULL: none. */
bool privacy_default_put(struct store *, const char *account, const char *name);

#endif
