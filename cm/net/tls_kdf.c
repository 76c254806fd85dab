#include "tls_kdf.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <pthread.h>
#include <string.h>

/* Each of OpenSSL's look-ups hashes the query, which is short for that. A property of one's own needs a dot. */
#define NAME	 "stanzagate"
#define PROPERTY "gate.kdf"
#define QUERY	 "?" PROPERTY

static _Thread_local struct tls_secrets *told;
static OSSL_PROVIDER *provider; /* for as long as the process lives; NULL: OpenSSL has refused it */

/* ---- a derivation */

struct bytes {
	const uint8_t *at;
	size_t len;
};

struct request {
	int mode; /* -1: not said */
	int digest;
	struct bytes key, salt, prefix, label, data;
};

static int digest_of(const char *name)
{
	static const struct {
		const char *name;
		enum hkdf_digest digest;
	} names[] = {{"SHA2-256", HKDF_SHA256}, {"SHA2-384", HKDF_SHA384}, {"SHA256", HKDF_SHA256},
		     {"SHA384", HKDF_SHA384},	{"SHA-256", HKDF_SHA256},  {"SHA-384", HKDF_SHA384}};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (OPENSSL_strcasecmp(name, names[i].name) == 0)
			return names[i].digest;
	return -1;
}

/* Which of the request's the parameter is; NULL: none of them. */
static struct bytes *bytes_of(struct request *r, const char *key)
{
	const struct {
		const char *key;
		struct bytes *bytes;
	} all[] = {{OSSL_KDF_PARAM_KEY, &r->key},
		   {OSSL_KDF_PARAM_PREFIX, &r->prefix},
		   {OSSL_KDF_PARAM_LABEL, &r->label},
		   {OSSL_KDF_PARAM_DATA, &r->data},
		   {OSSL_KDF_PARAM_SALT, &r->salt}};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (strcmp(key, all[i].key) == 0)
			return all[i].bytes;
	return NULL;
}

static struct request request_read(const OSSL_PARAM *param)
{
	struct request r = {.mode = -1, .digest = -1};
	struct bytes *bytes;

	for (; param != NULL && param->key != NULL; param++) {
		if (strcmp(param->key, OSSL_KDF_PARAM_MODE) == 0)
			OSSL_PARAM_get_int(param, &r.mode);
		else if (strcmp(param->key, OSSL_KDF_PARAM_DIGEST) == 0 && param->data_type == OSSL_PARAM_UTF8_STRING)
			r.digest = digest_of(param->data);
		else if (param->data_type == OSSL_PARAM_OCTET_STRING && (bytes = bytes_of(&r, param->key)) != NULL)
			*bytes = (struct bytes){param->data, param->data_size};
	}
	return r;
}

static void secret_tell(const struct bytes *label, const uint8_t *secret, size_t len)
{
	const struct {
		const char *label;
		struct tls_secret *to;
	} all[] = {{"c ap traffic", &told->client}, {"s ap traffic", &told->server}, {"exp master", &told->exporter}};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (label->len == strlen(all[i].label) && memcmp(label->at, all[i].label, label->len) == 0) {
			all[i].to->len = len;
			memcpy(all[i].to->bytes, secret, len);
		}
}

static bool expand(const struct request *r, uint8_t *to, size_t len)
{
	struct hkdf_label label = {r->label.at, r->label.len, r->data.at, r->data.len};

	if (r->key.len != hkdf_digest_bytes(r->digest) || r->label.at == NULL || r->label.len > HKDF_LABEL_BYTES_MAX ||
	    r->data.len > HKDF_CONTEXT_BYTES_MAX || len > hkdf_digest_bytes(r->digest) ||
	    !hkdf_expand(r->digest, r->key.at, &label, to, len))
		return false;
	if (told != NULL)
		secret_tell(&r->label, to, len);
	return true;
}

static bool extract(const struct request *r, uint8_t *to, size_t len)
{
	size_t bytes = hkdf_digest_bytes(r->digest);

	return len == bytes && (r->salt.at == NULL || r->salt.len == bytes) &&
	       hkdf_extract(r->digest, r->salt.at, r->key.at, r->key.len, to);
}

/* Secrets of TLS 1.3 only: what is asked for in one call, as libssl does, with the lengths that they have there. */
static int derive(void *unused, unsigned char *to, size_t len, const OSSL_PARAM params[])
{
	struct request r = request_read(params);

	if (r.digest < 0 || r.prefix.len != strlen(HKDF_PREFIX) || memcmp(r.prefix.at, HKDF_PREFIX, r.prefix.len) != 0)
		return 0;
	switch (r.mode) {
	case EVP_KDF_HKDF_MODE_EXPAND_ONLY:
		return expand(&r, to, len);
	case EVP_KDF_HKDF_MODE_EXTRACT_ONLY:
		return extract(&r, to, len);
	default:
		return 0;
	}
}

/* ---- the provider */

/* A derivation keeps nothing; OpenSSL wants a context that is something. */
static void *context_new(void *handle)
{
	return handle;
}

static void context_free(void *handle)
{
}

static const OSSL_ALGORITHM *algorithms(void *handle, int operation, int *ret_no_cache)
{
	static const OSSL_DISPATCH functions[] = {{OSSL_FUNC_KDF_NEWCTX, (void (*)(void))context_new},
						  {OSSL_FUNC_KDF_FREECTX, (void (*)(void))context_free},
						  {OSSL_FUNC_KDF_DERIVE, (void (*)(void))derive},
						  {0, NULL}};
	static const OSSL_ALGORITHM all[] = {{OSSL_KDF_NAME_TLS1_3_KDF, "provider=" NAME "," PROPERTY "=yes", functions,
					      "the key schedule of TLS 1.3"},
					     {0}};

	*ret_no_cache = 0;
	return operation == OSSL_OP_KDF ? all : NULL;
}

static int begin(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *from_core, const OSSL_DISPATCH **ret_functions,
		 void **ret_context)
{
	static const OSSL_DISPATCH functions[] = {{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))algorithms},
						  {0, NULL}};

	*ret_functions = functions;
	*ret_context = (void *)handle;
	return 1;
}

/*
 * What OpenSSL has of its own, by its configuration or without any, comes first: then it is what those get who do not
 * ask for this.
 */
static void load(void)
{
	EVP_KDF_free(EVP_KDF_fetch(NULL, OSSL_KDF_NAME_TLS1_3_KDF, NULL));
	if (OSSL_PROVIDER_add_builtin(NULL, NAME, begin) == 1)
		provider = OSSL_PROVIDER_try_load(NULL, NAME, 1);
}

const char *tls_kdf_query(void)
{
	static pthread_once_t loaded = PTHREAD_ONCE_INIT;
	EVP_KDF *kdf;
	bool ours;

	ERR_set_mark();
	pthread_once(&loaded, load);
	kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_TLS1_3_KDF, QUERY);
	ours = kdf != NULL && EVP_KDF_get0_provider(kdf) == provider;
	EVP_KDF_free(kdf);
	ERR_pop_to_mark();
	return ours ? QUERY : NULL;
}

void tls_kdf_tell(struct tls_secrets *to)
{
	told = to;
}
