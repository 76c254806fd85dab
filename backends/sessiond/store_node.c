#include "store_node.h"
#include "query.h"
#include "text.h"
#include <string.h>

const char store_node_schema[] = "CREATE TABLE IF NOT EXISTS node ("
				 " id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, socket TEXT NOT NULL);"
				 "CREATE TABLE IF NOT EXISTS change ("
				 " id INTEGER PRIMARY KEY AUTOINCREMENT, node INTEGER NOT NULL, kind INTEGER NOT NULL,"
				 " subject INTEGER NOT NULL, text TEXT);";

static const char sql_node_add[] = "INSERT INTO node (name, socket) VALUES (?1, ?2)";
static const char sql_node_remove[] = "DELETE FROM node WHERE id = ?1 RETURNING id";
static const char sql_node_list[] = "SELECT id, socket FROM node WHERE id <> ?1";
static const char sql_change_add[] = "INSERT INTO change (node, kind, subject, text) VALUES (?1, ?2, ?3, ?4)";
static const char sql_change_last[] = "SELECT coalesce(max(id), 0) FROM change";
static const char sql_change_next[] =
	"SELECT id, node, kind, subject, text FROM change WHERE id > ?1 ORDER BY id LIMIT 1";
static const char sql_change_trim[] = "DELETE FROM change WHERE id <= (SELECT max(id) FROM change) - ?1";

bool store_node_add(struct store *store, const char *name, const char *socket, int64_t *ret_id)
{
	sqlite3_stmt *statement = query_of(store, sql_node_add, name, socket);
	if (!query_run(statement))
		return false;
	*ret_id = sqlite3_last_insert_rowid(sqlite3_db_handle(statement));
	return true;
}

bool store_node_remove(struct store *store, int64_t id, bool *ret_found)
{
	sqlite3_stmt *statement = query_id(store, sql_node_remove, id);
	int step = query_step(statement);
	*ret_found = step == SQLITE_ROW;
	if (*ret_found)
		step = query_step(statement);
	query_end(statement);
	return step == SQLITE_DONE;
}

bool store_node_list(struct store *store, int64_t but, void (*each)(void *context, int64_t id, const char *socket),
		     void *context)
{
	sqlite3_stmt *statement = query_id(store, sql_node_list, but);
	int step;
	while ((step = query_step(statement)) == SQLITE_ROW)
		each(context, sqlite3_column_int64(statement, 0), (const char *)sqlite3_column_text(statement, 1));
	query_end(statement);
	return step == SQLITE_DONE;
}

bool store_change_add(struct store *store, int64_t node, enum store_change_kind kind, int64_t subject, const char *text)
{
	sqlite3_stmt *statement = store_statement(store, sql_change_add);
	if (!statement)
		return false;
	sqlite3_bind_int64(statement, 1, node);
	sqlite3_bind_int64(statement, 2, kind);
	sqlite3_bind_int64(statement, 3, subject);
	if (text)
		sqlite3_bind_text(statement, 4, text, -1, SQLITE_STATIC);
	return query_run(statement);
}

bool store_change_last(struct store *store, int64_t *ret)
{
	return query_number(store_statement(store, sql_change_last), ret);
}

static void change_read(sqlite3_stmt *statement, struct store_change *ret)
{
	ret->id = sqlite3_column_int64(statement, 0);
	ret->node = sqlite3_column_int64(statement, 1);
	ret->kind = (enum store_change_kind)sqlite3_column_int(statement, 2);
	ret->subject = sqlite3_column_int64(statement, 3);
	const char *text = (const char *)sqlite3_column_text(statement, 4);
	ret->text = text ? text_copy(text) : NULL;
}

bool store_change_next(struct store *store, int64_t after, struct store_change *ret, bool *ret_lost)
{
	sqlite3_stmt *statement = store_statement(store, sql_change_next);
	if (!statement)
		return false;
	*ret = (struct store_change){0};
	sqlite3_bind_int64(statement, 1, after);
	int step = sqlite3_step(statement);
	if (step == SQLITE_ROW)
		change_read(statement, ret);
	sqlite3_reset(statement);
	*ret_lost = ret->id > after + 1; /* numbers are given in the order of commits, and none is left out */
	return step == SQLITE_ROW || step == SQLITE_DONE;
}

bool store_change_trim(struct store *store)
{
	return query_run(query_id(store, sql_change_trim, STORE_CHANGES_KEPT));
}
