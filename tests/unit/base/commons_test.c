#include "commons.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct shelf shelf;
static struct commons commons;

static void begin(void)
{
	static const uint8_t key[SIPHASH_KEY_BYTES] = {1, 2, 3};

	shelf_init(&shelf, false);
	commons_init(&commons, &shelf, key);
}

static void end(void)
{
	commons_done(&commons);
	shelf_done(&shelf);
}

TestSuite(commons, .init = begin, .fini = end);

static struct common *take(const char *text)
{
	return commons_take(&commons, text, strlen(text));
}

Test(commons, what_is_equal_is_there_once)
{
	struct common *one = take("<presence/>"), *other = take("<presence/>");

	cr_assert(one == other);
	cr_assert_eq(one->len, strlen("<presence/>"));
	cr_assert_arr_eq(one->bytes, "<presence/>", one->len);
	cr_assert_eq(commons.count, 1);
	commons_give(&commons, one);
	cr_assert(take("<presence/>") == other, "it is still had");
	commons_give(&commons, other);
	commons_give(&commons, other);
	cr_assert_eq(commons.count, 0);
}

Test(commons, what_is_not_equal_is_apart)
{
	struct common *one = take("a"), *longer = take("ab"), *other = take("b");

	cr_assert(one != longer && one != other && longer != other);
	cr_assert_eq(commons.count, 3);
	commons_give(&commons, longer);
	commons_give(&commons, one);
	commons_give(&commons, other);
	commons_give(&commons, NULL);
}

/* Enough for lists to be made more of, several times; given back in another order. */
Test(commons, many)
{
	enum { MANY = 5000 };
	static struct common *texts[MANY];
	char text[32];

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < MANY; i++) {
			struct common *one;

			snprintf(text, sizeof text, "text %d", i);
			one = take(text);
			cr_assert(round == 0 || one == texts[i]);
			texts[i] = one;
		}
	cr_assert_eq(commons.count, MANY);
	for (int i = 0; i < 2 * MANY; i++)
		commons_give(&commons, texts[(i * 7) % MANY]);
	cr_assert_eq(commons.count, 0);
}

/* What came and went leaves its place to the next. */
Test(commons, memory_is_used_again)
{
	size_t bytes;

	commons_give(&commons, take("<presence><show>away</show></presence>"));
	bytes = shelf_bytes(&shelf);
	for (int i = 0; i < 1000; i++)
		commons_give(&commons, take("<presence><show>away</show></presence>"));
	cr_assert_eq(shelf_bytes(&shelf), bytes);
}
