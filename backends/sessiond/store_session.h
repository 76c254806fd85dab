/*
 * store_session: bound sessions, as all nodes see them, and how far each has come. A session has one owner, the node
 * that acts for it; nobody else changes its progress but by posting to its outbox (store_outbox.h). It may be between
 * owners, after one has died: then it is whose gate brings it (ADOPT), until its time is over.
 */
#ifndef SESSIOND_STORE_SESSION_H
#define SESSIOND_STORE_SESSION_H

#include "store.h"

enum store_session_flag {
	SESSION_IS_CARBONS = 1,
	SESSION_IS_BLOCKLIST = 2,
	SESSION_IS_INTERESTED = 4,
	SESSION_IS_AVAILABLE = 8,
	SESSION_IS_MANAGED = 16,   /* stream management is on */
	SESSION_IS_RESUMABLE = 32, /* and the session outlives its stream */
	SESSION_IS_INACTIVE = 64,  /* what can wait is held back (store_held.h) */
};

/* Texts are the caller's when it is written, and good during the call of `each` when it is read. */
struct store_session {
	int64_t id;
	const char *full_jid, *domain, *lang, *address;
	int64_t owner;	      /* a node; 0: nobody */
	bool at_gate;	      /* the next three are good: it has, or had last, a place on a link */
	uint64_t gate;	      /* EPOCH of the gate's worker */
	uint64_t number;      /* there */
	uint64_t serial;      /* of the last REATTACH or ADOPT */
	uint32_t patience_ms; /* of the gate */
	int64_t until_ms;     /* by the calendar: when it ends, if nobody comes for it; 0: somebody is there */
	unsigned flags;
	int priority;
	int64_t since_ms;
	const char *presence; /* NULL: none */
	size_t presence_len;
	const char *directed;		 /* JIDs, one in a line; NULL: none */
	const char *active_privacy_list; /* NULL: none */
	const char *resumption;		 /* the id of its stream management; NULL: none */
	uint32_t resumption_ms;		 /* for so long it is kept without a stream */
};

/* How far a session has come. Numbers are of numbered frames; `managed` ones of stanzas. They do not wrap. */
struct store_progress {
	int64_t received;				/* from the gate */
	int64_t sent, acked;				/* to the gate */
	int64_t waiting_bytes;				/* in the outbox */
	int64_t managed_in, managed_out, managed_acked; /* since stream management is on */
};

/* A new one, with no progress; its id is given back. False also when the full JID is somebody's. */
bool store_session_add(struct store *, const struct store_session *, int64_t *ret_id);
bool store_session_put(struct store *, const struct store_session *);
/* With its progress and its outbox. */
bool store_session_remove(struct store *, int64_t id);
/* ret_found: `each` was called. */
bool store_session_read(struct store *, int64_t id, void (*each)(void *context, const struct store_session *),
			void *context, bool *ret_found);
/* All, oldest first. */
bool store_session_list(struct store *, void (*each)(void *context, const struct store_session *), void *context);
/* Whether the account has any. */
bool store_session_any(struct store *, const char *bare_jid, bool *ret_any);
/* The account's are over, for the node that finds them to be nobody's. */
bool store_session_expire(struct store *, const char *bare_jid);
/* The session that this id resumes; 0: there is none. */
bool store_session_resumable(struct store *, const char *resumption, int64_t *ret_id);
/* 0: there is none. */
bool store_session_at(struct store *, uint64_t gate, uint64_t number, int64_t *ret_id);
/*
 * A node has died: its sessions are nobody's, each until its gate's patience is over, and margin_ms. Node `by` tells
 * the others.
 */
bool store_session_abandon(struct store *, int64_t owner, int64_t now_ms, uint32_t margin_ms, int64_t by);

bool store_progress_put(struct store *, int64_t id, const struct store_progress *);
bool store_progress_get(struct store *, int64_t id, struct store_progress *ret);

#endif
