/*
 * options: the command line of stanzagate-load. option.def is the table, scenario.def what scenarios set.
 */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <stdbool.h>
#include <sys/socket.h>

struct options {
#define FLAG(field, help)				    bool field;
#define TEXT(field, argument, initial, help)		    const char *field;
#define NUMBER(field, argument, initial, least, most, help) unsigned field;
#include "option.def"
#undef FLAG
#undef TEXT
#undef NUMBER
};

/* Reads the command line; the texts stay argv's. On a fault it says so on standard error and answers false. */
bool options_read(int argc, char **argv, struct options *ret);
void options_print_help(void);
/* --host and --port, resolved. On a fault it says so on standard error and answers false. */
bool options_address(const struct options *, struct sockaddr_storage *ret, socklen_t *ret_len);

#endif
