/*
 * page: what a run has shown, as one HTML page that needs nothing else: tables and plots (SVG), light or dark as the
 * reader's system is.
 */
#ifndef LOAD_PAGE_H
#define LOAD_PAGE_H

#include <stdio.h>

struct lead;

void page_print(FILE *, const struct lead *);

#endif
