/* command: what the subcommands of stanzagate-sessiond share. They answer the process's exit status. */
#ifndef SESSIOND_COMMAND_H
#define SESSIOND_COMMAND_H

#include <stdbool.h>

enum { COMMAND_DONE = 0, COMMAND_FAILED = 1, COMMAND_USAGE = 2, COMMAND_NUMBER_MAX = 100000000 };

/* One line on standard error, after the program's name. Answers the status. */
int command_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Into `fault` (OPTION_FAULT_BYTES): what was found and what is allowed. Answers false. */
bool command_wrong(char *fault, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* `user ...`: argv[0] is "user". */
int command_user(int argc, char **argv);

#endif
