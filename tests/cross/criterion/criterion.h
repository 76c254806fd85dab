/*
 * As much of Criterion's interface as some tests use, for machines for which Debian has no Criterion at hand, or which
 * it cannot run on: tests are compiled unchanged, linked with criterion.c, and say their results in TAP. Messages are
 * left out.
 */
#ifndef TESTS_CROSS_CRITERION_H
#define TESTS_CROSS_CRITERION_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cross_test {
	const char *name;
	void (*run)(void);
	int signal; /* expected to end the test */
	struct cross_test *next;
};
void cross_add(struct cross_test *);
/* Says what does not hold; the test goes on, or ends if it is fatal. */
void cross_check(bool holds, const char *what, const char *file, int line, bool fatal);
void cross_skip(void);

#define Test(suite, noun, ...)                                                                                         \
	static void suite##_##noun##_run(void);                                                                        \
	static struct cross_test suite##_##noun##_test = {                                                             \
		.name = #suite "::" #noun, .run = suite##_##noun##_run, ##__VA_ARGS__};                                \
	__attribute__((constructor)) static void suite##_##noun##_add(void)                                            \
	{                                                                                                              \
		cross_add(&suite##_##noun##_test);                                                                     \
	}                                                                                                              \
	static void suite##_##noun##_run(void)

#define CROSS(holds, what, fatal)      cross_check(holds, what, __FILE__, __LINE__, fatal)
#define cr_assert(a, ...)	       CROSS((a) ? true : false, #a, true)
#define cr_assert_eq(a, b, ...)	       CROSS((a) == (b), #a " == " #b, true)
#define cr_assert_neq(a, b, ...)       CROSS((a) != (b), #a " != " #b, true)
#define cr_assert_gt(a, b, ...)	       CROSS((a) > (b), #a " > " #b, true)
#define cr_assert_geq(a, b, ...)       CROSS((a) >= (b), #a " >= " #b, true)
#define cr_assert_lt(a, b, ...)	       CROSS((a) < (b), #a " < " #b, true)
#define cr_assert_leq(a, b, ...)       CROSS((a) <= (b), #a " <= " #b, true)
#define cr_assert_not(a, ...)	       CROSS(!(a), "not " #a, true)
#define cr_assert_null(a, ...)	       CROSS((a) == NULL, "no " #a, true)
#define cr_assert_not_null(a, ...)     CROSS((a) != NULL, #a, true)
#define cr_assert_str_eq(a, b, ...)    CROSS(strcmp(a, b) == 0, #a " equals " #b, true)
#define cr_assert_arr_eq(a, b, n, ...) CROSS(memcmp(a, b, n) == 0, #a " equals " #b, true)
#define cr_expect(a, ...)	       CROSS((a) ? true : false, #a, false)
#define cr_expect_not(a, ...)	       CROSS(!(a), "not " #a, false)
#define cr_expect_eq(a, b, ...)	       CROSS((a) == (b), #a " == " #b, false)
#define cr_expect_neq(a, b, ...)       CROSS((a) != (b), #a " != " #b, false)
#define cr_expect_gt(a, b, ...)	       CROSS((a) > (b), #a " > " #b, false)
#define cr_expect_lt(a, b, ...)	       CROSS((a) < (b), #a " < " #b, false)
#define cr_expect_null(a, ...)	       CROSS((a) == NULL, "no " #a, false)
#define cr_expect_not_null(a, ...)     CROSS((a) != NULL, #a, false)
#define cr_expect_str_eq(a, b, ...)    CROSS(strcmp(a, b) == 0, #a " equals " #b, false)
#define cr_skip_test(...)	       cross_skip()

#endif
