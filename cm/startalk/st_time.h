/* time: a moment as XMPP writes it (XEP-0082): 2021-03-01T11:47:38.867Z. Pure. */
#ifndef STARTALK_TIME_H
#define STARTALK_TIME_H

#include <stdbool.h>
#include <stdint.h>

/* Milliseconds since 1970, of a moment in UTC from then to the year 9999. False: it is not written so. */
bool st_time_read(const char *text, uint64_t *ret_ms);

#endif
