/*
 * bench-handshake: full TLS handshakes of a server, per second of processor time of one core, by handshake.h and by
 * OpenSSL's own accept loop with the same settings, in one process, over memory. Only the server's work is on the
 * clock; the client is OpenSSL's, off it. Rounds of both alternate; the middle of the rounds is told. Exit status 1
 * when handshake.h does less than 0.9 of the bare loop.
 */
#include "clock.h"
#include "handshake.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 15, HANDSHAKES = 100, WIRE_BYTES = 16384 };
static const double ratio_min = 0.9;

static uint8_t wire[WIRE_BYTES];
static char certificate_file[] = "/tmp/bench-certificate-XXXXXX", key_file[] = "/tmp/bench-key-XXXXXX";

static void demand(bool holds)
{
	if (holds)
		return;
	fputs("bench-handshake: something does not work\n", stderr);
	exit(2);
}

/* ---- a certificate */

static X509 *certificate_make(EVP_PKEY *key)
{
	X509 *x = X509_new();

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const uint8_t *)"bench", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	demand(X509_sign(x, key, EVP_sha256()) > 0);
	return x;
}

static void files_make(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = certificate_make(key);
	FILE *to = fdopen(mkstemp(certificate_file), "w");

	PEM_write_X509(to, x);
	fclose(to);
	to = fdopen(mkstemp(key_file), "w");
	PEM_write_PrivateKey(to, key, NULL, NULL, 0, NULL, NULL);
	fclose(to);
	X509_free(x);
	EVP_PKEY_free(key);
}

/* ---- the client */

struct client {
	SSL *openssl;
	BIO *in, *out;
};

static struct client client_new(SSL_CTX *openssl)
{
	struct client c = {SSL_new(openssl), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem())};

	demand(c.openssl && c.in && c.out);
	SSL_set_bio(c.openssl, c.in, c.out);
	SSL_set_connect_state(c.openssl);
	return c;
}

/* What it has to say is in `wire`. */
static size_t client_says(struct client *c)
{
	int len;

	if (!SSL_is_init_finished(c->openssl))
		SSL_do_handshake(c->openssl);
	len = BIO_read(c->out, wire, sizeof wire);
	return len > 0 ? (size_t)len : 0;
}

/* ---- both servers: each answers the processor time that one handshake took it */

static uint64_t ours_shake(void *context, SSL_CTX *of_client)
{
	struct client c = client_new(of_client);
	static uint8_t leftover[WIRE_BYTES];
	struct tls_facts facts;
	struct record record;
	size_t len;
	uint64_t before = clock_ns(), took;
	struct handshake *h = handshake_new(context, true);
	enum handshake_is is = HANDSHAKE_MORE;

	demand(h);
	took = clock_ns() - before;
	while (is == HANDSHAKE_MORE) {
		len = client_says(&c);
		before = clock_ns();
		is = handshake_feed(h, wire, len);
		len = handshake_output(h, wire, sizeof wire);
		took += clock_ns() - before;
		BIO_write(c.in, wire, (int)len);
	}
	before = clock_ns();
	demand(is == HANDSHAKE_DONE && handshake_finish(&h, &record, &facts, leftover, &len));
	took += clock_ns() - before;
	record_done(&record);
	SSL_free(c.openssl);
	return took;
}

static uint64_t bare_shake(void *context, SSL_CTX *of_client)
{
	struct client c = client_new(of_client);
	uint64_t before = clock_ns(), took;
	SSL *server = SSL_new(context);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	int done = 0;

	SSL_set_bio(server, in, out);
	SSL_set_accept_state(server);
	took = clock_ns() - before;
	while (done != 1) {
		size_t len = client_says(&c);
		int answer;

		before = clock_ns();
		BIO_write(in, wire, (int)len);
		done = SSL_do_handshake(server);
		answer = BIO_read(out, wire, sizeof wire);
		took += clock_ns() - before;
		demand(done == 1 || SSL_get_error(server, done) == SSL_ERROR_WANT_READ);
		BIO_write(c.in, wire, answer > 0 ? answer : 0);
	}
	before = clock_ns();
	SSL_free(server);
	took += clock_ns() - before;
	SSL_free(c.openssl);
	return took;
}

static SSL_CTX *bare_new(void)
{
	SSL_CTX *openssl = SSL_CTX_new(TLS_server_method());

	demand(openssl && SSL_CTX_use_certificate_chain_file(openssl, certificate_file) == 1 &&
	       SSL_CTX_use_PrivateKey_file(openssl, key_file, SSL_FILETYPE_PEM) == 1);
	SSL_CTX_set_options(openssl, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(openssl, 0);
	SSL_CTX_set_session_cache_mode(openssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(openssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set1_groups_list(openssl, "X25519:P-256");
	return openssl;
}

/* ---- all of it */

static double per_second(uint64_t (*shake)(void *, SSL_CTX *), void *context, SSL_CTX *of_client)
{
	uint64_t ns = 0;

	for (int i = 0; i < HANDSHAKES; i++)
		ns += shake(context, of_client);
	return HANDSHAKES * 1e9 / (double)ns;
}

static bool version_run(struct tls_context *context, SSL_CTX *bare, int version, const char *name)
{
	SSL_CTX *of_client = SSL_CTX_new(TLS_client_method());
	double ours[ROUNDS], theirs[ROUNDS], one, other;

	SSL_CTX_set_min_proto_version(of_client, version);
	SSL_CTX_set_max_proto_version(of_client, version);
	for (int i = 0; i < ROUNDS; i++) {
		theirs[i] = per_second(bare_shake, bare, of_client);
		ours[i] = per_second(ours_shake, context, of_client);
	}
	SSL_CTX_free(of_client);
	one = clock_median(ours, ROUNDS);
	other = clock_median(theirs, ROUNDS);
	printf("%-8s  %9.0f  %9.0f  %5.2f%s\n", name, one, other, one / other,
	       one < ratio_min * other ? "  too little" : "");
	return one >= ratio_min * other;
}

int main(void)
{
	struct tls_fault fault;
	struct tls_settings settings = {.certificate_file = certificate_file, .key_file = key_file, .version_min = 12};
	struct tls_context *context;
	SSL_CTX *bare;
	bool good;

	files_make();
	context = tls_context_new(&settings, &fault);
	demand(context);
	bare = bare_new();
	unlink(certificate_file);
	unlink(key_file);
	printf("full handshakes of a server per second of one core (ECDSA P-256, X25519), middle of %d rounds\n",
	       ROUNDS);
	printf("%-8s  %9s  %9s  %5s\n", "", "handshake", "bare", "ratio");
	good = version_run(context, bare, TLS1_3_VERSION, "TLS 1.3");
	good = version_run(context, bare, TLS1_2_VERSION, "TLS 1.2") && good;
	tls_context_unref(context);
	SSL_CTX_free(bare);
	return good ? 0 : 1;
}
