/*
 * store: what sessiond keeps, in one SQLite database (WAL). One thread, one connection; checkpoint.h has others. Each
 * store_*.c owns its tables; their schema is a text that store_open runs. A failing disk is not hidden: calls answer
 * false and the caller answers the client with internal-server-error.
 */
#ifndef SESSIOND_STORE_H
#define SESSIOND_STORE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

enum { STORE_ERROR_BYTES = 256, STORE_STATEMENTS_MAX = 192 };

/*
 * The file is made when absent, mode 0600. Other processes may have it open too (WAL); a lock of theirs is waited for
 * up to two seconds. NULL: `error` says in one line what is wrong, also when a newer version has written the file.
 */
struct store *store_open(const char *file, char error[static STORE_ERROR_BYTES]);
/* Accepts NULL. */
void store_close(struct store *);

/*
 * A prepared statement, kept for the next time: the same text pointer gives the same statement, reset and without
 * bindings. Use it, then sqlite3_reset() it. NULL: it did not compile, there are STORE_STATEMENTS_MAX already, or
 * SQLite has rolled the transaction back by itself, as it may when the disk fails: then all of it fails, until
 * store_rollback.
 */
sqlite3_stmt *store_statement(struct store *, const char *sql);
/* What the last call that failed says: good until the next call. */
const char *store_error(struct store *);
/*
 * A lock that others hold is waited for so long from now on, in steps of a fraction of a millisecond. store_open has
 * set thirty seconds: who begins can wait until a node that was stopped with the lock in its hands goes on, or is gone.
 */
void store_wait(struct store *, unsigned ms);
/*
 * Whether others have changed the database since it was asked last; also when that cannot be told. Within a
 * transaction it is the state that this one sees.
 */
bool store_is_changed(struct store *);

/*
 * A transaction that writes; or, within one, a part of it that can be rolled back by itself. After a commit that
 * failed, roll back. store_begin is false, too, when others have held the lock for too long: store_is_busy says so.
 */
bool store_begin(struct store *);
bool store_is_busy(struct store *);
bool store_commit(struct store *);
void store_rollback(struct store *);
/*
 * To be called after each commit, as sqlite3_wal_hook has it: with the number of pages that the log has then. SQLite
 * makes no checkpoints by itself any more. NULL: it does, as when the store was opened.
 */
typedef int store_hook(void *context, sqlite3 *, const char *name, int pages);
void store_hook_commits(struct store *, store_hook *, void *context);

/*
 * Schemas, run in this order at store_open; each is idempotent (CREATE TABLE IF NOT EXISTS ...). The table of accounts
 * is account(bare_jid TEXT PRIMARY KEY, ...), prepared JIDs. Tables of things that belong to an account have a
 * column
 *     ... TEXT NOT NULL REFERENCES account(bare_jid) ON DELETE CASCADE
 * so that they go with it (foreign keys are on).
 */
extern const char store_account_schema[];
extern const char store_roster_schema[];
extern const char store_message_schema[];
extern const char store_private_schema[];
extern const char store_archive_schema[];
extern const char store_privacy_schema[];
extern const char store_node_schema[];
extern const char store_session_schema[];
extern const char store_outbox_schema[];
extern const char store_held_schema[];

/* Accounts (store_account.c). SCRAM keys only: never a password. */
enum { STORE_KEY_BYTES_MAX = 32, STORE_SALT_BYTES = 16 };
struct store_keys {
	uint8_t salt[STORE_SALT_BYTES];
	uint32_t iterations;
	uint8_t stored_key[STORE_KEY_BYTES_MAX],
		server_key[STORE_KEY_BYTES_MAX]; /* 20 bytes used by SHA-1, 32 by SHA-256 */
};
struct store_account {
	struct store_keys sha1, sha256;
};
/* Makes the account, or gives it new keys. */
bool store_account_put(struct store *, const char *bare_jid, const struct store_account *);
bool store_account_get(struct store *, const char *bare_jid, struct store_account *ret, bool *ret_found);
bool store_account_exists(struct store *, const char *bare_jid);
/* Removes the account with everything that belongs to it in every table. */
bool store_account_delete(struct store *, const char *bare_jid, bool *ret_found);
/* In the order of the JIDs. */
bool store_account_list(struct store *, void (*each)(void *context, const char *bare_jid), void *context);

/* Random bytes made once and kept for the life of the database. */
enum { STORE_SECRET_BYTES = 32 };
bool store_secret(struct store *, uint8_t ret[static STORE_SECRET_BYTES]);

#endif
