#include "fixture.h"
#include "store.h"
#include "store_outbox.h"
#include <criterion/criterion.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

static struct fixture fixture;
static struct store *store;

static void begin(void)
{
	char error[STORE_ERROR_BYTES];
	fixture_begin(&fixture);
	store = store_open(fixture.database, error);
	cr_assert(store, "%s", error);
}

static void end(void)
{
	store_close(store);
	fixture_end(&fixture);
}

TestSuite(store, .init = begin, .fini = end);

static struct store_account account_of(uint8_t byte)
{
	struct store_account account = {0};
	account.sha1.iterations = 4096u + byte;
	account.sha256.iterations = 8192u + byte;
	memset(account.sha1.salt, byte, STORE_SALT_BYTES);
	memset(account.sha256.salt, byte + 1, STORE_SALT_BYTES);
	memset(account.sha1.stored_key, byte + 2, 20);
	memset(account.sha1.server_key, byte + 3, 20);
	memset(account.sha256.stored_key, byte + 4, 32);
	memset(account.sha256.server_key, byte + 5, 32);
	return account;
}

Test(store, file_is_private)
{
	struct stat status;
	cr_assert_eq(stat(fixture.database, &status), 0);
	cr_expect_eq(status.st_mode & 0777, 0600);
}

Test(store, account_comes_back_as_it_was_put)
{
	struct store_account account = account_of(7), got;
	bool found = false;
	cr_assert(store_account_put(store, FIXTURE_JID, &account));
	cr_assert(store_account_get(store, FIXTURE_JID, &got, &found));
	cr_expect(found);
	cr_expect_eq(memcmp(&account, &got, sizeof got), 0);
	cr_expect(store_account_exists(store, FIXTURE_JID));
	cr_expect_not(store_account_exists(store, "romeo@example.com"));
}

Test(store, put_again_gives_new_keys)
{
	struct store_account one = account_of(1), two = account_of(2), got;
	bool found;
	cr_assert(store_account_put(store, FIXTURE_JID, &one) && store_account_put(store, FIXTURE_JID, &two));
	cr_assert(store_account_get(store, FIXTURE_JID, &got, &found) && found);
	cr_expect_eq(memcmp(&two, &got, sizeof got), 0);
}

Test(store, absent_account_is_no_failure_and_touches_nothing)
{
	struct store_account got = account_of(9), same = got;
	bool found = true;
	cr_assert(store_account_get(store, "nobody@example.com", &got, &found));
	cr_expect_not(found);
	cr_expect_eq(memcmp(&got, &same, sizeof got), 0);
}

Test(store, delete_says_whether_there_was_one)
{
	struct store_account account = account_of(1);
	bool found;
	cr_assert(store_account_put(store, FIXTURE_JID, &account));
	cr_assert(store_account_delete(store, FIXTURE_JID, &found));
	cr_expect(found);
	cr_assert(store_account_delete(store, FIXTURE_JID, &found));
	cr_expect_not(found);
	cr_expect_not(store_account_exists(store, FIXTURE_JID));
}

static void deep_add(void *count, const char *bare_jid)
{
	(*(int *)count)++;
}

Test(store, what_belongs_to_an_account_goes_with_it_and_survives_a_new_password)
{
	static const char make[] =
		"CREATE TABLE thing (owner TEXT NOT NULL REFERENCES account(bare_jid) ON DELETE CASCADE)";
	static const char put[] = "INSERT INTO thing VALUES ('" FIXTURE_JID "')";
	static const char count[] = "SELECT count(*) FROM thing";
	struct store_account account = account_of(1);
	bool found;
	cr_assert(store_account_put(store, FIXTURE_JID, &account));
	cr_assert_eq(sqlite3_step(store_statement(store, make)), SQLITE_DONE);
	cr_assert_eq(sqlite3_step(store_statement(store, put)), SQLITE_DONE);
	sqlite3_stmt *counter = store_statement(store, count);
	cr_assert(store_account_put(store, FIXTURE_JID, &account));
	cr_assert_eq(sqlite3_step(counter), SQLITE_ROW);
	cr_expect_eq(sqlite3_column_int(counter, 0), 1);
	cr_assert(store_account_delete(store, FIXTURE_JID, &found));
	counter = store_statement(store, count);
	cr_assert_eq(sqlite3_step(counter), SQLITE_ROW);
	cr_expect_eq(sqlite3_column_int(counter, 0), 0);
	sqlite3_reset(counter);
}

Test(store, lists_all)
{
	struct store_account account = account_of(1);
	int count = 0;
	cr_assert(store_account_put(store, "a@example.com", &account));
	cr_assert(store_account_put(store, "b@example.com", &account));
	cr_assert(store_account_list(store, deep_add, &count));
	cr_expect_eq(count, 2);
}

Test(store, same_text_gives_the_same_statement)
{
	static const char sql[] = "SELECT ?1";
	sqlite3_stmt *statement = store_statement(store, sql);
	cr_assert(statement);
	sqlite3_bind_int(statement, 1, 5);
	cr_assert_eq(sqlite3_step(statement), SQLITE_ROW);
	cr_assert_eq(store_statement(store, sql), statement);
	cr_assert_eq(sqlite3_step(statement), SQLITE_ROW);
	cr_expect_eq(sqlite3_column_type(statement, 0), SQLITE_NULL);
	sqlite3_reset(statement);
	cr_expect_null(store_statement(store, "SELECT nonsense FROM nowhere"));
	cr_expect(strstr(store_error(store), "nowhere"));
}

Test(store, rollback_undoes)
{
	struct store_account account = account_of(1);
	cr_assert(store_begin(store));
	cr_assert(store_account_put(store, FIXTURE_JID, &account));
	store_rollback(store);
	cr_expect_not(store_account_exists(store, FIXTURE_JID));
	cr_assert(store_begin(store));
	cr_assert(store_account_put(store, FIXTURE_JID, &account));
	cr_assert(store_commit(store));
	cr_expect(store_account_exists(store, FIXTURE_JID));
}

Test(store, secret_stays_the_same_when_opened_again)
{
	uint8_t one[STORE_SECRET_BYTES], two[STORE_SECRET_BYTES], none[STORE_SECRET_BYTES] = {0};
	char error[STORE_ERROR_BYTES];
	cr_assert(store_secret(store, one));
	cr_expect_neq(memcmp(one, none, sizeof one), 0);
	store_close(store);
	store = store_open(fixture.database, error);
	cr_assert(store);
	cr_assert(store_secret(store, two));
	cr_expect_eq(memcmp(one, two, sizeof one), 0);
}

Test(store, refuses_a_newer_database_and_what_is_none)
{
	char error[STORE_ERROR_BYTES];
	cr_assert_eq(sqlite3_step(store_statement(store, "PRAGMA user_version = 99")), SQLITE_DONE);
	cr_expect_null(store_open(fixture.database, error));
	cr_expect(strstr(error, "newer"));
	cr_expect_null(store_open("/nonexistent/db", error));
	cr_expect(strstr(error, "/nonexistent/db"));
	cr_expect_null(store_open("/dev/null/db", error));
}

Test(store, broken_row_is_a_failure_not_an_account)
{
	static const char sql[] = "UPDATE account SET sha256_salt = x'00'";
	struct store_account account = account_of(1);
	bool found;
	cr_assert(store_account_put(store, FIXTURE_JID, &account));
	cr_assert_eq(sqlite3_step(store_statement(store, sql)), SQLITE_DONE);
	cr_expect_not(store_account_get(store, FIXTURE_JID, &account, &found));
}

Test(store, a_part_of_a_transaction_can_be_undone)
{
	struct store_account account = account_of(1);
	cr_assert(store_begin(store));
	cr_assert(store_account_put(store, "kept@example.com", &account));
	cr_assert(store_begin(store));
	cr_assert(store_account_put(store, "undone@example.com", &account));
	store_rollback(store);
	cr_assert(store_begin(store));
	cr_assert(store_account_put(store, "also@example.com", &account));
	cr_assert(store_commit(store));
	cr_assert(store_commit(store));
	cr_expect(store_account_exists(store, "kept@example.com"));
	cr_expect(store_account_exists(store, "also@example.com"));
	cr_expect_not(store_account_exists(store, "undone@example.com"));
}

/* As SQLite does by itself when a disk is full. */
Test(store, nothing_is_left_of_a_transaction_that_was_rolled_back_in_its_middle)
{
	struct store_account account = account_of(1);
	cr_assert_eq(sqlite3_step(store_statement(store, "CREATE TEMP TRIGGER full BEFORE INSERT ON account"
							 " WHEN new.bare_jid LIKE 'big@%'"
							 " BEGIN SELECT RAISE(ROLLBACK, 'full'); END")),
		     SQLITE_DONE);
	cr_assert(store_begin(store));
	cr_assert(store_account_put(store, "before@example.com", &account));
	cr_expect_not(store_account_put(store, "big@example.com", &account));
	cr_expect_not(store_account_put(store, "after@example.com", &account));
	cr_expect_not(store_begin(store));
	cr_expect_not(store_commit(store));
	store_rollback(store);
	cr_expect_not(store_account_exists(store, "before@example.com"));
	cr_expect_not(store_account_exists(store, "after@example.com"));
	cr_assert(store_begin(store));
	cr_assert(store_account_put(store, "again@example.com", &account));
	cr_assert(store_commit(store));
	cr_expect(store_account_exists(store, "again@example.com"));
}

Test(store, what_others_change_is_noticed_and_who_is_busy_is_said_to_be)
{
	char error[STORE_ERROR_BYTES];
	struct store_account account = account_of(1);
	struct store *other = store_open(fixture.database, error);
	cr_assert(other);
	store_is_changed(store);
	cr_assert(store_account_put(store, "own@example.com", &account));
	cr_expect_not(store_is_changed(store));
	cr_assert(store_begin(other));
	store_wait(store, 1);
	cr_expect_not(store_begin(store));
	cr_expect(store_is_busy(store));
	cr_assert(store_account_put(other, "other@example.com", &account));
	cr_assert(store_commit(other));
	cr_expect(store_is_changed(store));
	cr_expect_not(store_is_changed(store));
	cr_expect(store_begin(store));
	store_rollback(store);
	store_close(other);
}

/* Of one element the key alone is looked at: who waits for much must not make others slow. */
Test(store, outboxes_of_long_elements_are_searched_without_reading_them)
{
	enum { SESSIONS = 64, ELEMENTS = 4, ELEMENT_BYTES = 48000, PAGES_MAX = 40 };
	static const char xml[ELEMENT_BYTES];
	struct store_progress nothing = {.acked = 0};
	char error[STORE_ERROR_BYTES];
	int pages, highest;
	int64_t bytes;
	for (int64_t session = 1; session <= SESSIONS; session++)
		for (int64_t number = 1; number <= ELEMENTS; number++) {
			struct store_element element = {.number = number, .xml = xml, .len = sizeof xml};
			cr_assert(store_outbox_put(store, session, &element));
		}
	store_close(store);
	store = store_open(fixture.database, error);
	cr_assert(store, "%s", error);
	sqlite3 *db = sqlite3_db_handle(store_statement(store, "SELECT 1"));
	cr_assert(store_outbox_forget(store, SESSIONS / 2, &nothing, &bytes));
	cr_assert_eq(sqlite3_db_status(db, SQLITE_DBSTATUS_CACHE_MISS, &pages, &highest, 0), SQLITE_OK);
	cr_expect_eq(bytes, 0);
	cr_expect_lt(pages, PAGES_MAX, "%d pages were read", pages);
}
