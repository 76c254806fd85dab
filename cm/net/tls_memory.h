/*
 * tls_memory: what OpenSSL gives back, overwritten. OpenSSL wipes keys that it knows to be keys, but frees the
 * structure in which a connection's TLS 1.3 secrets stand as it is.
 */
#ifndef NET_TLS_MEMORY_H
#define NET_TLS_MEMORY_H

#include <stdbool.h>

/*
 * From now on whatever OpenSSL frees is overwritten first, in the whole process. Must come before its first allocation.
 * False: it came too late, and nothing has changed.
 */
bool tls_memory_wipe_freed(void);

#endif
