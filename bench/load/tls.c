#include "tls.h"

#include <assert.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECRET_BYTES_MAX = 48 };

struct tls {
	SSL *openssl;
	BIO *in, *out; /* owned by openssl */
	SSL_SESSION **session;
	size_t read_len, write_len;
	uint8_t read_secret[SECRET_BYTES_MAX], write_secret[SECRET_BYTES_MAX];
};

/* ---- what all share */

/* OpenSSL tells every secret of the handshake; two of them the rest of the connection lives on. */
static void secret_hear(const SSL *openssl, const char *line)
{
	static const char client[] = "CLIENT_TRAFFIC_SECRET_0 ", server[] = "SERVER_TRAFFIC_SECRET_0 ";
	struct tls *tls = SSL_get_app_data(openssl);
	const char *secret = strrchr(line, ' ');

	if (!secret)
		return;
	if (strncmp(line, client, strlen(client)) == 0)
		OPENSSL_hexstr2buf_ex(tls->write_secret, SECRET_BYTES_MAX, &tls->write_len, secret + 1, '\0');
	else if (strncmp(line, server, strlen(server)) == 0)
		OPENSSL_hexstr2buf_ex(tls->read_secret, SECRET_BYTES_MAX, &tls->read_len, secret + 1, '\0');
}

/* A ticket has come: the session is ours when the answer is 1. */
static int session_keep(SSL *openssl, SSL_SESSION *session)
{
	struct tls *tls = SSL_get_app_data(openssl);

	if (!tls->session)
		return 0;
	SSL_SESSION_free(*tls->session);
	*tls->session = session;
	return 1;
}

static bool trust_load(SSL_CTX *context, const struct tls_options *options)
{
	if (options->insecure)
		return true;
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	if (!options->ca_file[0])
		return SSL_CTX_set_default_verify_paths(context);
	if (SSL_CTX_load_verify_file(context, options->ca_file))
		return true;
	fprintf(stderr, "--ca: %s: no certificates could be read\n", options->ca_file);
	return false;
}

static void context_set(SSL_CTX *context, const struct tls_options *options)
{
	int version = !options->version[0] ? 0 : strcmp(options->version, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;

	SSL_CTX_set_min_proto_version(context, version ? version : TLS1_2_VERSION);
	SSL_CTX_set_max_proto_version(context, version);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	/* Never more than one record is taken from the input: what stands behind the handshake is the engine's. */
	SSL_CTX_set_read_ahead(context, 0);
	SSL_CTX_set_keylog_callback(context, secret_hear);
	SSL_CTX_set_session_cache_mode(context, options->tickets ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
								 : SSL_SESS_CACHE_OFF);
	SSL_CTX_sess_set_new_cb(context, session_keep);
}

bool tls_shared_open(struct tls_shared *shared, const struct tls_options *options)
{
	*shared = (struct tls_shared){.context = SSL_CTX_new(TLS_client_method()),
				      .crypto = record_crypto_new(),
				      .name = options->name,
				      .verify = !options->insecure,
				      .direct = options->direct,
				      .exporter = options->exporter,
				      .tickets = options->tickets};
	assert(shared->context && shared->crypto);
	context_set(shared->context, options);
	return trust_load(shared->context, options);
}

void tls_shared_close(struct tls_shared *shared)
{
	SSL_CTX_free(shared->context);
	record_crypto_free(shared->crypto);
}

/* ---- the handshake */

static bool openssl_set(struct tls *tls, const struct tls_shared *shared)
{
	static const unsigned char alpn[] = "\x0bxmpp-client";

	if (!SSL_set_tlsext_host_name(tls->openssl, shared->name))
		return false;
	if (shared->verify && !SSL_set1_host(tls->openssl, shared->name))
		return false;
	if (shared->direct && SSL_set_alpn_protos(tls->openssl, alpn, sizeof alpn - 1))
		return false;
	return !tls->session || !*tls->session || SSL_set_session(tls->openssl, *tls->session);
}

struct tls *tls_new(const struct tls_shared *shared, SSL_SESSION **session)
{
	struct tls *tls = calloc(1, sizeof *tls);

	assert(tls);
	tls->openssl = SSL_new(shared->context);
	tls->in = BIO_new(BIO_s_mem());
	tls->out = BIO_new(BIO_s_mem());
	assert(tls->openssl && tls->in && tls->out);
	SSL_set_bio(tls->openssl, tls->in, tls->out);
	SSL_set_app_data(tls->openssl, tls);
	SSL_set_connect_state(tls->openssl);
	tls->session = shared->tickets ? session : NULL;
	if (openssl_set(tls, shared))
		return tls;
	tls_free(tls);
	return NULL;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	/* A session whose connection did not end in peace may be resumed all the same: OpenSSL would not. */
	if (SSL_is_init_finished(tls->openssl))
		SSL_set_shutdown(tls->openssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(tls->openssl);
	OPENSSL_clear_free(tls, sizeof *tls);
}

static enum tls_is result_of(const struct tls *tls, int answer)
{
	if (answer == 1)
		return TLS_DONE;
	return SSL_get_error(tls->openssl, answer) == SSL_ERROR_WANT_READ ? TLS_MORE : TLS_FAILED;
}

bool tls_put(struct tls *tls, const uint8_t *bytes, size_t len)
{
	return len == 0 || BIO_write(tls->in, bytes, (int)len) == (int)len;
}

enum tls_is tls_feed(struct tls *tls, const uint8_t *bytes, size_t len)
{
	ERR_clear_error();
	return tls_put(tls, bytes, len) ? result_of(tls, SSL_do_handshake(tls->openssl)) : TLS_FAILED;
}

struct chunk *tls_output(struct tls *tls)
{
	int len = (int)BIO_pending(tls->out);
	struct chunk *chunk;

	if (len <= 0)
		return NULL;
	chunk = chunk_new((size_t)len);
	chunk->filled = (uint32_t)BIO_read(tls->out, chunk->bytes, len);
	return chunk;
}

const char *tls_error(const struct tls *tls)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());
	long verdict = SSL_get_verify_result(tls->openssl);

	if (verdict != X509_V_OK && SSL_get_verify_mode(tls->openssl) != SSL_VERIFY_NONE)
		return X509_verify_cert_error_string(verdict);
	return reason ? reason : "the server ended it";
}

bool tls_is_13(const struct tls *tls)
{
	return SSL_version(tls->openssl) == TLS1_3_VERSION;
}

bool tls_is_resumed(const struct tls *tls)
{
	return SSL_session_reused(tls->openssl) == 1;
}

bool tls_exporter(const struct tls *tls, unsigned char to[static TLS_EXPORTER_BYTES])
{
	static const char label[] = "EXPORTER-Channel-Binding";

	return SSL_export_keying_material(tls->openssl, to, TLS_EXPORTER_BYTES, label, sizeof label - 1,
					  (const unsigned char *)"", 0, 1) == 1;
}

/* ---- the rest of the connection by the record engine */

static bool cipher_of(const struct tls *tls, enum record_cipher *ret_cipher)
{
	switch (SSL_CIPHER_get_cipher_nid(SSL_get_current_cipher(tls->openssl))) {
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

struct record *tls_take_over(struct tls *tls, const struct tls_shared *shared, uint8_t *leftover, size_t *ret_len)
{
	enum record_cipher cipher;
	struct record whole, *record;
	size_t len;

	if (shared->tickets || !tls_is_13(tls) || !cipher_of(tls, &cipher) || SSL_has_pending(tls->openssl))
		return NULL;
	if (!tls->read_len || tls->read_len != tls->write_len ||
	    !record_init13(&whole, cipher, tls->read_secret, tls->write_secret, 0, 0))
		return NULL;
	whole.client = true;
	record = malloc(record_bytes(&whole));
	assert(record);
	memcpy(record, &whole, record_bytes(&whole));
	record_done(&whole);
	len = BIO_pending(tls->in);
	*ret_len = len > 0 ? (size_t)BIO_read(tls->in, leftover, (int)len) : 0;
	return record;
}

void tls_record_free(struct record *record)
{
	if (!record)
		return;
	record_done(record);
	free(record);
}

/* ---- the rest by OpenSSL */

enum tls_is tls_read(struct tls *tls, uint8_t *to, size_t cap, size_t *ret_len, bool *ret_end)
{
	int answer;

	ERR_clear_error();
	answer = SSL_read_ex(tls->openssl, to, cap, ret_len);
	*ret_end = answer != 1 && SSL_get_error(tls->openssl, answer) == SSL_ERROR_ZERO_RETURN;
	return result_of(tls, answer);
}

bool tls_write(struct tls *tls, const uint8_t *text, size_t len)
{
	size_t written;

	ERR_clear_error();
	return SSL_write_ex(tls->openssl, text, len, &written) == 1 && written == len;
}

void tls_say_goodbye(struct tls *tls)
{
	ERR_clear_error();
	if (SSL_is_init_finished(tls->openssl))
		SSL_shutdown(tls->openssl);
}
