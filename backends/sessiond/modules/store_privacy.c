#include "store_privacy.h"

#include <stdlib.h>

#include "query.h"
#include "text.h"

const char store_privacy_schema[] =
	"CREATE TABLE IF NOT EXISTS privacy_list ("
	"	account TEXT NOT NULL REFERENCES account(bare_jid) ON DELETE CASCADE,"
	"	name TEXT NOT NULL,"
	"	is_default INTEGER NOT NULL DEFAULT 0,"
	"	PRIMARY KEY (account, name)"
	") WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS privacy_item ("
	"	account TEXT NOT NULL,"
	"	list TEXT NOT NULL,"
	"	position INTEGER NOT NULL,"
	"	matching INTEGER NOT NULL,"
	"	value TEXT NOT NULL,"
	"	allow INTEGER NOT NULL,"
	"	kinds INTEGER NOT NULL,"
	"	PRIMARY KEY (account, list, position),"
	"	FOREIGN KEY (account, list) REFERENCES privacy_list(account, name) ON DELETE CASCADE"
	") WITHOUT ROWID;";

static const char sql_exists[] = "SELECT 1 FROM privacy_list WHERE account = ?1 AND name = ?2";
static const char sql_count[] = "SELECT count(*) FROM privacy_list WHERE account = ?1";
static const char sql_get[] = "SELECT position, matching, value, allow, kinds FROM privacy_item"
			      " WHERE account = ?1 AND list = ?2 ORDER BY position";
static const char sql_put_list[] =
	"INSERT INTO privacy_list (account, name) VALUES (?1, ?2) ON CONFLICT (account, name) DO NOTHING";
static const char sql_clear[] = "DELETE FROM privacy_item WHERE account = ?1 AND list = ?2";
static const char sql_put_item[] = "INSERT INTO privacy_item (account, list, position, matching, value, allow, kinds)"
				   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
static const char sql_remove[] = "DELETE FROM privacy_list WHERE account = ?1 AND name = ?2";
static const char sql_names[] = "SELECT name FROM privacy_list WHERE account = ?1 ORDER BY name";
static const char sql_default_get[] = "SELECT name FROM privacy_list WHERE account = ?1 AND is_default";
static const char sql_default_put[] = "UPDATE privacy_list SET is_default = (name IS ?2) WHERE account = ?1";

bool privacy_list_exists(struct store *store, const char *account, const char *name, bool *ret)
{
	sqlite3_stmt *statement = query_of(store, sql_exists, account, name);
	int result = query_step(statement);

	query_end(statement);
	if (result != SQLITE_ROW && result != SQLITE_DONE)
		return false;
	*ret = result == SQLITE_ROW;
	return true;
}

bool privacy_list_count(struct store *store, const char *account, size_t *ret)
{
	return query_count(store, sql_count, account, ret);
}

static struct privacy_item item_read(sqlite3_stmt *statement)
{
	return (struct privacy_item){
		.order = (unsigned)sqlite3_column_int64(statement, 0),
		.match = (enum privacy_match)sqlite3_column_int(statement, 1),
		.value = query_text(statement, 2),
		.allow = sqlite3_column_int(statement, 3) != 0,
		.kinds = (unsigned)sqlite3_column_int(statement, 4),
	};
}

bool privacy_list_get(struct store *store, const char *account, const char *name, struct privacy_list *ret)
{
	sqlite3_stmt *statement = query_of(store, sql_get, account, name);
	struct privacy_list list = {0};
	size_t cap = 0;
	int result;

	while ((result = query_step(statement)) == SQLITE_ROW) {
		if (list.count == cap)
			list.items = text_again(list.items, cap = cap ? 2 * cap : 8, sizeof *list.items);
		list.items[list.count++] = item_read(statement);
	}
	query_end(statement);
	if (result != SQLITE_DONE) {
		privacy_list_free(&list);
		return false;
	}
	*ret = list;
	return true;
}

void privacy_list_free(struct privacy_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].value);
	free(list->items);
	*list = (struct privacy_list){0};
}

static bool item_put(struct store *store, const char *account, const char *name, const struct privacy_item *item)
{
	sqlite3_stmt *statement = query_of(store, sql_put_item, account, name);

	if (statement == NULL)
		return false;
	sqlite3_bind_int64(statement, 3, item->order);
	sqlite3_bind_int(statement, 4, item->match);
	sqlite3_bind_text(statement, 5, item->value, -1, SQLITE_STATIC);
	sqlite3_bind_int(statement, 6, item->allow);
	sqlite3_bind_int(statement, 7, (int)item->kinds);
	return query_run(statement);
}

bool privacy_list_put(struct store *store, const char *account, const char *name, const struct privacy_list *list)
{
	bool done = query_run(query_of(store, sql_put_list, account, name)) &&
		    query_run(query_of(store, sql_clear, account, name));

	for (size_t i = 0; done && i < list->count; i++)
		done = item_put(store, account, name, &list->items[i]);
	return done;
}

bool privacy_list_remove(struct store *store, const char *account, const char *name)
{
	return query_run(query_of(store, sql_remove, account, name));
}

bool privacy_list_names(struct store *store, const char *account, void (*each)(void *context, const char *name),
			void *context)
{
	sqlite3_stmt *statement = query_of(store, sql_names, account, NULL);
	int result;

	while ((result = query_step(statement)) == SQLITE_ROW)
		each(context, (const char *)sqlite3_column_text(statement, 0));
	query_end(statement);
	return result == SQLITE_DONE;
}

bool privacy_default_get(struct store *store, const char *account, char **ret)
{
	sqlite3_stmt *statement = query_of(store, sql_default_get, account, NULL);
	int result = query_step(statement);

	if (result == SQLITE_ROW)
		*ret = query_text(statement, 0);
	else if (result == SQLITE_DONE)
		*ret = NULL;
	query_end(statement);
	return result == SQLITE_ROW || result == SQLITE_DONE;
}

bool privacy_default_put(struct store *store, const char *account, const char *name)
{
	return query_run(query_of(store, sql_default_put, account, name));
}
