/*
 * tls_kdf: the key schedule of TLS 1.3 (RFC 8446, 7.1) for OpenSSL's handshakes, as a provider that is part of the
 * program (provider(7)) and offers one algorithm, TLS13-KDF (EVP_KDF-TLS13_KDF(7)), computed by hkdf.h. OpenSSL's own
 * looks for digest and MAC by name in each of the nineteen derivations of a handshake. And since the secrets of a
 * connection come from here, they need not be asked for by OpenSSL's keylog, which writes every secret in hexadecimal.
 */
#ifndef NET_TLS_KDF_H
#define NET_TLS_KDF_H

#include "hkdf.h"

/*
 * The property query for SSL_CTX_new_ex() that makes a context's handshakes derive by this; without end. NULL: OpenSSL
 * would not, since its configuration demands properties that this has not (FIPS, for one); its own derives then, and
 * secrets have to come by its keylog. Nothing else is fetched from elsewhere for the query. Any thread.
 */
const char *tls_kdf_query(void);

/* What a connection lives on: the first application traffic secrets, and that of exporters. A length of 0: not told. */
struct tls_secret {
	size_t len;
	uint8_t bytes[HKDF_DIGEST_BYTES_MAX];
};
struct tls_secrets {
	struct tls_secret client, server, exporter;
};
/* Where this thread's derivations of them leave them from now on; NULL: nowhere. */
void tls_kdf_tell(struct tls_secrets *);

#endif
