#include "store_message.h"

#include "query.h"

const char store_message_schema[] = "CREATE TABLE IF NOT EXISTS message ("
				    "	id INTEGER PRIMARY KEY AUTOINCREMENT,"
				    "	account TEXT NOT NULL REFERENCES account(bare_jid) ON DELETE CASCADE,"
				    "	xml BLOB NOT NULL"
				    ");"
				    "CREATE INDEX IF NOT EXISTS message_account ON message (account, id);";

static const char sql_put[] = "INSERT INTO message (account, xml) VALUES (?1, ?2)";
static const char sql_count[] = "SELECT count(*) FROM message WHERE account = ?1";
static const char sql_take[] = "SELECT id, xml FROM message WHERE account = ?1 ORDER BY id";
static const char sql_forget[] = "DELETE FROM message WHERE account = ?1 AND id <= ?2";

bool message_put(struct store *store, const char *account, const char *xml, size_t len)
{
	sqlite3_stmt *statement = query_of(store, sql_put, account, NULL);

	if (statement == NULL)
		return false;
	sqlite3_bind_blob64(statement, 2, xml, len, SQLITE_STATIC);
	return query_run(statement);
}

bool message_count(struct store *store, const char *account, size_t *ret)
{
	return query_count(store, sql_count, account, ret);
}

static bool message_forget(struct store *store, const char *account, sqlite3_int64 last)
{
	sqlite3_stmt *statement = query_of(store, sql_forget, account, NULL);

	if (statement == NULL)
		return false;
	sqlite3_bind_int64(statement, 2, last);
	return query_run(statement);
}

/* Forgetting comes last: a crash between the two delivers twice rather than never. */
bool message_take(struct store *store, const char *account, void (*each)(void *context, const char *xml, size_t len),
		  void *context)
{
	sqlite3_stmt *statement = query_of(store, sql_take, account, NULL);
	sqlite3_int64 last = 0;
	int result;

	while ((result = query_step(statement)) == SQLITE_ROW) {
		const char *xml = sqlite3_column_blob(statement, 1);

		each(context, xml, (size_t)sqlite3_column_bytes(statement, 1));
		last = sqlite3_column_int64(statement, 0);
	}
	query_end(statement);
	return result == SQLITE_DONE && (last == 0 || message_forget(store, account, last));
}
