#include "nodes.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture fixture;
struct node a, b;
struct gate at_a, at_b;

enum { LOG_PATH_BYTES = FIXTURE_PATH_BYTES + 16 };

static const char *log_path(const char *name, char path[static LOG_PATH_BYTES])
{
	snprintf(path, LOG_PATH_BYTES, "%s/log-%s", fixture.directory, name);
	return path;
}

void node_begin(struct node *node, const char *name)
{
	char listen_at[sizeof node->socket + 8], path[LOG_PATH_BYTES];
	snprintf(node->socket, sizeof node->socket, "%s-%s", fixture.socket, name);
	snprintf(listen_at, sizeof listen_at, "unix:%s", node->socket);
	node->name = name;
	pid_t pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* also of a test that fails while it is stopped */
		if (!freopen(log_path(name, path), "a", stderr))
			_exit(126);
		execl(SESSIOND_PROGRAM, SESSIOND_PROGRAM, "run", "--database", fixture.database, "--domain",
		      "example.com", "--listen", listen_at, "--name", name, NULL);
		_exit(127);
	}
	node->pid = pid; /* known or 0: node_end() would send its signal to everybody by -1 */
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

void node_stop(const struct node *node)
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

/* What the sanitizers have said is in it, too. */
static void complain(const struct node *node, int status)
{
	char path[LOG_PATH_BYTES], log[8192];
	FILE *from = fopen(log_path(node->name, path), "r");
	size_t len = from ? fread(log, 1, sizeof log - 1, from) : 0;
	log[len] = '\0';
	if (from)
		fclose(from);
	cr_expect_fail("node %s ended with status %x:\n%s", node->name, status, log);
}

void node_end(struct node *node, int how)
{
	int status;
	if (node->pid == 0)
		return;
	kill(node->pid, how);
	cr_assert_eq(waitpid(node->pid, &status, 0), node->pid);
	if (how == SIGTERM && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		complain(node, status);
	unlink(node->socket);
	node->pid = 0;
}

void nodes_begin(void)
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
void nodes_end(void)
{
	gate_end(&at_a);
	gate_end(&at_b);
	node_end(&a, SIGTERM);
	node_end(&b, SIGTERM);
	fixture_end(&fixture);
}

void both_log_in(void)
{
	gate_session(&at_a, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_session(&at_b, 1, ROMEO, "juliet", "garden");
}

void juliet_says(const char *id)
{
	gate_put(&at_a, 1, "<message to='" ROMEO "/garden' from='" JULIET "/balcony' id='%s'><body>x</body></message>",
		 id);
}

void romeo_says(const char *id)
{
	gate_put(&at_b, 1, "<message to='" JULIET "/balcony' from='" ROMEO "/garden' id='%s'><body>x</body></message>",
		 id);
}

void expect_id(struct gate *gate, const char *id)
{
	char text[64];
	snprintf(text, sizeof text, "id='%s'", id);
	gate_expect_element(gate, 1, text);
}

void gate_moves(struct gate *gate, const struct node *to)
{
	uint64_t epoch = gate->epoch;
	gate_end(gate);
	gate_begin_again(gate, to->socket, 1, epoch);
}

void node_wakes(const struct node *node, struct gate *old)
{
	kill(node->pid, SIGCONT);
	gate_expect_quiet(old);
	gate_end(old);
	romeo_says("two");
	expect_id(&at_a, "two");
}
