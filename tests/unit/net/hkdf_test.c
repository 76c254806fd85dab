/* HKDF-Expand-Label beside OpenSSL's own, for every length of label and output. */
#include "hkdf.h"

#include <criterion/criterion.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

static const char *const names[HKDF_DIGESTS] = {"SHA256", "SHA384"};

static void openssl_expand(enum hkdf_digest digest, uint8_t *secret, char *label, uint8_t *context, uint8_t *to,
			   size_t len)
{
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	size_t bytes = hkdf_digest_bytes(digest);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)names[digest], 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, secret, bytes),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, "tls13 ", 6),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_LABEL, label, strlen(label)),
		context == NULL ? OSSL_PARAM_construct_end()
				: OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_DATA, context, bytes),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_TLS1_3_KDF, NULL);
	EVP_KDF_CTX *of = EVP_KDF_CTX_new(kdf);

	cr_assert_eq(EVP_KDF_derive(of, to, len, params), 1);
	EVP_KDF_CTX_free(of);
	EVP_KDF_free(kdf);
}

Test(hkdf, is_openssl_s)
{
	uint8_t secret[HKDF_DIGEST_BYTES_MAX], context[HKDF_DIGEST_BYTES_MAX], one[HKDF_DIGEST_BYTES_MAX],
		other[HKDF_DIGEST_BYTES_MAX];
	char label[HKDF_LABEL_BYTES_MAX + 1] = "";

	for (enum hkdf_digest digest = 0; digest < HKDF_DIGESTS; digest++)
		for (size_t len = 1; len <= hkdf_digest_bytes(digest); len++) {
			size_t label_len = 1 + len % HKDF_LABEL_BYTES_MAX;
			uint8_t *with = len % 2 == 0 ? context : NULL;

			for (size_t i = 0; i < sizeof secret; i++) {
				secret[i] = (uint8_t)(len * 7 + i * 13);
				context[i] = (uint8_t)(len * 3 + i * 5);
			}
			memset(label, 'a', label_len);
			label[label_len] = '\0';
			openssl_expand(digest, secret, label, with, other, len);
			cr_assert(hkdf_expand_label(digest, secret, label, with, one, len));
			cr_assert_arr_eq(one, other, len, "%s, %zu bytes", names[digest], len);
		}
}
