/*
 * check: whether what the options say can be done, asked before anything is.
 */
#ifndef LOAD_CHECK_H
#define LOAD_CHECK_H

#include "options.h"

/* What is wrong with them, in one line, naming options as they are written; good until the next call. NULL: nothing. */
const char *options_fault(const struct options *);
/* The server's name, certificates, mechanism and the page's place. On a fault it says so on standard error and answers
 * false. */
bool options_try(const struct options *);

#endif
