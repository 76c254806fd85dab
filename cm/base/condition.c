#include "condition.h"

#include <assert.h>
#include <string.h>

static const char *const names[CONDITION_COUNT] = {
#define CONDITION(name) name,
#include "condition.def"
};

int condition_find(const char *name)
{
	for (int i = 0; i < CONDITION_COUNT; i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	return CONDITION_NONE;
}

const char *condition_name(int condition)
{
	assert(condition >= 0 && condition < CONDITION_COUNT);
	return names[condition];
}
