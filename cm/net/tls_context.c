#include "tls_context.h"

#include "ticket.h"
#include "tls_kdf.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/sha.h>
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

enum { KINDS = 3 };		/* of keys: one certificate of each may be loaded at once */
enum { FRAGMENT_BYTES = 4096 }; /* of a handshake in one record; most chains of certificates have less */

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
	bool client;				     /* ours is the client's end of links; nothing below is used */
	struct tls_tickets *tickets;		     /* NULL: none */
	uint8_t clients_print[SHA256_DIGEST_LENGTH]; /* of what clients' certificates are judged by */
	struct set first;			     /* for clients that ask for no name */
};

static bool openssl_fault(struct tls_fault *ret)
{
	const char *reason = ERR_reason_error_string(ERR_get_error());

	ret->file = NULL;
	snprintf(ret->why, sizeof ret->why, "OpenSSL: %s", reason ? reason : "no memory");
	ERR_clear_error();
	return false;
}

/* Asked only when the client wants a staple; the certificate is chosen by then. */
static int staple_answer(SSL *openssl, void *unused)
{
	const struct certificate *c = handshake_certificate(openssl);
	uint8_t *copy;

	if (c == NULL || c->staple.der == NULL || c->staple.until_s <= time(NULL))
		return SSL_TLSEXT_ERR_NOACK;
	copy = OPENSSL_memdup(c->staple.der, c->staple.len);
	if (copy == NULL || SSL_set_tlsext_status_ocsp_resp(openssl, copy, (long)c->staple.len) != 1) {
		OPENSSL_free(copy);
		return SSL_TLSEXT_ERR_NOACK;
	}
	return SSL_TLSEXT_ERR_OK;
}

/* No session is kept. */
static bool policy_set(SSL_CTX *openssl, int version_min)
{
	SSL_CTX_set_security_level(openssl, 2);
	SSL_CTX_set_options(openssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
					     SSL_OP_NO_TICKET);
	SSL_CTX_set_mode(openssl, SSL_MODE_RELEASE_BUFFERS);
	/* OpenSSL makes a buffer of this size for each flight, which is overwritten when it is given back. */
	SSL_CTX_set_max_send_fragment(openssl, FRAGMENT_BYTES);
	SSL_CTX_set_session_cache_mode(openssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_early_data(openssl, 0);
	SSL_CTX_set_verify(openssl, SSL_VERIFY_NONE, NULL);
	/* Never more than one record is taken from the input: what stands behind the handshake is ours to open. */
	SSL_CTX_set_read_ahead(openssl, 0);
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

static bool certificate_add(struct tls_context *context, const struct tls_pair *files, struct tls_fault *ret_fault)
{
	struct certificate *c = certificate_new(files, ret_fault);

	if (c != NULL)
		context->certificates[context->count++] = c;
	return c != NULL;
}

static bool certificates_load(struct tls_context *context, const struct tls_settings *settings,
			      struct tls_fault *ret_fault)
{
	struct tls_pair first = {settings->certificate_file, settings->key_file, settings->staple_file};

	if (!certificate_add(context, &first, ret_fault))
		return false;
	for (size_t i = 0; i < settings->more_count; i++)
		if (!certificate_add(context, &settings->more[i], ret_fault))
			return false;
	first_make(context);
	for (size_t i = 0; i < context->first.count; i++) {
		const struct certificate *c = context->first.of[i];

		if (SSL_CTX_use_cert_and_key(context->openssl, c->x509, c->key, c->chain, 1) != 1)
			return openssl_fault(ret_fault);
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

/*
 * A ticket is good only where the same name is asked for, the same certificates stand behind it, and clients'
 * certificates are judged alike: the session id context says all that, and OpenSSL compares it (RFC 9325, 3.4;
 * CVE-2025-23419).
 */
static bool ticket_bind(const struct tls_context *context, SSL *openssl, const char *name, const struct set *set)
{
	uint8_t print[SHA256_DIGEST_LENGTH];
	EVP_MD_CTX *sum = EVP_MD_CTX_new();
	bool good = sum != NULL && EVP_DigestInit_ex(sum, EVP_sha256(), NULL) == 1 &&
		    EVP_DigestUpdate(sum, name, strlen(name) + 1) == 1 &&
		    EVP_DigestUpdate(sum, context->clients_print, sizeof context->clients_print) == 1;

	for (size_t i = 0; good && i < set->count; i++)
		good = EVP_DigestUpdate(sum, set->of[i]->print, sizeof set->of[i]->print) == 1;
	good = good && EVP_DigestFinal_ex(sum, print, NULL) == 1 &&
	       SSL_set_session_id_context(openssl, print, sizeof print) == 1;
	EVP_MD_CTX_free(sum);
	return good;
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
	if (!*ret_known && name[0] != '\0' && context->strict)
		return false;
	if (context->tickets && !ticket_bind(context, openssl, name, *ret_known ? &set : &context->first))
		return false;
	return !*ret_known || set_is_first(context, &set) || set_use(openssl, &set);
}

static bool session_was_shown(SSL *openssl, const struct certificate *c)
{
	void *print;
	size_t len;

	return SSL_SESSION_get0_ticket_appdata(SSL_get_session(openssl), &print, &len) == 1 && len == sizeof c->print &&
	       memcmp(print, c->print, len) == 0;
}

const struct certificate *tls_context_chosen(const struct tls_context *context, SSL *openssl, uint8_t *ret_index)
{
	const X509 *x509 = SSL_get_certificate(openssl);
	bool resumed = SSL_session_reused(openssl) == 1;

	for (size_t i = 0; i < context->count; i++) {
		const struct certificate *c = context->certificates[i];

		if (resumed ? !session_was_shown(openssl, c) : c->x509 != x509)
			continue;
		*ret_index = (uint8_t)i;
		return c;
	}
	return NULL;
}

struct tls_tickets *tls_context_tickets(const struct tls_context *context)
{
	return context->tickets;
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

/* ---- tickets */

static int ticket_key_answer(SSL *openssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
			     EVP_MAC_CTX *mac, int sealing)
{
	return ticket_key_choose(handshake_tickets(openssl), name, iv, cipher, mac, sealing);
}

/* A ticket says which certificate was shown: what is resumed has a channel binding of it, too (RFC 5929, 4). */
static int ticket_make(SSL *openssl, void *unused)
{
	const struct certificate *c = handshake_certificate(openssl);

	return c != NULL && SSL_SESSION_set1_ticket_appdata(SSL_get_session(openssl), c->print, sizeof c->print) == 1;
}

/*
 * In TLS 1.3 a ticket is for one use (RFC 8446, C.4), and so who has used one gets another. Not who has shown a
 * certificate: that is to be verified again when the first ticket's life is over.
 */
static bool is_renewed(const SSL *openssl, SSL_SESSION *session)
{
	return SSL_version(openssl) == TLS1_3_VERSION && SSL_SESSION_get0_peer(session) == NULL;
}

static SSL_TICKET_RETURN ticket_take(SSL *openssl, SSL_SESSION *session, const unsigned char *name, size_t name_len,
				     SSL_TICKET_STATUS status, void *unused)
{
	switch (status) {
	case SSL_TICKET_SUCCESS:
		return is_renewed(openssl, session) ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_USE;
	case SSL_TICKET_SUCCESS_RENEW:
		return SSL_TICKET_RETURN_USE_RENEW;
	default:
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	}
}

static bool tickets_set(struct tls_context *context, const struct tls_settings *settings)
{
	SSL_CTX *openssl = context->openssl;

	if (settings->tickets == NULL)
		return true;
	context->tickets = tls_tickets_ref(settings->tickets);
	SSL_CTX_clear_options(openssl, SSL_OP_NO_TICKET);
	SSL_CTX_set_timeout(openssl, settings->ticket_life_s);
	return SSL_CTX_set_num_tickets(openssl, 1) == 1 &&
	       SSL_CTX_set_tlsext_ticket_key_evp_cb(openssl, ticket_key_answer) == 1 &&
	       SSL_CTX_set_session_ticket_cb(openssl, ticket_make, ticket_take, NULL) == 1;
}

/* ---- clients' certificates */

static bool authorities_print(struct tls_context *context, enum tls_clients clients)
{
	STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(SSL_CTX_get_cert_store(context->openssl));
	EVP_MD_CTX *sum = EVP_MD_CTX_new();
	uint8_t print[SHA256_DIGEST_LENGTH], mode = (uint8_t)clients;
	bool good =
		sum != NULL && EVP_DigestInit_ex(sum, EVP_sha256(), NULL) == 1 && EVP_DigestUpdate(sum, &mode, 1) == 1;

	for (int i = 0; good && i < sk_X509_OBJECT_num(all); i++) {
		const X509 *x509 = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));

		good = x509 == NULL || (X509_digest(x509, EVP_sha256(), print, NULL) == 1 &&
					EVP_DigestUpdate(sum, print, sizeof print) == 1);
	}
	good = good && EVP_DigestFinal_ex(sum, context->clients_print, NULL) == 1;
	EVP_MD_CTX_free(sum);
	return good;
}

/* RFC 6120, 13.7.2: a certificate that is shown must be good; the session ends otherwise. */
static bool clients_set(struct tls_context *context, const struct tls_settings *settings, struct tls_fault *ret_fault)
{
	STACK_OF(X509_NAME) * names;

	if (settings->clients == TLS_CLIENTS_OFF)
		return true;
	names = SSL_load_client_CA_file(settings->client_ca_file);
	if (names == NULL || SSL_CTX_load_verify_file(context->openssl, settings->client_ca_file) != 1) {
		ret_fault->file = settings->client_ca_file;
		snprintf(ret_fault->why, sizeof ret_fault->why, "no certificates of authorities");
		ERR_clear_error();
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return false;
	}
	SSL_CTX_set_client_CA_list(context->openssl, names);
	SSL_CTX_set_verify(context->openssl,
			   SSL_VERIFY_PEER |
				   (settings->clients == TLS_CLIENTS_REQUIRE ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
			   NULL);
	return authorities_print(context, settings->clients) || openssl_fault(ret_fault);
}

/* ---- all of it */

SSL_CTX *tls_context_openssl_new(const SSL_METHOD *method)
{
	const char *query = tls_kdf_query();
	SSL_CTX *openssl = SSL_CTX_new_ex(NULL, query, method);

	if (openssl != NULL && query == NULL)
		SSL_CTX_set_keylog_callback(openssl, handshake_secret_hear);
	return openssl;
}

struct tls_context *tls_context_new(const struct tls_settings *settings, struct tls_fault *ret_fault)
{
	struct tls_context *context = calloc(1, sizeof *context);

	assert(context && (settings->version_min == 12 || settings->version_min == 13));
	assert(settings->more_count <= TLS_MORE_MAX);
	static_assert(TLS_MORE_MAX <= UINT8_MAX, "tls_facts names a certificate by a byte");
	ERR_clear_error();
	context->owners = 1;
	context->strict = settings->strict_names;
	context->openssl = tls_context_openssl_new(TLS_server_method());
	if (!context->openssl || !policy_set(context->openssl, settings->version_min) ||
	    !tickets_set(context, settings))
		openssl_fault(ret_fault);
	else if (certificates_load(context, settings, ret_fault) && clients_set(context, settings, ret_fault))
		return context;
	tls_context_unref(context);
	return NULL;
}

struct tls_context *tls_context_of_client(SSL_CTX *openssl)
{
	struct tls_context *context = calloc(1, sizeof *context);

	assert(context);
	*context = (struct tls_context){.owners = 1, .openssl = openssl, .client = true};
	return context;
}

bool tls_context_is_client(const struct tls_context *context)
{
	return context->client;
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
	tls_tickets_unref(context->tickets);
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

enum tls_staple_is tls_context_staple(const struct tls_context *context, size_t index, int64_t *ret_until_s,
				      const char **ret_fault)
{
	const struct certificate *c;

	assert(index < context->count);
	c = context->certificates[index];
	*ret_until_s = c->staple.until_s;
	*ret_fault = c->staple_fault;
	if (c->staple_fault != NULL)
		return TLS_STAPLE_BAD;
	return c->staple.der != NULL ? TLS_STAPLE_GOOD : TLS_STAPLE_NONE;
}

SSL_CTX *tls_context_openssl(const struct tls_context *context)
{
	return context->openssl;
}
