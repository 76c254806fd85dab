#include "hkdf.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

enum { BLOCK_BYTES_MAX = 128, INNER = 0x36, OUTER = 0x5c };

static const struct {
	const char *name;
	size_t block_bytes, digest_bytes;
} kinds[HKDF_DIGESTS] = {{"SHA256", 64, 32}, {"SHA384", 128, 48}};

/* For as long as the process lives; read only, once they are there. */
static EVP_MD *digests[HKDF_DIGESTS];
static uint8_t of_nothing[HKDF_DIGESTS][HKDF_DIGEST_BYTES_MAX];
static pthread_once_t looked = PTHREAD_ONCE_INIT;

static void look(void)
{
	for (int i = 0; i < HKDF_DIGESTS; i++) {
		digests[i] = EVP_MD_fetch(NULL, kinds[i].name, NULL);
		assert(digests[i] != NULL && EVP_Digest("", 0, of_nothing[i], NULL, digests[i], NULL) == 1);
	}
}

size_t hkdf_digest_bytes(enum hkdf_digest digest)
{
	return kinds[digest].digest_bytes;
}

/* A pass of HMAC: the key, changed by `with`, and the text. */
static bool pass(EVP_MD_CTX *sum, enum hkdf_digest digest, const uint8_t *key, uint8_t with, const uint8_t *text,
		 size_t len, uint8_t *to)
{
	size_t block = kinds[digest].block_bytes;
	uint8_t pad[BLOCK_BYTES_MAX];
	bool done;

	memset(pad, with, block);
	for (size_t i = 0; i < kinds[digest].digest_bytes; i++)
		pad[i] ^= key[i];
	done = EVP_DigestInit_ex2(sum, digests[digest], NULL) == 1 && EVP_DigestUpdate(sum, pad, block) == 1 &&
	       EVP_DigestUpdate(sum, text, len) == 1 && EVP_DigestFinal_ex(sum, to, NULL) == 1;
	OPENSSL_cleanse(pad, block);
	return done;
}

static bool hmac(enum hkdf_digest digest, const uint8_t *key, const uint8_t *text, size_t len, uint8_t *to)
{
	EVP_MD_CTX *sum = EVP_MD_CTX_new();
	uint8_t inner[HKDF_DIGEST_BYTES_MAX];
	bool done = sum != NULL && pass(sum, digest, key, INNER, text, len, inner) &&
		    pass(sum, digest, key, OUTER, inner, kinds[digest].digest_bytes, to);

	EVP_MD_CTX_free(sum);
	return done;
}

/* struct HkdfLabel, and behind it the number of the block, which is always the first. */
enum { INFO_BYTES_MAX = 2 + 1 + 6 + HKDF_LABEL_BYTES_MAX + 1 + HKDF_CONTEXT_BYTES_MAX + 1 };

static size_t info_write(uint8_t *to, const struct hkdf_label *label, size_t len)
{
	static const char head[] = HKDF_PREFIX;
	size_t at = 0;

	assert(label->name_len <= HKDF_LABEL_BYTES_MAX && label->context_len <= HKDF_CONTEXT_BYTES_MAX);
	to[at++] = (uint8_t)(len >> 8);
	to[at++] = (uint8_t)len;
	to[at++] = (uint8_t)(sizeof head - 1 + label->name_len);
	memcpy(to + at, head, sizeof head - 1);
	at += sizeof head - 1;
	memcpy(to + at, label->name, label->name_len);
	at += label->name_len;
	to[at++] = (uint8_t)label->context_len;
	if (label->context_len > 0)
		memcpy(to + at, label->context, label->context_len);
	at += label->context_len;
	to[at++] = 1;
	return at;
}

bool hkdf_expand(enum hkdf_digest digest, const uint8_t *secret, const struct hkdf_label *label, uint8_t *to,
		 size_t len)
{
	uint8_t info[INFO_BYTES_MAX], block[HKDF_DIGEST_BYTES_MAX];
	size_t info_len = info_write(info, label, len);
	bool done;

	assert(len <= kinds[digest].digest_bytes);
	pthread_once(&looked, look);
	done = hmac(digest, secret, info, info_len, block);
	if (done)
		memcpy(to, block, len);
	OPENSSL_cleanse(block, sizeof block);
	return done;
}

bool hkdf_expand_label(enum hkdf_digest digest, const uint8_t *secret, const char *label, const uint8_t *context,
		       uint8_t *to, size_t len)
{
	struct hkdf_label of = {(const uint8_t *)label, strlen(label), context,
				context == NULL ? 0 : kinds[digest].digest_bytes};

	return hkdf_expand(digest, secret, &of, to, len);
}

bool hkdf_extract(enum hkdf_digest digest, const uint8_t *before, const uint8_t *input, size_t input_len, uint8_t *to)
{
	static const uint8_t zeros[HKDF_DIGEST_BYTES_MAX];
	uint8_t salt[HKDF_DIGEST_BYTES_MAX] = {0};
	bool done;

	pthread_once(&looked, look);
	done = (before == NULL ||
		hkdf_expand_label(digest, before, "derived", of_nothing[digest], salt, kinds[digest].digest_bytes)) &&
	       hmac(digest, salt, input == NULL ? zeros : input, input == NULL ? kinds[digest].digest_bytes : input_len,
		    to);
	OPENSSL_cleanse(salt, sizeof salt);
	return done;
}

bool hkdf_export(enum hkdf_digest digest, const uint8_t *secret, const char *label, uint8_t *to, size_t len)
{
	uint8_t own[HKDF_DIGEST_BYTES_MAX];
	bool done;

	pthread_once(&looked, look);
	done = hkdf_expand_label(digest, secret, label, of_nothing[digest], own, kinds[digest].digest_bytes) &&
	       hkdf_expand_label(digest, own, "exporter", of_nothing[digest], to, len);
	OPENSSL_cleanse(own, sizeof own);
	return done;
}
