#include "st_time.h"

#include <stddef.h>
#include <string.h>

/* So many digits, and the character behind them (NUL: any). */
static bool number_read(const char **at, int digits, char behind, uint32_t *ret)
{
	*ret = 0;
	for (; digits > 0; digits--, ++*at) {
		if (**at < '0' || **at > '9')
			return false;
		*ret = 10 * *ret + (uint32_t)(**at - '0');
	}
	return behind == '\0' || *(*at)++ == behind;
}

/* The first digits of a fraction, as thousandths. */
static uint32_t fraction_read(const char **at)
{
	uint32_t ms = 0, unit = 100;

	for (++*at; **at >= '0' && **at <= '9'; ++*at, unit /= 10)
		ms += unit * (uint32_t)(**at - '0');
	return ms;
}

/* Days since 1970 in the Gregorian calendar; years begin in March, so that leap days are last. */
static uint64_t days_of(uint32_t year, uint32_t month, uint32_t day)
{
	uint32_t y = month < 3 ? year - 1 : year, m = (month + 9) % 12;

	return (uint64_t)365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

bool st_time_read(const char *text, uint64_t *ret_ms)
{
	uint32_t year, month, day, hour, minute, second, ms;

	if (!number_read(&text, 4, '-', &year) || !number_read(&text, 2, '-', &month) ||
	    !number_read(&text, 2, 'T', &day) || !number_read(&text, 2, ':', &hour) ||
	    !number_read(&text, 2, ':', &minute) || !number_read(&text, 2, '\0', &second))
		return false;
	ms = *text == '.' ? fraction_read(&text) : 0;
	if (strcmp(text, "Z") != 0 || year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
	    minute > 59 || second > 60)
		return false;
	*ret_ms = ((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60000 + second * 1000u + ms;
	return true;
}
