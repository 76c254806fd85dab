/*
 * store_archive: the messages of accounts, each with a number that rises with time and is never used again (XEP-0313).
 * Within an account, stamps never fall as numbers rise, whatever the clock does. Calls answer false when the database
 * fails.
 */
#ifndef STORE_ARCHIVE_H
#define STORE_ARCHIVE_H

#include "store.h"

struct archive_message {
	long long id, stamp_ms;
	const char *contact, *resource; /* whom it was exchanged with: bare JID, and "" for no resource */
	const char *xml;		/* for a default namespace of urn:xmpp:forward:0 */
	size_t len;
};

/* The stamp is the lowest that it may get; the message's id is not read. */
bool archive_put(struct store *, const char *account, const struct archive_message *, long long *ret_id);
bool archive_remove(struct store *, const char *account, long long id);

/*
 * Removes the oldest messages of the account that are too many, and some of any account that are older than `since_ms`:
 * more than one put can add, but not so many that anybody has to wait.
 */
bool archive_trim(struct store *, const char *account, size_t messages_max, size_t bytes_max, long long since_ms);

/* Messages between two numbers, neither of them included. */
struct archive_range {
	long long after, before;
	const char *contact;  /* bare JID; NULL: anybody */
	const char *resource; /* NULL: any */
};

/* The number of the first message that is not older; one above all numbers when there is none. */
bool archive_since(struct store *, const char *account, long long stamp_ms, long long *ret_id);
/* Counts up to `max`. */
bool archive_count(struct store *, const char *account, const struct archive_range *, size_t max, size_t *ret);
/* In the order of numbers, or backwards, until `each` answers false. It must not use the store. */
bool archive_read(struct store *, const char *account, const struct archive_range *, bool backwards,
		  bool (*each)(void *context, const struct archive_message *), void *context);

#endif
