#include "store_outbox.h"
#include "query.h"

/* Not WITHOUT ROWID: SQLite would read long rows as a whole to compare their keys. */
const char store_outbox_schema[] =
	"CREATE TABLE IF NOT EXISTS outbox ("
	" session INTEGER NOT NULL, number INTEGER NOT NULL, at_ms INTEGER NOT NULL, managed INTEGER NOT NULL,"
	" xml BLOB NOT NULL,"
	" PRIMARY KEY (session, number));";

static const char sql_put[] = "INSERT INTO outbox VALUES (?1, ?2, ?3, ?4, ?5)";
static const char sql_step[] = "UPDATE progress SET sent = sent + 1, managed_out = managed_out + ?2,"
			       " waiting_bytes = waiting_bytes + ?3 WHERE session = ?1"
			       " RETURNING sent, managed_out, waiting_bytes";
static const char sql_read[] =
	"SELECT number, at_ms, managed, xml FROM outbox WHERE session = ?1 AND number > ?2 ORDER BY number";
/* What the gate has taken; and since a client may acknowledge what its gate has not acknowledged yet, that. */
#define TAKEN	" FROM outbox WHERE session = ?1 AND number <= ?2 AND managed <= ?3"
#define HANDLED " FROM outbox WHERE session = ?1 AND number > ?2 AND managed BETWEEN 1 AND ?3"
#define BYTES	"SELECT coalesce(sum(length(xml)), 0)"
/* One statement that does both (RETURNING) costs three times as much. */
static const char sql_taken_bytes[] = BYTES TAKEN, sql_taken_forget[] = "DELETE" TAKEN,
		  sql_handled_bytes[] = BYTES HANDLED, sql_handled_forget[] = "DELETE" HANDLED;
/* Each has a place for what it needs of 2 and 3. Twice, since no two may have one number even for a moment. What counts
 * is numbered without gaps. */
static const char *const sql_renumber[] = {
	"DELETE FROM outbox WHERE session = ?1 AND managed <= ?2",
	"UPDATE outbox SET number = -number WHERE session = ?1",
	"UPDATE outbox SET number = managed - ?2 - 1 + ?3 WHERE session = ?1",
};
static const char sql_bytes[] = BYTES " FROM outbox WHERE session = ?1";

bool store_outbox_put(struct store *store, int64_t session, const struct store_element *element)
{
	sqlite3_stmt *statement = query_id(store, sql_put, session);
	if (!statement)
		return false;
	sqlite3_bind_int64(statement, 2, element->number);
	sqlite3_bind_int64(statement, 3, element->at_ms);
	sqlite3_bind_int64(statement, 4, element->managed);
	sqlite3_bind_blob64(statement, 5, element->xml, element->len, SQLITE_STATIC);
	return query_run(statement);
}

bool store_outbox_post(struct store *store, int64_t session, const struct store_element *given,
		       int64_t *ret_waiting_bytes)
{
	sqlite3_stmt *statement = query_id(store, sql_step, session);
	if (!statement)
		return false;
	sqlite3_bind_int(statement, 2, given->managed != 0);
	sqlite3_bind_int64(statement, 3, (sqlite3_int64)given->len);
	struct store_element element = *given;
	bool found = sqlite3_step(statement) == SQLITE_ROW;
	if (found) {
		element.number = sqlite3_column_int64(statement, 0);
		element.managed = given->managed != 0 ? sqlite3_column_int64(statement, 1) : 0;
		*ret_waiting_bytes = sqlite3_column_int64(statement, 2);
	}
	query_end(statement);
	return found && store_outbox_put(store, session, &element);
}

bool store_outbox_read(struct store *store, int64_t session, int64_t after,
		       void (*each)(void *context, const struct store_element *), void *context)
{
	sqlite3_stmt *statement = query_id(store, sql_read, session);
	int step = SQLITE_ERROR;
	if (statement)
		sqlite3_bind_int64(statement, 2, after);
	while ((step = query_step(statement)) == SQLITE_ROW) {
		struct store_element element = {
			.number = sqlite3_column_int64(statement, 0),
			.at_ms = sqlite3_column_int64(statement, 1),
			.managed = sqlite3_column_int64(statement, 2),
			.xml = sqlite3_column_blob(statement, 3),
			.len = (size_t)sqlite3_column_bytes(statement, 3),
		};
		each(context, &element);
	}
	query_end(statement);
	return step == SQLITE_DONE;
}

static sqlite3_stmt *query_known(struct store *store, const char *sql, int64_t session,
				 const struct store_progress *progress)
{
	sqlite3_stmt *statement = query_id(store, sql, session);
	if (statement) {
		sqlite3_bind_int64(statement, 2, progress->acked);
		sqlite3_bind_int64(statement, 3, progress->managed_acked);
	}
	return statement;
}

bool store_outbox_forget(struct store *store, int64_t session, const struct store_progress *progress,
			 int64_t *ret_bytes)
{
	int64_t taken, handled = 0;
	if (!query_number(query_known(store, sql_taken_bytes, session, progress), &taken) ||
	    (taken > 0 && !query_run(query_known(store, sql_taken_forget, session, progress))))
		return false;
	if (progress->managed_acked > 0 &&
	    (!query_number(query_known(store, sql_handled_bytes, session, progress), &handled) ||
	     (handled > 0 && !query_run(query_known(store, sql_handled_forget, session, progress)))))
		return false;
	*ret_bytes = taken + handled;
	return true;
}

bool store_outbox_renumber(struct store *store, int64_t session, int64_t managed_acked, int64_t first,
			   int64_t *ret_waiting_bytes)
{
	for (size_t i = 0; i < sizeof sql_renumber / sizeof sql_renumber[0]; i++) {
		sqlite3_stmt *statement = query_id(store, sql_renumber[i], session);
		if (!statement)
			return false;
		sqlite3_bind_int64(statement, 2, managed_acked);
		sqlite3_bind_int64(statement, 3, first);
		if (!query_run(statement))
			return false;
	}
	return query_number(query_id(store, sql_bytes, session), ret_waiting_bytes);
}
