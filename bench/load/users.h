/*
 * users: `stanzagate-load users ...`: makes the accounts that the clients log in to, in the way that each server takes
 * many at once.
 */
#ifndef LOAD_USERS_H
#define LOAD_USERS_H

/* argv[0] is "users". What main() answers. */
int users_command(int argc, char **argv);

#endif
