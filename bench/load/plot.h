/*
 * plot: lines in a frame, as SVG that stands in an HTML page. Colours are the page's: its style says what the classes
 * plot, grid, s0 to s7 and dot look like.
 */
#ifndef LOAD_PLOT_H
#define LOAD_PLOT_H

#include <stdbool.h>
#include <stdio.h>

enum { PLOT_LINES_MAX = 8 };

struct plot_line {
	const char *name; /* plain text */
	const double *x, *y;
	unsigned count;
};

struct plot {
	const char *title, *x_unit, *y_unit;
	struct plot_line lines[PLOT_LINES_MAX];
	unsigned line_count;
	bool y_log;	   /* powers of ten at equal distances; values below the least positive one are drawn there */
	bool named;	   /* the name of a line is shown also when there is one alone */
	bool no_zero;	   /* where a value is 0, there is none */
	bool x_percentile; /* x is how many nines: 1 is 90 %, 2 is 99 % */
};

/* Whether there is anything above zero to be seen. */
bool plot_is_worth(const struct plot *);
void plot_print(FILE *, const struct plot *);

#endif
