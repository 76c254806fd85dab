/*
 * The choice of a kernel: by its whole name.
 */
#include "xml_probe.h"

#include <criterion/criterion.h>
#include <string.h>

/* With something behind its end that is not the end. */
static const char *choose(const char *name)
{
	char text[32];
	memset(text, 'x', sizeof(text));
	memcpy(text, name, strlen(name) + 1);
	return xml_kernel_choose(text);
}

Test(kernel, is_chosen_by_its_whole_name)
{
	for (const char *const *kernel = probe_kernels(); *kernel; kernel++) {
		char shorter[32] = "", longer[34] = "";
		memcpy(shorter, *kernel, strlen(*kernel) - 1);
		memcpy(longer, *kernel, strlen(*kernel));
		strcat(longer, "2");
		const char *chosen = choose(*kernel);
		cr_assert(chosen && strcmp(chosen, *kernel) == 0);
		cr_expect_null(choose(shorter));
		cr_expect_null(choose(longer));
	}
	cr_expect_null(choose(""));
	cr_expect_null(choose("best"));
}

Test(kernel, best_is_one_that_runs)
{
	const char *best = xml_kernel_choose(NULL);
	bool runs = false;
	cr_assert_not_null(best);
	for (const char *const *kernel = probe_kernels(); *kernel; kernel++)
		runs = runs || strcmp(best, *kernel) == 0;
	cr_expect(runs);
	cr_expect_not_null(choose("scalar"));
}
