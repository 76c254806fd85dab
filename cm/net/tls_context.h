/* tls_context: what handshake.c and tls_context.c share. The public side is in handshake.h. */
#ifndef NET_TLS_CONTEXT_H
#define NET_TLS_CONTEXT_H

#include "certificate.h"
#include "handshake.h"

#include <openssl/ssl.h>

/* A context without settings, but for how its handshakes tell their secrets (tls_kdf.h). NULL: OpenSSL says why. */
SSL_CTX *tls_context_openssl_new(const SSL_METHOD *);

/* Whose SSL objects carry their struct handshake as app data: these are called from within SSL_do_handshake(). */
void handshake_secret_hear(const SSL *, const char *keylog_line);
void handshake_message_hear(int written, int version, int content_type, const void *bytes, size_t len, SSL *,
			    void *unused);
int handshake_hello_check(SSL *, int *ret_alert, void *unused);
/* Of a connection: the certificate that OpenSSL has chosen. */
const struct certificate *handshake_certificate(SSL *);
struct tls_tickets *handshake_tickets(const SSL *);
int handshake_name_answer(SSL *, int *ret_alert, void *unused);
int handshake_alpn_choose(SSL *, const unsigned char **ret_name, unsigned char *ret_len, const unsigned char *offered,
			  unsigned int offered_len, void *unused);

/* A client's context (link_tls.h), out of one that is set up already: takes it over. */
struct tls_context *tls_context_of_client(SSL_CTX *);
bool tls_context_is_client(const struct tls_context *);
SSL_CTX *tls_context_openssl(const struct tls_context *);
/*
 * Gives the connection the certificates for the name ("": none was asked for). False: no certificate is for it, and
 * that is not to be.
 */
bool tls_context_choose(const struct tls_context *, SSL *, const char *name, bool *ret_known);
/*
 * The certificate that OpenSSL chose of them; for a resumed session the one that its first handshake showed. Index in
 * *ret_index. NULL: it is not known.
 */
const struct certificate *tls_context_chosen(const struct tls_context *, SSL *, uint8_t *ret_index);
struct tls_tickets *tls_context_tickets(const struct tls_context *);

#endif
