/*
 * hkdf: HKDF (RFC 5869) as TLS 1.3 uses it (RFC 8446, 7.1), the steps from which a handshake gets all that the
 * connection lives on. OpenSSL's own KDF looks for digest and MAC by their names at each call, and spends three
 * quarters of the time on that; here HMAC (RFC 2104) is put together of digests that were looked for once.
 */
#ifndef NET_HKDF_H
#define NET_HKDF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hkdf_digest { HKDF_SHA256, HKDF_SHA384, HKDF_DIGESTS };
enum { HKDF_DIGEST_BYTES_MAX = 48, HKDF_LABEL_BYTES_MAX = 64, HKDF_CONTEXT_BYTES_MAX = 255 };
#define HKDF_PREFIX "tls13 "

/* Bytes of a digest, and so of a secret. */
size_t hkdf_digest_bytes(enum hkdf_digest);
/*
 * HKDF-Expand-Label: of a secret that is a digest long. The label, without HKDF_PREFIX, has at most
 * HKDF_LABEL_BYTES_MAX bytes, the context HKDF_CONTEXT_BYTES_MAX, `len` is at most a digest. `to` may be the secret.
 * Any thread. False: OpenSSL refused.
 */
struct hkdf_label {
	const uint8_t *name;
	size_t name_len;
	const uint8_t *context;
	size_t context_len;
};
bool hkdf_expand(enum hkdf_digest, const uint8_t *secret, const struct hkdf_label *, uint8_t *to, size_t len);
/*
 * The next of the three secrets of the key schedule (RFC 8446, 7.1), a digest long: HKDF-Extract of `input` (NULL:
 * zeros, a digest of them), salted with what is derived from the secret before it (NULL: there is none). False: OpenSSL
 * refused.
 */
bool hkdf_extract(enum hkdf_digest, const uint8_t *before, const uint8_t *input, size_t input_len, uint8_t *to);
/*
 * hkdf_expand() for a text. `secret` and `context` are a digest long; context NULL: none. `len` is at most a digest,
 * the label (without "tls13 ") at most HKDF_LABEL_BYTES_MAX. Any thread. False: OpenSSL refused.
 */
bool hkdf_expand_label(enum hkdf_digest, const uint8_t *secret, const char *label, const uint8_t *context, uint8_t *to,
		       size_t len);
/*
 * What TLS exports (RFC 8446, 7.5) for a label and a context of no bytes, of the exporter's secret; at most a digest.
 */
bool hkdf_export(enum hkdf_digest, const uint8_t *secret, const char *label, uint8_t *to, size_t len);

#endif
