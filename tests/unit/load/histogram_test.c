#include "histogram.h"

#include <criterion/criterion.h>
#include <string.h>

static struct histogram h, other, since;

static void begin(void)
{
	memset(&h, 0, sizeof h);
	memset(&other, 0, sizeof other);
}

TestSuite(histogram, .init = begin);

Test(histogram, of_nothing_is_zero)
{
	cr_assert_eq(histogram_at(&h, 0.5), 0);
	cr_assert_eq(histogram_at(&h, 1), 0);
}

Test(histogram, small_values_are_exact)
{
	for (uint64_t value = 0; value < HISTOGRAM_STEPS; value++)
		histogram_add(&h, value);
	cr_assert_eq(histogram_at(&h, 0.5), HISTOGRAM_STEPS / 2 - 1);
	cr_assert_eq(histogram_at(&h, 1), HISTOGRAM_STEPS - 1);
}

Test(histogram, values_are_known_to_a_step_whatever_their_size)
{
	for (uint64_t value = 1; value < UINT64_MAX / 3; value *= 3) {
		uint64_t found;
		begin();
		histogram_add(&h, value);
		histogram_add(&h, UINT64_MAX);
		found = histogram_at(&h, 0.5);
		cr_assert(found >= value && found - value <= value / HISTOGRAM_STEPS, "%llu for %llu",
			  (unsigned long long)found, (unsigned long long)value);
	}
}

Test(histogram, merged_is_as_if_added)
{
	histogram_add(&h, 10);
	histogram_add(&other, 5000);
	histogram_add(&other, 20);
	histogram_merge(&h, &other);
	cr_assert_eq(h.total, 3);
	cr_assert_eq(h.max, 5000);
	cr_assert_eq(histogram_at(&h, 0.6), 20);
}

Test(histogram, what_came_since)
{
	histogram_add(&h, 1000000);
	other = h;
	histogram_add(&h, 50);
	histogram_add(&h, 60);
	histogram_since(&h, &other, &since);
	cr_assert_eq(since.total, 2);
	cr_assert_eq(since.max, 60);
	cr_assert_eq(histogram_at(&since, 0.5), 50);
	histogram_since(&h, &h, &since);
	cr_assert_eq(since.total, 0);
	cr_assert_eq(histogram_at(&since, 0.99), 0);
}
