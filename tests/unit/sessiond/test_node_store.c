/* What becomes of sessions when their account is changed, and of nodes when their database is held, full or crowded. */
#include "nodes.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(node_store, .init = nodes_begin, .fini = nodes_end);

static void command(const char *line)
{
	char whole[512];
	snprintf(whole, sizeof whole, line, SESSIOND_PROGRAM, fixture.database);
	cr_assert_eq(system(whole), 0, "%s", whole);
}

Test(node_store, a_changed_account_ends_its_sessions_everywhere)
{
	both_log_in();
	gate_session(&at_b, 2, JULIET, FIXTURE_PASSWORD, "chamber");
	command("echo other | %s user passwd --database %s --iterations 4096 " JULIET);
	gate_expect_close(&at_a, 1, "not-authorized");
	gate_expect_close(&at_b, 2, "not-authorized");
	gate_session(&at_a, 3, JULIET, "other", "balcony");
	command("%s user del --database %s " JULIET);
	gate_expect_close(&at_a, 3, "not-authorized");
	gate_expect_quiet(&at_b);
	gate_put(&at_b, 1, "<iq type='get' id='p' from='" ROMEO "/garden'><ping xmlns='urn:xmpp:ping'/></iq>");
	expect_id(&at_b, "p");
}

/* What it has slept through is read to its end before anything is done: Romeo is another node's by then. */
Test(node_store, who_has_slept_ends_sessions_when_it_knows_whose_the_others_are)
{
	gate_session(&at_a, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_session(&at_a, 2, ROMEO, "juliet", "garden");
	gate_put(&at_a, 1, "<presence to='" ROMEO "/garden' from='" JULIET "/balcony'/>");
	gate_expect_element(&at_a, 2, "from='" JULIET "/balcony'");
	gate_expect_quiet(&at_a);
	node_stop(&a);
	command("echo other | %s user passwd --database %s --iterations 4096 " JULIET);
	struct gate again;
	gate_begin_again(&again, b.socket, 1, at_a.epoch);
	gate_adopt(&again, 2, ROMEO "/garden", 2, 0);
	cr_expect_eq(gate_expect_attached(&again, 2), 0);
	again.acks_nothing = true;
	gate_session(&at_b, 3, JULIET, "other", "chamber");
	gate_put(&at_b, 3,
		 "<message to='" ROMEO "/garden' from='" JULIET "/chamber' id='one'><body>x</body></message>");
	gate_expect_element(&again, 2, "id='one'");
	kill(a.pid, SIGCONT);
	gate_expect_close(&at_a, 1, "not-authorized");
	gate_expect_element(&again, 2, "type='unavailable'");
	gate_end(&again);
}

/* Whatever puts something into an outbox fails, and its transaction with it, as on a full disk. */
static void disk_is_full(bool full)
{
	static const char *const sql[] = {
		"DROP TRIGGER full",
		"CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(ROLLBACK, 'full'); END",
	};
	sqlite3 *db;
	cr_assert_eq(sqlite3_open(fixture.database, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_busy_timeout(db, 5000), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, sql[full], NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* It forgets what is not stored, as if it had been started anew, and its gate brings the sessions. */
Test(node_store, who_cannot_write_begins_anew)
{
	both_log_in();
	gate_put(&at_a, 1, "<presence from='" JULIET "/balcony'/>");
	gate_expect_element(&at_a, 1, "from='" JULIET "/balcony'");
	disk_is_full(true);
	gate_put(&at_a, 1, "<presence to='" ROMEO "/garden' from='" JULIET "/balcony'/>");
	gate_expect_end(&at_a);
	disk_is_full(false);
	gate_expect_quiet(&at_b);
	gate_moves(&at_a, &a);
	gate_adopt(&at_a, 1, JULIET "/balcony", 2, 1);
	cr_expect_eq(gate_expect_attached(&at_a, 1), 1, "what was not stored was not handled");
	juliet_says("one");
	expect_id(&at_b, "one");
	romeo_says("two");
	expect_id(&at_a, "two");
	gate_expect_quiet(&at_a);
	/* Romeo is not remembered as somebody who has had the presence, since that was not stored. */
	gate_send_frame(&at_a, FRAME_CLOSE, 1, "");
	gate_expect_close(&at_a, 1, NULL);
	gate_expect_quiet(&at_b);
}

/* The node that would have ended the session is dead. */
/* A process that has the lock, for so long. */
static void lock_for(unsigned s)
{
	int held[2];
	char byte;
	sqlite3 *db;
	cr_assert_eq(pipe(held), 0);
	pid_t pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		if (sqlite3_open(fixture.database, &db) == SQLITE_OK &&
		    sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK && write(held[1], "", 1) == 1)
			sleep(s);
		_exit(0);
	}
	close(held[1]);
	cr_assert_eq(read(held[0], &byte, 1), 1);
	close(held[0]);
}

Test(node_store, who_begins_waits_for_whoever_holds_the_store)
{
	struct node c = {0};
	lock_for(3);
	node_begin(&c, "c");
	node_end(&c, SIGTERM);
}

Test(node_store, a_changed_account_s_session_is_not_adopted)
{
	struct frame frame;
	both_log_in();
	node_end(&a, SIGKILL);
	romeo_says("unread");
	gate_expect_quiet(&at_b);
	command("echo other | %s user passwd --database %s --iterations 4096 " JULIET);
	gate_moves(&at_a, &b);
	gate_adopt(&at_a, 1, JULIET "/balcony", 1, 0);
	gate_expect(&at_a, FRAME_LOST, 1, &frame);
	gate_session(&at_b, 2, JULIET, "other", "chamber");
	gate_put(&at_b, 2, "<presence from='" JULIET "/chamber'/>");
	gate_expect_element(&at_b, 2, "from='" JULIET "/chamber'");
	gate_expect_element(&at_b, 2, "id='unread'");
}

/* Who would be one too many does not begin. */
Test(node_store, there_can_be_so_many)
{
	enum { ALREADY = 2, ALL = 17 };
	static const char sql[] =
		"INSERT INTO node (name, socket) SELECT name, socket FROM node WHERE name = 'b' LIMIT 1";
	char line[512];
	sqlite3 *db;
	cr_assert_eq(sqlite3_open(fixture.database, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_busy_timeout(db, 5000), SQLITE_OK);
	for (int i = ALREADY; i < ALL; i++)
		cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	snprintf(line, sizeof line,
		 "timeout 60 %s run --database %s --domain example.com --listen unix:%s-c 2>&1 | grep -q 'served "
		 "by 16 others'",
		 SESSIOND_PROGRAM, fixture.database, fixture.socket);
	cr_expect_eq(system(line), 0);
}

/* Romeo's end is told to Juliet behind what she has been sent from another node, which is yet to be read. */
Test(node_store, an_account_s_session_is_not_adopted_when_it_was_changed_while_no_node_ran)
{
	struct frame frame;
	both_log_in();
	node_end(&a, SIGKILL);
	node_end(&b, SIGKILL);
	command("echo other | %s user passwd --database %s --iterations 4096 " JULIET);
	node_begin(&a, "a");
	gate_moves(&at_a, &a);
	gate_adopt(&at_a, 1, JULIET "/balcony", 1, 0);
	gate_expect(&at_a, FRAME_LOST, 1, &frame);
	node_begin(&b, "b");
	gate_moves(&at_b, &b);
	gate_adopt(&at_b, 1, ROMEO "/garden", 1, 0);
	gate_expect_attached(&at_b, 1);
}

Test(node_store, a_changed_account_ends_behind_what_was_sent_before)
{
	gate_session(&at_a, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_session(&at_a, 2, ROMEO, "juliet", "orchard");
	gate_session(&at_b, 1, ROMEO, "juliet", "garden");
	gate_put(&at_a, 2, "<presence to='" JULIET "/balcony' from='" ROMEO "/orchard' id='here'/>");
	expect_id(&at_a, "here");
	node_stop(&a);
	romeo_says("one");
	gate_expect_quiet(&at_b);
	command("echo other | %s user passwd --database %s --iterations 4096 " ROMEO);
	kill(a.pid, SIGCONT);
	expect_id(&at_a, "one");
	gate_expect_close(&at_a, 2, "not-authorized");
	gate_expect_element(&at_a, 1, "type='unavailable'");
	gate_expect_close(&at_b, 1, "not-authorized");
}
