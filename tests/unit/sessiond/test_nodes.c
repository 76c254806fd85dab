/* Several session servers on one database: processes, which can be killed and stopped. */
#include "fixture.h"
#include "gate.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define JULIET FIXTURE_JID
#define ROMEO  "romeo@example.com"

struct node {
	pid_t pid;
	char socket[FIXTURE_PATH_BYTES + 4];
};

static struct fixture fixture;
static struct node a, b;
static struct gate at_a, at_b; /* one gate each; at_a has sessions that may be adopted */

static void node_begin(struct node *node, const char *name)
{
	char listen_at[sizeof node->socket + 8];
	snprintf(node->socket, sizeof node->socket, "%s-%s", fixture.socket, name);
	snprintf(listen_at, sizeof listen_at, "unix:%s", node->socket);
	node->pid = fork();
	cr_assert_geq(node->pid, 0);
	if (node->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* also of a test that fails while it is stopped */
		if (!freopen("/dev/null", "w", stderr))
			_exit(126);
		execl(SESSIOND_PROGRAM, SESSIOND_PROGRAM, "run", "--database", fixture.database, "--domain",
		      "example.com", "--listen", listen_at, "--name", name, NULL);
		_exit(127);
	}
	gate_await_server(node->socket);
}

/* Whether nobody is in the middle of a transaction. */
static bool is_unlocked(void)
{
	sqlite3 *db;
	cr_assert_eq(sqlite3_open(fixture.database, &db), SQLITE_OK);
	bool unlocked = sqlite3_exec(db, "BEGIN IMMEDIATE; ROLLBACK", NULL, NULL, NULL) == SQLITE_OK;
	sqlite3_close(db);
	return unlocked;
}

/* The other one must be able to work meanwhile. */
static void node_stop(const struct node *node)
{
	int status;
	for (;;) {
		kill(node->pid, SIGSTOP);
		cr_assert_eq(waitpid(node->pid, &status, WUNTRACED), node->pid);
		if (is_unlocked())
			return;
		kill(node->pid, SIGCONT);
	}
}

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

static void node_end(struct node *node, int how)
{
	int status;
	if (node->pid == 0)
		return;
	kill(node->pid, how);
	cr_assert_eq(waitpid(node->pid, &status, 0), node->pid);
	if (how == SIGTERM)
		cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
	unlink(node->socket);
	node->pid = 0;
}

static void begin(void)
{
	fixture_begin(&fixture);
	fixture_account(&fixture, JULIET, FIXTURE_PASSWORD);
	fixture_account(&fixture, ROMEO, "juliet");
	node_begin(&a, "a");
	node_begin(&b, "b");
	gate_begin_patient(&at_a, a.socket, 1);
	gate_begin_patient(&at_b, b.socket, 1);
}

/* The gates first: a node that is told to stop waits for what they have not acknowledged. */
static void end(void)
{
	gate_end(&at_a);
	gate_end(&at_b);
	node_end(&a, SIGTERM);
	node_end(&b, SIGTERM);
	fixture_end(&fixture);
}

TestSuite(nodes, .init = begin, .fini = end);

static void both_log_in(void)
{
	gate_session(&at_a, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_session(&at_b, 1, ROMEO, "juliet", "garden");
}

static void juliet_says(const char *id)
{
	gate_put(&at_a, 1, "<message to='" ROMEO "/garden' from='" JULIET "/balcony' id='%s'><body>x</body></message>",
		 id);
}

static void romeo_says(const char *id)
{
	gate_put(&at_b, 1, "<message to='" JULIET "/balcony' from='" ROMEO "/garden' id='%s'><body>x</body></message>",
		 id);
}

static void expect_id(struct gate *gate, const char *id)
{
	char text[64];
	snprintf(text, sizeof text, "id='%s'", id);
	gate_expect_element(gate, 1, text);
}

/* The gate of the sessions that were at the first node brings them to another. */
static void gate_moves(struct gate *gate, const struct node *to)
{
	uint64_t epoch = gate->epoch;
	gate_end(gate);
	gate_begin_again(gate, to->socket, 1, epoch);
}

Test(nodes, what_is_said_at_one_is_heard_at_the_other)
{
	both_log_in();
	for (int i = 0; i < 20; i++) {
		juliet_says("there");
		expect_id(&at_b, "there");
		romeo_says("back");
		expect_id(&at_a, "back");
	}
}

Test(nodes, presence_is_seen_at_the_other)
{
	both_log_in();
	gate_put(&at_a, 1, "<presence from='" JULIET "/balcony'><show>away</show></presence>");
	gate_expect_element(&at_a, 1, "<show>away</show>");
	gate_session(&at_b, 2, JULIET, FIXTURE_PASSWORD, "chamber");
	gate_put(&at_b, 2, "<presence from='" JULIET "/chamber'/>");
	gate_expect_element(&at_b, 2, "from='" JULIET "/chamber'");
	gate_expect_element(&at_b, 2, "<show>away</show>");
	gate_expect_element(&at_a, 1, "from='" JULIET "/chamber'");
	gate_send_frame(&at_b, FRAME_CLOSE, 2, "");
	gate_expect_close(&at_b, 2, NULL);
	gate_expect_element(&at_a, 1, "type='unavailable'");
}

Test(nodes, a_resource_that_is_taken_at_another_ends_there)
{
	gate_session(&at_a, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_session(&at_b, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_expect_close(&at_a, 1, "conflict");
	gate_put(&at_b, 1, "<iq type='get' id='p' from='" JULIET "/balcony'><ping xmlns='urn:xmpp:ping'/></iq>");
	expect_id(&at_b, "p");
}

/* What the dead one has sent, and the gate has not got, comes again; what the gate has sent is handled once. */
Test(nodes, who_is_killed_is_adopted)
{
	both_log_in();
	juliet_says("one");
	expect_id(&at_b, "one");
	romeo_says("two");
	expect_id(&at_a, "two");
	at_a.acks_nothing = true;
	romeo_says("three");
	expect_id(&at_a, "three"); /* and lost by this gate */
	node_end(&a, SIGKILL);
	romeo_says("four");
	gate_expect_quiet(&at_b);
	gate_moves(&at_a, &b);
	gate_adopt(&at_a, 1, JULIET "/balcony", 2, 0);
	cr_expect_eq(gate_expect_attached(&at_a, 1), 1, "the message was handled, though not acknowledged");
	expect_id(&at_a, "three");
	expect_id(&at_a, "four");
	gate_expect_quiet(&at_a);
	juliet_says("five");
	expect_id(&at_b, "five");
	gate_expect_quiet(&at_b);
}

Test(nodes, who_is_started_anew_adopts_its_own)
{
	both_log_in();
	gate_put(&at_a, 1, "<presence from='" JULIET "/balcony'/>");
	gate_expect_element(&at_a, 1, "from='" JULIET "/balcony'");
	node_end(&a, SIGKILL);
	node_begin(&a, "a");
	romeo_says("one");
	gate_expect_quiet(&at_b);
	gate_moves(&at_a, &a);
	gate_adopt(&at_a, 1, JULIET "/balcony", 2, 1);
	cr_expect_eq(gate_expect_attached(&at_a, 1), 1);
	expect_id(&at_a, "one");
	/* It is as available as before. */
	gate_put(&at_b, 1,
		 "<message to='" JULIET "' from='" ROMEO "/garden' id='two' type='chat'><body>x</body></message>");
	expect_id(&at_a, "two");
}

/* The former owner finds, when it goes on, that it is not the owner any more; what it had been sent is void. */
Test(nodes, who_has_slept_gives_up_what_was_adopted)
{
	both_log_in();
	gate_put(&at_a, 1, "<presence from='" JULIET "/balcony'/>");
	gate_expect_element(&at_a, 1, "from='" JULIET "/balcony'");
	gate_session(&at_b, 2, JULIET, FIXTURE_PASSWORD, "chamber");
	gate_put(&at_b, 2, "<presence from='" JULIET "/chamber'/>");
	gate_expect_element(&at_b, 2, "from='" JULIET "/chamber'");
	gate_expect_element(&at_b, 2, "from='" JULIET "/balcony'");
	gate_expect_element(&at_a, 1, "from='" JULIET "/chamber'");
	node_stop(&a);
	juliet_says("one");
	struct gate old = at_a;
	gate_begin_again(&at_a, b.socket, 1, old.epoch);
	gate_adopt(&at_a, 1, JULIET "/balcony", 3, 1);
	cr_expect_eq(gate_expect_attached(&at_a, 1), 1);
	juliet_says("one");
	expect_id(&at_b, "one");
	kill(a.pid, SIGCONT);
	gate_expect_quiet(&old);
	gate_end(&old);
	romeo_says("two");
	expect_id(&at_a, "two");
	gate_expect_quiet(&at_b);
}

Test(nodes, a_late_adoption_is_none)
{
	struct gate late;
	struct frame frame;
	both_log_in();
	gate_begin_again(&late, b.socket, 1, at_a.epoch);
	node_stop(&b);
	gate_adopt(&late, 1, JULIET "/balcony", 1, 0);
	gate_moves(&at_a, &a);
	gate_reattach(&at_a, 1, 1);
	cr_expect_eq(gate_expect_attached(&at_a, 1), 0);
	kill(b.pid, SIGCONT);
	gate_expect(&late, FRAME_LOST, 1, &frame);
	gate_end(&late);
	romeo_says("one");
	expect_id(&at_a, "one");
}

Test(nodes, numbers_that_cannot_be)
{
	struct frame frame;
	both_log_in();
	node_end(&a, SIGKILL);
	gate_moves(&at_a, &b);
	gate_adopt(&at_a, 1, JULIET "/balcony", 5, 0);
	gate_expect(&at_a, FRAME_LOST, 1, &frame);
	gate_adopt(&at_a, 2, JULIET "/chamber", 1, 0);
	gate_expect(&at_a, FRAME_LOST, 2, &frame);
}

/* Whoever leaves in peace ends no session either. */
Test(nodes, who_leaves_is_adopted)
{
	struct frame frame;
	both_log_in();
	kill(a.pid, SIGTERM);
	gate_expect(&at_a, FRAME_DRAIN, 0, &frame);
	gate_expect_end(&at_a);
	gate_moves(&at_a, &b);
	gate_adopt(&at_a, 1, JULIET "/balcony", 1, 0);
	cr_expect_eq(gate_expect_attached(&at_a, 1), 0);
	romeo_says("one");
	expect_id(&at_a, "one");
	node_end(&a, SIGTERM);
}

/* An impatient gate, and five seconds more. */
Test(nodes, whom_nobody_adopts_has_gone)
{
	struct gate brief;
	gate_session(&at_b, 2, JULIET, FIXTURE_PASSWORD, "chamber");
	gate_put(&at_b, 2, "<presence from='" JULIET "/chamber'/>");
	gate_expect_element(&at_b, 2, "from='" JULIET "/chamber'");
	gate_session(&at_b, 1, ROMEO, "juliet", "garden");
	gate_begin(&brief, a.socket, 1);
	gate_session(&brief, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_put(&brief, 1, "<presence from='" JULIET "/balcony'/>");
	gate_expect_element(&at_b, 2, "from='" JULIET "/balcony'");
	node_end(&a, SIGKILL);
	gate_end(&brief);
	romeo_says("undelivered");
	gate_put(&at_b, 1,
		 "<iq type='get' to='" JULIET "/balcony' from='" ROMEO
		 "/garden' id='q'><ping xmlns='urn:xmpp:ping'/></iq>");
	gate_expect_quiet(&at_b);
	usleep(2500000);
	gate_expect_quiet(&at_b);
	const char *gone = gate_expect_element(&at_b, 2, "type='unavailable'");
	cr_expect(strstr(gone, "from='" JULIET "/balcony'"));
	gate_expect_element(&at_b, 2, "id='undelivered'");
	expect_id(&at_b, "q");
}

/* With nobody else there it is kept, and has the time at which that was. */
Test(nodes, what_nobody_has_read_is_kept)
{
	struct gate brief;
	gate_session(&at_b, 1, ROMEO, "juliet", "garden");
	gate_begin(&brief, a.socket, 1);
	gate_session(&brief, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_put(&brief, 1, "<presence from='" JULIET "/balcony'/>");
	gate_expect_element(&brief, 1, "from='" JULIET "/balcony'");
	gate_put(&brief, 1, "<presence to='" ROMEO "/garden' from='" JULIET "/balcony'/>");
	gate_expect_element(&at_b, 1, "from='" JULIET "/balcony'");
	brief.acks_nothing = true;
	romeo_says("kept");
	expect_id(&brief, "kept");
	gate_end(&brief);
	gate_expect_element(&at_b, 1, "type='unavailable'");
	gate_session(&at_b, 2, JULIET, FIXTURE_PASSWORD, "chamber");
	gate_put(&at_b, 2, "<presence from='" JULIET "/chamber'/>");
	gate_expect_element(&at_b, 2, "from='" JULIET "/chamber'");
	const char *kept = gate_expect_element(&at_b, 2, "id='kept'");
	cr_expect(strstr(kept, "<delay xmlns='urn:xmpp:delay' from='example.com'"), "%s", kept);
	gate_expect_quiet(&at_b);
}

/* Stream management: the session of Juliet's that was at the first node, over another stream at the second. */

static char resumption[128];

static void enable(struct gate *gate)
{
	gate_put(gate, 1, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
	const char *id = strstr(gate_expect_element(gate, 1, "<enabled "), " id='");
	cr_assert(id);
	snprintf(resumption, sizeof resumption, "%.*s", (int)strcspn(id + 5, "'"), id + 5);
}

static void resume(struct gate *gate, frame_session session, unsigned h, unsigned handled)
{
	char text[256];
	struct frame frame;
	snprintf(text, sizeof text, "<resumed xmlns='urn:xmpp:sm:3' previd='%s' h='%u'/>", resumption, handled);
	gate->counts_requests = true;
	gate_open(gate, session, "example.com", NULL);
	gate_login(gate, session, "juliet", FIXTURE_PASSWORD);
	gate_put(gate, session, "<resume xmlns='urn:xmpp:sm:3' previd='%s' h='%u'/>", resumption, h);
	gate_expect(gate, FRAME_STATE, session, &frame);
	gate_expect_element(gate, session, text);
}

/* It reads what it was sent, which another one has adopted, and would ask for an acknowledgement if it were its own. */
Test(nodes, who_has_slept_takes_no_number_of_the_new_owner)
{
	enum { MANY = 12 };
	both_log_in();
	enable(&at_a);
	node_stop(&a);
	for (int i = 0; i < MANY; i++)
		romeo_says("one");
	gate_expect_quiet(&at_b);
	struct gate old = at_a;
	gate_begin_again(&at_a, b.socket, 1, old.epoch);
	gate_adopt(&at_a, 1, JULIET "/balcony", 2, 1);
	cr_expect_eq(gate_expect_attached(&at_a, 1), 1);
	for (int i = 0; i < MANY; i++)
		expect_id(&at_a, "one");
	kill(a.pid, SIGCONT);
	gate_expect_quiet(&old);
	gate_end(&old);
	romeo_says("two");
	expect_id(&at_a, "two");
}

/* In one turn it adopts and sees that the former owner has died: what it reads of all sessions then is what it has just
 * made of them. */
Test(nodes, who_adopts_when_a_death_is_seen_keeps_what_he_has_adopted)
{
	both_log_in();
	enable(&at_a);
	romeo_says("one");
	expect_id(&at_a, "one");
	struct gate old = at_a;
	gate_begin_again(&at_a, b.socket, 1, old.epoch);
	kill(b.pid, SIGSTOP);
	node_end(&a, SIGKILL);
	gate_end(&old);
	gate_adopt(&at_a, 1, JULIET "/balcony", 3, 1);
	usleep(1500000); /* it looks for the dead each second */
	at_a.counts_requests = true;
	kill(b.pid, SIGCONT);
	cr_expect_eq(gate_expect_attached(&at_a, 1), 1);
	romeo_says("two");
	expect_id(&at_a, "two");
	juliet_says("three");
	expect_id(&at_b, "three");
	gate_expect_quiet(&at_a);
}

Test(nodes, a_stream_is_resumed_at_another)
{
	both_log_in();
	at_a.counts_requests = at_b.counts_requests = true;
	enable(&at_a);
	juliet_says("zero");
	expect_id(&at_b, "zero");
	romeo_says("one");
	expect_id(&at_a, "one");
	romeo_says("two");
	expect_id(&at_a, "two");
	resume(&at_b, 2, 1, 1);
	gate_expect_element(&at_b, 2, "id='two'");
	gate_expect_close(&at_a, 1, "conflict");
	romeo_says("three");
	gate_expect_element(&at_b, 2, "id='three'");
	gate_expect_quiet(&at_b);
	/* And back, from one that hibernates there. */
	gate_close(&at_b, 2, false);
	gate_expect_close(&at_b, 2, NULL);
	romeo_says("four");
	gate_expect_quiet(&at_b);
	resume(&at_a, 3, 2, 1);
	gate_expect_element(&at_a, 3, "id='three'");
	gate_expect_element(&at_a, 3, "id='four'");
	romeo_says("five");
	gate_expect_element(&at_a, 3, "id='five'");
	gate_expect_quiet(&at_a);
}

Test(nodes, a_stream_is_resumed_after_its_node_was_killed)
{
	both_log_in();
	at_a.counts_requests = at_b.counts_requests = true;
	enable(&at_a);
	romeo_says("one");
	expect_id(&at_a, "one");
	gate_close(&at_a, 1, false);
	gate_expect_close(&at_a, 1, NULL);
	romeo_says("two");
	gate_expect_quiet(&at_b);
	node_end(&a, SIGKILL);
	romeo_says("three");
	gate_expect_quiet(&at_b);
	resume(&at_b, 2, 0, 0);
	gate_expect_element(&at_b, 2, "id='one'");
	gate_expect_element(&at_b, 2, "id='two'");
	gate_expect_element(&at_b, 2, "id='three'");
	gate_expect_quiet(&at_b);
}

/* Its client has come back before its gate has brought it: the gate's is void. */
Test(nodes, whoever_is_resumed_is_not_adopted)
{
	struct frame frame;
	both_log_in();
	enable(&at_a);
	node_end(&a, SIGKILL);
	resume(&at_b, 2, 0, 0);
	gate_moves(&at_a, &b);
	gate_adopt(&at_a, 1, JULIET "/balcony", 2, 1);
	gate_expect(&at_a, FRAME_LOST, 1, &frame);
	romeo_says("one");
	gate_expect_element(&at_b, 2, "id='one'");
}

Test(nodes, who_is_adopted_goes_on_counting)
{
	both_log_in();
	enable(&at_a);
	at_a.counts_requests = true;
	juliet_says("zero");
	expect_id(&at_b, "zero");
	romeo_says("one");
	expect_id(&at_a, "one");
	node_end(&a, SIGKILL);
	romeo_says("two");
	gate_expect_quiet(&at_b);
	gate_moves(&at_a, &b);
	at_a.counts_requests = true;
	gate_adopt(&at_a, 1, JULIET "/balcony", 3, 2);
	cr_expect_eq(gate_expect_attached(&at_a, 1), 2);
	expect_id(&at_a, "two");
	gate_put(&at_a, 1, "<r xmlns='urn:xmpp:sm:3'/>");
	gate_expect_element(&at_a, 1, "<a xmlns='urn:xmpp:sm:3' h='1'/>");
	gate_put(&at_a, 1, "<a xmlns='urn:xmpp:sm:3' h='1'/>");
	gate_close(&at_a, 1, false);
	gate_expect_close(&at_a, 1, NULL);
	resume(&at_b, 2, 1, 1);
	gate_expect_element(&at_b, 2, "id='two'");
	gate_expect_quiet(&at_b);
}

Test(nodes, what_is_held_back_at_one_is_released_at_the_other)
{
	both_log_in();
	gate_put(&at_a, 1, "<inactive xmlns='urn:xmpp:csi:0'/>");
	gate_expect_quiet(&at_a);
	for (int i = 0; i < 2; i++)
		gate_put(&at_b, 1, "<presence to='" JULIET "/balcony' from='" ROMEO "/garden' id='p%d'/>", i);
	gate_expect_quiet(&at_b);
	gate_expect_quiet(&at_a);
	romeo_says("one");
	expect_id(&at_a, "p1");
	expect_id(&at_a, "one");
	gate_expect_quiet(&at_a);
}

static void command(const char *line)
{
	char whole[512];
	snprintf(whole, sizeof whole, line, SESSIOND_PROGRAM, fixture.database);
	cr_assert_eq(system(whole), 0, "%s", whole);
}

Test(nodes, a_changed_account_ends_its_sessions_everywhere)
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
Test(nodes, who_has_slept_ends_sessions_when_it_knows_whose_the_others_are)
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
Test(nodes, who_cannot_write_begins_anew)
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
Test(nodes, who_begins_waits_for_whoever_holds_the_store)
{
	struct node c = {0};
	lock_for(3);
	node_begin(&c, "c");
	node_end(&c, SIGTERM);
}

Test(nodes, a_changed_account_s_session_is_not_adopted)
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
Test(nodes, there_can_be_so_many)
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
		 "timeout 5 %s run --database %s --domain example.com --listen unix:%s-c 2>&1 | grep -q 'served "
		 "by 16 others'",
		 SESSIOND_PROGRAM, fixture.database, fixture.socket);
	cr_expect_eq(system(line), 0);
}

/* Romeo's end is told to Juliet behind what she has been sent from another node, which is yet to be read. */
Test(nodes, an_account_s_session_is_not_adopted_when_it_was_changed_while_no_node_ran)
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

Test(nodes, a_changed_account_ends_behind_what_was_sent_before)
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
