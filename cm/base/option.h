/*
 * option: what is wrong with a command line that getopt_long(3) has read, in one line for people, as every fault that
 * an operator is told: WHERE: found WHAT IS THERE, allowed WHAT COULD BE. An effect (getopt keeps its place in
 * globals), and so a library of its own.
 *
 * The caller sets opterr to 0, and gives getopt_long() a list of letters that begins with ':' (after '+', if it has
 * one), so that an option that lacks its value is told from one that nobody knows.
 */
#ifndef BASE_OPTION_H
#define BASE_OPTION_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

enum { OPTION_FAULT_BYTES = 1024 };

/*
 * Of what getopt_long() has answered just now, '?' or ':', with the same argv and options (ended by {0}):
 *
 *     --bogus: found an unknown option, allowed --config, --socket
 *     --limit: found no value, allowed one
 *     --json=3: found a value, allowed none
 *
 * Answers `to`.
 */
char *option_fault(int answered, char *const *argv, const struct option *options, char to[static OPTION_FAULT_BYTES]);

/* The long name of the option whose `val` it is; "" when there is none. */
const char *option_name(const struct option *options, int val);

/* A number written in decimal digits alone. False: it is none, or not within [min, max]; *ret was not touched. */
bool option_number(const char *text, unsigned min, unsigned max, unsigned *ret);

#endif
