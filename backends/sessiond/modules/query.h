/*
 * query: the few steps that all tables take with SQLite's statements.
 */
#ifndef MODULES_QUERY_H
#define MODULES_QUERY_H

#include "store.h"

/*
 * A statement of the store with the account bound to ?1, and `second`, unless NULL, to ?2. The texts must live until it
 * ends. NULL: it did not compile.
 */
sqlite3_stmt *query_of(struct store *, const char *sql, const char *account, const char *second);
/* The same with a number for ?1. */
sqlite3_stmt *query_id(struct store *, const char *sql, int64_t id);
/* sqlite3_step(); SQLITE_ERROR for NULL. */
int query_step(sqlite3_stmt *);
/* Resets; nothing for NULL. */
void query_end(sqlite3_stmt *);
/* One step to the end of a statement that answers no rows. */
bool query_run(sqlite3_stmt *);
/* Runs `select count(*) ... ?1`. */
bool query_count(struct store *, const char *sql, const char *account, size_t *ret);
/* Steps once, and ends it. False: it has not answered a row; *ret is the first column of that. */
bool query_number(sqlite3_stmt *, int64_t *ret);
/* A copy of a column, "" for null. The caller frees it. */
char *query_text(sqlite3_stmt *, int column);

#endif
