/*
 * ticket: the keys of session tickets (RFC 5077; RFC 8446, 4.6.1), three generations of them, each of 80 bytes: 16 that
 * name it, 32 for AES-256-CBC, 32 for HMAC-SHA-256 over what was encrypted. Tickets are sealed under the current one;
 * all three open. A fleet shares a file of `new`, `current`, `old`, so that each of its gates knows a key before any
 * other begins to use it; a gate alone makes its own. RFC 9325, 3.4.
 *
 * Shared by all contexts and threads; reference-counted. The keys are wiped when it goes.
 */
#ifndef NET_TICKET_H
#define NET_TICKET_H

#include "handshake.h"

#include <openssl/ssl.h>

enum { TICKET_KEY_BYTES = 80, TICKET_KEYS = 3 };

/* OpenSSL's callback (SSL_CTX_set_tlsext_ticket_key_evp_cb), for the keys of tickets_of(). */
int ticket_key_choose(struct tls_tickets *, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *, EVP_MAC_CTX *,
		      int sealing);

#endif
