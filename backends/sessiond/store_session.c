#include "store_session.h"
#include "query.h"
#include "store_node.h"

const char store_session_schema[] =
	"CREATE TABLE IF NOT EXISTS session ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, full_jid TEXT NOT NULL UNIQUE, domain TEXT NOT NULL, lang TEXT,"
	" address TEXT NOT NULL, owner INTEGER NOT NULL, gate INTEGER, number INTEGER, serial INTEGER NOT NULL,"
	" patience_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, flags INTEGER NOT NULL, priority INTEGER NOT NULL,"
	" since_ms INTEGER NOT NULL, presence BLOB, directed TEXT, list TEXT, resumption TEXT UNIQUE, resumption_ms "
	"INTEGER NOT NULL,"
	" UNIQUE (gate, number));"
	"CREATE INDEX IF NOT EXISTS session_owner ON session (owner);"
	"CREATE TABLE IF NOT EXISTS progress ("
	" session INTEGER PRIMARY KEY, received INTEGER NOT NULL, sent INTEGER NOT NULL, acked INTEGER NOT NULL,"
	" waiting_bytes INTEGER NOT NULL, managed_in INTEGER NOT NULL, managed_out INTEGER NOT NULL,"
	" managed_acked INTEGER NOT NULL);";

#define COLUMNS                                                                                                        \
	"full_jid, domain, lang, address, owner, gate, number, serial, patience_ms, until_ms, flags, priority,"        \
	" presence, directed, list, resumption, resumption_ms, since_ms"
#define PLACES "?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19"

static const char sql_add[] = "INSERT INTO session (" COLUMNS ") VALUES (" PLACES ")";
static const char sql_put[] = "UPDATE session SET (" COLUMNS ") = (" PLACES ") WHERE id = ?1";
static const char *const sql_remove[] = {"DELETE FROM session WHERE id = ?1", "DELETE FROM progress WHERE session = ?1",
					 "DELETE FROM outbox WHERE session = ?1",
					 "DELETE FROM held WHERE session = ?1"};
static const char sql_read[] = "SELECT id, " COLUMNS " FROM session WHERE id = ?1";
static const char sql_list[] = "SELECT id, " COLUMNS " FROM session ORDER BY id";
static const char sql_at[] = "SELECT id FROM session WHERE gate = ?1 AND number = ?2";
static const char sql_resumable[] = "SELECT id FROM session WHERE resumption = ?1";
/* '0' is what stands behind '/'. */
static const char sql_any[] = "SELECT 1 FROM session WHERE full_jid > ?1 || '/' AND full_jid < ?1 || '0'";
static const char sql_expire[] = "UPDATE session SET until_ms = 1 WHERE full_jid > ?1 || '/' AND full_jid < ?1 || '0'";
static const char sql_abandon[] =
	"UPDATE session SET owner = 0, until_ms = iif(until_ms = 0, ?2 + patience_ms, until_ms) WHERE owner = ?1";
static const char sql_abandon_tell[] =
	"INSERT INTO change (node, kind, subject) SELECT ?2, ?3, id FROM session WHERE owner = ?1";
static const char sql_progress_put[] = "INSERT OR REPLACE INTO progress VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
static const char sql_progress_get[] = "SELECT * FROM progress WHERE session = ?1";

static void text_bind(sqlite3_stmt *statement, int at, const char *text)
{
	if (text)
		sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

static void place_bind(sqlite3_stmt *statement, const struct store_session *session)
{
	if (!session->at_gate)
		return;
	sqlite3_bind_int64(statement, 7, (sqlite3_int64)session->gate);
	sqlite3_bind_int64(statement, 8, (sqlite3_int64)session->number);
}

static void session_bind(sqlite3_stmt *statement, const struct store_session *session)
{
	text_bind(statement, 2, session->full_jid);
	text_bind(statement, 3, session->domain);
	text_bind(statement, 4, session->lang);
	text_bind(statement, 5, session->address);
	sqlite3_bind_int64(statement, 6, session->owner);
	place_bind(statement, session);
	sqlite3_bind_int64(statement, 9, (sqlite3_int64)session->serial);
	sqlite3_bind_int64(statement, 10, session->patience_ms);
	sqlite3_bind_int64(statement, 11, session->until_ms);
	sqlite3_bind_int64(statement, 12, session->flags);
	sqlite3_bind_int64(statement, 13, session->priority);
	if (session->presence)
		sqlite3_bind_blob64(statement, 14, session->presence, session->presence_len, SQLITE_STATIC);
	text_bind(statement, 15, session->directed);
	text_bind(statement, 16, session->active_privacy_list);
	text_bind(statement, 17, session->resumption);
	sqlite3_bind_int64(statement, 18, session->resumption_ms);
	sqlite3_bind_int64(statement, 19, session->since_ms);
}

static const char *text_at(sqlite3_stmt *statement, int at)
{
	return (const char *)sqlite3_column_text(statement, at);
}

static void session_of(sqlite3_stmt *statement, struct store_session *ret)
{
	*ret = (struct store_session){
		.id = sqlite3_column_int64(statement, 0),
		.full_jid = text_at(statement, 1),
		.domain = text_at(statement, 2),
		.lang = text_at(statement, 3),
		.address = text_at(statement, 4),
		.owner = sqlite3_column_int64(statement, 5),
		.at_gate = sqlite3_column_type(statement, 6) != SQLITE_NULL,
		.gate = (uint64_t)sqlite3_column_int64(statement, 6),
		.number = (uint64_t)sqlite3_column_int64(statement, 7),
		.serial = (uint64_t)sqlite3_column_int64(statement, 8),
		.patience_ms = (uint32_t)sqlite3_column_int64(statement, 9),
		.until_ms = sqlite3_column_int64(statement, 10),
		.flags = (unsigned)sqlite3_column_int64(statement, 11),
		.priority = sqlite3_column_int(statement, 12),
		.presence = sqlite3_column_blob(statement, 13),
		.presence_len = (size_t)sqlite3_column_bytes(statement, 13),
		.directed = text_at(statement, 14),
		.active_privacy_list = text_at(statement, 15),
		.resumption = text_at(statement, 16),
		.resumption_ms = (uint32_t)sqlite3_column_int64(statement, 17),
		.since_ms = sqlite3_column_int64(statement, 18),
	};
}

bool store_session_add(struct store *store, const struct store_session *session, int64_t *ret_id)
{
	sqlite3_stmt *statement = store_statement(store, sql_add);
	if (!statement)
		return false;
	session_bind(statement, session);
	if (!query_run(statement))
		return false;
	*ret_id = sqlite3_last_insert_rowid(sqlite3_db_handle(statement));
	return store_progress_put(store, *ret_id, &(struct store_progress){0});
}

bool store_session_put(struct store *store, const struct store_session *session)
{
	sqlite3_stmt *statement = store_statement(store, sql_put);
	if (!statement)
		return false;
	sqlite3_bind_int64(statement, 1, session->id);
	session_bind(statement, session);
	return query_run(statement);
}

bool store_session_remove(struct store *store, int64_t id)
{
	bool good = true;
	for (size_t i = 0; good && i < sizeof sql_remove / sizeof sql_remove[0]; i++)
		good = query_run(query_id(store, sql_remove[i], id));
	return good;
}

static bool sessions_read(sqlite3_stmt *statement, void (*each)(void *context, const struct store_session *),
			  void *context, bool *ret_found)
{
	struct store_session session;
	int step;
	*ret_found = false;
	while ((step = query_step(statement)) == SQLITE_ROW) {
		session_of(statement, &session);
		*ret_found = true;
		each(context, &session);
	}
	query_end(statement);
	return step == SQLITE_DONE;
}

bool store_session_read(struct store *store, int64_t id, void (*each)(void *context, const struct store_session *),
			void *context, bool *ret_found)
{
	return sessions_read(query_id(store, sql_read, id), each, context, ret_found);
}

bool store_session_list(struct store *store, void (*each)(void *context, const struct store_session *), void *context)
{
	bool found;
	return sessions_read(store_statement(store, sql_list), each, context, &found);
}

/* The first column of its first row; 0: there is none. */
static bool number_or_none(sqlite3_stmt *statement, int64_t *ret)
{
	int step = query_step(statement);
	*ret = step == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
	query_end(statement);
	return step == SQLITE_ROW || step == SQLITE_DONE;
}

bool store_session_any(struct store *store, const char *bare_jid, bool *ret_any)
{
	int64_t any;
	bool good = number_or_none(query_of(store, sql_any, bare_jid, NULL), &any);
	*ret_any = any != 0;
	return good;
}

bool store_session_expire(struct store *store, const char *bare_jid)
{
	return query_run(query_of(store, sql_expire, bare_jid, NULL));
}

bool store_session_resumable(struct store *store, const char *resumption, int64_t *ret_id)
{
	return number_or_none(query_of(store, sql_resumable, resumption, NULL), ret_id);
}

bool store_session_at(struct store *store, uint64_t gate, uint64_t number, int64_t *ret_id)
{
	sqlite3_stmt *statement = query_id(store, sql_at, (int64_t)gate);
	if (statement)
		sqlite3_bind_int64(statement, 2, (sqlite3_int64)number);
	return number_or_none(statement, ret_id);
}

bool store_session_abandon(struct store *store, int64_t owner, int64_t now_ms, uint32_t margin_ms, int64_t by)
{
	sqlite3_stmt *statement = query_id(store, sql_abandon_tell, owner);
	if (!statement)
		return false;
	sqlite3_bind_int64(statement, 2, by);
	sqlite3_bind_int64(statement, 3, CHANGE_SESSION);
	if (!query_run(statement) || !(statement = query_id(store, sql_abandon, owner)))
		return false;
	sqlite3_bind_int64(statement, 2, now_ms + margin_ms);
	return query_run(statement);
}

bool store_progress_put(struct store *store, int64_t id, const struct store_progress *progress)
{
	sqlite3_stmt *statement = query_id(store, sql_progress_put, id);
	if (!statement)
		return false;
	sqlite3_bind_int64(statement, 2, progress->received);
	sqlite3_bind_int64(statement, 3, progress->sent);
	sqlite3_bind_int64(statement, 4, progress->acked);
	sqlite3_bind_int64(statement, 5, progress->waiting_bytes);
	sqlite3_bind_int64(statement, 6, progress->managed_in);
	sqlite3_bind_int64(statement, 7, progress->managed_out);
	sqlite3_bind_int64(statement, 8, progress->managed_acked);
	return query_run(statement);
}

bool store_progress_get(struct store *store, int64_t id, struct store_progress *ret)
{
	sqlite3_stmt *statement = query_id(store, sql_progress_get, id);
	bool found = query_step(statement) == SQLITE_ROW;
	if (found)
		*ret = (struct store_progress){
			.received = sqlite3_column_int64(statement, 1),
			.sent = sqlite3_column_int64(statement, 2),
			.acked = sqlite3_column_int64(statement, 3),
			.waiting_bytes = sqlite3_column_int64(statement, 4),
			.managed_in = sqlite3_column_int64(statement, 5),
			.managed_out = sqlite3_column_int64(statement, 6),
			.managed_acked = sqlite3_column_int64(statement, 7),
		};
	query_end(statement);
	return found;
}
