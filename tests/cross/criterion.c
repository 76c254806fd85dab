#include "criterion/criterion.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FAILED = 1, SKIPPED = 77 };

static struct cross_test *tests;
static bool failed; /* in the test that runs */

void cross_add(struct cross_test *test)
{
	test->next = tests;
	tests = test;
}

void cross_check(bool holds, const char *what, const char *file, int line, bool fatal)
{
	if (holds)
		return;
	printf("# %s:%d: not so: %s\n", file, line, what);
	failed = true;
	if (fatal)
		exit(FAILED);
}

void cross_skip(void)
{
	exit(SKIPPED);
}

/* Each test in a process of its own. */
static bool test_run(const struct cross_test *test, bool *ret_skipped)
{
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		test->run();
		exit(failed ? FAILED : 0);
	}
	int status;
	if (child < 0 || waitpid(child, &status, 0) != child)
		return false;
	*ret_skipped = WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED;
	if (test->signal)
		return WIFSIGNALED(status) && WTERMSIG(status) == test->signal;
	return *ret_skipped || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
	int count = 0, bad = 0;
	for (const struct cross_test *test = tests; test; test = test->next) {
		bool skipped = false, good = test_run(test, &skipped);
		printf("%sok %d - %s%s\n", good ? "" : "not ", ++count, test->name, skipped ? " # SKIP" : "");
		bad += !good;
	}
	printf("1..%d\n", count);
	return bad != 0 || count == 0;
}
