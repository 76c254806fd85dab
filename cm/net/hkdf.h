/*
 * hkdf: HKDF-Expand-Label (RFC 8446, 7.1; RFC 5869, 2.3), the one step from which a handshake of TLS 1.3 gets all that
 * the connection lives on. OpenSSL's own KDF looks for digest and MAC by their names at each call, and spends three
 * quarters of the time on that; here HMAC (RFC 2104) is put together of digests that were looked for once.
 */
#ifndef NET_HKDF_H
#define NET_HKDF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hkdf_digest { HKDF_SHA256, HKDF_SHA384, HKDF_DIGESTS };
enum { HKDF_DIGEST_BYTES_MAX = 48, HKDF_LABEL_BYTES_MAX = 64 };

/* Bytes of a digest, and so of a secret. */
size_t hkdf_digest_bytes(enum hkdf_digest);
/*
 * `secret` and `context` are a digest long; context NULL: none. `len` is at most a digest, the label (without "tls13 ")
 * at most HKDF_LABEL_BYTES_MAX. Any thread. False: OpenSSL refused.
 */
bool hkdf_expand_label(enum hkdf_digest, const uint8_t *secret, const char *label, const uint8_t *context, uint8_t *to,
		       size_t len);
/*
 * What TLS exports (RFC 8446, 7.5) for a label and a context of no bytes, of the exporter's secret; at most a digest.
 */
bool hkdf_export(enum hkdf_digest, const uint8_t *secret, const char *label, uint8_t *to, size_t len);

#endif
