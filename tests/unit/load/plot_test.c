#include "plot.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const double x[] = {0, 1, 2}, y[] = {0, 50, 100}, nothing[] = {0, 0, 0};
static char *text;
static size_t len;

static struct plot plot_of(const double *values)
{
	struct plot plot = {.title = "Title", .x_unit = "s", .y_unit = "us", .line_count = 1};

	plot.lines[0] = (struct plot_line){"name", x, values, 3};
	return plot;
}

static void print(const struct plot *plot)
{
	FILE *to = open_memstream(&text, &len);

	plot_print(to, plot);
	fclose(to);
}

static void end(void)
{
	free(text);
	text = NULL;
}

TestSuite(plot, .fini = end);

/* The frame is 720 wide and 250 high, and the values go from one end of it to the other. */
Test(plot, points_are_where_they_belong)
{
	struct plot plot = plot_of(y);

	print(&plot);
	cr_assert(strstr(text, "points=\"64.0,216.0 377.0,114.0 690.0,12.0 \""), "%s", text);
	cr_assert(strstr(text, ">100</text>"));
}

Test(plot, powers_of_ten_are_at_equal_distances)
{
	static const double powers[] = {1, 10, 100};
	struct plot plot = plot_of(powers);

	plot.y_log = true;
	print(&plot);
	cr_assert(strstr(text, "points=\"64.0,216.0 377.0,114.0 690.0,12.0 \""), "%s", text);
}

Test(plot, what_was_not_there_is_not_shown)
{
	struct plot plot = plot_of(y);

	plot.no_zero = true;
	print(&plot);
	cr_assert(strstr(text, "points=\"377.0,114.0 690.0,12.0 \""), "%s", text);
}

Test(plot, nothing_is_not_worth_a_plot)
{
	struct plot full = plot_of(y), empty = plot_of(nothing);

	cr_assert(plot_is_worth(&full));
	cr_assert_not(plot_is_worth(&empty));
}

Test(plot, percentiles_have_their_names)
{
	struct plot plot = plot_of(y);

	plot.x_percentile = true;
	print(&plot);
	cr_assert(strstr(text, ">0 %</text>") && strstr(text, ">90 %</text>") && strstr(text, ">99 %</text>"));
}

Test(plot, the_unit_stands_beside_the_last_number)
{
	struct plot plot = plot_of(y);

	print(&plot);
	cr_assert(strstr(text, ">2 s</text>") && !strstr(text, ">1 s</text>") && !strstr(text, ">s</text>"), "%s",
		  text);
}

Test(plot, a_line_by_itself_is_named_where_it_is_asked_for)
{
	struct plot plot = plot_of(y);

	print(&plot);
	cr_assert_not(strstr(text, "</i>name<"));
	end();
	plot.named = true;
	print(&plot);
	cr_assert(strstr(text, "</i>name<"), "%s", text);
}
