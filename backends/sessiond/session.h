/*
 * session: one client of the session server, from OPEN to CLOSE, and the registry that finds sessions by JID.
 *
 * Everything here belongs to sessiond's one thread. A session dies only between two stanzas: pointers to sessions are
 * good while one stanza is handled, and no longer.
 */
#ifndef SESSIOND_SESSION_H
#define SESSIOND_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sessiond;
struct user;

enum session_stage { SESSION_OPENED, SESSION_AUTHENTICATED, SESSION_BOUND };

struct session {
	struct sessiond *server;
	enum session_stage stage;
	struct user *user;	   /* once bound */
	struct session *user_next; /* of the same user, youngest first */
	char *full_jid;		   /* once bound: prepared, NUL-terminated */
	char *bare_jid;		   /* once authenticated */
	const char *resource;	   /* inside full_jid */
	char *domain;		   /* the stream's domain, prepared */
	char *lang;		   /* xml:lang of the stream or NULL */
	bool carbons;		   /* has asked for copies of messages (XEP-0280) */
	bool blocklist;		   /* has asked whom its user blocks: hears of changes (XEP-0191) */
	bool interested;	   /* has asked for its roster: gets roster pushes (RFC 6121, 2.1.6) */
	bool available;		   /* has sent initial presence and not yet gone */
	int8_t priority;	   /* of its last available presence */
	int64_t since_ms;	   /* since when it gets what it gets of the account's messages, by the calendar */
	char *presence;		   /* its last available presence broadcast, complete with from and without to; NULL */
	size_t presence_len;
	char **directed; /* full or bare JIDs that got directed presence (RFC 6121, 4.6); directed_count of them */
	size_t directed_count;
	char *active_privacy_list; /* NULL: the account's default */
};

/* A module has changed one of its fields of the session: it is stored, and other nodes learn it. */
void session_changed(struct session *);

/*
 * A session may be of another node, which shares our store: then it can be found, read and sent to like any other, and
 * closed; it never sends here, and nothing else of it may be changed.
 *
 * Who owns what: jids, resource, domain and lang are the core's and do not change while a session is bound. From
 * `interested` on the fields are the stanza code's, as core.h says.
 */

/* An account with at least one bound session. */
struct user {
	char *bare_jid;
	struct session *sessions;
	size_t session_count;
};

/* NULL: nobody. JIDs are prepared. */
struct session *session_find(struct sessiond *, const char *full_jid);
struct user *user_find(struct sessiond *, const char *bare_jid);

/*
 * Queues one element (XML with default namespace jabber:client, complete) to the client. Copies the bytes. Nothing
 * happens when the session has been closed. What one loop turn sends leaves in one write for each link.
 */
void session_send(struct session *, const char *xml, size_t len);
/* The same to each of several, none of them twice: on a link that has more than one of them the bytes go once. */
void sessions_send(struct session *const *, size_t count, const char *xml, size_t len);
/* Ends it with a stream error (RFC 6120, 4.9.3), e.g. "conflict". It is gone when the current stanza has been handled.
 */
void session_close(struct session *, const char *condition, const char *reason);

#endif
