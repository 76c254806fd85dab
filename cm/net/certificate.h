/*
 * certificate: one certificate with its chain, its private key and its OCSP staple, read from files and checked, and
 * the names that it is for. Immutable once read.
 *
 * Names come from the subjectAltName alone, never from the subject (RFC 9525, 6.1): dNSName, with a wildcard as the
 * whole first label (6.3); SRVName of xmpp-client (RFC 4985), and XmppAddr of a domain (RFC 6120, 13.7.1.4). A name
 * with a NUL in it, or any byte that a name cannot have, is no name.
 */
#ifndef NET_CERTIFICATE_H
#define NET_CERTIFICATE_H

#include "handshake.h"
#include "staple.h"

#include <openssl/x509.h>

enum { CERTIFICATE_PRINT_BYTES = 32 };

struct certificate {
	X509 *x509;
	STACK_OF(X509) * chain; /* those above it, as far as the file has them; NULL: none */
	EVP_PKEY *key;
	struct staple staple; /* der NULL: none */
	char *staple_fault;   /* why there is none although a file was named; else NULL */
	int64_t expires_s;
	char **names; /* lower case */
	size_t name_count;
	uint8_t print[CERTIFICATE_PRINT_BYTES]; /* SHA-256 of it */
	uint8_t end_point[64], end_point_len;	/* tls-server-end-point */
};

/*
 * Reads the files (`staple_file` may be NULL) and checks that they belong together, that the key is strong enough
 * (OpenSSL's security level 2). NULL: the fault says what is wrong with which of them. A staple that is not good
 * (staple.h) is left out, and staple_fault says why. The chain, key and X509 are the certificate's; whoever else keeps
 * one takes a reference.
 */
struct certificate *certificate_new(const struct tls_pair *, struct tls_fault *ret_fault);
void certificate_free(struct certificate *); /* NULL is fine */
/* Whether the name, a domain in lower case, as A-labels or in UTF-8, is one of its names. */
bool certificate_covers(const struct certificate *, const char *name);

#endif
