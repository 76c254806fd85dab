/*
 * config_near: which known key somebody may have meant by an unknown one. Keys are written as in config_yaml.h.
 */
#ifndef OPS_CONFIG_NEAR_H
#define OPS_CONFIG_NEAR_H

#include <stddef.h>

/* Writes the key that is nearest, or, when none is near, all that stand at the same place, and answers `to`. */
char *config_near(const char *key, char *to, size_t cap);

#endif
