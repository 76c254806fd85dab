#include "utc.h"

#include <time.h>

void utc_now(char to[static UTC_BYTES])
{
	time_t now = time(NULL);
	struct tm utc;

	gmtime_r(&now, &utc);
	strftime(to, UTC_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc);
}
