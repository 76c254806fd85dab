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

/* Each runs where the CPU has what it needs: otherwise no test would have seen it. */
Test(kernel, none_is_missing)
{
	bool avx2 = false, avx512 = false, sse42 = false, neon = false;
#ifdef __x86_64__
	bool bits = __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
	avx2 = bits && __builtin_cpu_supports("avx2");
	avx512 = bits && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
	sse42 = __builtin_cpu_supports("sse4.2");
#endif
#ifdef __aarch64__
	neon = true;
#endif
	cr_expect_eq(choose("avx2") != NULL, avx2);
	cr_expect_eq(choose("avx512") != NULL, avx512);
	cr_expect_eq(choose("sse42") != NULL, sse42);
	cr_expect_eq(choose("neon") != NULL, neon);
}
