#include "link_tls.h"

#include "tls_context.h"

#include <openssl/err.h>
#include <stdio.h>

#define SUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:P-256"

static bool policy_set(SSL_CTX *openssl)
{
	SSL_CTX_set_security_level(openssl, 2);
	SSL_CTX_set_session_cache_mode(openssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(openssl, SSL_VERIFY_PEER, NULL);
	/* Never more than one record is taken from the input: what stands behind the handshake is ours to open. */
	SSL_CTX_set_read_ahead(openssl, 0);
	SSL_CTX_set_msg_callback(openssl, handshake_message_hear);
	return SSL_CTX_set_min_proto_version(openssl, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_max_proto_version(openssl, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_ciphersuites(openssl, SUITES) == 1 && SSL_CTX_set1_groups_list(openssl, GROUPS) == 1;
}

/* False: with what OpenSSL has to say of it. */
static bool file_fault(const char *file, const char *what, struct tls_fault *ret)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ret->file = file;
	snprintf(ret->why, sizeof ret->why, "%s (%s)", what, reason ? reason : "no memory");
	ERR_clear_error();
	return false;
}

static bool files_load(SSL_CTX *openssl, const struct link_tls_settings *s, struct tls_fault *ret_fault)
{
	if (SSL_CTX_load_verify_file(openssl, s->ca_file) != 1)
		return file_fault(s->ca_file, "no certificates of authorities", ret_fault);
	if (s->certificate_file == NULL)
		return true;
	if (SSL_CTX_use_certificate_chain_file(openssl, s->certificate_file) != 1)
		return file_fault(s->certificate_file, "no certificate that can be used", ret_fault);
	if (SSL_CTX_use_PrivateKey_file(openssl, s->key_file, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(openssl) != 1)
		return file_fault(s->key_file, "no private key of the certificate", ret_fault);
	return true;
}

struct tls_context *link_tls_context(const struct link_tls_settings *settings, struct tls_fault *ret_fault)
{
	SSL_CTX *openssl;

	ERR_clear_error();
	openssl = tls_context_openssl_new(TLS_client_method());
	if (openssl == NULL || !policy_set(openssl))
		file_fault(NULL, "OpenSSL: no context", ret_fault);
	else if (files_load(openssl, settings, ret_fault))
		return tls_context_of_client(openssl);
	SSL_CTX_free(openssl);
	return NULL;
}
