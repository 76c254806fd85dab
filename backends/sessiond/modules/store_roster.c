#include "store_roster.h"

#include <stdlib.h>
#include <string.h>

#include "query.h"
#include "text.h"

/*
 * The trigger is for whoever takes the name of an account that is gone: the subscriptions of its former contacts are
 * not his.
 */
const char store_roster_schema[] = "CREATE TABLE IF NOT EXISTS roster ("
				   "	account TEXT NOT NULL REFERENCES account(bare_jid) ON DELETE CASCADE,"
				   "	contact TEXT NOT NULL,"
				   "	name TEXT NOT NULL DEFAULT '',"
				   "	group_names TEXT NOT NULL DEFAULT '',"
				   "	state INTEGER NOT NULL CHECK (state IN (0, 1, 2, 3, 4, 6, 8, 9, 12)),"
				   "	listed INTEGER NOT NULL,"
				   "	request BLOB,"
				   "	PRIMARY KEY (account, contact)"
				   ") WITHOUT ROWID;"
				   "CREATE INDEX IF NOT EXISTS roster_contact ON roster (contact);"
				   "CREATE TRIGGER IF NOT EXISTS roster_account_gone AFTER DELETE ON account BEGIN"
				   "	DELETE FROM roster WHERE contact = OLD.bare_jid AND NOT listed;"
				   "	UPDATE roster SET state = 0, request = NULL WHERE contact = OLD.bare_jid;"
				   "END;";

static const char sql_get[] =
	"SELECT contact, name, group_names, state, listed FROM roster WHERE account = ?1 AND contact = ?2";
static const char sql_put[] =
	"INSERT INTO roster (account, contact, name, group_names, state, listed) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
	" ON CONFLICT (account, contact) DO UPDATE SET name = ?3, group_names = ?4, state = ?5, listed = ?6,"
	" request = CASE WHEN ?5 & 8 THEN request END";
static const char sql_delete[] = "DELETE FROM roster WHERE account = ?1 AND contact = ?2";
static const char sql_request_put[] = "UPDATE roster SET request = ?3 WHERE account = ?1 AND contact = ?2";
static const char sql_load[] = "SELECT contact, name, group_names, state, listed FROM roster"
			       " WHERE account = ?1 AND listed AND (?2 = 0 OR state & ?2) ORDER BY contact";
static const char sql_listed_count[] = "SELECT count(*) FROM roster WHERE account = ?1 AND listed";
static const char sql_request_count[] = "SELECT count(*) FROM roster WHERE account = ?1 AND request IS NOT NULL";
static const char sql_requests[] = "SELECT contact, request FROM roster WHERE account = ?1 AND request IS NOT NULL";

static struct roster_item item_read(sqlite3_stmt *statement)
{
	return (struct roster_item){
		.contact = query_text(statement, 0),
		.name = query_text(statement, 1),
		.groups = query_text(statement, 2),
		.state = (enum subscription_state)sqlite3_column_int(statement, 3),
		.listed = sqlite3_column_int(statement, 4) != 0,
	};
}

bool roster_item_get(struct store *store, const char *account, const char *contact, struct roster_item *ret)
{
	sqlite3_stmt *statement = query_of(store, sql_get, account, contact);
	int result = query_step(statement);

	if (result == SQLITE_ROW)
		*ret = item_read(statement);
	else if (result == SQLITE_DONE)
		*ret = (struct roster_item){
			.contact = text_copy(contact), .name = text_copy(""), .groups = text_copy("")};
	query_end(statement);
	return result == SQLITE_ROW || result == SQLITE_DONE;
}

void roster_item_free(struct roster_item *item)
{
	free(item->contact);
	free(item->name);
	free(item->groups);
	*item = (struct roster_item){0};
}

bool roster_item_put(struct store *store, const char *account, const struct roster_item *item)
{
	bool kept = item->listed || item->state != STATE_NONE;
	sqlite3_stmt *statement = query_of(store, kept ? sql_put : sql_delete, account, item->contact);

	if (statement == NULL)
		return false;
	if (kept) {
		sqlite3_bind_text(statement, 3, item->name, -1, SQLITE_STATIC);
		sqlite3_bind_text(statement, 4, item->groups, -1, SQLITE_STATIC);
		sqlite3_bind_int(statement, 5, (int)item->state);
		sqlite3_bind_int(statement, 6, item->listed);
	}
	return query_run(statement);
}

bool roster_request_put(struct store *store, const char *account, const char *contact, const char *xml, size_t len)
{
	sqlite3_stmt *statement = query_of(store, sql_request_put, account, contact);

	if (statement == NULL)
		return false;
	sqlite3_bind_blob64(statement, 3, xml, len, SQLITE_STATIC);
	return query_run(statement);
}

bool roster_load(struct store *store, const char *account, int mask, struct roster *ret)
{
	sqlite3_stmt *statement = query_of(store, sql_load, account, NULL);
	struct roster found = {0};
	size_t cap = 0;
	int result;

	if (statement == NULL)
		return false;
	sqlite3_bind_int(statement, 2, mask);
	while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
		if (found.count == cap)
			found.items = text_again(found.items, cap = cap ? 2 * cap : 16, sizeof *found.items);
		found.items[found.count++] = item_read(statement);
	}
	query_end(statement);
	if (result != SQLITE_DONE) {
		roster_free(&found);
		return false;
	}
	*ret = found;
	return true;
}

void roster_free(struct roster *roster)
{
	for (size_t i = 0; i < roster->count; i++)
		roster_item_free(&roster->items[i]);
	free(roster->items);
	*roster = (struct roster){0};
}

bool roster_listed_count(struct store *store, const char *account, size_t *ret)
{
	return query_count(store, sql_listed_count, account, ret);
}

bool roster_request_count(struct store *store, const char *account, size_t *ret)
{
	return query_count(store, sql_request_count, account, ret);
}

bool roster_item_in_group(const struct roster_item *item, const char *group)
{
	size_t len = strlen(group);

	for (const char *name = item->groups, *end; (end = strchr(name, ROSTER_GROUP_END)) != NULL; name = end + 1)
		if ((size_t)(end - name) == len && memcmp(name, group, len) == 0)
			return true;
	return false;
}

bool roster_has_group(struct store *store, const char *account, const char *group, bool *ret)
{
	struct roster roster;
	bool found = false;

	if (!roster_load(store, account, 0, &roster))
		return false;
	for (size_t i = 0; i < roster.count && !found; i++)
		found = roster_item_in_group(&roster.items[i], group);
	roster_free(&roster);
	*ret = found;
	return true;
}

bool roster_requests(struct store *store, const char *account,
		     void (*each)(void *context, const char *contact, const char *xml, size_t len), void *context)
{
	sqlite3_stmt *statement = query_of(store, sql_requests, account, NULL);
	int result;

	if (statement == NULL)
		return false;
	while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *xml = sqlite3_column_blob(statement, 1);

		each(context, (const char *)sqlite3_column_text(statement, 0), xml,
		     (size_t)sqlite3_column_bytes(statement, 1));
	}
	query_end(statement);
	return result == SQLITE_DONE;
}
