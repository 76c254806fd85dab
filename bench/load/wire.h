/*
 * wire: one client connection, TCP and then TLS, non-blocking. What is put is sent by wire_flush(); what did not fit
 * stays.
 */
#ifndef LOAD_WIRE_H
#define LOAD_WIRE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum wire_result {
	WIRE_DONE,
	WIRE_AGAIN, /* when the socket is ready again */
	WIRE_END,   /* the peer ended the connection */
	WIRE_FAULT
};

struct wire {
	int fd; /* -1: none */
	SSL *ssl;
	char *out;
	size_t out_at, out_len, out_cap;
	bool wants_write;
};

/* Where to, resolved once. */
struct wire_target {
	struct sockaddr_storage address;
	socklen_t address_len;
	SSL_CTX *tls;
	const char *name; /* for SNI and the certificate */
	bool verify, direct;
	unsigned sources; /* 127.0.0.1 to 127.0.0.sources in turn; 0: no choice */
};

/* Begins to connect; DONE and AGAIN both mean: wait until it is writable. `number` chooses the source address. */
enum wire_result wire_connect(struct wire *, const struct wire_target *, unsigned number);
/* Writable for the first time: DONE, or FAULT when it could not connect. */
enum wire_result wire_connected(struct wire *);
enum wire_result wire_handshake(struct wire *, const struct wire_target *);
/* At least one byte when DONE. */
enum wire_result wire_read(struct wire *, uint8_t *to, size_t cap, size_t *ret_len);
void wire_put(struct wire *, const char *bytes, size_t len);
enum wire_result wire_flush(struct wire *);
/* Says goodbye to TLS if it can, and closes. */
void wire_close(struct wire *);

#endif
