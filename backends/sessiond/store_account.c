#include "store.h"
#include <assert.h>
#include <string.h>
#include <sys/random.h>

const char store_account_schema[] = "CREATE TABLE IF NOT EXISTS account ("
				    " bare_jid TEXT NOT NULL PRIMARY KEY,"
				    " sha1_salt BLOB NOT NULL, sha1_iterations INTEGER NOT NULL,"
				    " sha1_stored BLOB NOT NULL, sha1_server BLOB NOT NULL,"
				    " sha256_salt BLOB NOT NULL, sha256_iterations INTEGER NOT NULL,"
				    " sha256_stored BLOB NOT NULL, sha256_server BLOB NOT NULL"
				    ") WITHOUT ROWID;"
				    "CREATE TABLE IF NOT EXISTS secret ("
				    " id INTEGER PRIMARY KEY CHECK (id = 1), value BLOB NOT NULL);";

enum { SHA1_BYTES = 20, SHA256_BYTES = 32, KEYS_COLUMNS = 4 };

static void keys_bind(sqlite3_stmt *statement, int at, const struct store_keys *keys, int bytes)
{
	sqlite3_bind_blob(statement, at, keys->salt, STORE_SALT_BYTES, SQLITE_STATIC);
	sqlite3_bind_int64(statement, at + 1, keys->iterations);
	sqlite3_bind_blob(statement, at + 2, keys->stored_key, bytes, SQLITE_STATIC);
	sqlite3_bind_blob(statement, at + 3, keys->server_key, bytes, SQLITE_STATIC);
}

static bool blob_read(sqlite3_stmt *statement, int at, uint8_t *to, int bytes)
{
	if (sqlite3_column_bytes(statement, at) != bytes)
		return false;
	memcpy(to, sqlite3_column_blob(statement, at), (size_t)bytes);
	return true;
}

static bool keys_read(sqlite3_stmt *statement, int at, struct store_keys *keys, int bytes)
{
	sqlite3_int64 iterations = sqlite3_column_int64(statement, at + 1);
	keys->iterations = (uint32_t)iterations;
	return iterations > 0 && iterations <= INT32_MAX && blob_read(statement, at, keys->salt, STORE_SALT_BYTES) &&
	       blob_read(statement, at + 2, keys->stored_key, bytes) &&
	       blob_read(statement, at + 3, keys->server_key, bytes);
}

bool store_account_put(struct store *store, const char *bare_jid, const struct store_account *account)
{
	/* Not REPLACE: that would delete the row first, and with it whatever refers to it. */
	static const char sql[] = "INSERT INTO account VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
				  " ON CONFLICT (bare_jid) DO UPDATE SET"
				  " sha1_salt = ?2, sha1_iterations = ?3, sha1_stored = ?4, sha1_server = ?5,"
				  " sha256_salt = ?6, sha256_iterations = ?7, sha256_stored = ?8, sha256_server = ?9";
	sqlite3_stmt *statement = store_statement(store, sql);
	if (!statement)
		return false;
	sqlite3_bind_text(statement, 1, bare_jid, -1, SQLITE_STATIC);
	keys_bind(statement, 2, &account->sha1, SHA1_BYTES);
	keys_bind(statement, 2 + KEYS_COLUMNS, &account->sha256, SHA256_BYTES);
	bool good = sqlite3_step(statement) == SQLITE_DONE;
	sqlite3_reset(statement);
	return good;
}

bool store_account_get(struct store *store, const char *bare_jid, struct store_account *ret, bool *ret_found)
{
	static const char sql[] = "SELECT sha1_salt, sha1_iterations, sha1_stored, sha1_server,"
				  " sha256_salt, sha256_iterations, sha256_stored, sha256_server"
				  " FROM account WHERE bare_jid = ?1";
	sqlite3_stmt *statement = store_statement(store, sql);
	if (!statement)
		return false;
	sqlite3_bind_text(statement, 1, bare_jid, -1, SQLITE_STATIC);
	struct store_account account = {0};
	int step = sqlite3_step(statement);
	bool found = step == SQLITE_ROW;
	bool good = found ? keys_read(statement, 0, &account.sha1, SHA1_BYTES) &&
				    keys_read(statement, KEYS_COLUMNS, &account.sha256, SHA256_BYTES)
			  : step == SQLITE_DONE;
	sqlite3_reset(statement);
	if (!good)
		return false;
	if (found)
		*ret = account;
	*ret_found = found;
	return true;
}

bool store_account_exists(struct store *store, const char *bare_jid)
{
	struct store_account account;
	bool found;
	return store_account_get(store, bare_jid, &account, &found) && found;
}

bool store_account_delete(struct store *store, const char *bare_jid, bool *ret_found)
{
	static const char sql[] = "DELETE FROM account WHERE bare_jid = ?1 RETURNING bare_jid";
	sqlite3_stmt *statement = store_statement(store, sql);
	if (!statement)
		return false;
	sqlite3_bind_text(statement, 1, bare_jid, -1, SQLITE_STATIC);
	int step = sqlite3_step(statement);
	bool found = step == SQLITE_ROW;
	if (found)
		step = sqlite3_step(statement);
	sqlite3_reset(statement);
	if (step != SQLITE_DONE)
		return false;
	*ret_found = found;
	return true;
}

bool store_account_list(struct store *store, void (*each)(void *context, const char *bare_jid), void *context)
{
	static const char sql[] = "SELECT bare_jid FROM account ORDER BY bare_jid";
	sqlite3_stmt *statement = store_statement(store, sql);
	if (!statement)
		return false;
	int step;
	while ((step = sqlite3_step(statement)) == SQLITE_ROW)
		each(context, (const char *)sqlite3_column_text(statement, 0));
	sqlite3_reset(statement);
	return step == SQLITE_DONE;
}

static bool secret_make(struct store *store)
{
	static const char sql[] = "INSERT OR IGNORE INTO secret VALUES (1, ?1)";
	uint8_t value[STORE_SECRET_BYTES];
	sqlite3_stmt *statement = store_statement(store, sql);
	if (!statement || getrandom(value, sizeof value, 0) != sizeof value)
		return false;
	sqlite3_bind_blob(statement, 1, value, sizeof value, SQLITE_STATIC);
	bool good = sqlite3_step(statement) == SQLITE_DONE;
	sqlite3_reset(statement);
	return good;
}

bool store_secret(struct store *store, uint8_t ret[static STORE_SECRET_BYTES])
{
	static const char sql[] = "SELECT value FROM secret WHERE id = 1";
	sqlite3_stmt *statement;
	if (!secret_make(store) || !(statement = store_statement(store, sql)))
		return false;
	bool good = sqlite3_step(statement) == SQLITE_ROW && blob_read(statement, 0, ret, STORE_SECRET_BYTES);
	sqlite3_reset(statement);
	return good;
}
