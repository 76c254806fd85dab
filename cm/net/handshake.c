#include "handshake.h"

#include "identity.h"
#include "record_crypto.h"
#include "tls_context.h"
#include "tls_kdf.h"

#include <assert.h>
#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GCM_NONCE_BYTES = 8, MESSAGE_FINISHED = 20 };

struct handshake {
	struct tls_context *context;
	SSL *openssl;
	BIO *in, *out; /* owned by openssl */
	enum handshake_is is;
	bool direct;
	bool names_known; /* a client's: whose certificate the peer must have */
	bool spoke;	  /* anything was ever put out */
	bool finished;	  /* our Finished message has gone out, in TLS 1.3 the last under the handshake's key */
	uint64_t written; /* TLS 1.3: records sealed under the application's key already */
	bool nonce_known; /* TLS 1.2 with AES-GCM: the explicit nonce of the record with our Finished message */
	uint8_t nonce[GCM_NONCE_BYTES];
	size_t fed_len; /* bytes of the last call */
	struct tls_secrets secrets;
	bool name_known; /* a certificate is for the name that the client asked for */
	char host[256];	 /* the name that it gave before TLS; "" for none */
	char error[128];
};

struct handshake *handshake_new(struct tls_context *context, bool direct)
{
	struct handshake *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->context = tls_context_ref(context);
	h->direct = direct;
	h->openssl = SSL_new(tls_context_openssl(context));
	h->in = BIO_new(BIO_s_mem());
	h->out = BIO_new(BIO_s_mem());
	if (!h->openssl || !h->in || !h->out) {
		BIO_free(h->in);
		BIO_free(h->out);
		handshake_free(h);
		return NULL;
	}
	SSL_set_bio(h->openssl, h->in, h->out);
	SSL_set_app_data(h->openssl, h);
	if (tls_context_is_client(context))
		SSL_set_connect_state(h->openssl);
	else
		SSL_set_accept_state(h->openssl);
	return h;
}

bool handshake_peer_names(struct handshake *h, const char *names)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(h->openssl);
	bool good = true;

	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	for (size_t len; good && *names != '\0'; names += len + strspn(names + len, " ")) {
		len = strcspn(names, " ");
		good = len == 0 || X509_VERIFY_PARAM_add1_host(param, names, len) == 1;
		h->names_known |= good && len > 0;
	}
	return good;
}

void handshake_host(struct handshake *h, const char *domain)
{
	snprintf(h->host, sizeof h->host, "%s", strlen(domain) < sizeof h->host ? domain : "");
}

void handshake_free(struct handshake *h)
{
	if (!h)
		return;
	SSL_free(h->openssl);
	tls_context_unref(h->context);
	OPENSSL_clear_free(h, sizeof *h);
}

static void secret_read(const char *hex, struct tls_secret *to)
{
	OPENSSL_hexstr2buf_ex(to->bytes, sizeof to->bytes, &to->len, hex, '\0');
}

/* OpenSSL tells every secret of the handshake; kept are those that tls_kdf.h would tell. */
void handshake_secret_hear(const SSL *openssl, const char *line)
{
	static const char client[] = "CLIENT_TRAFFIC_SECRET_0 ", server[] = "SERVER_TRAFFIC_SECRET_0 ",
			  exporter[] = "EXPORTER_SECRET ";
	struct handshake *h = SSL_get_app_data(openssl);
	const char *secret = strrchr(line, ' ');

	if (!secret)
		return;
	if (strncmp(line, client, strlen(client)) == 0)
		secret_read(secret + 1, &h->secrets.client);
	else if (strncmp(line, server, strlen(server)) == 0)
		secret_read(secret + 1, &h->secrets.server);
	else if (strncmp(line, exporter, strlen(exporter)) == 0)
		secret_read(secret + 1, &h->secrets.exporter);
}

/* Counts what we send under the last key: each record there moves the sequence number at which the take-over begins. */
void handshake_message_hear(int written, int version, int content_type, const void *bytes, size_t len, SSL *openssl,
			    void *unused)
{
	struct handshake *h = SSL_get_app_data(openssl);

	if (!written)
		return;
	if (content_type == SSL3_RT_HEADER)
		h->written += h->finished;
	else if (content_type == SSL3_RT_HANDSHAKE && len > 0 && *(const uint8_t *)bytes == MESSAGE_FINISHED)
		h->finished = true;
}

static bool hello_offers_13(SSL *openssl)
{
	const unsigned char *versions;
	size_t len;

	if (SSL_client_hello_get0_ext(openssl, TLSEXT_TYPE_supported_versions, &versions, &len) != 1)
		return false;
	for (size_t i = 1; i + 1 < len; i += 2)
		if (versions[i] == 3 && versions[i + 1] == 4)
			return true;
	return false;
}

/* TLS 1.2 needs the extended master secret; what is older yet is refused by OpenSSL, with the right alert. */
static bool hello_has_secret(SSL *openssl)
{
	const unsigned char *extension;
	size_t len;

	return SSL_client_hello_get0_legacy_version(openssl) < TLS1_2_VERSION || hello_offers_13(openssl) ||
	       SSL_client_hello_get0_ext(openssl, TLSEXT_TYPE_extended_master_secret, &extension, &len) == 1;
}

/*
 * The name that the client asks for, lower case; "" when it asks for none. OpenSSL has not looked at it yet: a list
 * that is not one name of a host (RFC 6066, 3) is left for it to refuse. The name is in ASCII by definition; what is
 * not can be no certificate's, and goes no further.
 */
static void hello_name(SSL *openssl, char to[static 256])
{
	const unsigned char *list;
	size_t len, name_len;

	to[0] = '\0';
	if (SSL_client_hello_get0_ext(openssl, TLSEXT_TYPE_server_name, &list, &len) != 1 || len < 5)
		return;
	name_len = (size_t)list[3] << 8 | list[4];
	if (list[2] != TLSEXT_NAMETYPE_host_name || name_len != len - 5 || name_len > 255 ||
	    memchr(list + 5, 0, name_len) != NULL)
		return;
	for (size_t i = 0; i < name_len; i++)
		to[i] = list[5 + i] < 0x80 ? (char)tolower(list[5 + i]) : '?';
	to[name_len] = '\0';
}

struct tls_tickets *handshake_tickets(const SSL *openssl)
{
	const struct handshake *h = SSL_get_app_data(openssl);

	return tls_context_tickets(h->context);
}

static int hello_refuse(struct handshake *h, int *ret_alert, int alert, const char *why)
{
	snprintf(h->error, sizeof h->error, "%s", why);
	*ret_alert = alert;
	return SSL_CLIENT_HELLO_ERROR;
}

int handshake_hello_check(SSL *openssl, int *ret_alert, void *unused)
{
	struct handshake *h = SSL_get_app_data(openssl);
	char name[256];

	if (!hello_has_secret(openssl))
		return hello_refuse(h, ret_alert, SSL_AD_HANDSHAKE_FAILURE, "TLS 1.2 without extended master secret");
	hello_name(openssl, name);
	if (!tls_context_choose(h->context, openssl, name[0] != '\0' ? name : h->host, &h->name_known))
		return hello_refuse(h, ret_alert, SSL_AD_UNRECOGNIZED_NAME, "no certificate for the name asked for");
	return SSL_CLIENT_HELLO_SUCCESS;
}

/* Whether the answer says that the name chose the certificate (RFC 6066, 3). Called also when there was none. */
int handshake_name_answer(SSL *openssl, int *ret_alert, void *unused)
{
	const struct handshake *h = SSL_get_app_data(openssl);

	return h->name_known ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

const struct certificate *handshake_certificate(SSL *openssl)
{
	const struct handshake *h = SSL_get_app_data(openssl);
	uint8_t index;

	return tls_context_chosen(h->context, openssl, &index);
}

/* Called only when the client offers something. OpenSSL has checked that the list is well-formed (RFC 7301, 3.1). */
int handshake_alpn_choose(SSL *openssl, const unsigned char **ret_name, unsigned char *ret_len,
			  const unsigned char *offered, unsigned int offered_len, void *unused)
{
	static const char wanted[] = "xmpp-client";
	const struct handshake *h = SSL_get_app_data(openssl);

	if (!h->direct)
		return SSL_TLSEXT_ERR_NOACK;
	for (unsigned int at = 0; at < offered_len; at += 1 + offered[at])
		if (offered[at] == strlen(wanted) && memcmp(offered + at + 1, wanted, strlen(wanted)) == 0) {
			*ret_name = offered + at + 1;
			*ret_len = offered[at];
			return SSL_TLSEXT_ERR_OK;
		}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/*
 * The last record put out, if it is our Finished message of TLS 1.2 under AES-GCM: behind the ChangeCipherSpec, with 8
 * bytes of nonce, 16 of message and 16 of tag.
 */
static void nonce_take(struct handshake *h)
{
	static const uint8_t heads[] = {20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 40};
	const uint8_t *bytes;
	long len = BIO_get_mem_data(h->out, &bytes), records_len = (long)sizeof heads + 40;

	if (!h->finished || SSL_version(h->openssl) != TLS1_2_VERSION || len < records_len ||
	    memcmp(bytes + len - records_len, heads, sizeof heads) != 0)
		return;
	memcpy(h->nonce, bytes + len - 40, sizeof h->nonce);
	h->nonce_known = true;
}

/*
 * OpenSSL says nothing to a client whose first bytes are no TLS. One who speaks TLS is told the reason, and one who
 * does not learns nothing from seven bytes.
 */
static void silence_break(struct handshake *h)
{
	static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, RECORD_UNEXPECTED_MESSAGE};

	if (!h->spoke && BIO_pending(h->out) == 0)
		BIO_write(h->out, alert, sizeof alert);
}

static enum handshake_is fail(struct handshake *h)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());
	long verdict = SSL_get_verify_result(h->openssl);

	silence_break(h);
	if (!h->error[0] && verdict != X509_V_OK && tls_context_is_client(h->context))
		snprintf(h->error, sizeof h->error, "the peer's certificate: %s",
			 X509_verify_cert_error_string(verdict));
	if (!h->error[0])
		snprintf(h->error, sizeof h->error, "%s", reason ? reason : "handshake failed");
	ERR_clear_error();
	return HANDSHAKE_FAILED;
}

enum handshake_is handshake_feed(struct handshake *h, const uint8_t *bytes, size_t len)
{
	int done;

	assert(h->is == HANDSHAKE_MORE && len <= INT32_MAX);
	assert(h->names_known || !tls_context_is_client(h->context));
	ERR_clear_error();
	h->fed_len = len;
	if (len > 0 && BIO_write(h->in, bytes, (int)len) != (int)len)
		return h->is = fail(h);
	tls_kdf_tell(&h->secrets);
	done = SSL_do_handshake(h->openssl);
	tls_kdf_tell(NULL);
	nonce_take(h);
	if (done == 1)
		h->is = HANDSHAKE_DONE;
	else if (SSL_get_error(h->openssl, done) != SSL_ERROR_WANT_READ)
		h->is = fail(h);
	h->spoke |= BIO_pending(h->out) > 0;
	return h->is;
}

size_t handshake_output(struct handshake *h, uint8_t *to, size_t cap)
{
	int len = cap > 0 ? BIO_read(h->out, to, cap < INT32_MAX ? (int)cap : INT32_MAX) : 0;

	return len > 0 ? (size_t)len : 0;
}

const char *handshake_error(const struct handshake *h)
{
	return h->error;
}

const char *handshake_alert_text(uint8_t description)
{
	/* Those of TLS 1.3 OpenSSL has no words for. */
	if (description == SSL_AD_CERTIFICATE_REQUIRED)
		return "certificate required";
	return SSL_alert_desc_string_long(description);
}

static bool cipher_of(const SSL *openssl, enum record_cipher *ret_cipher)
{
	switch (SSL_CIPHER_get_cipher_nid(SSL_get_current_cipher(openssl))) {
	case NID_aes_128_gcm:
		*ret_cipher = RECORD_AES_128_GCM;
		return true;
	case NID_aes_256_gcm:
		*ret_cipher = RECORD_AES_256_GCM;
		return true;
	case NID_chacha20_poly1305:
		*ret_cipher = RECORD_CHACHA20_POLY1305;
		return true;
	}
	return false;
}

static bool record_start13(const struct handshake *h, enum record_cipher cipher, struct record *record)
{
	size_t len = record_suite(cipher)->secret_len;
	bool client = tls_context_is_client(h->context);
	const struct tls_secret *read = client ? &h->secrets.server : &h->secrets.client;
	const struct tls_secret *write = client ? &h->secrets.client : &h->secrets.server;

	if (read->len != len || write->len != len ||
	    !record_init13(record, cipher, read->bytes, write->bytes, 0, h->written))
		return false;
	record->client = client;
	return true;
}

/* The Finished messages were record 0 of each side. */
static bool record_start12(const struct handshake *h, enum record_cipher cipher, struct record *record)
{
	uint8_t master[48], randoms[64], block[KEY_BLOCK_BYTES_MAX];
	bool known = (h->nonce_known || cipher == RECORD_CHACHA20_POLY1305) && SSL_get_extms_support(h->openssl) == 1 &&
		     SSL_get_server_random(h->openssl, randoms, 32) == 32 &&
		     SSL_get_client_random(h->openssl, randoms + 32, 32) == 32 &&
		     SSL_SESSION_get_master_key(SSL_get_session(h->openssl), master, sizeof master) == sizeof master &&
		     key_block_derive(cipher, master, randoms, block);

	if (known)
		record_init12(record, cipher, block, h->nonce, 1, 1 + h->written);
	OPENSSL_cleanse(master, sizeof master);
	OPENSSL_cleanse(block, sizeof block);
	return known;
}

static void server_name_take(const SSL *openssl, struct tls_facts *facts)
{
	const char *name = SSL_get_servername(openssl, TLSEXT_NAMETYPE_host_name);
	size_t len = name ? strlen(name) : 0;

	if (len >= sizeof facts->server_name)
		return;
	for (size_t i = 0; i < len; i++)
		facts->server_name[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] | 0x20) : name[i];
}

/* What a client was shown. */
static bool shown_take(const struct handshake *h, struct tls_facts *facts)
{
	const struct certificate *shown = tls_context_chosen(h->context, h->openssl, &facts->certificate);

	if (shown == NULL)
		return false;
	memcpy(facts->end_point, shown->end_point, sizeof facts->end_point);
	facts->end_point_len = shown->end_point_len;
	server_name_take(h->openssl, facts);
	return true;
}

/* The exporter's context is empty, which for TLS 1.2 is not the same as none (RFC 9266, 2; RFC 5705, 4). */
static bool exporter_take(const struct handshake *h, struct tls_facts *facts)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	const struct record_suite *suite = record_suite(facts->cipher);

	if (facts->version == RECORD_TLS13)
		return h->secrets.exporter.len == suite->secret_len &&
		       hkdf_export(suite->hkdf, h->secrets.exporter.bytes, label, facts->exporter,
				   sizeof facts->exporter);
	return SSL_export_keying_material(h->openssl, facts->exporter, sizeof facts->exporter, label, strlen(label),
					  (const uint8_t *)"", 0, 1) == 1;
}

static bool facts_take(const struct handshake *h, enum record_cipher cipher, struct tls_facts *facts)
{
	if (!tls_context_is_client(h->context) && !shown_take(h, facts))
		return false;
	facts->version = SSL_version(h->openssl) == TLS1_3_VERSION ? RECORD_TLS13 : RECORD_TLS12;
	facts->cipher = cipher;
	facts->resumed = SSL_session_reused(h->openssl) == 1;
	facts->has_exporter = true;
	return exporter_take(h, facts);
}

/* A session that is resumed brings the certificate of its first handshake, which may have expired since. */
static bool identity_take(const struct handshake *h, struct tls_facts *facts)
{
	const X509 *x509 = SSL_get0_peer_certificate(h->openssl);

	if (x509 == NULL || tls_context_is_client(h->context))
		return true;
	if (SSL_get_verify_result(h->openssl) != X509_V_OK || X509_cmp_current_time(X509_get0_notAfter(x509)) < 0)
		return false;
	facts->identity = identity_of(x509);
	return true;
}

static bool takeover(const struct handshake *h, struct record *record, struct tls_facts *facts)
{
	enum record_cipher cipher;

	if (!cipher_of(h->openssl, &cipher) || SSL_has_pending(h->openssl) || !facts_take(h, cipher, facts))
		return false;
	if (facts->version == RECORD_TLS13 ? !record_start13(h, cipher, record) : !record_start12(h, cipher, record))
		return false;
	return identity_take(h, facts);
}

bool handshake_finish(struct handshake **handshake, struct record *ret_record, struct tls_facts *ret_facts,
		      uint8_t *leftover, size_t *ret_leftover_len)
{
	struct handshake *h = *handshake;
	struct record record = {0};
	struct tls_facts facts = {0};
	size_t len = BIO_pending(h->in);
	bool taken;

	assert(h->is == HANDSHAKE_DONE && BIO_pending(h->out) == 0);
	assert(len <= h->fed_len);
	ERR_clear_error();
	taken = takeover(h, &record, &facts);
	if (taken) {
		if (len > 0)
			BIO_read(h->in, leftover, (int)len);
		*ret_leftover_len = len;
		*ret_record = record;
		*ret_facts = facts;
	}
	ERR_clear_error();
	record_done(&record);
	handshake_free(h);
	*handshake = NULL;
	return taken;
}
