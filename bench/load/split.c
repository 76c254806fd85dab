#include "split.h"

#include <assert.h>

/* What is left of a unit when clients are divided by it goes to one of the processes, which so may have one more. */
static uint64_t clients_each(unsigned unit, uint64_t files)
{
	uint64_t apart = SPLIT_FILES_APART + (uint64_t)unit;

	return files > apart ? files - apart : 1;
}

unsigned split_processes(unsigned clients, unsigned unit, unsigned wanted, uint64_t files)
{
	uint64_t units = ((uint64_t)clients + unit - 1) / unit, each = clients_each(unit, files);
	uint64_t least = clients / each + (clients % each != 0);

	assert(clients > 0 && unit > 0 && wanted > 0);
	if (least < wanted)
		least = wanted;
	return (unsigned)(least < units ? least : units);
}
