#include "busy.h"

#include <string.h>

static struct busy_place *place_of(struct busy *b, uint64_t who)
{
	return &b->places[who * UINT64_C(0x9e3779b97f4a7c15) >> 54];
}

/* The majority vote of Boyer and Moore: another's bytes are first taken off, and who is left when they are gone stays.
 */
uint64_t busy_count(struct busy *b, uint64_t who, uint64_t bytes)
{
	struct busy_place *at = place_of(b, who);

	if (at->who == who) {
		at->bytes += bytes;
		return at->bytes;
	}
	if (at->bytes >= bytes) {
		at->bytes -= bytes;
		return 0;
	}
	*at = (struct busy_place){.who = who, .bytes = bytes - at->bytes};
	return at->bytes;
}

void busy_clear(struct busy *b)
{
	memset(b, 0, sizeof *b);
}
