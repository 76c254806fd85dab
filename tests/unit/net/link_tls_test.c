/* The gate's end of TLS on links, against OpenSSL's server: handshakes, what is taken over, tickets, names. */
#include "link_tls.h"
#include "record_crypto.h"
#include "tls_peer.h"

#include <criterion/criterion.h>
#include <string.h>

/* A server with a certificate for a.example and b.example, which is its own authority. */
static struct tls_files files;
static struct record_crypto *crypto;
static SSL *server;
static BIO *to_server, *from_server;
static struct tls_context *context;
static struct handshake *ours;
static struct record record;
static struct tls_facts facts;
static uint8_t wire[1 << 16];
static size_t wire_len; /* heard, and not yet opened */

static void begin(void)
{
	crypto = record_crypto_new();
	files = tls_files_make_for("EC", "SHA256", "DNS:a.example,DNS:b.example,DNS:*.c.example");
	wire_len = 0;
}

static void end(void)
{
	handshake_free(ours);
	ours = NULL;
	tls_context_unref(context);
	record_done(&record);
	SSL_free(server);
	record_crypto_free(crypto);
	tls_files_remove(&files);
}

TestSuite(link_tls, .init = begin, .fini = end);

static void server_make(int version, size_t tickets)
{
	SSL_CTX *openssl = SSL_CTX_new(TLS_server_method());

	cr_assert_eq(SSL_CTX_use_certificate_file(openssl, files.certificate, SSL_FILETYPE_PEM), 1);
	cr_assert_eq(SSL_CTX_use_PrivateKey_file(openssl, files.key, SSL_FILETYPE_PEM), 1);
	SSL_CTX_set_max_proto_version(openssl, version);
	SSL_CTX_set_num_tickets(openssl, tickets);
	server = SSL_new(openssl);
	SSL_CTX_free(openssl);
	to_server = BIO_new(BIO_s_mem());
	from_server = BIO_new(BIO_s_mem());
	SSL_set_bio(server, to_server, from_server);
	SSL_set_accept_state(server);
}

static void ours_make(const char *names)
{
	struct link_tls_settings settings = {.ca_file = files.certificate};
	struct tls_fault fault;

	context = link_tls_context(&settings, &fault);
	cr_assert(context != NULL, "%s", fault.why);
	ours = handshake_new(context, false);
	cr_assert(handshake_peer_names(ours, names));
}

static void speak(void)
{
	uint8_t piece[1000];
	size_t len;

	while ((len = handshake_output(ours, piece, sizeof piece)) > 0)
		BIO_write(to_server, piece, (int)len);
}

/* Until we are done or have failed; the server's bytes come in pieces. */
static enum handshake_is shake(size_t chunk)
{
	enum handshake_is is = handshake_feed(ours, NULL, 0);
	uint8_t bytes[16384];
	int len;

	speak();
	while (is == HANDSHAKE_MORE) {
		SSL_do_handshake(server);
		len = BIO_read(from_server, bytes, chunk < sizeof bytes ? (int)chunk : (int)sizeof bytes);
		cr_assert_gt(len, 0);
		is = handshake_feed(ours, bytes, (size_t)len);
		speak();
	}
	return is;
}

static void take_over(void)
{
	cr_assert(handshake_finish(&ours, &record, &facts, wire, &wire_len));
	cr_assert_eq(SSL_do_handshake(server), 1);
}

static void hear(void)
{
	int len = BIO_read(from_server, wire + wire_len, (int)(sizeof wire - wire_len));

	wire_len += len > 0 ? (size_t)len : 0;
}

/* The next record that says anything; what says nothing is counted. */
static struct record_found next(int *quiet)
{
	struct record_found found;
	size_t at = 0;

	hear();
	do {
		record_open(&record, crypto, wire + at, wire_len - at, &found);
		at += found.used;
		*quiet += found.is == RECORD_QUIET;
	} while (found.is == RECORD_QUIET);
	memmove(wire, wire + at, wire_len - at);
	wire_len -= at;
	return found;
}

static void talk(int quiet_expected)
{
	struct record_found found;
	uint8_t sealed[200];
	char heard[100];
	int quiet = 0;

	BIO_write(to_server, sealed, (int)record_seal(&record, crypto, (const uint8_t *)"ping", 4, sealed));
	cr_assert_eq(SSL_read(server, heard, sizeof heard), 4);
	cr_assert_eq(SSL_write(server, "pong", 4), 4);
	found = next(&quiet);
	cr_assert_eq(found.is, RECORD_TEXT, "is %d alert %d", found.is, found.alert);
	cr_assert_eq(found.text_len, 4);
	cr_assert_eq(quiet, quiet_expected);
}

Test(link_tls, every_suite_in_pieces_of_every_size)
{
	static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
					     "TLS_CHACHA20_POLY1305_SHA256"};
	static const size_t chunks[] = {1, 100, SIZE_MAX};

	for (size_t i = 0; i < 3; i++) {
		server_make(TLS1_3_VERSION, 0);
		SSL_set_ciphersuites(server, suites[i]);
		ours_make("a.example");
		cr_assert_eq(shake(chunks[i]), HANDSHAKE_DONE);
		take_over();
		cr_assert_eq(facts.cipher, i);
		cr_assert_eq(facts.version, RECORD_TLS13);
		talk(0);
		talk(0);
		record_done(&record);
		SSL_free(server);
		tls_context_unref(context);
		server = NULL;
		context = NULL;
	}
}

Test(link_tls, the_exporter_is_the_same_at_both_ends)
{
	uint8_t exporter[32];

	server_make(TLS1_3_VERSION, 0);
	ours_make("a.example");
	cr_assert_eq(shake(SIZE_MAX), HANDSHAKE_DONE);
	take_over();
	cr_assert(facts.has_exporter);
	SSL_export_keying_material(server, exporter, sizeof exporter, "EXPORTER-Channel-Binding", 24,
				   (const uint8_t *)"", 0, 1);
	cr_assert_arr_eq(facts.exporter, exporter, sizeof exporter);
}

/* RFC 8446, 4.6.1: a server may send tickets to one who will not use them. */
Test(link_tls, tickets_are_skipped)
{
	server_make(TLS1_3_VERSION, 2);
	ours_make("a.example");
	cr_assert_eq(shake(SIZE_MAX), HANDSHAKE_DONE);
	take_over();
	talk(2);
	SSL_new_session_ticket(server);
	cr_assert_eq(SSL_do_handshake(server), 1);
	talk(1);
}

Test(link_tls, RFC8446_4_6_3_the_server_changes_its_key)
{
	server_make(TLS1_3_VERSION, 0);
	ours_make("a.example");
	cr_assert_eq(shake(SIZE_MAX), HANDSHAKE_DONE);
	take_over();
	cr_assert_eq(SSL_key_update(server, SSL_KEY_UPDATE_REQUESTED), 1);
	cr_assert_eq(SSL_do_handshake(server), 1);
	talk(1);
	cr_assert(record.update_owed);
	talk(0);
	cr_assert(!record.update_owed);
}

Test(link_tls, the_alert_that_the_server_sends)
{
	struct record_found found;
	int quiet = 0;

	server_make(TLS1_3_VERSION, 0);
	SSL_set_verify(server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	ours_make("a.example");
	cr_assert_eq(shake(SIZE_MAX), HANDSHAKE_DONE);
	cr_assert(handshake_finish(&ours, &record, &facts, wire, &wire_len));
	cr_assert_eq(SSL_do_handshake(server), -1);
	found = next(&quiet);
	cr_assert_eq(found.is, RECORD_BAD);
	cr_assert_eq(found.alert, 0);
	cr_assert_str_eq(handshake_alert_text(found.peer_alert), "certificate required");
}

static void names_give(const char *names, enum handshake_is is)
{
	server_make(TLS1_3_VERSION, 0);
	ours_make(names);
	cr_assert_eq(shake(SIZE_MAX), is, "%s: %s", names, handshake_error(ours));
	if (is == HANDSHAKE_FAILED)
		cr_assert_str_eq(handshake_error(ours), "the peer's certificate: hostname mismatch");
	SSL_free(server);
	handshake_free(ours);
	tls_context_unref(context);
	server = NULL;
	ours = NULL;
	context = NULL;
}

Test(link_tls, names)
{
	names_give("a.example", HANDSHAKE_DONE);
	names_give("b.example", HANDSHAKE_DONE);
	names_give("x.example b.example", HANDSHAKE_DONE);
	names_give("x.example", HANDSHAKE_FAILED);
	names_give("x.c.example", HANDSHAKE_FAILED);
	names_give("example.org", HANDSHAKE_FAILED); /* the subject's CN */
	names_give("example", HANDSHAKE_FAILED);
}

Test(link_tls, TLS_12_is_refused)
{
	server_make(TLS1_2_VERSION, 0);
	ours_make("a.example");
	cr_assert_eq(handshake_feed(ours, NULL, 0), HANDSHAKE_MORE);
	speak();
	cr_assert_eq(SSL_do_handshake(server), -1);
	hear();
	cr_assert_eq(handshake_feed(ours, wire, wire_len), HANDSHAKE_FAILED);
	cr_assert_neq(handshake_error(ours)[0], '\0');
}

Test(link_tls, another_authority)
{
	struct tls_files other = tls_files_make("EC", "SHA256");
	struct link_tls_settings settings = {.ca_file = other.certificate};
	struct tls_fault fault;

	server_make(TLS1_3_VERSION, 0);
	context = link_tls_context(&settings, &fault);
	ours = handshake_new(context, false);
	cr_assert(handshake_peer_names(ours, "a.example"));
	cr_assert_eq(shake(SIZE_MAX), HANDSHAKE_FAILED);
	cr_assert_str_eq(handshake_error(ours), "the peer's certificate: self-signed certificate");
	tls_files_remove(&other);
}

Test(link_tls, files_that_are_wrong)
{
	struct tls_files other = tls_files_make("EC", "SHA256");
	struct link_tls_settings settings = {.ca_file = "/nowhere/ca.pem"};
	struct tls_fault fault;

	cr_assert_null(link_tls_context(&settings, &fault));
	cr_assert_eq(fault.file, settings.ca_file);
	cr_assert_eq(strncmp(fault.why, "no certificates of authorities (", 32), 0, "%s", fault.why);
	settings = (struct link_tls_settings){files.certificate, files.key, files.key};
	cr_assert_null(link_tls_context(&settings, &fault));
	cr_assert_eq(fault.file, settings.certificate_file);
	cr_assert_eq(strncmp(fault.why, "no certificate that can be used (", 33), 0, "%s", fault.why);
	settings = (struct link_tls_settings){files.certificate, files.certificate, other.key};
	cr_assert_null(link_tls_context(&settings, &fault));
	cr_assert_eq(fault.file, settings.key_file);
	cr_assert_eq(strncmp(fault.why, "no private key of the certificate (", 35), 0, "%s", fault.why);
	tls_files_remove(&other);
}
