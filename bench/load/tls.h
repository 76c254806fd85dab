/*
 * tls: TLS on one connection, as its client. OpenSSL does the handshake, over memory. A connection of TLS 1.3 then goes
 * on with the gate's record engine (record.h), 144 to 208 bytes, and OpenSSL's objects are freed. TLS 1.2, and whoever
 * collects tickets, keeps them: some 14 KB.
 *
 * An engine: bytes in, bytes out; it owns no descriptor.
 */
#ifndef LOAD_TLS_H
#define LOAD_TLS_H

#include "outbox.h"
#include "record.h"

#include <openssl/ssl.h>
#include <stdbool.h>

enum { TLS_EXPORTER_BYTES = 32 };

/* What all connections share. */
struct tls_shared {
	SSL_CTX *context;
	struct record_crypto *crypto;
	const char *name;	       /* for SNI and the certificate */
	bool verify, direct, exporter; /* exporter: it is wanted, for channel binding */
	bool tickets;		       /* are collected and used */
};

struct tls_options {
	const char *name, *ca_file; /* ca_file "": those of the system */
	const char *version;	    /* "1.2", "1.3", or "": either */
	bool insecure, direct, exporter, tickets;
};
/* Says on standard error what is wrong, and answers false. The texts stay the caller's. */
bool tls_shared_open(struct tls_shared *, const struct tls_options *);
void tls_shared_close(struct tls_shared *);

struct tls;
/*
 * A connection's TLS begins. `session` is where the last ticket's session stands, or NULL; a new ticket replaces it. It
 * is the caller's, and must live as long as this. NULL: no memory.
 */
struct tls *tls_new(const struct tls_shared *, SSL_SESSION **session);
void tls_free(struct tls *); /* NULL is fine */

enum tls_is { TLS_MORE, TLS_DONE, TLS_FAILED };
/* The handshake: takes all the bytes; none to begin. Send what tls_output answers, also after a failure. */
enum tls_is tls_feed(struct tls *, const uint8_t *bytes, size_t len);
/* What is to be sent; NULL: nothing. The caller's. */
struct chunk *tls_output(struct tls *);
/* Why it failed. Good until the next call of OpenSSL. */
const char *tls_error(const struct tls *);
/* Facts of a finished handshake. */
bool tls_is_13(const struct tls *);
bool tls_is_resumed(const struct tls *);
/* A channel binding of type tls-exporter (RFC 9266). False: OpenSSL has none. */
bool tls_exporter(const struct tls *, unsigned char to[static TLS_EXPORTER_BYTES]);

/*
 * The record engine for the rest of the connection, from malloc, wiped and freed with tls_record_free(); the caller
 * frees the struct tls. Bytes that came behind the handshake are moved to `leftover`, which has room for all that was
 * fed in the last call. NULL: this one stays with OpenSSL.
 */
struct record *tls_take_over(struct tls *, const struct tls_shared *, uint8_t *leftover, size_t *ret_len);
void tls_record_free(struct record *);

/* For those that stay with OpenSSL: bytes are fed, then text is read until MORE. FAILED: the connection is broken. */
bool tls_put(struct tls *, const uint8_t *bytes, size_t len);
enum tls_is tls_read(struct tls *, uint8_t *to, size_t cap, size_t *ret_len, bool *ret_end);
/* Text to be sealed: take it by tls_output(). False: it cannot be. */
bool tls_write(struct tls *, const uint8_t *text, size_t len);
void tls_say_goodbye(struct tls *);

#endif
