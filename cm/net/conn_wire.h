/*
 * conn_wire: what a conn sends next, made of what it has queued: text as it is or sealed in records, what a handshake
 * has left, a KeyUpdate that is owed, the alert at the end. Only conn.c looks in here.
 */
#ifndef NET_CONN_WIRE_H
#define NET_CONN_WIRE_H

#include "conn.h"

/*
 * A chunk that is the caller's from now on; what it carries has left the outbox. NULL: there is nothing; or, where text
 * is waiting on a conn with records, none may be sent any more (record_seal). Not while something is being sent.
 */
struct chunk *conn_wire(struct net *, struct conn *);

#endif
