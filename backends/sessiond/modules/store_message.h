/*
 * store_message: messages for accounts whose user is away (XEP-0160), in the order they came. All calls answer false
 * when the database fails.
 */
#ifndef STORE_MESSAGE_H
#define STORE_MESSAGE_H

#include "store.h"

/* Keeps a message as it is to be delivered. */
bool message_put(struct store *, const char *account, const char *xml, size_t len);
bool message_count(struct store *, const char *account, size_t *ret);
/* Passes each message, oldest first, and then forgets those it passed. `each` must not use
 * these calls. */
bool message_take(struct store *, const char *account, void (*each)(void *context, const char *xml, size_t len),
		  void *context);

#endif
