#include "utc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void utc_now(char to[static UTC_BYTES])
{
	time_t now = time(NULL);
	struct tm utc;

	gmtime_r(&now, &utc);
	strftime(to, UTC_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

long long utc_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

void utc_write(long long ms, char to[static UTC_MS_BYTES])
{
	time_t s = ms / 1000;
	struct tm utc;
	char fraction[8];

	gmtime_r(&s, &utc);
	to += strftime(to, UTC_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(fraction, sizeof fraction, ".%03uZ", (unsigned)(ms % 1000));
	memcpy(to, fraction, sizeof ".123Z");
}

/* The digits count down to a thousandth; what is smaller does not count. */
static const char *fraction_read(const char *at, long long *ms)
{
	if (*at != '.')
		return at;
	for (int worth = 100; *++at >= '0' && *at <= '9'; worth /= 10)
		*ms += (*at - '0') * worth;
	return at[-1] == '.' ? NULL : at;
}

static bool zone_read(const char *at, long long *ms)
{
	unsigned hours, minutes;
	int used = 0;

	if (strcmp(at, "Z") == 0)
		return true;
	if ((*at != '+' && *at != '-') || strspn(at + 1, "0123456789:") != 5 ||
	    sscanf(at + 1, "%2u:%2u%n", &hours, &minutes, &used) != 2 || at[1 + used] != '\0')
		return false;
	*ms += (*at == '+' ? -1 : 1) * (hours * 60LL + minutes) * 60000;
	return true;
}

bool utc_parse(const char *text, long long *ret_ms)
{
	struct tm utc = {0};
	const char *at = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
	long long ms = 0;

	if (at == NULL || at - text != sizeof "2002-09-10T23:08:25" - 1)
		return false;
	ms = timegm(&utc) * 1000LL;
	at = fraction_read(at, &ms);
	if (at == NULL || !zone_read(at, &ms))
		return false;
	*ret_ms = ms;
	return true;
}
