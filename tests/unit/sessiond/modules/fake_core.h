/* fake_core: the core of the session server as far as the modules see it: a registry, and a record of what is sent. */
#ifndef FAKE_CORE_H
#define FAKE_CORE_H

#include "core.h"

struct sent {
	struct sent *next;
	char *xml;
};

struct fake_session {
	struct session session;
	struct fake_session *next;
	struct sent *first, *last;
	bool changed; /* by a module, which has said so */
};

struct fake_user {
	struct user user;
	struct fake_user *next;
};

struct sessiond {
	struct store *store;
	struct sessiond_settings settings;
	struct fake_session *sessions;
	struct fake_user *users;
};

struct sessiond *fake_core_new(void);
void fake_core_free(struct sessiond *);
struct session *fake_session_new(struct sessiond *, const char *full_jid);
/* Calls stanza_session_ended first. */
void fake_session_end(struct session *);
/* The oldest XML that waits, for the caller to free; NULL: none. */
char *fake_session_take(struct session *);

#endif
