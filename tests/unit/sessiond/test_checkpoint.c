/* The thread that copies the log into the database, while the store is written to. */
#include "checkpoint.h"
#include "fixture.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, FRAME_BYTES = PAGE_BYTES + 24, WITHIN_S = 60 };

static struct fixture fixture;
static struct store *store;
static struct checkpoint *checkpoint;

static void begin(void)
{
	static const char make[] = "CREATE TABLE thing (bytes BLOB)";
	char error[STORE_ERROR_BYTES];
	fixture_begin(&fixture);
	store = store_open(fixture.database, error);
	cr_assert(store, "%s", error);
	cr_assert_eq(sqlite3_step(store_statement(store, make)), SQLITE_DONE);
	checkpoint = checkpoint_begin(store, fixture.database, error);
	cr_assert(checkpoint, "%s", error);
}

static void end(void)
{
	checkpoint_end(checkpoint);
	store_close(store);
	fixture_end(&fixture);
}

TestSuite(checkpoint, .init = begin, .fini = end);

/* A commit that puts about so many pages into the log. */
static void write_pages(unsigned pages)
{
	static const char put[] = "INSERT INTO thing VALUES (randomblob(?1))";
	sqlite3_stmt *statement = store_statement(store, put);
	cr_assert(statement);
	sqlite3_bind_int64(statement, 1, (sqlite3_int64)pages * PAGE_BYTES);
	cr_assert(store_begin(store), "%s", store_error(store));
	cr_assert_eq(sqlite3_step(statement), SQLITE_DONE, "%s", store_error(store));
	cr_assert(store_commit(store), "%s", store_error(store));
	sqlite3_reset(statement);
}

static off_t bytes_of(const char *behind)
{
	char path[FIXTURE_PATH_BYTES + 8];
	struct stat status;
	snprintf(path, sizeof path, "%s%s", fixture.database, behind);
	cr_assert_eq(stat(path, &status), 0);
	return status.st_size;
}

/*
 * Pages of the log; of these in the database; and of these that may be there, since it was begun to copy them. Where
 * they stand in the index of the log: sqlite.org/walformat.html, 2.
 */
enum { LOGGED_AT = 16, COPIED_AT = 96, TRIED_AT = 128 };
static uint32_t index_at(long at)
{
	char path[FIXTURE_PATH_BYTES + 8];
	uint32_t value;
	snprintf(path, sizeof path, "%s-shm", fixture.database);
	int fd = open(path, O_RDONLY);
	cr_assert_eq(pread(fd, &value, sizeof value, at), (ssize_t)sizeof value);
	close(fd);
	return value;
}

/* It comes true, while nothing is written. */
static bool comes_soon(bool (*is)(void))
{
	for (time_t until = time(NULL) + WITHIN_S; time(NULL) < until;) {
		if (is())
			return true;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	return false;
}

static bool all_is_copied(void)
{
	return index_at(COPIED_AT) == index_at(LOGGED_AT);
}

static bool all_is_tried(void)
{
	return index_at(TRIED_AT) == index_at(LOGGED_AT);
}

/* Not while the thread, which has just copied the last of them, still has its lock. */
static bool log_begins_anew(void)
{
	write_pages(1);
	return index_at(LOGGED_AT) < CHECKPOINT_PAGES / 2;
}

Test(checkpoint, what_is_logged_comes_into_the_database_and_the_log_begins_anew)
{
	off_t before = bytes_of("");
	write_pages(CHECKPOINT_PAGES);
	cr_assert(comes_soon(all_is_copied));
	cr_expect_geq(bytes_of(""), before + CHECKPOINT_PAGES * PAGE_BYTES);
	cr_assert(comes_soon(log_begins_anew));
	write_pages(CHECKPOINT_PAGES);
	cr_assert(comes_soon(all_is_copied));
}

Test(checkpoint, little_is_left_in_the_log)
{
	write_pages(CHECKPOINT_PAGES / 2);
	cr_expect_not(all_is_copied());
}

/* Until the thread has begun to copy so many pages, or the log has begun anew; but not for long. */
static void await_copying(uint32_t pages)
{
	enum { TIMES_MAX = 200 };
	for (int i = 0; i < TIMES_MAX && index_at(TRIED_AT) < pages && index_at(LOGGED_AT) >= pages; i++)
		nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

/*
 * Less than a disk takes, in pieces that come more often than it can be asked whether it has them: when the log is so
 * long that the thread must be at it, the next piece comes as soon as it copies the one before, and so while it does.
 */
Test(checkpoint, the_log_of_who_writes_all_the_time_is_bounded)
{
	enum { AT_IT_PAGES = CHECKPOINT_LONG_PAGES + 2 * CHECKPOINT_PAGES };
	uint32_t longest = 0, logged, before;
	for (unsigned written = 0; written < 5 * CHECKPOINT_LONG_PAGES / 2; written += 10) {
		before = index_at(LOGGED_AT);
		write_pages(10);
		if ((logged = index_at(LOGGED_AT)) > longest)
			longest = logged;
		if (logged > AT_IT_PAGES)
			await_copying(before);
		else
			nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
	}
	cr_expect_geq(longest, CHECKPOINT_PAGES);
	cr_expect_lt(longest, 2 * CHECKPOINT_LONG_PAGES);
}

static uint32_t read_until;
static bool what_may_be_is_copied(void)
{
	return index_at(COPIED_AT) == read_until;
}

static bool more_is_copied(void)
{
	return index_at(COPIED_AT) > read_until;
}

/* What was written before it reads is copied; the rest is, when it does not read any more. */
Test(checkpoint, what_somebody_reads_is_not_overwritten_and_nobody_waits_long)
{
	sqlite3 *reader;
	cr_assert_eq(sqlite3_open(fixture.database, &reader), SQLITE_OK);
	write_pages(CHECKPOINT_PAGES / 2);
	cr_assert_eq(sqlite3_exec(reader, "BEGIN; SELECT * FROM sqlite_schema", NULL, NULL, NULL), SQLITE_OK);
	read_until = index_at(LOGGED_AT);
	store_wait(store, 30000); /* for a slow disk; the reader never ends meanwhile */
	for (unsigned written = 0; written < CHECKPOINT_LONG_PAGES + 2 * CHECKPOINT_PAGES; written += 100)
		write_pages(100);
	cr_assert(comes_soon(what_may_be_is_copied));
	cr_expect_gt(index_at(LOGGED_AT), CHECKPOINT_LONG_PAGES);
	sqlite3_close(reader);
	write_pages(CHECKPOINT_PAGES);
	cr_assert(comes_soon(more_is_copied));
}

/* As one that has another database is. */
Test(checkpoint, a_thread_that_gets_nothing_done_leaves_the_log_bounded)
{
	struct fixture another;
	char error[STORE_ERROR_BYTES];
	fixture_begin(&another);
	checkpoint_end(checkpoint);
	struct store *other = store_open(another.database, error);
	checkpoint = checkpoint_begin(store, another.database, error);
	cr_assert(other && checkpoint, "%s", error);
	for (unsigned written = 0; written < CHECKPOINT_PAGES_MAX + 2 * CHECKPOINT_PAGES; written += 500)
		write_pages(500);
	cr_expect_lt(bytes_of("-wal"), (CHECKPOINT_PAGES_MAX + CHECKPOINT_PAGES) * (off_t)FRAME_BYTES);
	cr_expect_lt(index_at(LOGGED_AT), CHECKPOINT_PAGES_MAX);
	checkpoint_end(checkpoint);
	checkpoint = NULL;
	store_close(other);
	fixture_end(&another);
}

/* No file may become longer than this. The database is longer already, or will be; the log is not. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static bool has_failed(void)
{
	char error[STORE_ERROR_BYTES] = "";
	bool failed = checkpoint_has_failed(checkpoint, error);
	cr_assert(!failed || strstr(error, "I/O"), "%s", error);
	return failed;
}

Test(checkpoint, a_failure_is_told_once_until_it_goes_well_again)
{
	rlim_t limit = 12 * CHECKPOINT_PAGES * (rlim_t)PAGE_BYTES;
	for (int i = 0; i < 13; i++) {
		write_pages(CHECKPOINT_PAGES);
		cr_assert(comes_soon(all_is_copied));
	}
	cr_expect_not(has_failed());
	for (int again = 0; again < 2; again++) {
		limit_files(limit);
		write_pages(CHECKPOINT_PAGES);
		cr_assert(comes_soon(has_failed));
		for (int i = 0; i < 2; i++) {
			write_pages(CHECKPOINT_PAGES);
			cr_assert(comes_soon(all_is_tried));
		}
		limit_files(RLIM_INFINITY);
		write_pages(CHECKPOINT_PAGES);
		cr_assert(comes_soon(all_is_copied));
		cr_expect_not(has_failed());
	}
}

Test(checkpoint, it_ends_in_the_middle_and_sqlite_goes_on_by_itself)
{
	write_pages(2 * CHECKPOINT_PAGES);
	checkpoint_end(checkpoint);
	checkpoint = NULL;
	write_pages(CHECKPOINT_PAGES);
	cr_expect(all_is_copied());
}

Test(checkpoint, what_cannot_be_opened_is_said)
{
	char error[STORE_ERROR_BYTES] = "";
	cr_expect_null(checkpoint_begin(store, "/nonexistent/db", error));
	cr_expect(strstr(error, "/nonexistent/db"), "%s", error);
	checkpoint_end(NULL);
	cr_expect_not(checkpoint_has_failed(NULL, error));
}
