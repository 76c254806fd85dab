/* A test that loses memory: under the sanitizers it must not count as good (tests/verdict.c). */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void *volatile last;

Test(leaking, loses_memory)
{
	last = malloc(1000);
	memset(last, 1, 1000);
	last = NULL;
	cr_expect(true);
}
