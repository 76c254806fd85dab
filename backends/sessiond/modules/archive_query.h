/*
 * archive_query: what a user asks of the archive (XEP-0313, 4, with result sets after XEP-0059): pages of messages,
 * each message in a stanza of its own before the answer. A page has ARCHIVE_PAGE_MAX messages at most, and ends early
 * when its messages are long.
 */
#ifndef MODULES_ARCHIVE_QUERY_H
#define MODULES_ARCHIVE_QUERY_H

#include "request.h"

enum {
	ARCHIVE_PAGE = 50, /* messages, when the client does not say */
	ARCHIVE_PAGE_MAX = 100,
	ARCHIVE_PAGE_BYTES = 256 << 10, /* a page has no further message beyond this */
	ARCHIVE_COUNT_MAX = 10000,	/* no count is told where there are more */
};

/* Get: the form's fields. Set: a page. */
void archive_form(const struct request *);
void archive_query(const struct request *);
/* The first and the last message of all. */
void archive_metadata(const struct request *);

#endif
