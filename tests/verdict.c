/*
 * Linked into every program of Criterion's, which runs each test in a process of its own, without standard error. By
 * itself Criterion calls a test good whose .fini finds something wrong, and says of one whose .init does only that
 * there was a signal; and it does not look at how the process of a good test ends: what leaks was not told. So whatever
 * does not hold, wherever it is said, makes the program fail; so does what a sanitizer finds when the process ends,
 * since it ends by a signal then; and both are told on the standard error that there was in the beginning.
 */
#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <criterion/stats.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STDERR_NAME "VERDICT_STDERR"

static char told[16384];
static size_t told_len;
static bool failed;

/* Both are the sanitizers', as far as there are any. */
void __sanitizer_set_report_fd(void *descriptor) __attribute__((weak));
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "abort_on_error=1";
}

/* Of the process that runs the tests, for those that it makes, which inherit its environment. */
__attribute__((constructor)) static void stderr_keep(void)
{
	const char *kept = getenv(STDERR_NAME);
	char path[64];
	int descriptor;

	if (__sanitizer_set_report_fd == NULL)
		return;
	if (kept == NULL) {
		descriptor = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
		snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), descriptor);
		setenv(STDERR_NAME, path, 1);
		return;
	}
	descriptor = open(kept, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (descriptor >= 0)
		__sanitizer_set_report_fd((void *)(intptr_t)descriptor);
}

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
