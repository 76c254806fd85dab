/* A test whose end finds something wrong: it must not count as good (tests/verdict.c). */
#include <criterion/criterion.h>

static void end(void)
{
	cr_expect(false, "not so");
}

Test(unfinished, ends_badly, .fini = end)
{
	cr_expect(true);
}
