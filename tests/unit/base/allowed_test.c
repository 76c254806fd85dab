#include "allowed.h"

#include <criterion/criterion.h>
#include <string.h>

/* What stands behind the list must stay as it is. */
static struct {
	char list[ALLOWED_BYTES], behind[64];
} room;

static void begin(void)
{
	memset(&room, '#', sizeof room);
	room.list[0] = '\0';
}

static void end(void)
{
	for (size_t i = 0; i < sizeof room.behind; i++)
		cr_assert_eq(room.behind[i], '#', "byte %zu behind the list", i);
}

TestSuite(allowed, .init = begin, .fini = end);

static void add(const char *text)
{
	allowed_add(room.list, text, strlen(text));
}

/* So many of one letter. */
static void add_many(char letter, size_t len)
{
	static char text[2 * ALLOWED_BYTES];

	memset(text, letter, len);
	allowed_add(room.list, text, len);
}

static void expect_filled(char letter, size_t from, size_t until)
{
	for (size_t i = from; i < until; i++)
		cr_assert_eq(room.list[i], letter, "at %zu there is %c", i, room.list[i]);
}

Test(allowed, stand_in_their_order_with_a_comma_between)
{
	add("error");
	cr_assert_str_eq(room.list, "error");
	add("warning");
	add("info");
	add("debug");
	cr_assert_str_eq(room.list, "error, warning, info, debug");
}

Test(allowed, a_text_is_as_long_as_is_said)
{
	allowed_add(room.list, "warnings", 7);
	allowed_add(room.list, "information", 4);
	cr_assert_str_eq(room.list, "warning, info");
}

Test(allowed, a_text_that_just_fits_is_whole_and_nothing_comes_behind_it)
{
	add_many('a', ALLOWED_BYTES - 1);
	cr_assert_eq(strlen(room.list), ALLOWED_BYTES - 1);
	expect_filled('a', 0, ALLOWED_BYTES - 1);
	add("more");
	cr_assert_eq(strlen(room.list), ALLOWED_BYTES - 1);
	expect_filled('a', 0, ALLOWED_BYTES - 1);
}

Test(allowed, one_that_is_too_long_is_cut)
{
	add_many('a', ALLOWED_BYTES);
	cr_assert_eq(strlen(room.list), ALLOWED_BYTES - 1);
	expect_filled('a', 0, ALLOWED_BYTES - 1);
}

/* Wherever the bound falls: in the text, behind the comma, or in front of it. */
Test(allowed, what_comes_last_is_cut_at_the_bound)
{
	enum { NEAR = 8 };
	static const char more[] = ", bcdefghij";

	for (size_t left = 0; left <= NEAR; left++) {
		size_t had = ALLOWED_BYTES - 1 - left;

		begin();
		add_many('a', had);
		add("bcdefghij");
		add("k");
		cr_assert_eq(strlen(room.list), ALLOWED_BYTES - 1, "%zu bytes were left", left);
		expect_filled('a', 0, had);
		cr_assert_arr_eq(room.list + had, more, left);
		end();
	}
}

Test(allowed, the_last_that_has_room_is_whole)
{
	add_many('a', ALLOWED_BYTES - 1 - strlen(", debug"));
	add("debug");
	cr_assert_eq(strlen(room.list), ALLOWED_BYTES - 1);
	cr_assert_str_eq(room.list + ALLOWED_BYTES - 1 - strlen(", debug"), ", debug");
}
