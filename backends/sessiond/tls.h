/*
 * tls: what links with TLS need: TLS 1.3 alone, our certificate, and who may be a gate: those whose certificate an
 * authority of our own choice has signed and that has one of the names given (dNSName, letter by letter); without an
 * authority a gate shows no certificate, and proves to have the shared key. The files are read again when they have
 * changed; what is wrong then is logged and leaves the old in force.
 */
#ifndef SESSIOND_TLS_H
#define SESSIOND_TLS_H

#include "server.h"
#include <openssl/ssl.h>

/* NULL: `error` says in one line what is wrong with which file. The settings' strings live as long as the result. */
struct tls *tls_new(const struct sessiond_tls *, char error[static SESSIOND_ERROR_BYTES]);
void tls_free(struct tls *); /* NULL is fine */
/* Our end of a new link. NULL: no memory. Owned by the caller. */
SSL *tls_begin(struct tls *, int fd);
/* About once a second: looks at the files. */
void tls_tick(struct tls *, struct sessiond *);

#endif
