#include "watch.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

static struct watch w;

Test(watch, names_with_one_process_and_more)
{
	cr_assert(watch_read(&w, 7, "gate=12,jabberd=3+4+5"));
	cr_assert_eq(w.count, 3);
	cr_assert_str_eq(w.watched[0].name, "server");
	cr_assert_eq(w.watched[0].pids[0], 7);
	cr_assert_str_eq(w.watched[1].name, "gate");
	cr_assert_eq(w.watched[1].pid_count, 1);
	cr_assert_str_eq(w.watched[2].name, "jabberd");
	cr_assert_eq(w.watched[2].pid_count, 3);
	cr_assert_eq(w.watched[2].pids[2], 5);
}

Test(watch, nothing_is_fine)
{
	cr_assert(watch_read(&w, 0, ""));
	cr_assert_eq(w.count, 0);
}

Test(watch, what_is_not_as_it_should_be_is_refused)
{
	static const char *const bad[] = {
		"gate",	   "gate=",   "=1",	"gate=x",  "gate=1+",
		"gate=1;", "ga te=1", "gate=0", "gate=-1", "a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1"};

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_assert_not(watch_read(&w, 0, bad[i]), "%s", bad[i]);
}

Test(watch, a_sample_is_the_sum)
{
	struct process_sample before, both, after;
	char text[64];

	snprintf(text, sizeof text, "a=%d,b=%d+%d", getpid(), getpid(), getpid());
	cr_assert(watch_read(&w, 0, text));
	cr_assert(watch_sample(&w, 0, &before));
	cr_assert(watch_sample(&w, 1, &both));
	cr_assert(watch_sample(&w, 0, &after));
	cr_assert(before.rss_bytes > 0);
	/* The kernel may take some back meanwhile. */
	cr_assert_geq(both.rss_bytes, 2 * (before.rss_bytes < after.rss_bytes ? before.rss_bytes : after.rss_bytes));
}

Test(watch, a_process_that_is_no_more_is_told)
{
	struct process_sample one;

	cr_assert(watch_read(&w, 0, "a=4194304"));
	cr_assert_not(watch_sample(&w, 0, &one));
}

Test(watch, a_process_that_is_not_there_is_missed)
{
	char text[64];

	snprintf(text, sizeof text, "us=%d", getpid());
	cr_assert(watch_read(&w, 0, text));
	cr_assert_eq(watch_missing(&w), 0);
	snprintf(text, sizeof text, "us=%d,both=%d+4194303", getpid(), getpid());
	cr_assert(watch_read(&w, 0, text));
	cr_assert_eq(watch_missing(&w), 4194303);
}
