#include "blame.h"

#include <criterion/criterion.h>

static struct blame blame;

static void begin(void)
{
	blame = (struct blame){0};
}

TestSuite(blame, .init = begin);

/* How many faults of sessions it takes, one each step_ms; 0: no end of them is enough. */
static int faults_until_avoided(uint32_t sessions, uint64_t *now_ms, uint64_t step_ms)
{
	for (int count = 1; count < 10000; count++, *now_ms += step_ms)
		if (blame_fault(&blame, BLAME_FOR_SESSION, sessions, *now_ms))
			return count;
	return 0;
}

Test(blame, a_few_faults_are_none)
{
	uint64_t now_ms = 1000000;

	cr_assert_eq(faults_until_avoided(0, &now_ms, 0), BLAME_FAULTS_MIN);
	cr_assert_eq(blame.until_ms, now_ms + BLAME_MS_MIN);
}

Test(blame, many_sessions_make_many_faults)
{
	uint64_t now_ms = 1000000;

	cr_assert_eq(faults_until_avoided(16000, &now_ms, 0), BLAME_FAULTS_MIN + 1000);
}

Test(blame, faults_are_forgotten)
{
	uint64_t now_ms = 1000000;

	cr_assert_eq(faults_until_avoided(0, &now_ms, BLAME_HALF_MS / 2), 0);
	begin();
	cr_assert_neq(faults_until_avoided(0, &now_ms, BLAME_HALF_MS / 10), 0);
}

Test(blame, a_link_that_breaks_the_protocol_is_enough)
{
	cr_assert(blame_fault(&blame, BLAME_FOR_LINK, 1 << 20, 5));
	cr_assert_eq(blame.until_ms, 5 + BLAME_MS_MIN);
	cr_assert(!blame_fault(&blame, BLAME_FOR_LINK, 1 << 20, 6), "it is avoided already");
	cr_assert_eq(blame.until_ms, 5 + BLAME_MS_MIN);
}

Test(blame, it_is_avoided_longer_each_time)
{
	static const uint64_t waits[] = {5000, 10000, 20000, 40000, 80000, 160000, 300000, 300000};
	uint64_t now_ms = 1000000;

	for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
		cr_assert(blame_fault(&blame, BLAME_FOR_LINK, 0, now_ms));
		cr_assert_eq(blame.until_ms - now_ms, waits[i], "%zu", i);
		now_ms = blame.until_ms + BLAME_FORGIVEN_MS - 1;
	}
	now_ms++;
	cr_assert(blame_fault(&blame, BLAME_FOR_LINK, 0, now_ms));
	cr_assert_eq(blame.until_ms - now_ms, BLAME_MS_MIN, "all is forgiven");
}

Test(blame, a_clock_that_steps_back_forgets_nothing)
{
	uint64_t now_ms = 1000000;

	for (int i = 1; i < BLAME_FAULTS_MIN; i++)
		cr_assert(!blame_fault(&blame, BLAME_FOR_SESSION, 0, now_ms));
	cr_assert(blame_fault(&blame, BLAME_FOR_SESSION, 0, now_ms - 900000));
}
