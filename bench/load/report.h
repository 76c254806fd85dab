/*
 * report: what a run has shown, as one line of JSON.
 */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include <stdbool.h>
#include <stdio.h>

struct lead;

void report_print(FILE *, const struct lead *);
/* What a reader of the report has to know, and no figure says: a line each. */
void report_warn(FILE *, const struct lead *);
/* All clients logged in, everything arrived once and in order, and nothing else went wrong. */
bool report_is_good(const struct lead *);

#endif
