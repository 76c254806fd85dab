#include "store_private.h"

#include "query.h"

const char store_private_schema[] = "CREATE TABLE IF NOT EXISTS private ("
				    "	account TEXT NOT NULL REFERENCES account(bare_jid) ON DELETE CASCADE,"
				    "	name TEXT NOT NULL,"
				    "	ns TEXT NOT NULL,"
				    "	xml TEXT NOT NULL,"
				    "	PRIMARY KEY (account, name, ns)"
				    ");";

static const char sql_put[] = "INSERT OR REPLACE INTO private (account, name, ns, xml) VALUES (?1, ?2, ?3, ?4)";
static const char sql_get[] = "SELECT xml FROM private WHERE account = ?1 AND name = ?2 AND ns = ?3";
static const char sql_bytes[] = "SELECT coalesce(sum(length(CAST(xml AS BLOB))), 0) FROM private"
				" WHERE account = ?1 AND NOT (name = ?2 AND ns = ?3)";

static sqlite3_stmt *piece(struct store *store, const char *sql, const char *account, const char *name, const char *ns)
{
	sqlite3_stmt *statement = query_of(store, sql, account, name);

	if (statement != NULL)
		sqlite3_bind_text(statement, 3, ns, -1, SQLITE_STATIC);
	return statement;
}

bool private_put(struct store *store, const char *account, const char *name, const char *ns, const char *xml)
{
	sqlite3_stmt *statement = piece(store, sql_put, account, name, ns);

	if (statement == NULL)
		return false;
	sqlite3_bind_text(statement, 4, xml, -1, SQLITE_STATIC);
	return query_run(statement);
}

bool private_get(struct store *store, const char *account, const char *name, const char *ns, char **ret)
{
	sqlite3_stmt *statement = piece(store, sql_get, account, name, ns);
	int result = query_step(statement);

	if (result == SQLITE_ROW)
		*ret = query_text(statement, 0);
	else if (result == SQLITE_DONE)
		*ret = NULL;
	query_end(statement);
	return result == SQLITE_ROW || result == SQLITE_DONE;
}

bool private_bytes(struct store *store, const char *account, const char *name, const char *ns, size_t *ret)
{
	sqlite3_stmt *statement = piece(store, sql_bytes, account, name, ns);
	bool found = query_step(statement) == SQLITE_ROW;

	if (found)
		*ret = (size_t)sqlite3_column_int64(statement, 0);
	query_end(statement);
	return found;
}
