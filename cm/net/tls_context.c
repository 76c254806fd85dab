#include "tls_context.h"

#include <assert.h>
#include <openssl/err.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SUITES_12                                                                                                      \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                                   \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                                   \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define SUITES_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS	  "X25519:P-256"

enum { KINDS = 3 }; /* of keys: one certificate of each may be loaded at once */

/* Certificates for one name: the first of each kind of key. */
struct set {
	const struct certificate *of[KINDS];
	size_t count;
};

struct tls_context {
	_Atomic unsigned owners;
	SSL_CTX *openssl;
	struct certificate *certificates[1 + TLS_MORE_MAX];
	size_t count;
	bool strict;
	struct set first; /* for clients that ask for no name */
};

static bool error_say(char *error)
{
	const char *reason = ERR_reason_error_string(ERR_get_error());

	snprintf(error, TLS_ERROR_BYTES, "OpenSSL: %s", reason ? reason : "no memory");
	ERR_clear_error();
	return false;
}

/* Asked only when the client wants a staple; the certificate is chosen by then. */
static int staple_answer(SSL *openssl, void *unused)
{
	const struct certificate *c = handshake_certificate(openssl);
	uint8_t *copy;

	if (c == NULL || c->staple == NULL || c->staple_until_s <= time(NULL))
		return SSL_TLSEXT_ERR_NOACK;
	copy = OPENSSL_memdup(c->staple, c->staple_len);
	if (copy == NULL || SSL_set_tlsext_status_ocsp_resp(openssl, copy, (long)c->staple_len) != 1) {
		OPENSSL_free(copy);
		return SSL_TLSEXT_ERR_NOACK;
	}
	return SSL_TLSEXT_ERR_OK;
}

/* No session is kept or ticketed: with ECDSA a resumption costs as much as a handshake, and ticket keys are a burden.
 */
static bool policy_set(SSL_CTX *openssl, int version_min)
{
	SSL_CTX_set_security_level(openssl, 2);
	SSL_CTX_set_options(openssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
					     SSL_OP_NO_TICKET);
	SSL_CTX_set_mode(openssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(openssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_early_data(openssl, 0);
	SSL_CTX_set_verify(openssl, SSL_VERIFY_NONE, NULL);
	/* Never more than one record is taken from the input: what stands behind the handshake is ours to open. */
	SSL_CTX_set_read_ahead(openssl, 0);
	SSL_CTX_set_keylog_callback(openssl, handshake_secret_hear);
	SSL_CTX_set_msg_callback(openssl, handshake_message_hear);
	SSL_CTX_set_client_hello_cb(openssl, handshake_hello_check, NULL);
	SSL_CTX_set_tlsext_servername_callback(openssl, handshake_name_answer);
	SSL_CTX_set_alpn_select_cb(openssl, handshake_alpn_choose, NULL);
	SSL_CTX_set_tlsext_status_cb(openssl, staple_answer);
	return SSL_CTX_set_num_tickets(openssl, 0) == 1 &&
	       SSL_CTX_set_min_proto_version(openssl, version_min == 13 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_max_proto_version(openssl, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_cipher_list(openssl, SUITES_12) == 1 && SSL_CTX_set_ciphersuites(openssl, SUITES_13) == 1 &&
	       SSL_CTX_set1_groups_list(openssl, GROUPS) == 1;
}

/* ---- certificates */

static void set_add(struct set *set, const struct certificate *c)
{
	for (size_t i = 0; i < set->count; i++)
		if (EVP_PKEY_get_base_id(set->of[i]->key) == EVP_PKEY_get_base_id(c->key))
			return;
	if (set->count < KINDS)
		set->of[set->count++] = c;
}

static struct set set_for(const struct tls_context *context, const char *name)
{
	struct set set = {0};

	for (size_t i = 0; i < context->count; i++)
		if (certificate_covers(context->certificates[i], name))
			set_add(&set, context->certificates[i]);
	return set;
}

static void first_make(struct tls_context *context)
{
	const struct certificate *first = context->certificates[0];

	set_add(&context->first, first);
	for (size_t i = 1; i < context->count && first->name_count > 0; i++)
		if (certificate_covers(context->certificates[i], first->names[0]))
			set_add(&context->first, context->certificates[i]);
}

static bool certificate_add(struct tls_context *context, const struct tls_pair *files, char *error)
{
	struct certificate *c = certificate_new(files, error);

	if (c != NULL)
		context->certificates[context->count++] = c;
	return c != NULL;
}

static bool certificates_load(struct tls_context *context, const struct tls_settings *settings, char *error)
{
	struct tls_pair first = {settings->certificate_file, settings->key_file, settings->staple_file};

	if (!certificate_add(context, &first, error))
		return false;
	for (size_t i = 0; i < settings->more_count; i++)
		if (!certificate_add(context, &settings->more[i], error))
			return false;
	first_make(context);
	for (size_t i = 0; i < context->first.count; i++) {
		const struct certificate *c = context->first.of[i];

		if (SSL_CTX_use_cert_and_key(context->openssl, c->x509, c->key, c->chain, 1) != 1)
			return error_say(error);
	}
	return true;
}

static bool set_use(SSL *openssl, const struct set *set)
{
	SSL_certs_clear(openssl);
	for (size_t i = 0; i < set->count; i++)
		if (SSL_use_cert_and_key(openssl, set->of[i]->x509, set->of[i]->key, set->of[i]->chain, 1) != 1)
			return false;
	return true;
}

static bool set_is_first(const struct tls_context *context, const struct set *set)
{
	return set->count == context->first.count &&
	       memcmp(set->of, context->first.of, set->count * sizeof set->of[0]) == 0;
}

bool tls_context_choose(const struct tls_context *context, SSL *openssl, const char *name, bool *ret_known)
{
	struct set set = set_for(context, name);

	*ret_known = name[0] != '\0' && set.count > 0;
	if (!*ret_known)
		return name[0] == '\0' || !context->strict;
	return set_is_first(context, &set) || set_use(openssl, &set);
}

const struct certificate *tls_context_chosen(const struct tls_context *context, const SSL *openssl, uint8_t *ret_index)
{
	const X509 *x509 = SSL_get_certificate(openssl);

	for (size_t i = 0; i < context->count; i++)
		if (context->certificates[i]->x509 == x509) {
			*ret_index = (uint8_t)i;
			return context->certificates[i];
		}
	return NULL;
}

bool tls_context_covers(const struct tls_context *context, size_t index, const char *domain)
{
	assert(index < context->count);
	return certificate_covers(context->certificates[index], domain);
}

bool tls_context_is_strict(const struct tls_context *context)
{
	return context->strict;
}

/* ---- all of it */

struct tls_context *tls_context_new(const struct tls_settings *settings, char error[static TLS_ERROR_BYTES])
{
	struct tls_context *context = calloc(1, sizeof *context);

	assert(context && (settings->version_min == 12 || settings->version_min == 13));
	assert(settings->more_count <= TLS_MORE_MAX);
	ERR_clear_error();
	context->owners = 1;
	context->strict = settings->strict_names;
	context->openssl = SSL_CTX_new(TLS_server_method());
	if (!context->openssl || !policy_set(context->openssl, settings->version_min))
		error_say(error);
	else if (certificates_load(context, settings, error))
		return context;
	tls_context_unref(context);
	return NULL;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
	atomic_fetch_add_explicit(&context->owners, 1, memory_order_relaxed);
	return context;
}

void tls_context_unref(struct tls_context *context)
{
	if (!context || atomic_fetch_sub_explicit(&context->owners, 1, memory_order_acq_rel) > 1)
		return;
	SSL_CTX_free(context->openssl);
	for (size_t i = 0; i < context->count; i++)
		certificate_free(context->certificates[i]);
	free(context);
}

int64_t tls_context_expires_s(const struct tls_context *context)
{
	return context->certificates[0]->expires_s;
}

int64_t tls_context_expires_at_s(const struct tls_context *context, size_t index)
{
	assert(index < context->count);
	return context->certificates[index]->expires_s;
}

SSL_CTX *tls_context_openssl(const struct tls_context *context)
{
	return context->openssl;
}
