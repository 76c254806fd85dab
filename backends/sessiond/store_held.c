#include "store_held.h"
#include "query.h"

const char store_held_schema[] =
	"CREATE TABLE IF NOT EXISTS held ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, session INTEGER NOT NULL, kind INTEGER NOT NULL,"
	" sender TEXT NOT NULL, xml BLOB NOT NULL, UNIQUE (session, kind, sender));";

static const char sql_put[] = "INSERT OR REPLACE INTO held (session, kind, sender, xml) VALUES (?1, ?2, ?3, ?4)";
static const char sql_count[] = "SELECT count(*) FROM held WHERE session = ?1";
static const char sql_read[] = "SELECT xml FROM held WHERE session = ?1 ORDER BY id";
static const char sql_clear[] = "DELETE FROM held WHERE session = ?1";

bool store_held_put(struct store *store, int64_t session, const struct store_held *held, size_t *ret_count)
{
	sqlite3_stmt *statement = query_id(store, sql_put, session);
	int64_t count;
	if (!statement)
		return false;
	sqlite3_bind_int(statement, 2, held->kind);
	sqlite3_bind_text(statement, 3, held->sender, -1, SQLITE_STATIC);
	sqlite3_bind_blob64(statement, 4, held->xml, held->len, SQLITE_STATIC);
	if (!query_run(statement) || !query_number(query_id(store, sql_count, session), &count))
		return false;
	*ret_count = (size_t)count;
	return true;
}

bool store_held_read(struct store *store, int64_t session, void (*each)(void *context, const char *xml, size_t len),
		     void *context)
{
	sqlite3_stmt *statement = query_id(store, sql_read, session);
	int step;
	while ((step = query_step(statement)) == SQLITE_ROW)
		each(context, sqlite3_column_blob(statement, 0), (size_t)sqlite3_column_bytes(statement, 0));
	query_end(statement);
	return step == SQLITE_DONE;
}

bool store_held_clear(struct store *store, int64_t session)
{
	return query_run(query_id(store, sql_clear, session));
}
