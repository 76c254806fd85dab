/*
 * config_fault: what is wrong with a configuration, one line for each fault, for people to read.
 *
 *     FILE:LINE: KEY: found WHAT IS THERE, allowed WHAT COULD BE
 *
 * What stands in the file is quoted in it with control characters escaped, and cut when it is long.
 */
#ifndef OPS_CONFIG_FAULT_H
#define OPS_CONFIG_FAULT_H

#include <stddef.h>

enum { CONFIG_FAULTS_MAX = 50, CONFIG_FAULT_BYTES = 768, CONFIG_QUOTE_BYTES = 256 };

struct config_faults {
	size_t count;	 /* lines that are here */
	size_t left_out; /* faults beyond CONFIG_FAULTS_MAX, of which nothing is kept */
	char line[CONFIG_FAULTS_MAX][CONFIG_FAULT_BYTES];
};

/* Empties it. */
void config_faults_init(struct config_faults *);

/* Adds a line, without line feed; what is longer than CONFIG_FAULT_BYTES - 1 is cut. */
__attribute__((format(printf, 2, 3))) void config_fault_add(struct config_faults *, const char *format, ...);

/* The text between quotes, made harmless and at most CONFIG_QUOTE_BYTES - 1 long; answers `to`. */
char *config_quote(const char *text, char to[static CONFIG_QUOTE_BYTES]);

#endif
