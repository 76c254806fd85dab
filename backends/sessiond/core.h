/*
 * core: what the modules (what stanzas do) need of the session server beyond sessions and the store.
 *
 * The core is links, SASL, bind, the registry and the accounts; the modules are behind stanza.h. Of the fields of a
 * session (of this node) the modules write `carbons`, `blocklist`, `interested`, `available`, `priority`, `since_ms`,
 * `presence`, `presence_len`, `directed`, `directed_count` and `active_privacy_list`, and nothing else, and say so
 * (session_changed); the core makes them all zero before stanza_session_began(). The memory behind `presence`,
 * `directed` and `active_privacy_list` is the modules' (malloc), and is given back, with the fields zero again, when
 * stanza_session_ended() returns. That one is called exactly once for every session that began, while session_find()
 * still finds it.
 *
 * An account that is deleted while it has sessions: the core ends the sessions first (stanza_session_ended), then
 * deletes.
 */
#ifndef SESSIOND_CORE_H
#define SESSIOND_CORE_H

#include <stdbool.h>

#include "session.h"
#include "sessiond.h"
#include "store.h"

/* Never NULL; the same as long as the server lives. */
struct store *sessiond_store(struct sessiond *);
/* The server's own copy; never NULL. */
const struct sessiond_settings *sessiond_settings_of(struct sessiond *);
/* Whether the domain (prepared, NUL-terminated) is one of ours. */
bool sessiond_serves(struct sessiond *, const char *domain);

#endif
