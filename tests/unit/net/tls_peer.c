#include "tls_peer.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static EVP_PKEY *key_make(const char *algorithm)
{
	if (strcmp(algorithm, "EC") == 0)
		return EVP_EC_gen("P-256");
	if (strcmp(algorithm, "ED25519") == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (strncmp(algorithm, "RSA-", 4) == 0)
		return EVP_RSA_gen((size_t)atoi(algorithm + 4));
	return EVP_RSA_gen(2048);
}

/* OpenSSL's own reader of such texts takes no NUL: it is put into the encoding. */
static void names_add(X509 *x, const char *names)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
	ASN1_OCTET_STRING *der = X509_EXTENSION_get_data(extension);

	for (int i = 0; i < der->length; i++)
		if (der->data[i] == '^')
			der->data[i] = '\0';
	X509_add_ext(x, extension, -1);
	X509_EXTENSION_free(extension);
}

static X509 *certificate_make(EVP_PKEY *key, const char *digest, const char *names)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	ASN1_TIME_set_string_X509(X509_getm_notBefore(x), "20200101000000Z");
	ASN1_TIME_set_string_X509(X509_getm_notAfter(x), "20400101000000Z");
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"example.org", -1, -1, 0);
	X509_set_issuer_name(x, name);
	if (names)
		names_add(x, names);
	if (X509_sign(x, key, digest ? EVP_get_digestbyname(digest) : NULL) <= 0)
		abort();
	return x;
}

static FILE *file_make(char path[static 64])
{
	const char *folder = getenv("TMPDIR");
	int descriptor;

	snprintf(path, 64, "%.40s/tls_peer_XXXXXX", folder ? folder : "/tmp");
	descriptor = mkstemp(path);
	assert(descriptor >= 0);
	return fdopen(descriptor, "w");
}

struct tls_files tls_files_make(const char *algorithm, const char *digest)
{
	return tls_files_make_for(algorithm, digest, NULL);
}

struct tls_files tls_files_make_for(const char *algorithm, const char *digest, const char *names)
{
	struct tls_files files;
	EVP_PKEY *key = key_make(algorithm);
	X509 *certificate = certificate_make(key, digest, names);
	FILE *to = file_make(files.certificate);

	PEM_write_X509(to, certificate);
	fclose(to);
	to = file_make(files.key);
	PEM_write_PrivateKey(to, key, NULL, NULL, 0, NULL, NULL);
	fclose(to);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return files;
}

void tls_files_remove(const struct tls_files *files)
{
	unlink(files->certificate);
	unlink(files->key);
}

static void client_make(struct tls_peer *p)
{
	SSL_CTX *openssl = SSL_CTX_new(TLS_client_method());

	p->client = SSL_new(openssl);
	SSL_CTX_free(openssl);
	p->in = BIO_new(BIO_s_mem());
	p->out = BIO_new(BIO_s_mem());
	SSL_set_bio(p->client, p->in, p->out);
	SSL_set_connect_state(p->client);
}

struct tls_peer *peer_new_with(const struct tls_files *files, int version_min, bool direct)
{
	struct tls_settings settings = {files->certificate, files->key, version_min};

	return peer_new_by(&settings, direct);
}

struct tls_peer *peer_new_by(const struct tls_settings *settings, bool direct)
{
	struct tls_peer *p = calloc(1, sizeof *p);
	struct tls_fault fault;

	assert(p);
	p->context = tls_context_new(settings, &fault);
	assert(p->context);
	p->server = handshake_new(p->context, direct);
	assert(p->server);
	client_make(p);
	return p;
}

struct tls_peer *peer_new(bool direct)
{
	struct tls_files files = tls_files_make("EC", "SHA256");
	struct tls_peer *p = peer_new_with(&files, 12, direct);

	tls_files_remove(&files);
	return p;
}

void peer_free(struct tls_peer *p)
{
	handshake_free(p->server);
	tls_context_unref(p->context);
	SSL_free(p->client);
	free(p);
}

void peer_choose(struct tls_peer *p, enum record_version version, enum record_cipher cipher)
{
	static const char *const suites12[] = {"AESGCM+AES128", "AESGCM+AES256", "CHACHA20"};
	static const char *const suites13[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
					       "TLS_CHACHA20_POLY1305_SHA256"};
	int number = version == RECORD_TLS12 ? TLS1_2_VERSION : TLS1_3_VERSION;

	SSL_set_min_proto_version(p->client, number);
	SSL_set_max_proto_version(p->client, number);
	SSL_set_cipher_list(p->client, suites12[cipher]);
	SSL_set_ciphersuites(p->client, suites13[cipher]);
}

size_t peer_client_says(struct tls_peer *p, uint8_t *to, size_t cap)
{
	int len;

	if (!SSL_is_init_finished(p->client))
		SSL_do_handshake(p->client);
	len = BIO_read(p->out, to, (int)cap);
	return len > 0 ? (size_t)len : 0;
}

void peer_client_hears(struct tls_peer *p, const uint8_t *bytes, size_t len)
{
	BIO_write(p->in, bytes, (int)len);
}

/* Small pieces, so that handshake_output() has to continue where it stopped. */
static void output_take(struct tls_peer *p)
{
	uint8_t piece[100];
	size_t len;

	while ((len = handshake_output(p->server, piece, sizeof piece)) > 0) {
		assert(p->output_len + len <= sizeof p->output);
		memcpy(p->output + p->output_len, piece, len);
		p->output_len += len;
		peer_client_hears(p, piece, len);
	}
	if (p->output_len >= 7 && p->output[p->output_len - 7] == 21)
		memcpy(p->alert, p->output + p->output_len - 2, 2);
}

enum handshake_is peer_server_hears(struct tls_peer *p, const uint8_t *bytes, size_t len)
{
	enum handshake_is is = handshake_feed(p->server, bytes, len);

	output_take(p);
	return is;
}

enum handshake_is peer_shake(struct tls_peer *p, size_t chunk)
{
	enum handshake_is is = HANDSHAKE_MORE;
	uint8_t bytes[16384];

	for (int turns = 0; is == HANDSHAKE_MORE && turns < 20; turns++) {
		size_t len = peer_client_says(p, bytes, sizeof bytes);

		for (size_t at = 0; at < len && is == HANDSHAKE_MORE; at += chunk)
			is = peer_server_hears(p, bytes + at, len - at < chunk ? len - at : chunk);
	}
	return is;
}

bool peer_finish(struct tls_peer *p)
{
	bool taken = handshake_finish(&p->server, &p->record, &p->facts, p->leftover, &p->leftover_len);

	assert(!p->server);
	if (!SSL_is_init_finished(p->client))
		SSL_do_handshake(p->client);
	return taken;
}

uint64_t random_next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

void random_fill(uint64_t *x, uint8_t *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)(random_next(x) >> 24);
}
