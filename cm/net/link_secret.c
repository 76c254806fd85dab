#include "link_secret.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

bool link_secret_read(const char *file, struct link_secret *ret, char error[static LINK_SECRET_ERROR_BYTES])
{
	uint8_t bytes[LINK_SECRET_BYTES_MAX + 1];
	FILE *from = fopen(file, "re");
	size_t len = from ? fread(bytes, 1, sizeof bytes, from) : 0;
	bool good = len >= LINK_SECRET_BYTES_MIN && len <= LINK_SECRET_BYTES_MAX;

	if (!from)
		snprintf(error, LINK_SECRET_ERROR_BYTES, "%s", strerror(errno));
	else if (!good)
		snprintf(error, LINK_SECRET_ERROR_BYTES, "a shared key has 32 to 1024 bytes");
	if (from)
		fclose(from);
	if (good) {
		ret->len = len;
		memcpy(ret->bytes, bytes, len);
	}
	OPENSSL_cleanse(bytes, sizeof bytes);
	return good;
}

static void mac(void *context, const uint8_t *bytes, size_t len, uint8_t ret[static LINK_PROOF_BYTES])
{
	const struct link_secret *secret = context;
	unsigned ret_len;
	const uint8_t *done = HMAC(EVP_sha256(), secret->bytes, (int)secret->len, bytes, len, ret, &ret_len);

	assert(done && ret_len == LINK_PROOF_BYTES);
}

bool link_secret_key(const struct link_secret *secret, const uint8_t *binding, struct link_key *ret)
{
	struct link_key key = {.mac = mac, .context = (void *)secret};

	assert(secret->len > 0);
	if (binding) {
		memcpy(key.binding, binding, LINK_BINDING_BYTES);
		key.binding_len = LINK_BINDING_BYTES;
	}
	if (RAND_bytes(key.nonce, LINK_NONCE_BYTES) != 1)
		return false;
	*ret = key;
	return true;
}
