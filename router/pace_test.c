#include "pace.h"

#include <criterion/criterion.h>

static struct pace pace;
static const struct pace_settings ten = {.per_s = 10, .slow_ms = 8000};

static int takes(const struct pace_settings *s, uint64_t now_ms)
{
	int count = 0;
	while (count < 1000 && pace_take(&pace, s, now_ms))
		count++;
	return count;
}

static void begin(void)
{
	pace = (struct pace){0};
}

TestSuite(pace, .init = begin);

Test(pace, none_is_no_limit)
{
	cr_assert_eq(takes(&(struct pace_settings){0}, 5), 1000);
}

Test(pace, a_second_may_come_at_once_and_then_one_after_the_other)
{
	cr_assert_eq(takes(&ten, 50000), 10);
	cr_assert_eq(takes(&ten, 50099), 0);
	cr_assert_eq(takes(&ten, 50100), 1);
	cr_assert_eq(takes(&ten, 50350), 2);
	cr_assert_eq(takes(&ten, 50400), 1, "halves add up");
	cr_assert_eq(takes(&ten, 90000), 10, "no more are saved");
}

Test(pace, one_that_came_back_is_asked_slowly)
{
	int first = 0, last = 0;
	cr_assert_eq(takes(&ten, 50000), 10);
	pace_begin(&pace, 100000);
	cr_assert_eq(takes(&ten, 100000), 0);
	for (uint64_t ms = 100000; ms <= 101000; ms += 10)
		first += takes(&ten, ms);
	cr_assert(first >= 1 && first <= 3, "%d", first);
	for (uint64_t ms = 101010; ms < 108000; ms += 10)
		takes(&ten, ms);
	for (uint64_t ms = 108000; ms < 109000; ms += 10)
		last += takes(&ten, ms);
	cr_assert(last >= 9 && last <= 11, "%d", last);
}

Test(pace, without_a_slow_start_it_only_begins_empty)
{
	const struct pace_settings s = {.per_s = 10};
	pace_begin(&pace, 1000);
	cr_assert_eq(takes(&s, 1000), 0);
	cr_assert_eq(takes(&s, 2000), 10);
}

Test(pace, a_clock_that_steps_gives_nothing_for_it)
{
	cr_assert_eq(takes(&ten, 50000), 10);
	cr_assert_eq(takes(&ten, 10), 0);
	cr_assert_eq(takes(&ten, UINT64_MAX), 10);
	cr_assert_eq(takes(&ten, 0), 0);
}
