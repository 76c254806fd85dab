#include "store.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SCHEMA_VERSION = 1, BUSY_MS = 2000 };

struct statement {
	const char *sql;
	sqlite3_stmt *prepared;
};

struct store {
	sqlite3 *db;
	struct statement statements[STORE_STATEMENTS_MAX];
	size_t statement_count;
};

static const char *const schemas[] = {
	store_account_schema, store_roster_schema,  store_message_schema,
	store_private_schema, store_privacy_schema, store_archive_schema,
};

/* An existing file is not opened here: closing it would drop the locks that SQLite holds on it in this process. */
static bool file_make(const char *file)
{
	if (strcmp(file, ":memory:") == 0)
		return true;
	int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST;
	close(fd);
	return true;
}

static int version_take(void *version, int count, char **values, char **names)
{
	*(int *)version = atoi(values[0]);
	return 0;
}

static bool store_execute(struct store *store, const char *sql)
{
	return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static bool store_schema(struct store *store, char error[static STORE_ERROR_BYTES])
{
	int version = 0;
	if (sqlite3_exec(store->db, "PRAGMA user_version", version_take, &version, NULL) != SQLITE_OK)
		return false;
	if (version > SCHEMA_VERSION) {
		snprintf(error, STORE_ERROR_BYTES, "the database was written by a newer version (schema %d)", version);
		return false;
	}
	if (!store_begin(store))
		return false;
	bool good = true;
	for (size_t i = 0; good && i < sizeof schemas / sizeof schemas[0]; i++)
		good = store_execute(store, schemas[i]);
	static_assert(SCHEMA_VERSION == 1, "the pragma takes no parameters");
	good = good && store_execute(store, "PRAGMA user_version = 1") && store_commit(store);
	if (!good)
		snprintf(error, STORE_ERROR_BYTES, "%s", store_error(store));
	return good;
}

static bool store_prepare(struct store *store, const char *file, char error[static STORE_ERROR_BYTES])
{
	if (!file_make(file)) {
		snprintf(error, STORE_ERROR_BYTES, "%.160s: %s", file, strerror(errno));
		return false;
	}
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	if (sqlite3_open_v2(file, &store->db, flags, NULL) == SQLITE_OK &&
	    sqlite3_busy_timeout(store->db, BUSY_MS) == SQLITE_OK &&
	    store_execute(store, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
				 "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF") &&
	    store_schema(store, error))
		return true;
	if (error[0] == '\0')
		snprintf(error, STORE_ERROR_BYTES, "%.160s: %.80s", file, store_error(store));
	return false;
}

struct store *store_open(const char *file, char error[static STORE_ERROR_BYTES])
{
	error[0] = '\0';
	struct store *store = calloc(1, sizeof *store);
	if (!store) {
		snprintf(error, STORE_ERROR_BYTES, "no memory");
		return NULL;
	}
	if (store_prepare(store, file, error))
		return store;
	store_close(store);
	return NULL;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < store->statement_count; i++)
		sqlite3_finalize(store->statements[i].prepared);
	int closed = sqlite3_close(store->db);
	assert(closed == SQLITE_OK);
	free(store);
}

sqlite3_stmt *store_statement(struct store *store, const char *sql)
{
	for (size_t i = 0; i < store->statement_count; i++) {
		if (store->statements[i].sql == sql) {
			sqlite3_reset(store->statements[i].prepared);
			sqlite3_clear_bindings(store->statements[i].prepared);
			return store->statements[i].prepared;
		}
	}
	sqlite3_stmt *prepared;
	if (store->statement_count == STORE_STATEMENTS_MAX ||
	    sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &prepared, NULL) != SQLITE_OK)
		return NULL;
	store->statements[store->statement_count++] = (struct statement){sql, prepared};
	return prepared;
}

const char *store_error(struct store *store)
{
	return sqlite3_errmsg(store->db);
}

bool store_begin(struct store *store)
{
	return store_execute(store, "BEGIN IMMEDIATE");
}

bool store_commit(struct store *store)
{
	return store_execute(store, "COMMIT");
}

void store_rollback(struct store *store)
{
	store_execute(store, "ROLLBACK");
}
