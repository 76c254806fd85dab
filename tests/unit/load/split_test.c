/* How many processes a run has. */
#include "split.h"

#include <criterion/criterion.h>

Test(split, as_many_as_are_wanted_when_files_do_not_matter)
{
	cr_expect_eq(split_processes(10, 2, 1, UINT64_MAX), 1);
	cr_expect_eq(split_processes(10, 2, 4, UINT64_MAX), 4);
	cr_expect_eq(split_processes(10, 2, 9, UINT64_MAX), 5, "one for each pair");
	cr_expect_eq(split_processes(1, 2, 9, UINT64_MAX), 1);
	cr_expect_eq(split_processes(3, 1000, 9, UINT64_MAX), 1);
}

Test(split, as_many_as_open_files_make_necessary)
{
	cr_expect_eq(split_processes(1000000, 2, 1, 20000), 51);
	cr_expect_eq(split_processes(1000000, 2, 60, 20000), 60);
	cr_expect_eq(split_processes(19934, 2, 1, 20000), 1);
	cr_expect_eq(split_processes(19935, 2, 1, 20000), 2);
}

/* Fewer files than a process has open anyway, with and without a unit: what is left is none, and not very many. */
Test(split, as_many_as_there_are_units_when_files_are_too_few)
{
	cr_expect_eq(split_processes(1000, 100, 1, 100), 10);
	cr_expect_eq(split_processes(1000, 100, 1, SPLIT_FILES_APART + 100), 10);
	cr_expect_eq(split_processes(1000, 100, 1, SPLIT_FILES_APART), 10);
	cr_expect_eq(split_processes(1000, 2, 1, 1), 500);
}
