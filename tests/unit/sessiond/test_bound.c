/* What is written at a turn's end, and what may wait: elements that were acknowledged, in clients' outboxes. */
#include "bound.h"
#include "fixture.h"
#include "store_outbox.h"
#include <criterion/criterion.h>
#include <sqlite3.h>
#include <string.h>

enum { CLIENTS = 10, ELEMENT_BYTES = 48000 };

static struct fixture fixture;
static struct sessiond server;
static struct client clients[CLIENTS];

static void begin(void)
{
	static const char xml[ELEMENT_BYTES];
	char error[STORE_ERROR_BYTES];
	fixture_begin(&fixture);
	server = (struct sessiond){.store = store_open(fixture.database, error)};
	cr_assert(server.store, "%s", error);
	for (int i = 0; i < CLIENTS; i++) {
		struct store_element element = {.number = 1, .xml = xml, .len = sizeof xml};
		cr_assert(store_outbox_put(server.store, i + 1, &element));
		clients[i] = (struct client){.session = {.server = &server},
					     .id = i + 1,
					     .progress = {.sent = 1, .acked = 1, .waiting_bytes = sizeof xml}};
	}
}

static void end(void)
{
	store_close(server.store);
	fixture_end(&fixture);
}

TestSuite(bound, .init = begin, .fini = end);

static void all_have_acknowledged(void)
{
	for (int i = 0; i < CLIENTS; i++)
		bound_changed(&clients[i], CLIENT_CHANGED_ACKED);
}

static int left(void)
{
	sqlite3_stmt *statement = store_statement(server.store, "SELECT count(*) FROM outbox");
	cr_assert_eq(sqlite3_step(statement), SQLITE_ROW);
	int count = sqlite3_column_int(statement, 0);
	sqlite3_reset(statement);
	return count;
}

Test(bound, forgets_as_much_as_it_may_and_the_rest_later)
{
	all_have_acknowledged();
	bound_write(&server, 2 * ELEMENT_BYTES);
	cr_expect_eq(left(), CLIENTS - 2, "what each client costs beside its elements does not make it three");
	cr_expect(server.has_work);
	for (int turns = 0; turns < CLIENTS && left() > 0; turns++) {
		cr_expect(server.has_work);
		server.has_work = false;
		bound_write(&server, 2 * ELEMENT_BYTES);
	}
	cr_expect_eq(left(), 0);
	cr_expect_not(server.has_work);
	cr_expect_null(server.changed);
}

Test(bound, forgets_all_when_it_must)
{
	all_have_acknowledged();
	bound_write(&server, INT64_MAX);
	cr_expect_eq(left(), 0);
	cr_expect_not(server.has_work);
}

Test(bound, counts_clients_without_elements_too)
{
	all_have_acknowledged();
	bound_write(&server, INT64_MAX);
	all_have_acknowledged();
	bound_write(&server, 1);
	cr_expect(server.has_work);
	cr_expect_eq(clients[CLIENTS - 1].changed, 0, "the last to change is the first");
	cr_expect_eq(clients[CLIENTS - 2].changed, CLIENT_CHANGED_ACKED);
}

Test(bound, what_else_has_changed_does_not_wait)
{
	all_have_acknowledged();
	bound_changed(&clients[0], CLIENT_CHANGED_PROGRESS);
	bound_write(&server, 0);
	cr_expect_eq(clients[0].changed, 0);
	cr_expect_eq(left(), CLIENTS - 1);
}

Test(bound, who_goes_meanwhile_is_not_written)
{
	all_have_acknowledged();
	bound_write(&server, 0);
	cr_assert_eq(left(), CLIENTS);
	bound_unchanged(&clients[CLIENTS / 2]);
	bound_write(&server, INT64_MAX);
	cr_expect_eq(left(), 1);
}
