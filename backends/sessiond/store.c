#include "store.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SCHEMA_VERSION = 1,
	CHECKPOINT_PAGES_ALONE = 1000,
	OPEN_WAIT_MS = 30000,
	BUSY_STEP_US = 200,
	DEPTH_MAX = 2,
	STATEMENT_PLACES = 256
};

struct statement {
	const char *sql;
	sqlite3_stmt *prepared;
};

struct store {
	sqlite3 *db;
	struct statement statements[STATEMENT_PLACES]; /* by a hash of the text's address; the next free one */
	size_t statement_count;
	unsigned depth; /* of transactions */
	unsigned wait_ms;
	sqlite3_int64 version; /* of the database, as far as others have changed it */
};

static const char *const schemas[] = {
	store_account_schema, store_roster_schema, store_message_schema, store_private_schema, store_privacy_schema,
	store_archive_schema, store_node_schema,   store_session_schema, store_outbox_schema,  store_held_schema,
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

/* SQLite's own waits a millisecond at first, and then ever longer: transactions take a tenth of that. */
static int on_busy(void *context, int times)
{
	const struct store *store = context;
	if ((unsigned)times * BUSY_STEP_US >= store->wait_ms * 1000)
		return 0;
	usleep(BUSY_STEP_US);
	return 1;
}

static bool store_prepare(struct store *store, const char *file, char error[static STORE_ERROR_BYTES])
{
	if (!file_make(file)) {
		snprintf(error, STORE_ERROR_BYTES, "%.160s: %s", file, strerror(errno));
		return false;
	}
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	if (sqlite3_open_v2(file, &store->db, flags, NULL) == SQLITE_OK &&
	    sqlite3_busy_handler(store->db, on_busy, store) == SQLITE_OK &&
	    store_execute(store, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
				 "PRAGMA temp_store = MEMORY;" /* what a long element's savepoint keeps, too: no file */
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
	store_wait(store, OPEN_WAIT_MS);
	if (store_prepare(store, file, error))
		return store;
	store_close(store);
	return NULL;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < STATEMENT_PLACES; i++)
		sqlite3_finalize(store->statements[i].prepared);
	int closed = sqlite3_close(store->db);
	assert(closed == SQLITE_OK);
	free(store);
}

static struct statement *statement_place(struct store *store, const char *sql)
{
	static_assert((int)STORE_STATEMENTS_MAX < (int)STATEMENT_PLACES, "some place is always free");
	size_t at = (size_t)(((uintptr_t)sql >> 3) * 0x9e3779b97f4a7c15u >> 56);
	while (store->statements[at].sql && store->statements[at].sql != sql)
		at = (at + 1) % STATEMENT_PLACES;
	return &store->statements[at];
}

/* SQLite may have ended a transaction by itself, when the disk failed: what came now would count without the rest. */
static bool transaction_is_over(const struct store *store)
{
	return store->depth > 0 && sqlite3_get_autocommit(store->db);
}

sqlite3_stmt *store_statement(struct store *store, const char *sql)
{
	struct statement *statement = statement_place(store, sql);
	if (transaction_is_over(store))
		return NULL;
	if (statement->sql) {
		sqlite3_reset(statement->prepared);
		sqlite3_clear_bindings(statement->prepared);
		return statement->prepared;
	}
	sqlite3_stmt *prepared;
	if (store->statement_count == STORE_STATEMENTS_MAX ||
	    sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &prepared, NULL) != SQLITE_OK)
		return NULL;
	store->statement_count++;
	*statement = (struct statement){sql, prepared};
	return prepared;
}

const char *store_error(struct store *store)
{
	return sqlite3_errmsg(store->db);
}

static bool store_run(struct store *store, const char *sql)
{
	sqlite3_stmt *statement = store_statement(store, sql);
	int step = statement ? sqlite3_step(statement) : SQLITE_ERROR;
	if (statement)
		sqlite3_reset(statement);
	return step == SQLITE_DONE;
}

static const char sql_begin[] = "BEGIN IMMEDIATE", sql_commit[] = "COMMIT", sql_rollback[] = "ROLLBACK",
		  sql_save[] = "SAVEPOINT part", sql_release[] = "RELEASE part", sql_undo[] = "ROLLBACK TO part";

void store_wait(struct store *store, unsigned ms)
{
	store->wait_ms = ms;
}

bool store_is_changed(struct store *store)
{
	static const char sql[] = "PRAGMA data_version";
	sqlite3_stmt *statement = store_statement(store, sql);
	if (!statement || sqlite3_step(statement) != SQLITE_ROW)
		return true;
	sqlite3_int64 version = sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	bool changed = version != store->version;
	store->version = version;
	return changed;
}

bool store_begin(struct store *store)
{
	assert(store->depth < DEPTH_MAX);
	if (!store_run(store, store->depth == 0 ? sql_begin : sql_save))
		return false;
	store->depth++;
	return true;
}

bool store_is_busy(struct store *store)
{
	return (sqlite3_errcode(store->db) & 0xff) == SQLITE_BUSY;
}

bool store_commit(struct store *store)
{
	if (!store_run(store, store->depth <= 1 ? sql_commit : sql_release))
		return false;
	store->depth--;
	return true;
}

/* What is over already has no statements. */
void store_rollback(struct store *store)
{
	if (store->depth <= 1)
		store_run(store, sql_rollback);
	else if (store_run(store, sql_undo))
		store_run(store, sql_release);
	if (store->depth > 0)
		store->depth--;
}

/* Each of the two calls takes the place of the other. */
void store_hook_commits(struct store *store, store_hook *hook, void *context)
{
	if (hook)
		sqlite3_wal_hook(store->db, hook, context);
	else
		sqlite3_wal_autocheckpoint(store->db, CHECKPOINT_PAGES_ALONE);
}
