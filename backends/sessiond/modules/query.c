#include "query.h"

#include "text.h"

sqlite3_stmt *query_of(struct store *store, const char *sql, const char *account, const char *second)
{
	sqlite3_stmt *statement = store_statement(store, sql);

	if (statement == NULL)
		return NULL;
	sqlite3_bind_text(statement, 1, account, -1, SQLITE_STATIC);
	if (second != NULL)
		sqlite3_bind_text(statement, 2, second, -1, SQLITE_STATIC);
	return statement;
}

sqlite3_stmt *query_id(struct store *store, const char *sql, int64_t id)
{
	sqlite3_stmt *statement = store_statement(store, sql);

	if (statement != NULL)
		sqlite3_bind_int64(statement, 1, id);
	return statement;
}

int query_step(sqlite3_stmt *statement)
{
	return statement != NULL ? sqlite3_step(statement) : SQLITE_ERROR;
}

void query_end(sqlite3_stmt *statement)
{
	if (statement == NULL)
		return;
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
}

bool query_run(sqlite3_stmt *statement)
{
	bool done = query_step(statement) == SQLITE_DONE;

	query_end(statement);
	return done;
}

bool query_number(sqlite3_stmt *statement, int64_t *ret)
{
	bool found = query_step(statement) == SQLITE_ROW;

	if (found)
		*ret = sqlite3_column_int64(statement, 0);
	query_end(statement);
	return found;
}

bool query_count(struct store *store, const char *sql, const char *account, size_t *ret)
{
	int64_t count;
	bool found = query_number(query_of(store, sql, account, NULL), &count);

	if (found)
		*ret = (size_t)count;
	return found;
}

char *query_text(sqlite3_stmt *statement, int column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);

	return text_copy(text != NULL ? text : "");
}
