/*
 * utc: the time now, as XMPP writes it (XEP-0082).
 */
#ifndef MODULES_UTC_H
#define MODULES_UTC_H

enum { UTC_BYTES = sizeof "2002-09-10T23:08:25Z" };

void utc_now(char to[static UTC_BYTES]);

#endif
