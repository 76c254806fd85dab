/* The program: its accounts, its errors, its end. */
#include "fixture.h"
#include "gate.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct fixture fixture;
static char output[4096];

static void begin(void)
{
	fixture_begin(&fixture);
}

static void end(void)
{
	fixture_end(&fixture);
}

TestSuite(command, .init = begin, .fini = end);

/* Runs a shell's line, `$S` in it the program, `$D` the database; answers the status, and fills in output. */
static int shell(const char *line)
{
	char whole[1024];
	snprintf(whole, sizeof whole, "S='%s' D='%s'; { %s; } 2>&1", SESSIOND_PROGRAM, fixture.database, line);
	FILE *pipe = popen(whole, "r");
	cr_assert(pipe);
	size_t len = fread(output, 1, sizeof output - 1, pipe);
	output[len] = '\0';
	int status = pclose(pipe);
	cr_assert(WIFEXITED(status), "%s: %s", line, output);
	return WEXITSTATUS(status);
}

static void fails(const char *line, int status, const char *part)
{
	cr_expect_eq(shell(line), status, "%s", line);
	cr_expect(strstr(output, part), "%s is not in %s", part, output);
	cr_expect_eq(strncmp(output, "stanzagate-sessiond: ", 21), 0);
	cr_expect_eq(strchr(output, '\n'), output + strlen(output) - 1, "one line: %s", output);
}

Test(command, accounts_come_and_go)
{
	cr_expect_eq(shell("echo secret | $S user add --database $D Juliet@Example.com"), 0, "%s", output);
	cr_expect_eq(shell("echo secret | $S user add --database $D --password-stdin romeo@example.com"), 0);
	fails("echo secret | $S user add --database $D juliet@example.com", 1, "juliet@example.com exists already");
	cr_expect_eq(shell("$S user list --database $D"), 0);
	cr_expect_str_eq(output, "juliet@example.com\nromeo@example.com\n");
	cr_expect_eq(shell("echo other | $S user passwd --database $D juliet@example.com"), 0);
	fails("echo other | $S user passwd --database $D nobody@example.com", 1, "does not exist");
	cr_expect_eq(shell("$S user del --database $D juliet@example.com"), 0);
	fails("$S user del --database $D juliet@example.com", 1, "juliet@example.com does not exist");
	cr_expect_eq(shell("$S user list --database $D"), 0);
	cr_expect_str_eq(output, "romeo@example.com\n");
}

Test(command, errors_are_one_line)
{
	fails("$S", 2, "command: found \"\", allowed run, user, --help or --version");
	fails("$S serve", 2, "command: found \"serve\", allowed run, user,");
	fails("$S run", 2, "run: found no --database FILE, allowed one; see --help");
	fails("$S run --database $D", 2, "run: found no --domain DOMAIN, allowed one");
	fails("$S run --database $D --domain example.com", 2, "run: found no --listen ADDRESS, allowed one");
	fails("$S run --nonsense", 2, "run: --nonsense: found an unknown option, allowed --database, --domain,");
	fails("$S run --archive-days -1", 2, "run: --archive-days: found \"-1\", allowed 0 to 100000000; see --help");
	fails("$S run --archive-mib 0", 2, "run: --archive-mib: found \"0\", allowed 1 to");
	fails("$S run --iterations 4095", 2, "run: --iterations: found \"4095\", allowed 4096 to");
	fails("$S run --iterations", 2, "run: --iterations: found no value, allowed one");
	fails("$S run --registration=yes", 2, "run: --registration=yes: found a value, allowed none");
	fails("$S run --user nobodythere", 2,
	      "run: --user: found \"nobodythere\", allowed a user of this machine, by name or number");
	fails("$S run now", 2, "run: found \"now\", allowed options alone");
	fails("$S run --database $D --domain example.com --listen tcp:0.0.0.0:1", 1, "tcp:127.0.0.1");
	fails("$S run --database $D --domain example.com --listen unix:/nonexistent/s", 1, "/nonexistent/s");
	fails("$S user", 2, "user: found \"\", allowed add, passwd, del or list");
	fails("$S user sing", 2, "user: found \"sing\", allowed add, passwd, del or list");
	fails("$S user add juliet@example.com", 2, "user add: found no --database FILE, allowed one");
	fails("$S user add --nonsense", 2,
	      "user add: --nonsense: found an unknown option, allowed --database, --password");
	fails("$S user add --database $D", 2, "user add: found 0 words behind the options, allowed one: a JID");
	fails("$S user list --database $D juliet@example.com", 2,
	      "user list: found 1 words behind the options, allowed none");
	fails("$S user add --database $D juliet@example.com/x", 2,
	      "found \"juliet@example.com/x\", allowed a bare JID");
	fails("$S user add --database $D example.com", 2, "found \"example.com\", allowed a bare JID");
	fails("$S user add --database $D --iterations 100 a@b", 2, "--iterations: found \"100\", allowed 4096 to");
	fails("echo | $S user add --database $D juliet@example.com", 1, "not a password");
	fails("$S user add --database $D juliet@example.com </dev/null", 1, "not a password");
	fails("$S user list --database $D.absent", 1, "No such file");
}

Test(command, help_and_version)
{
	cr_expect_eq(shell("$S --help"), 0);
	cr_expect(strstr(output, "usage: stanzagate-sessiond run "));
	cr_expect_eq(shell("$S --version"), 0);
	cr_expect_str_eq(output, "stanzagate-sessiond " STANZAGATE_VERSION "\n");
}

static pid_t run_begin(void)
{
	char address[FIXTURE_PATH_BYTES + 8];
	snprintf(address, sizeof address, "unix:%s", fixture.socket);
	pid_t child = fork();
	if (child == 0) {
		execl(SESSIOND_PROGRAM, SESSIOND_PROGRAM, "run", "--database", fixture.database, "--domain",
		      "example.com", "--listen", address, "--name", "s1", NULL);
		_exit(127);
	}
	cr_assert_gt(child, 0);
	return child;
}

Test(command, runs_until_sigterm_and_sees_accounts_made_meanwhile)
{
	struct gate gate;
	struct frame frame;
	int status;
	pid_t child = run_begin();
	gate_await_server(fixture.socket);
	gate_begin(&gate, fixture.socket, 1);
	cr_expect_eq(shell("echo secret | $S user add --database $D juliet@example.com"), 0, "%s", output);
	gate_session(&gate, 1, "juliet@example.com", "secret", "balcony");
	kill(child, SIGTERM);
	gate_expect(&gate, FRAME_DRAIN, 0, &frame);
	gate_expect_close(&gate, 1, "system-shutdown"); /* this gate has no patience */
	gate_expect_end(&gate);
	gate_end(&gate);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	cr_expect_eq(shell("ls $D-node-* 2>/dev/null"), 2, "its socket is left: %s", output);
}
