/*
 * config_yaml: a file in YAML 1.1 as a flat list of entries, each with its line, in the order of the file.
 *
 *     limits:                     1  limits                  GROUP
 *       depth_max: 64             2  limits.depth_max        VALUE "64"
 *     listeners:                  3  listeners               LIST
 *       - address: 0.0.0.0:5222   4  listeners[]             GROUP, item 0
 *                                 4  listeners[].address     VALUE, item 0
 *
 * Anchors, aliases, tags, keys that are not plain words and further documents are faults; entries that were refused for
 * one are REFUSED, so that their key is known to be there. The file's outermost node has the key "" and the depth 0.
 */
#ifndef OPS_CONFIG_YAML_H
#define OPS_CONFIG_YAML_H

#include "config_fault.h"

#include <stdbool.h>
#include <stddef.h>

enum { CONFIG_FILE_BYTES_MAX = 1 << 20, CONFIG_ENTRIES_MAX = 4096, CONFIG_DEPTH_MAX = 8 };

enum config_entry_is { CONFIG_ENTRY_VALUE, CONFIG_ENTRY_GROUP, CONFIG_ENTRY_LIST, CONFIG_ENTRY_REFUSED };

struct config_entry {
	char *key;   /* from the outermost level, joined by dots; [] behind a list's name for what is in it */
	char *value; /* VALUE only */
	unsigned line, depth;
	int item; /* of the outermost list that it is in, from 0; -1: not in a list */
	enum config_entry_is is;
	bool plain; /* VALUE written without quotes */
};

struct config_entries {
	struct config_entry *entry;
	size_t count;
};

/*
 * Reads the file. False: it could not be read as YAML at all, and faults has at least one line more. Faults may be
 * added also when true is answered. ret must be given to config_entries_free() in both cases.
 */
bool config_yaml_read(const char *file, struct config_faults *, struct config_entries *ret);
void config_entries_free(struct config_entries *);

/* Whether it is VALUE and says nothing: `key:`, `key: ~` or `key: null`. */
bool config_entry_is_null(const struct config_entry *);

#endif
