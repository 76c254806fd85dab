#include "allowed.h"

#include <string.h>

static size_t add(char list[static ALLOWED_BYTES], size_t had, const char *text, size_t len)
{
	size_t room = ALLOWED_BYTES - 1 - had;

	if (len > room)
		len = room;
	memcpy(list + had, text, len);
	list[had + len] = '\0';
	return had + len;
}

void allowed_add(char list[static ALLOWED_BYTES], const char *text, size_t len)
{
	size_t had = strlen(list);

	if (had > 0)
		had = add(list, had, ", ", 2);
	add(list, had, text, len);
}
