#include "tls_context.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SUITES_12                                                                                                      \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                                   \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                                   \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define SUITES_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS	  "X25519:P-256"

struct tls_context {
	_Atomic unsigned owners;
	SSL_CTX *openssl;
	int64_t expires_s;
	uint8_t end_point[64], end_point_len;
};

/* The first error is the cause; those behind it tell how it was passed up. */
static void error_say(char *error, const char *file)
{
	unsigned long code = ERR_get_error();
	const char *reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);

	snprintf(error, TLS_ERROR_BYTES, "%s: %s", file, reason ? reason : "cannot be used");
	ERR_clear_error();
}

/* Without this OpenSSL would ask the terminal for the passphrase. */
static int passphrase_refuse(char *to, int cap, int writing, void *unused)
{
	return -1;
}

static bool files_load(SSL_CTX *openssl, const struct tls_settings *settings, char *error)
{
	SSL_CTX_set_default_passwd_cb(openssl, passphrase_refuse);
	if (SSL_CTX_use_certificate_chain_file(openssl, settings->certificate_file) != 1) {
		error_say(error, settings->certificate_file);
		return false;
	}
	if (SSL_CTX_use_PrivateKey_file(openssl, settings->key_file, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(openssl) != 1) {
		error_say(error, settings->key_file);
		return false;
	}
	return true;
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
	SSL_CTX_set_alpn_select_cb(openssl, handshake_alpn_choose, NULL);
	return SSL_CTX_set_num_tickets(openssl, 0) == 1 &&
	       SSL_CTX_set_min_proto_version(openssl, version_min == 13 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_max_proto_version(openssl, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_cipher_list(openssl, SUITES_12) == 1 && SSL_CTX_set_ciphersuites(openssl, SUITES_13) == 1 &&
	       SSL_CTX_set1_groups_list(openssl, GROUPS) == 1;
}

/* RFC 5929, 4.1: the hash of the signature's algorithm; SHA-256 in place of MD5 and SHA-1; undefined where there is
 * none. */
static bool end_point_take(struct tls_context *context, const X509 *certificate)
{
	unsigned int len;
	int digest;

	if (X509_get_signature_info((X509 *)certificate, &digest, NULL, NULL, NULL) != 1 || digest == NID_undef)
		return true;
	if (digest == NID_md5 || digest == NID_sha1 || digest == NID_md5_sha1)
		digest = NID_sha256;
	if (!EVP_get_digestbynid(digest) ||
	    X509_digest(certificate, EVP_get_digestbynid(digest), context->end_point, &len) != 1)
		return false;
	assert(len <= sizeof context->end_point);
	context->end_point_len = (uint8_t)len;
	return true;
}

static bool certificate_take(struct tls_context *context)
{
	const X509 *certificate = SSL_CTX_get0_certificate(context->openssl);
	struct tm end;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1)
		return false;
	context->expires_s = timegm(&end);
	return end_point_take(context, certificate);
}

struct tls_context *tls_context_new(const struct tls_settings *settings, char error[static TLS_ERROR_BYTES])
{
	struct tls_context *context = calloc(1, sizeof *context);

	assert(settings->version_min == 12 || settings->version_min == 13);
	ERR_clear_error();
	if (context) {
		context->owners = 1;
		context->openssl = SSL_CTX_new(TLS_server_method());
	}
	if (!context || !context->openssl || !policy_set(context->openssl, settings->version_min)) {
		error_say(error, "OpenSSL");
	} else if (files_load(context->openssl, settings, error)) {
		if (certificate_take(context))
			return context;
		error_say(error, settings->certificate_file);
	}
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
	free(context);
}

int64_t tls_context_expires_s(const struct tls_context *context)
{
	return context->expires_s;
}

SSL_CTX *tls_context_openssl(const struct tls_context *context)
{
	return context->openssl;
}

void tls_context_end_point(const struct tls_context *context, uint8_t ret_hash[static 64], uint8_t *ret_len)
{
	memcpy(ret_hash, context->end_point, sizeof context->end_point);
	*ret_len = context->end_point_len;
}
