/*
 * store_node: who serves this database, and what they tell each other. A node is one process, from its start to its
 * end: another start is another node. Each change that others must hear of is a row of the table `change`, in the
 * transaction that makes it, so they see both or neither; who has read the rows up to some number asks for those
 * behind it.
 */
#ifndef SESSIOND_STORE_NODE_H
#define SESSIOND_STORE_NODE_H

#include "store.h"

enum { STORE_CHANGES_KEPT = 20000 };

enum store_change_kind {
	CHANGE_NODE = 1,    /* a node has come or gone; subject: which */
	CHANGE_SESSION = 2, /* a session was made, changed, taken over or removed; text: see below */
	CHANGE_MAIL = 3,    /* a session's outbox has more than its owner has put there */
	CHANGE_ACCOUNT = 4, /* text: the bare JID whose sessions must end */
};

/*
 * Of CHANGE_SESSION for a session that the reader has had, and that another one has taken or ended: text is the stream
 * error for the client that is still there, or NULL when nobody is there.
 */
struct store_change {
	int64_t id, node; /* node: who has made it */
	enum store_change_kind kind;
	int64_t subject;
	char *text; /* the caller's, malloc; may be NULL */
};

/* A new node, which has no sessions; `socket` is where it is to be woken. */
bool store_node_add(struct store *, const char *name, const char *socket, int64_t *ret_id);
/* ret_found: it was there. */
bool store_node_remove(struct store *, int64_t id, bool *ret_found);
/* All but one. */
bool store_node_list(struct store *, int64_t but, void (*each)(void *context, int64_t id, const char *socket),
		     void *context);

/* By node `node`; the text may be NULL. */
bool store_change_add(struct store *, int64_t node, enum store_change_kind, int64_t subject, const char *text);
/* The number of the last one; 0: there is none. */
bool store_change_last(struct store *, int64_t *ret);
/*
 * The next one behind `after`. ret->id is 0 when there is none; ret_lost: some behind it have been forgotten already,
 * so that everything is to be read anew.
 */
bool store_change_next(struct store *, int64_t after, struct store_change *ret, bool *ret_lost);
/* Forgets all but the last STORE_CHANGES_KEPT. */
bool store_change_trim(struct store *);

#endif
