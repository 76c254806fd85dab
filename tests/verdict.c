/*
 * Linked into every program of Criterion's. By itself Criterion calls a test good whose .fini finds something wrong,
 * and says of one whose .init does only that there was a signal. So whatever does not hold, wherever it is said, makes
 * the program fail, and is told in the end, when standard error is no longer Criterion's own.
 */
#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <criterion/stats.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char told[16384];
static size_t told_len;
static bool failed;

/* In the process that runs the tests, of what each of these has said. */
ReportHook(ASSERT)(struct criterion_assert_stats *said)
{
	if (said->passed)
		return;
	failed = true;
	snprintf(told + told_len, sizeof told - told_len, "%s:%u: %s\n", said->file, said->line, said->message);
	told_len += strlen(told + told_len);
}

__attribute__((destructor)) static void verdict(void)
{
	if (!failed)
		return;
	fputs(told, stderr);
	fflush(NULL);
	_exit(1);
}
