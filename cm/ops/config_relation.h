/*
 * config_relation: what the tables cannot say of a configuration: values that stand in a relation to each other.
 */
#ifndef OPS_CONFIG_RELATION_H
#define OPS_CONFIG_RELATION_H

#include "config.h"
#include "config_fault.h"

/* Adds a fault for each that may not be. The pool that needs no line is there afterwards, if anybody is in it. */
void config_relations_check(struct config *, struct config_faults *);

/*
 * Of a configuration without faults, what may be and is hardly meant: lines as those of
 * faults, which are emptied first. Looks for files that it names.
 */
void config_relations_doubt(const struct config *, struct config_faults *ret);

#endif
