/*
 * condition: the defined conditions of a stream error (RFC 6120, 4.9.3), as numbers. condition.def is the table.
 */
#ifndef BASE_CONDITION_H
#define BASE_CONDITION_H

enum { CONDITION_NONE = -1 };
enum condition_count {
#define CONDITION(name) +1
	CONDITION_COUNT = 0
#include "condition.def"
};

/* Its number, 0 .. CONDITION_COUNT - 1, or CONDITION_NONE when there is no such condition. */
int condition_find(const char *name);
const char *condition_name(int condition);

#endif
