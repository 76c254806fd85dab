/*
 * config_json: a configuration as JSON, key by key from the tables (config_kind.h). It names files of keys, and never
 * has what is in them.
 */
#ifndef OPS_CONFIG_JSON_H
#define OPS_CONFIG_JSON_H

#include "config.h"

#include <jansson.h>

/*
 * {"values": [{"key", "value", "default": it is the default, "reload": a reload takes it up}],
 *  "lists": [{"key", "members": [{key: value} or value], "reload"}]}. A new reference.
 */
json_t *config_json(const struct config *);

/*
 * What differs: [{"key", "now", "file", "reload"}], of lists the whole of each as JSON in one line. `now` is in force,
 * `file` is what was read. A new reference.
 */
json_t *config_json_difference(const struct config *now, const struct config *file);

#endif
