/*
 * store_held: what is held back from a bound session: of each kind and sender the newest. It belongs to no owner: any
 * node may put something here, and whoever releases it puts it into the outbox.
 */
#ifndef SESSIOND_STORE_HELD_H
#define SESSIOND_STORE_HELD_H

#include "store.h"

enum store_held_kind { HELD_PRESENCE = 1, HELD_CHAT_STATE = 2 };

struct store_held {
	enum store_held_kind kind;
	const char *sender;
	const char *xml;
	size_t len;
};

/* In place of the last of the same kind and sender, behind all others. Answers how many are held then. */
bool store_held_put(struct store *, int64_t session, const struct store_held *, size_t *ret_count);
/* In the order in which they were put. */
bool store_held_read(struct store *, int64_t session, void (*each)(void *context, const char *xml, size_t len),
		     void *context);
bool store_held_clear(struct store *, int64_t session);

#endif
