/*
 * utc: points in time as XMPP writes them (XEP-0082), and the time now. Milliseconds count from 1970.
 */
#ifndef MODULES_UTC_H
#define MODULES_UTC_H

#include <stdbool.h>

enum { UTC_BYTES = sizeof "2002-09-10T23:08:25Z", UTC_MS_BYTES = sizeof "2002-09-10T23:08:25.123Z" };

void utc_now(char to[static UTC_BYTES]);
long long utc_now_ms(void);
/* With milliseconds; of the years up to 9999. */
void utc_write(long long ms, char to[static UTC_MS_BYTES]);
/* With or without a fraction of the second, in any time zone. False: it is not a DateTime. */
bool utc_parse(const char *text, long long *ret_ms);

#endif
