#include "store_archive.h"

#include <limits.h>

#include "query.h"

enum { REMOVED_MAX = 64, EXPIRED_MAX = 8 }; /* at once */

const char store_archive_schema[] =
	"CREATE TABLE IF NOT EXISTS archive ("
	"	id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"	account TEXT NOT NULL REFERENCES account(bare_jid) ON DELETE CASCADE,"
	"	stamp_ms INTEGER NOT NULL,"
	"	contact TEXT NOT NULL,"
	"	resource TEXT NOT NULL,"
	"	xml BLOB NOT NULL"
	");"
	"CREATE INDEX IF NOT EXISTS archive_account ON archive (account, id);"
	"CREATE INDEX IF NOT EXISTS archive_contact ON archive (account, contact, id);"
	"CREATE INDEX IF NOT EXISTS archive_stamp ON archive (account, stamp_ms, id);"
	"CREATE TABLE IF NOT EXISTS archive_total ("
	"	account TEXT PRIMARY KEY REFERENCES account(bare_jid) ON DELETE CASCADE,"
	"	messages INTEGER NOT NULL,"
	"	bytes INTEGER NOT NULL"
	") WITHOUT ROWID;"
	"CREATE TRIGGER IF NOT EXISTS archive_added AFTER INSERT ON archive BEGIN"
	"	INSERT INTO archive_total VALUES (new.account, 1, length(new.xml)) ON CONFLICT (account) DO UPDATE"
	"		SET messages = messages + 1, bytes = bytes + excluded.bytes;"
	"END;"
	"CREATE TRIGGER IF NOT EXISTS archive_removed AFTER DELETE ON archive BEGIN"
	"	UPDATE archive_total SET messages = messages - 1, bytes = bytes - length(old.xml)"
	"		WHERE account = old.account;"
	"END;";

static const char sql_put[] = "INSERT INTO archive (account, contact, resource, xml, stamp_ms) VALUES (?1, ?2, ?3, ?4,"
			      " max(?5, coalesce((SELECT stamp_ms FROM archive WHERE account = ?1"
			      "  ORDER BY id DESC LIMIT 1), 0)))";
static const char sql_remove[] = "DELETE FROM archive WHERE account = ?1 AND id = ?2";
static const char sql_is_over[] = "SELECT 1 FROM archive_total WHERE account = ?1 AND (messages > ?2 OR bytes > ?3)";
static const char sql_remove_first[] =
	"DELETE FROM archive WHERE id = (SELECT id FROM archive WHERE account = ?1 ORDER BY id LIMIT 1)";
#define EXPIRED " FROM (SELECT id, stamp_ms FROM archive ORDER BY id LIMIT ?2) WHERE stamp_ms < ?1"
/* Asked first: what deletes costs eight times as much, also when there is nothing to be deleted. */
static const char sql_is_expired[] = "SELECT 1" EXPIRED " LIMIT 1";
static const char sql_expire[] = "DELETE FROM archive WHERE id IN (SELECT id" EXPIRED ")";
static const char sql_since[] = "SELECT id FROM archive WHERE account = ?1 AND stamp_ms >= ?2"
				" ORDER BY stamp_ms, id LIMIT 1";

#define OF_ALL	   " FROM archive WHERE account = ?1 AND id > ?2 AND id < ?3"
#define OF_CONTACT OF_ALL " AND contact = ?4 AND (?5 IS NULL OR resource = ?5)"
#define COLUMNS	   "SELECT id, stamp_ms, contact, resource, xml"

/* By whether the contact counts. */
static const char *const sql_count[] = {
	"SELECT count(*) FROM (SELECT 1" OF_ALL " LIMIT ?6)",
	"SELECT count(*) FROM (SELECT 1" OF_CONTACT " LIMIT ?6)",
};
/* And by whether it goes backwards. */
static const char *const sql_read[][2] = {
	{COLUMNS OF_ALL " ORDER BY id", COLUMNS OF_ALL " ORDER BY id DESC"},
	{COLUMNS OF_CONTACT " ORDER BY id", COLUMNS OF_CONTACT " ORDER BY id DESC"},
};

bool archive_put(struct store *store, const char *account, const struct archive_message *message, long long *ret_id)
{
	sqlite3_stmt *statement = query_of(store, sql_put, account, message->contact);

	if (statement == NULL)
		return false;
	sqlite3_bind_text(statement, 3, message->resource, -1, SQLITE_STATIC);
	sqlite3_bind_blob64(statement, 4, message->xml, message->len, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 5, message->stamp_ms);
	if (!query_run(statement))
		return false;
	*ret_id = sqlite3_last_insert_rowid(sqlite3_db_handle(statement));
	return true;
}

bool archive_remove(struct store *store, const char *account, long long id)
{
	sqlite3_stmt *statement = query_of(store, sql_remove, account, NULL);

	if (statement == NULL)
		return false;
	sqlite3_bind_int64(statement, 2, id);
	return query_run(statement);
}

static int is_over(struct store *store, const char *account, size_t messages_max, size_t bytes_max)
{
	sqlite3_stmt *statement = query_of(store, sql_is_over, account, NULL);
	int result;

	if (statement != NULL) {
		sqlite3_bind_int64(statement, 2, (sqlite3_int64)messages_max);
		sqlite3_bind_int64(statement, 3, (sqlite3_int64)bytes_max);
	}
	result = query_step(statement);
	query_end(statement);
	return result;
}

static sqlite3_stmt *query_expired(struct store *store, const char *sql, long long since_ms)
{
	sqlite3_stmt *statement = query_id(store, sql, since_ms);

	if (statement != NULL)
		sqlite3_bind_int(statement, 2, EXPIRED_MAX);
	return statement;
}

static bool expire(struct store *store, long long since_ms)
{
	sqlite3_stmt *any = query_expired(store, sql_is_expired, since_ms);
	int result = query_step(any);

	query_end(any);
	return result == SQLITE_DONE || (result == SQLITE_ROW && query_run(query_expired(store, sql_expire, since_ms)));
}

bool archive_trim(struct store *store, const char *account, size_t messages_max, size_t bytes_max, long long since_ms)
{
	int over = SQLITE_ROW;

	for (int i = 0; i < REMOVED_MAX && over == SQLITE_ROW; i++) {
		over = is_over(store, account, messages_max, bytes_max);
		if (over == SQLITE_ROW && !query_run(query_of(store, sql_remove_first, account, NULL)))
			return false;
	}
	return (over == SQLITE_ROW || over == SQLITE_DONE) && expire(store, since_ms);
}

bool archive_since(struct store *store, const char *account, long long stamp_ms, long long *ret_id)
{
	sqlite3_stmt *statement = query_of(store, sql_since, account, NULL);
	int result;

	if (statement != NULL)
		sqlite3_bind_int64(statement, 2, stamp_ms);
	result = query_step(statement);
	if (result == SQLITE_ROW)
		*ret_id = sqlite3_column_int64(statement, 0);
	else if (result == SQLITE_DONE)
		*ret_id = LLONG_MAX;
	query_end(statement);
	return result == SQLITE_ROW || result == SQLITE_DONE;
}

static sqlite3_stmt *range_query(struct store *store, const char *sql, const char *account,
				 const struct archive_range *range)
{
	sqlite3_stmt *statement = query_of(store, sql, account, NULL);

	if (statement == NULL)
		return NULL;
	sqlite3_bind_int64(statement, 2, range->after);
	sqlite3_bind_int64(statement, 3, range->before);
	if (range->contact != NULL)
		sqlite3_bind_text(statement, 4, range->contact, -1, SQLITE_STATIC);
	if (range->contact != NULL && range->resource != NULL)
		sqlite3_bind_text(statement, 5, range->resource, -1, SQLITE_STATIC);
	return statement;
}

bool archive_count(struct store *store, const char *account, const struct archive_range *range, size_t max, size_t *ret)
{
	sqlite3_stmt *statement = range_query(store, sql_count[range->contact != NULL], account, range);
	bool found;

	if (statement != NULL)
		sqlite3_bind_int64(statement, 6, (sqlite3_int64)max);
	found = query_step(statement) == SQLITE_ROW;
	if (found)
		*ret = (size_t)sqlite3_column_int64(statement, 0);
	query_end(statement);
	return found;
}

static struct archive_message row_message(sqlite3_stmt *statement)
{
	return (struct archive_message){
		.id = sqlite3_column_int64(statement, 0),
		.stamp_ms = sqlite3_column_int64(statement, 1),
		.contact = (const char *)sqlite3_column_text(statement, 2),
		.resource = (const char *)sqlite3_column_text(statement, 3),
		.xml = sqlite3_column_blob(statement, 4),
		.len = (size_t)sqlite3_column_bytes(statement, 4),
	};
}

bool archive_read(struct store *store, const char *account, const struct archive_range *range, bool backwards,
		  bool (*each)(void *context, const struct archive_message *), void *context)
{
	sqlite3_stmt *statement = range_query(store, sql_read[range->contact != NULL][backwards], account, range);
	int result = SQLITE_DONE;
	bool more = true;

	if (statement == NULL)
		return false;
	while (more && (result = query_step(statement)) == SQLITE_ROW) {
		struct archive_message message = row_message(statement);

		more = each(context, &message);
	}
	query_end(statement);
	return result == SQLITE_ROW || result == SQLITE_DONE;
}
