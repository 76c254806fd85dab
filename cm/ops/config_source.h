/*
 * config_source: where in its file each key of a configuration stands. It lives as long as the config, so that whatever
 * is found out of it later (a certificate that is none, a key that needs a restart) is told with file and line, too.
 * Keys are written as in config_yaml.h, with the item of the list that they are in, or -1.
 */
#ifndef OPS_CONFIG_SOURCE_H
#define OPS_CONFIG_SOURCE_H

#include "config_fault.h"
#include "config_yaml.h"

struct config;

struct config_source {
	char *file;
	struct config_entries entries;
};

/* Without entries yet. */
struct config_source *config_source_new(const char *file);
void config_source_free(struct config_source *); /* NULL is fine */

/* The first entry of the key. NULL: there is none. */
const struct config_entry *config_source_find(const struct config_source *, const char *key, int item);

/*
 * Adds FILE:LINE: KEY: found FOUND, allowed ALLOWED. `found` NULL: what stands in the file, quoted. A key that is not
 * there has the line of what it would stand in, or else the first.
 */
void config_source_fault(const struct config_source *, const char *key, int item, const char *found,
			 const char *allowed, struct config_faults *);
/* The same, of an entry, which need not be the first of its key. */
void config_source_fault_of(const struct config_source *, const struct config_entry *, const char *found,
			    const char *allowed, struct config_faults *);
/*
 * Something is wrong with a file that the configuration names. `file` is the very pointer that stands in the
 * configuration, since two keys may have one path: the fault is that of the key whose value it is. NULL: it is with no
 * file, and the fault is FILE: WHY.
 */
void config_source_blame(const struct config *, const char *file, const char *why, struct config_faults *);

#endif
