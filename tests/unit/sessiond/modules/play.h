/*
 * play: conversations with the modules, on a stage of their own: a registry, recorded output, a store in memory.
 *
 * Everything sent to a session waits until the play has expected or ended it. XML is compared by meaning: quotes, the
 * order of attributes and how characters are escaped do not count. What changes from run to run is written in a fixed
 * way: an id of the server's own is 'push', a stamp and a <utc/> are '*'.
 */
#ifndef PLAY_H
#define PLAY_H

#include "core.h"
#include "stanza.h"

/* Before and after each test. Domains are localhost and example.org; alice, bob, carol and dave exist at localhost. */
void play_begin(void);
void play_end(void);
struct sessiond *play_server(void);
struct sessiond_settings *play_settings(void);
void play_account(const char *bare_jid);
void play_account_delete(const char *bare_jid);
/* From now on the database refuses to be written. */
void play_break_store(void);

/* A bound session. */
struct session *play_login(const char *full_jid);
/* Bound, interested and available, with nothing waiting. */
struct session *play_online(const char *full_jid);
/* It leaves without a word. What waits for it is forgotten. */
void play_logout(struct session *);

/* The client sends; `from` is stamped. */
void play_send(struct session *, const char *xml);
/* The oldest that waits is this. */
#define play_expect(session, xml) play_expect_at(session, xml, __FILE__, __LINE__)
/* Nothing waits. */
#define play_silence(session) play_expect_at(session, NULL, __FILE__, __LINE__)
void play_expect_at(struct session *, const char *xml, const char *file, int line);
/* What waits is forgotten. */
void play_forget(struct session *);
/* All that waits for all sessions is forgotten. */
void play_forget_all(void);

/* Makes both rosters say that each has a subscription to the other, by conversation. */
void play_befriend(const char *one, const char *other);

#endif
