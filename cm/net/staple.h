/*
 * staple: an OCSP response (RFC 6960) for one certificate of ours, read from a file and verified, so that clients get
 * nothing that they would have to refuse (RFC 6066, 8). It must
 *   - speak of this certificate: hashes of its issuer's name and key, and its serial number;
 *   - say that it is good;
 *   - be signed by the certificate's issuer, or by whom the issuer has authorized (RFC 6960, 4.2.2.2);
 *   - hold now: thisUpdate may be 5 minutes ahead of the clock, nextUpdate may not be over.
 * The issuer is looked for in the chain behind the certificate; a certificate that signed itself is its own.
 */
#ifndef NET_STAPLE_H
#define NET_STAPLE_H

#include "handshake.h"

#include <openssl/x509.h>

struct staple {
	uint8_t *der; /* freed with free() */
	size_t len;
	int64_t until_s; /* nextUpdate: not to be shown from then on; INT64_MAX: it does not say */
};

/* False: `error` says in one line what is wrong with the file, and nothing was filled in. The chain may be NULL. */
bool staple_read(const char *file, X509 *, STACK_OF(X509) * chain, struct staple *ret,
		 char error[static TLS_ERROR_BYTES]);

#endif
