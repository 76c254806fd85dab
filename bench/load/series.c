#include "series.h"

#include <assert.h>
#include <stdlib.h>

struct moment *series_add(struct series *series)
{
	if (series->count == series->cap) {
		series->cap = series->cap ? 2 * series->cap : 256;
		series->moments = realloc(series->moments, series->cap * sizeof *series->moments);
		assert(series->moments);
	}
	series->moments[series->count] = (struct moment){0};
	return &series->moments[series->count++];
}

void series_free(struct series *series)
{
	free(series->moments);
	*series = (struct series){0};
}
