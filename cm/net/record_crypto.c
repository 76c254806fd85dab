#include "record_crypto.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

struct record_crypto {
	EVP_CIPHER_CTX *seal[RECORD_CIPHER_COUNT], *open[RECORD_CIPHER_COUNT];
	uint64_t records_max[RECORD_CIPHER_COUNT];
};

/* ChaCha20-Poly1305 has no limit below that of the sequence number (RFC 8446, 5.5). */
static const struct record_suite suites[RECORD_CIPHER_COUNT] = {
	[RECORD_AES_128_GCM] = {"AES_128_GCM", "AES-128-GCM", "SHA256", HKDF_SHA256, 16, 32, 4, 1 << 24},
	[RECORD_AES_256_GCM] = {"AES_256_GCM", "AES-256-GCM", "SHA384", HKDF_SHA384, 32, 48, 4, 1 << 24},
	[RECORD_CHACHA20_POLY1305] = {"CHACHA20_POLY1305", "ChaCha20-Poly1305", "SHA256", HKDF_SHA256, 32, 32, 12,
				      (uint64_t)1 << 62},
};

const struct record_suite *record_suite(enum record_cipher cipher)
{
	assert(cipher < RECORD_CIPHER_COUNT);
	return &suites[cipher];
}

const char *record_cipher_name(enum record_cipher cipher)
{
	return record_suite(cipher)->name;
}

/* Fetching a cipher and building its context is the dear part, so each is made once; later only the key changes. */
static bool contexts_make(struct record_crypto *crypto, enum record_cipher cipher)
{
	static const uint8_t zero[32];
	EVP_CIPHER *type = EVP_CIPHER_fetch(NULL, suites[cipher].openssl_name, NULL);
	EVP_CIPHER_CTX *seal = crypto->seal[cipher] = EVP_CIPHER_CTX_new();
	EVP_CIPHER_CTX *open = crypto->open[cipher] = EVP_CIPHER_CTX_new();
	bool made = type && seal && open && EVP_EncryptInit_ex2(seal, type, zero, zero, NULL) == 1 &&
		    EVP_DecryptInit_ex2(open, type, zero, zero, NULL) == 1;

	crypto->records_max[cipher] = suites[cipher].records_max;
	EVP_CIPHER_free(type);
	return made;
}

struct record_crypto *record_crypto_new(void)
{
	struct record_crypto *crypto = calloc(1, sizeof *crypto);
	bool made = crypto;

	for (int i = 0; made && i < RECORD_CIPHER_COUNT; i++)
		made = contexts_make(crypto, i);
	if (made)
		return crypto;
	record_crypto_free(crypto);
	return NULL;
}

void record_crypto_free(struct record_crypto *crypto)
{
	for (int i = 0; crypto && i < RECORD_CIPHER_COUNT; i++) {
		EVP_CIPHER_CTX_free(crypto->seal[i]);
		EVP_CIPHER_CTX_free(crypto->open[i]);
	}
	free(crypto);
}

void record_crypto_forget(struct record_crypto *crypto, enum record_cipher cipher)
{
	static const uint8_t zero[32];

	EVP_EncryptInit_ex2(crypto->seal[cipher], NULL, zero, zero, NULL);
	EVP_DecryptInit_ex2(crypto->open[cipher], NULL, zero, zero, NULL);
}

void record_crypto_limit(struct record_crypto *crypto, uint64_t records_max)
{
	assert(records_max >= 1);
	for (int i = 0; i < RECORD_CIPHER_COUNT; i++)
		crypto->records_max[i] = records_max;
}

uint64_t record_crypto_records_max(const struct record_crypto *crypto, enum record_cipher cipher)
{
	return crypto->records_max[cipher];
}

/* The type goes in by a second update: so the text is read where it lies and never copied to stand before its type. */
bool aead_seal(struct record_crypto *crypto, const struct aead_use *use, const uint8_t *text, size_t len, int type,
	       uint8_t *to)
{
	EVP_CIPHER_CTX *context = crypto->seal[use->cipher];
	uint8_t type_byte = (uint8_t)type, *end = to + len + (type != AEAD_NO_TYPE);
	int done;

	return EVP_EncryptInit_ex2(context, NULL, use->key, use->nonce, NULL) == 1 &&
	       EVP_EncryptUpdate(context, NULL, &done, use->beside, use->beside_len) == 1 &&
	       (len == 0 || EVP_EncryptUpdate(context, to, &done, text, (int)len) == 1) &&
	       (type == AEAD_NO_TYPE || EVP_EncryptUpdate(context, to + len, &done, &type_byte, 1) == 1) &&
	       EVP_EncryptFinal_ex(context, end, &done) == 1 &&
	       EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_BYTES, end) == 1;
}

bool aead_open(struct record_crypto *crypto, const struct aead_use *use, uint8_t *bytes, size_t len)
{
	EVP_CIPHER_CTX *context = crypto->open[use->cipher];
	int done;

	return EVP_DecryptInit_ex2(context, NULL, use->key, use->nonce, NULL) == 1 &&
	       EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_BYTES, bytes + len) == 1 &&
	       EVP_DecryptUpdate(context, NULL, &done, use->beside, use->beside_len) == 1 &&
	       (len == 0 || EVP_DecryptUpdate(context, bytes, &done, bytes, (int)len) == 1) &&
	       EVP_DecryptFinal_ex(context, bytes + len, &done) == 1;
}

static bool kdf_run(const char *name, const OSSL_PARAM *params, uint8_t *to, size_t len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, name, NULL);
	EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	bool done = context && EVP_KDF_derive(context, to, len, params) == 1;

	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
	return done;
}

static bool label_expand(const struct record_suite *suite, const uint8_t *secret, const char *label, uint8_t *to,
			 size_t len)
{
	return hkdf_expand_label(suite->hkdf, secret, label, NULL, to, len);
}

bool record_keys_derive(struct record_keys keys, enum record_cipher cipher)
{
	const struct record_suite *suite = record_suite(cipher);

	return label_expand(suite, keys.secret, "key", keys.key, suite->key_len) &&
	       label_expand(suite, keys.secret, "iv", keys.iv, AEAD_NONCE_BYTES);
}

bool record_keys_update(struct record_keys keys, enum record_cipher cipher)
{
	const struct record_suite *suite = record_suite(cipher);
	uint8_t next[RECORD_SECRET_BYTES_MAX];
	bool done = label_expand(suite, keys.secret, "traffic upd", next, suite->secret_len);

	if (done)
		memcpy(keys.secret, next, suite->secret_len);
	OPENSSL_cleanse(next, sizeof next);
	return done && record_keys_derive(keys, cipher);
}

bool key_block_derive(enum record_cipher cipher, const uint8_t master_secret[static 48],
		      const uint8_t randoms[static 64], uint8_t ret_block[static KEY_BLOCK_BYTES_MAX])
{
	static const char label[] = "key expansion";
	const struct record_suite *suite = record_suite(cipher);
	size_t len = 2 * (size_t)(suite->key_len + suite->iv12_len);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)suite->digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, (void *)master_secret, 48),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (void *)label, strlen(label)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (void *)randoms, 64),
		OSSL_PARAM_construct_end(),
	};

	assert(len <= KEY_BLOCK_BYTES_MAX);
	return kdf_run(OSSL_KDF_NAME_TLS1_PRF, params, ret_block, len);
}
