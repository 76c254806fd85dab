/*
 * config_file: the configuration as operators write it: a file in YAML 1.1, checked against the tables config.def and
 * config_list.def, and read into a struct config (base/config.h).
 *
 * Paths in the file that are relative are relative to the file's own directory. Domains come out prepared (nameprep).
 * sessiond.domains is never empty. An unknown key, a key given twice, or a value that is not allowed is a fault; all
 * faults are told, not only the first (config_fault.h). No environment, no defaults elsewhere than in the tables.
 */
#ifndef OPS_CONFIG_FILE_H
#define OPS_CONFIG_FILE_H

#include "config.h"
#include "config_fault.h"

#include <stdbool.h>
#include <stdio.h>

/*
 * Reads the file. NULL: there are faults, ret has them. Otherwise ret is empty, and the config is the caller's, to be
 * given to config_free(). Files that the configuration names need not be there.
 */
struct config *config_read(const char *file, struct config_faults *ret);

/* As config_read(), and files that must be there have to be readable. For `stanzagate check`. */
struct config *config_check(const char *file, struct config_faults *ret);

/* NULL is fine. */
void config_free(struct config *);

/*
 * Whether a running gate that was started with `before` can take up `now`: whether all that differs is marked as such
 * in the tables. False: ret has a line for each key that needs a restart, `FILE:LINE: KEY: found NEW, allowed OLD until
 * the gate is restarted`; a key that was left out has the line of its group, or the first. Neither config is changed or
 * kept.
 */
bool config_can_reload(const struct config *before, const struct config *now, struct config_faults *ret);

/* docs/configuration.md, from the tables. */
void config_print_reference(FILE *);

/* deploy/stanzagate.yaml, from the tables: every key with its default, and what is needed filled in. */
void config_print_example(FILE *);

#endif
