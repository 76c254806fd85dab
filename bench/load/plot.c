#include "plot.h"

#include <math.h>

enum { WIDTH = 720, HEIGHT = 250, LEFT = 64, RIGHT = 30, TOP = 12, BOTTOM = 34, TICKS_WANTED = 5, DOTS_MAX = 150 };

struct axis {
	double min, max, step;
	bool log;
};

bool plot_is_worth(const struct plot *plot)
{
	for (unsigned i = 0; i < plot->line_count; i++)
		for (unsigned k = 0; k < plot->lines[i].count; k++)
			if (plot->lines[i].y[k] > 0 && plot->lines[i].count > 1)
				return true;
	return false;
}

/* 1, 2 or 5 times a power of ten, so that about as many ticks come out as are wanted. */
static double step_of(double span)
{
	double rough = span > 0 ? span / TICKS_WANTED : 1, power = pow(10, floor(log10(rough))), part = rough / power;

	return power * (part > 5 ? 10 : part > 2 ? 5 : part > 1 ? 2 : 1);
}

static struct axis axis_of(const struct plot *plot, bool of_x)
{
	struct axis axis = {.min = 0, .max = 0, .log = !of_x && plot->y_log};
	double least = HUGE_VAL;

	for (unsigned i = 0; i < plot->line_count; i++)
		for (unsigned k = 0; k < plot->lines[i].count; k++) {
			double value = of_x ? plot->lines[i].x[k] : plot->lines[i].y[k];
			axis.max = fmax(axis.max, value);
			if (value > 0)
				least = fmin(least, value);
		}
	if (axis.log) {
		axis.min = floor(log10(least));
		axis.max = fmax(ceil(log10(axis.max)), axis.min + 1);
		axis.step = 1;
		return axis;
	}
	axis.step = of_x && plot->x_percentile ? 1 : step_of(axis.max);
	axis.max = of_x ? axis.max : ceil(axis.max / axis.step) * axis.step;
	axis.max = axis.max > 0 ? axis.max : 1;
	return axis;
}

/* Where on the axis, 0 to 1. */
static double place_of(const struct axis *axis, double value)
{
	double at = axis->log ? (value > 0 ? log10(value) : axis->min) : value;

	at = (at - axis->min) / (axis->max - axis->min);
	return fmax(0, fmin(1, at));
}

static double x_of(const struct axis *axis, double value)
{
	return LEFT + place_of(axis, value) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct axis *axis, double value)
{
	return HEIGHT - BOTTOM - place_of(axis, value) * (HEIGHT - TOP - BOTTOM);
}

/* With k, M or G; few digits. */
static void value_print(FILE *to, double value)
{
	static const char *const suffixes[] = {"", "k", "M", "G", "T"};
	unsigned suffix = 0;

	while (value >= 10000 && suffix < 4) {
		value /= 1000;
		suffix++;
	}
	fprintf(to, "%.*f%s", value == floor(value) || value >= 100 ? 0 : value >= 10 ? 1 : 2, value, suffixes[suffix]);
}

static void percentile_print(FILE *to, double nines)
{
	if (nines <= 0)
		fprintf(to, "0 %%");
	else
		fprintf(to, "%.*f %%", nines > 2 ? (int)nines - 2 : 0, 100 * (1 - pow(10, -nines)));
}

static void y_ticks_print(FILE *to, const struct axis *axis)
{
	for (double at = axis->min; at <= axis->max + axis->step / 2; at += axis->step) {
		double value = axis->log ? pow(10, at) : at, y = y_of(axis, value);

		fprintf(to, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT, WIDTH - RIGHT,
			y, y);
		fprintf(to, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", LEFT - 6, y + 4);
		value_print(to, value);
		fprintf(to, "</text>\n");
	}
}

static void x_ticks_print(FILE *to, const struct plot *plot, const struct axis *axis)
{
	double last = axis->max + axis->step / 1000;

	for (double at = axis->min; at <= last; at += axis->step) {
		fprintf(to, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", x_of(axis, at), HEIGHT - BOTTOM + 18);
		if (plot->x_percentile)
			percentile_print(to, at);
		else
			value_print(to, at);
		if (!plot->x_percentile && plot->x_unit[0] && at + axis->step > last) /* the last one says of what */
			fprintf(to, " %s", plot->x_unit);
		fprintf(to, "</text>\n");
	}
}

static bool is_shown(const struct plot *plot, const struct plot_line *line, unsigned k)
{
	return !plot->no_zero || line->y[k] > 0;
}

/* A point says its values when it is pointed at. */
static void dots_print(FILE *to, const struct plot *plot, unsigned index, const struct axis *x, const struct axis *y)
{
	const struct plot_line *line = &plot->lines[index];

	for (unsigned k = 0; k < line->count && line->count <= DOTS_MAX; k++) {
		if (!is_shown(plot, line, k))
			continue;
		fprintf(to, "<circle class=\"dot s%u\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"><title>%s: ", index,
			x_of(x, line->x[k]), y_of(y, line->y[k]), line->name);
		value_print(to, line->y[k]);
		fprintf(to, " %s at ", plot->y_unit);
		if (plot->x_percentile)
			percentile_print(to, line->x[k]);
		else
			fprintf(to, "%.1f %s", line->x[k], plot->x_unit);
		fprintf(to, "</title></circle>\n");
	}
}

static void line_print(FILE *to, const struct plot *plot, unsigned index, const struct axis *x, const struct axis *y)
{
	const struct plot_line *line = &plot->lines[index];

	fprintf(to, "<polyline class=\"s%u\" points=\"", index);
	for (unsigned k = 0; k < line->count; k++)
		if (is_shown(plot, line, k))
			fprintf(to, "%.1f,%.1f ", x_of(x, line->x[k]), y_of(y, line->y[k]));
	fprintf(to, "\"/>\n");
	dots_print(to, plot, index, x, y);
}

void plot_print(FILE *to, const struct plot *plot)
{
	struct axis x = axis_of(plot, true), y = axis_of(plot, false);

	fprintf(to, "<figure><figcaption>%s <span class=\"unit\">%s</span>", plot->title, plot->y_unit);
	for (unsigned i = 0; i < plot->line_count && (plot->line_count > 1 || plot->named); i++)
		fprintf(to, " <span class=\"key\"><i class=\"s%u\"></i>%s</span>", i, plot->lines[i].name);
	fprintf(to, "</figcaption>\n<svg class=\"plot\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", WIDTH,
		HEIGHT, plot->title);
	y_ticks_print(to, &y);
	x_ticks_print(to, plot, &x);
	for (unsigned i = 0; i < plot->line_count; i++)
		line_print(to, plot, i, &x, &y);
	fprintf(to, "</svg></figure>\n");
}
