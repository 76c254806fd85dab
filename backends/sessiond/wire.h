/*
 * wire: a link's socket, non-blocking, with TLS on it or without. Receiving and sending answer as recv(2) and send(2)
 * do, -1 and EAGAIN when they would have to wait; what TLS has against the peer is EPROTO, and wire_error says it in
 * words: once the peer has heard it and has ended, since a socket that is closed with bytes unread forgets what it was
 * to send. While TLS shakes hands nothing of ours is sent, and receiving moves it forward.
 */
#ifndef SESSIOND_WIRE_H
#define SESSIOND_WIRE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct wire {
	int fd;
	SSL *tls;    /* NULL: none */
	bool failed; /* TLS has; the peer is told, and its end is awaited */
	char error[128];
};

/* `tls` is the wire's from now on; the descriptor stays the caller's, who closes it after wire_close. */
void wire_open(struct wire *, int fd, SSL *tls);
/* Tells the peer, as far as it can be done at once. */
void wire_close(struct wire *);
/* With TLS `cap` is at least 16384, a whole record's text. */
ssize_t wire_receive(struct wire *, void *to, size_t cap);
ssize_t wire_send(struct wire *, const void *bytes, size_t len);
/* Nothing more will be sent: FIN, and before it TLS's own end. */
void wire_finish(struct wire *);
/* TLS is up, or there is none. */
bool wire_is_ready(const struct wire *);
/* The channel binding of type tls-exporter (RFC 9266). False: there is no TLS. */
bool wire_binding(const struct wire *, uint8_t ret[static 32]);
/* It waits for room in the socket, though the caller has nothing to send. */
bool wire_wants_room(const struct wire *);
/* After -1, with errno as it was then: why. */
const char *wire_error(struct wire *, int error);

#endif
