/*
 * conn_kernel: a conn whose TLS records the kernel seals, or seals and opens (kernel_tls.h): when it is handed over,
 * and what conn.c and conn_wire.c must then do otherwise. Only they look in here.
 *
 * A conn is handed over between records: sending, once everything that was sealed is with TCP; receiving, once no byte
 * of a record is held here and no receive is with the kernel. If that moment does not come, or the kernel refuses, it
 * goes on as it is. What is needed besides lives in memory of its own, in the place of the handshake.
 */
#ifndef NET_CONN_KERNEL_H
#define NET_CONN_KERNEL_H

#include "conn.h"

struct conn_kernel {
	struct record record;		   /* first: conn.record points to it */
	struct kernel_tls_message message; /* being sent */
	enum record_content type;	   /* of it */
	struct record_found heard;	   /* the last record that was no text */
};

static inline bool conn_kernel_sends(const struct conn *c)
{
	return (c->kernel_has & KERNEL_TLS_SEND) != 0;
}

static inline bool conn_kernel_receives(const struct conn *c)
{
	return (c->kernel_has & KERNEL_TLS_RECEIVE) != 0;
}

/* Records have begun; or some bytes have moved. Decides whether it shall be handed over (kernel_wants). */
void conn_kernel_begin(struct net *, struct conn *);
void conn_kernel_count(struct net *, struct conn *, size_t bytes);
/* Hands over what is wanted and can be handed over now. */
void conn_kernel_switch(struct net *, struct conn *);
/* It has ended: answers the length of the block that its record is in. */
size_t conn_kernel_end(struct net *, const struct conn *);

/* What goes out next: its bytes, the type being noted. NULL: nothing. */
struct chunk *conn_kernel_wire(struct net *, struct conn *);
/* Asks io to send what is in c->sending. */
void conn_kernel_send(struct net *, struct conn *, uint64_t tag);
/* So much of it was sent (or -errno). False: the connection is broken; else c->sending has moved on. */
bool conn_kernel_sent(struct net *, struct conn *, int32_t result);
/* The keys are worn, and there are no others. */
bool conn_kernel_is_spent(struct net *, struct conn *);
/* The client wants our next key, which the kernel will not take. */
bool conn_kernel_owes(const struct net *, const struct conn *);

/* The last record that was no text, of a conn that the kernel receives for; RECORD_MORE: there was none. */
const struct record_found *conn_kernel_heard(const struct conn *);
/*
 * A receive was answered with this -errno: fetches the record that it was about, if any, and notes in `heard` what it
 * says. False: the connection is broken.
 */
bool conn_kernel_hear(struct net *, struct conn *, int32_t error);
/* Text of so many bytes was received. */
void conn_kernel_received(struct conn *, size_t len);

#endif
