/*
 * record_crypto: what the record layer needs of OpenSSL: the AEADs, and the key derivations of both TLS versions. Only
 * record.c and handshake.c look in here.
 */
#ifndef NET_RECORD_CRYPTO_H
#define NET_RECORD_CRYPTO_H

#include "hkdf.h"
#include "record.h"

enum {
	AEAD_TAG_BYTES = 16,
	AEAD_NONCE_BYTES = 12,
	AEAD_NO_TYPE = -1,
	KEY_BLOCK_BYTES_MAX = 88,
	RECORD_SECRET_BYTES_MAX = 48
};

/* What a cipher is made of. The digest is that of its suites: it derives their secrets. */
struct record_suite {
	const char *name, *openssl_name, *digest;
	enum hkdf_digest hkdf;
	uint8_t key_len, secret_len;
	uint8_t iv12_len; /* bytes of iv in the key block of TLS 1.2; the rest of the nonce is explicit */
	uint64_t records_max;
};
const struct record_suite *record_suite(enum record_cipher);

/* Records that may be sealed under one key. */
uint64_t record_crypto_records_max(const struct record_crypto *, enum record_cipher);

/* One use of an AEAD: under which key and nonce, and what is authenticated beside the text. */
struct aead_use {
	enum record_cipher cipher;
	const uint8_t *key;
	uint8_t nonce[AEAD_NONCE_BYTES];
	uint8_t beside[13];
	uint8_t beside_len;
};

/*
 * Encrypts the text, and behind it the byte `type` (unless it is AEAD_NO_TYPE), into `to`, with the tag at the end.
 * `to` does not overlap the text. False: OpenSSL refused.
 */
bool aead_seal(struct record_crypto *, const struct aead_use *, const uint8_t *text, size_t len, int type, uint8_t *to);

/* Decrypts len bytes in place; the tag stands behind them. False: it does not fit. */
bool aead_open(struct record_crypto *, const struct aead_use *, uint8_t *bytes, size_t len);

/* TLS 1.3: key and iv from the secret that stands there (RFC 8446, 7.3). The sequence begins at 0 then. */
bool record_keys_derive(struct record_keys, enum record_cipher);
/* TLS 1.3: the next secret (RFC 8446, 7.2), and key and iv from it. False: OpenSSL refused, the keys are of no use. */
bool record_keys_update(struct record_keys, enum record_cipher);

/* TLS 1.2: the key block (RFC 5246, 6.3). `randoms` are the server's and the client's, 64 bytes. */
bool key_block_derive(enum record_cipher, const uint8_t master_secret[static 48], const uint8_t randoms[static 64],
		      uint8_t ret_block[static KEY_BLOCK_BYTES_MAX]);

#endif
