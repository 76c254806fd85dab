/*
 * listener: an address that gates connect to. "unix:/path": a socket of mode 0600, or 0666 when further users may
 * connect; either way the peer's process must belong to root, to our own user or to one of those. A socket file that
 * nobody answers at is taken over. "tls:host:port": TLS (tls.h). "tcp:127.0.0.1:port" or "tcp:[::1]:port": the loopback
 * alone, since links are not encrypted there, and authenticated by a shared key only; without one the log says so.
 * Hosts are numeric, IPv6 in brackets.
 */
#ifndef SESSIOND_LISTENER_H
#define SESSIOND_LISTENER_H

#include "server.h"

/* NULL: `error` says in one line why not. */
struct listener *listener_open(struct sessiond *, const char *address, char error[static SESSIOND_ERROR_BYTES]);
/* Accepts NULL. The file of a Unix socket goes too. */
void listener_close(struct listener *);
/* Accepts what waits. When descriptors have run out it pauses until the next tick. */
void listener_on_event(struct listener *);
void listener_tick(struct listener *);

#endif
