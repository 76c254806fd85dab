/*
 * discovery: backends whose addresses are found while the gate runs:
 *
 *     dns:tls:host:port            each A and AAAA record of the host is a session server
 *     srv:tls:_service._tcp.name   each target of the SRV records with the lowest priority (RFC 2782), with its weight
 *     file:/path                   each line of the file is an address, and perhaps a weight; # begins a comment
 *
 * (dns:tcp: and srv:tcp: likewise, for what leads to the loopback.) Names are resolved again, and files looked at,
 * every discovery.interval_ms; nothing waits for them: discovery_look() is called several times in a second, by one
 * thread, and does what can be done. What cannot be resolved or read, or is empty, leaves what was found before in
 * force: a name server that is away is no reason to leave session servers that are there.
 */
#ifndef DISCOVERY_H
#define DISCOVERY_H

#include "config.h"
#include "fleet.h"

struct discovery;

struct discovery *discovery_new(void);
void discovery_free(struct discovery *); /* NULL is fine */
/* Another configuration, which lives until the next one is set. What was found for backends that it has too stays. */
void discovery_set(struct discovery *, const struct config *);
/* True: other addresses were found than before. */
bool discovery_look(struct discovery *);
/* The session servers that there are now: those of the configuration and those found. Owned by the caller. */
struct fleet *discovery_fleet(const struct discovery *);

#endif
