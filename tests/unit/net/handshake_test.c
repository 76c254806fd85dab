/* Handshakes with OpenSSL's client, good and bad, and what is taken over from them. */
#include "record_craft.h"
#include "record_crypto.h"
#include "tls_context.h"
#include "tls_peer.h"

#include <criterion/criterion.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

static struct record_crypto *crypto;
static uint8_t wire[1 << 16];
static struct record_found found;

static void crypto_make(void)
{
	crypto = record_crypto_new();
	cr_assert(crypto);
}

static void crypto_drop(void)
{
	record_crypto_free(crypto);
}

TestSuite(handshake, .init = crypto_make, .fini = crypto_drop);

#define EACH_KIND(version, cipher)                                                                                     \
	for (enum record_version version = RECORD_TLS12; version <= RECORD_TLS13; version++)                           \
		for (enum record_cipher cipher = 0; cipher < RECORD_CIPHER_COUNT; cipher++)

static void says_hello_both_ways(struct tls_peer *p)
{
	size_t len;
	char heard[16];

	cr_assert_eq(SSL_write(p->client, "ping", 4), 4);
	len = peer_client_says(p, wire, sizeof wire);
	record_open(&p->record, crypto, wire, len, &found);
	cr_assert_eq(found.is, RECORD_TEXT, "is %d alert %d", found.is, found.alert);
	cr_assert_eq(found.text_len, 4);
	cr_assert_arr_eq(found.text, "ping", 4);
	len = record_seal(&p->record, crypto, (const uint8_t *)"pong", 4, wire);
	peer_client_hears(p, wire, len);
	cr_assert_eq(SSL_read(p->client, heard, sizeof heard), 4);
	cr_assert_arr_eq(heard, "pong", 4);
}

Test(handshake, every_suite_in_pieces_of_every_size)
{
	static const size_t chunks[] = {1, 7, 100, SIZE_MAX};

	EACH_KIND(version, cipher)
	for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
		struct tls_peer *p = peer_new(true);

		peer_choose(p, version, cipher);
		cr_assert_eq(peer_shake(p, chunks[i]), HANDSHAKE_DONE);
		cr_assert_str_eq(handshake_error(p->server), "");
		cr_assert(peer_finish(p));
		cr_assert_eq(p->facts.version, version);
		cr_assert_eq(p->facts.cipher, cipher);
		cr_assert_eq(p->facts.resumed, false);
		says_hello_both_ways(p);
		peer_free(p);
	}
}

static void exporter_is(struct tls_peer *p)
{
	uint8_t exporter[32];

	cr_assert(p->facts.has_exporter);
	cr_assert_eq(SSL_export_keying_material(p->client, exporter, sizeof exporter, "EXPORTER-Channel-Binding", 24,
						(const uint8_t *)"", 0, 1),
		     1);
	cr_assert_arr_eq(p->facts.exporter, exporter, sizeof exporter);
}

Test(handshake, facts)
{
	EACH_KIND(version, cipher)
	for (int named = 0; named < 2; named++) {
		struct tls_peer *p = peer_new(false);

		peer_choose(p, version, cipher);
		if (named)
			SSL_set_tlsext_host_name(p->client, "Chat.Example.ORG");
		cr_assert_eq(peer_shake(p, SIZE_MAX), HANDSHAKE_DONE);
		cr_assert(peer_finish(p));
		cr_assert_str_eq(p->facts.server_name, named ? "chat.example.org" : "");
		exporter_is(p);
		cr_assert_eq(p->facts.end_point_len, 32);
		peer_free(p);
	}
}

/* More than we put into one record. */
Test(handshake, certificate_of_five_kilobytes)
{
	char names[8192] = "DNS:localhost";
	struct tls_files files;

	for (size_t i = 0, len = strlen(names); i < 200; i++)
		len += (size_t)snprintf(names + len, sizeof names - len, ",DNS:host-%03zu.%s.example", i, "long-name");
	files = tls_files_make_for("EC", "SHA256", names);
	EACH_KIND(version, cipher)
	{
		struct tls_peer *p = peer_new_with(&files, 12, false);

		peer_choose(p, version, cipher);
		cr_assert_eq(peer_shake(p, SIZE_MAX), HANDSHAKE_DONE);
		cr_assert_gt(p->output_len, 5000);
		cr_assert(peer_finish(p));
		says_hello_both_ways(p);
		peer_free(p);
	}
	tls_files_remove(&files);
}

/* What a client gets that offers everything, in another order. */
Test(handshake, preferences)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct tls_peer *p = peer_new(false);

		SSL_set_max_proto_version(p->client, version);
		SSL_set_ciphersuites(p->client,
				     "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256");
		SSL_set_cipher_list(p->client, "CHACHA20:AESGCM");
		SSL_set1_groups_list(p->client, version == TLS1_2_VERSION ? "P-384:P-256:X25519" : "X25519:P-256");
		cr_assert_eq(peer_shake(p, SIZE_MAX), HANDSHAKE_DONE);
		cr_assert_eq(SSL_get_negotiated_group(p->client), NID_X25519);
		cr_assert(peer_finish(p));
		cr_assert_eq(p->facts.version, version == TLS1_2_VERSION ? RECORD_TLS12 : RECORD_TLS13);
		cr_assert_eq(p->facts.cipher, RECORD_AES_128_GCM);
		peer_free(p);
	}
}

/* The second group costs a client that guessed another one more round (HelloRetryRequest), and a third is none. */
Test(handshake, groups)
{
	static const char *const groups[] = {"P-256", "P-384:P-256", "P-384:X25519"};

	for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
		struct tls_peer *p = peer_new(false);

		SSL_set1_groups_list(p->client, groups[i]);
		cr_assert_eq(peer_shake(p, 50), HANDSHAKE_DONE);
		cr_assert_eq(SSL_get_negotiated_group(p->client), i < 2 ? NID_X9_62_prime256v1 : NID_X25519);
		cr_assert(peer_finish(p));
		says_hello_both_ways(p);
		peer_free(p);
	}
}

/*
 * The client's part of a TLS 1.2 connection before it has heard our Finished message: a client with a false start (RFC
 * 7918) sends data by then. OpenSSL's does not, so this end seals what such a client would.
 */
static struct record false_starter(struct tls_peer *p, enum record_cipher cipher)
{
	static const uint8_t nonce[8] = {9};
	uint8_t master[48], randoms[64], block[KEY_BLOCK_BYTES_MAX];
	struct record r;

	SSL_SESSION_get_master_key(SSL_get_session(p->client), master, sizeof master);
	SSL_get_server_random(p->client, randoms, 32);
	SSL_get_client_random(p->client, randoms + 32, 32);
	cr_assert(key_block_derive(cipher, master, randoms, block));
	record_init12(&r, cipher, block, nonce, 1, 1);
	return record_mirror(&r);
}

/* Lets the handshake run until the client's last flight, which is moved into `wire`; answers its length. */
static size_t last_flight(struct tls_peer *p)
{
	size_t len = peer_client_says(p, wire, sizeof wire);

	cr_assert_eq(peer_server_hears(p, wire, len), HANDSHAKE_MORE);
	len = peer_client_says(p, wire, sizeof wire);
	cr_assert_gt(len, 0);
	return len;
}

/* Data as the client would seal it right behind its flight. */
static size_t data_behind(struct tls_peer *p, enum record_version version, enum record_cipher cipher, uint8_t *to)
{
	struct record r;

	if (version == RECORD_TLS12) {
		r = false_starter(p, cipher);
		return record_craft(&r, crypto, 23, "early bird", 10, 0, to);
	}
	cr_assert_eq(SSL_write(p->client, "early bird", 10), 10);
	return peer_client_says(p, to, 100);
}

static void leftover_is_opened(enum record_version version, enum record_cipher cipher, size_t missing)
{
	struct tls_peer *p = peer_new(false);
	size_t flight, data;

	peer_choose(p, version, cipher);
	flight = last_flight(p);
	data = data_behind(p, version, cipher, wire + flight);
	cr_assert_lt(missing, data);
	cr_assert_eq(peer_server_hears(p, wire, flight + data - missing), HANDSHAKE_DONE);
	cr_assert(peer_finish(p));
	cr_assert_eq(p->leftover_len, data - missing);
	if (missing > 0) {
		record_open(&p->record, crypto, p->leftover, p->leftover_len, &found);
		cr_assert_eq(found.is, RECORD_MORE);
		memcpy(p->leftover + p->leftover_len, wire + flight + data - missing, missing);
	}
	record_open(&p->record, crypto, p->leftover, data, &found);
	cr_assert_eq(found.is, RECORD_TEXT, "is %d alert %d", found.is, found.alert);
	cr_assert_eq(found.text_len, 10);
	cr_assert_arr_eq(found.text, "early bird", 10);
	if (version == RECORD_TLS13)
		says_hello_both_ways(p);
	peer_free(p);
}

Test(handshake, leftover)
{
	EACH_KIND(version, cipher)
	{
		leftover_is_opened(version, cipher, 0);
		leftover_is_opened(version, cipher, 1);
		leftover_is_opened(version, cipher, 15);
		leftover_is_opened(version, cipher, 24);
	}
}

/* AES-GCM must never see a nonce twice under a key; OpenSSL chose that of our Finished message (the last 40 bytes). */
Test(handshake, nonces_of_tls12_continue)
{
	for (enum record_cipher cipher = 0; cipher <= RECORD_AES_256_GCM; cipher++) {
		struct tls_peer *p = peer_new(false);
		const uint8_t *finished;

		peer_choose(p, RECORD_TLS12, cipher);
		cr_assert_eq(peer_shake(p, SIZE_MAX), HANDSHAKE_DONE);
		cr_assert(peer_finish(p));
		finished = p->output + p->output_len - 40;
		for (int i = 1; i < 4; i++) {
			record_seal(&p->record, crypto, (const uint8_t *)"x", 1, wire);
			cr_assert_eq(memcmp(finished, wire + 5, 7), 0);
			cr_assert_eq(finished[7] ^ i, wire[12]);
		}
		peer_free(p);
	}
}

/* Should tickets be sent some day, the sequence number counts them. */
Test(handshake, tickets_are_counted)
{
	EACH_KIND(version, cipher)
	{
		struct tls_peer *p = peer_new(false);
		SSL_CTX *openssl = tls_context_openssl(p->context);

		SSL_CTX_clear_options(openssl, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(openssl, 3);
		handshake_free(p->server);
		p->server = handshake_new(p->context, false);
		peer_choose(p, version, cipher);
		cr_assert_eq(peer_shake(p, SIZE_MAX), HANDSHAKE_DONE);
		cr_assert(peer_finish(p));
		cr_assert_eq(p->record.write.sequence, version == RECORD_TLS13 ? 3 : 1);
		says_hello_both_ways(p);
		peer_free(p);
	}
}

Test(handshake, no_ticket_is_sent)
{
	for (enum record_version version = RECORD_TLS12; version <= RECORD_TLS13; version++) {
		struct tls_peer *p = peer_new(false);

		peer_choose(p, version, RECORD_AES_128_GCM);
		cr_assert_eq(peer_shake(p, SIZE_MAX), HANDSHAKE_DONE);
		cr_assert(peer_finish(p));
		cr_assert_eq(p->record.write.sequence, version == RECORD_TLS13 ? 0 : 1);
		says_hello_both_ways(p);
		cr_assert_not(SSL_SESSION_has_ticket(SSL_get_session(p->client)));
		cr_assert_not(SSL_SESSION_is_resumable(SSL_get_session(p->client)));
		peer_free(p);
	}
}

static void fails_with(struct tls_peer *p, uint8_t alert, const char *because)
{
	cr_assert_eq(peer_shake(p, SIZE_MAX), HANDSHAKE_FAILED);
	cr_assert_eq(p->alert[0], 2);
	cr_assert_eq(p->alert[1], alert, "alert %d", p->alert[1]);
	cr_assert(strstr(handshake_error(p->server), because), "%s", handshake_error(p->server));
	peer_free(p);
}

Test(handshake, old_version_is_refused)
{
	struct tls_peer *p = peer_new(false);

	SSL_set_security_level(p->client, 0);
	SSL_set_options(p->client, SSL_OP_NO_EXTENDED_MASTER_SECRET);
	SSL_set_min_proto_version(p->client, TLS1_VERSION);
	SSL_set_max_proto_version(p->client, TLS1_1_VERSION);
	SSL_set_cipher_list(p->client, "ALL:@SECLEVEL=0");
	fails_with(p, RECORD_PROTOCOL_VERSION, "unsupported protocol");
}

Test(handshake, tls12_is_refused_where_13_is_the_least)
{
	struct tls_files files = tls_files_make("EC", "SHA256");
	struct tls_peer *p = peer_new_with(&files, 13, false);

	peer_choose(p, RECORD_TLS12, RECORD_AES_128_GCM);
	fails_with(p, RECORD_PROTOCOL_VERSION, "unsupported protocol");
	p = peer_new_with(&files, 13, false);
	cr_assert_eq(peer_shake(p, SIZE_MAX), HANDSHAKE_DONE);
	peer_free(p);
	tls_files_remove(&files);
}

Test(handshake, extended_master_secret_is_required_in_12)
{
	struct tls_peer *p = peer_new(false);

	SSL_set_options(p->client, SSL_OP_NO_EXTENDED_MASTER_SECRET);
	peer_choose(p, RECORD_TLS12, RECORD_AES_128_GCM);
	fails_with(p, SSL_AD_HANDSHAKE_FAILURE, "extended master secret");
	p = peer_new(false);
	SSL_set_options(p->client, SSL_OP_NO_EXTENDED_MASTER_SECRET);
	cr_assert_eq(peer_shake(p, SIZE_MAX), HANDSHAKE_DONE);
	peer_free(p);
}

Test(handshake, weak_suites_are_refused)
{
	static const char *const weak[] = {"ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-CCM",
					   "ECDHE-ECDSA-AES128-SHA", "AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256"};

	for (size_t i = 0; i < sizeof weak / sizeof *weak; i++) {
		struct tls_peer *p = peer_new(false);

		SSL_set_max_proto_version(p->client, TLS1_2_VERSION);
		cr_assert_eq(SSL_set_cipher_list(p->client, weak[i]), 1);
		fails_with(p, SSL_AD_HANDSHAKE_FAILURE, "no shared cipher");
	}
}

Test(handshake, foreign_group_is_refused)
{
	struct tls_peer *p = peer_new(false);

	SSL_set1_groups_list(p->client, "P-384:P-521");
	fails_with(p, SSL_AD_HANDSHAKE_FAILURE, "");
}

static struct tls_peer *offering(bool direct, enum record_version version, const char *names, size_t len)
{
	struct tls_peer *p = peer_new(direct);

	peer_choose(p, version, RECORD_AES_128_GCM);
	SSL_set_alpn_protos(p->client, (const uint8_t *)names, (unsigned int)len);
	return p;
}

static void alpn_chosen(struct tls_peer *p, const char *name)
{
	const uint8_t *chosen;
	unsigned int len;

	cr_assert_eq(peer_shake(p, SIZE_MAX), HANDSHAKE_DONE);
	cr_assert(peer_finish(p));
	SSL_get0_alpn_selected(p->client, &chosen, &len);
	cr_assert_eq(len, strlen(name));
	cr_assert(len == 0 || memcmp(chosen, name, len) == 0);
	peer_free(p);
}

Test(handshake, alpn)
{
	static const char xmpp[] = "\13xmpp-client", both[] = "\2h2\13xmpp-client", web[] = "\2h2\10http/1.1";
	static const char near[] = "\12xmpp-clien\14xmpp-clientx\13xmpp-server";

	for (enum record_version version = RECORD_TLS12; version <= RECORD_TLS13; version++) {
		alpn_chosen(offering(true, version, xmpp, sizeof xmpp - 1), "xmpp-client");
		alpn_chosen(offering(true, version, both, sizeof both - 1), "xmpp-client");
		alpn_chosen(offering(false, version, web, sizeof web - 1), "");
		alpn_chosen(offering(false, version, xmpp, sizeof xmpp - 1), "");
		fails_with(offering(true, version, web, sizeof web - 1), SSL_AD_NO_APPLICATION_PROTOCOL,
			   "no application protocol");
		fails_with(offering(true, version, near, sizeof near - 1), SSL_AD_NO_APPLICATION_PROTOCOL,
			   "no application protocol");
	}
}

static void garbage_is_refused(const uint8_t *bytes, size_t len)
{
	static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, 10};
	struct tls_peer *p = peer_new(true);

	cr_assert_eq(peer_server_hears(p, bytes, len), HANDSHAKE_FAILED);
	cr_assert_eq(p->output_len, 7);
	cr_assert_eq(p->output[0], alert[0]);
	cr_assert_arr_eq(p->output + 3, alert + 3, 3);
	cr_assert_str_not_empty(handshake_error(p->server));
	peer_free(p);
}

/* The first byte is none of a TLS record nor of the length that SSL 2.0 began with. */
Test(handshake, garbage)
{
	static const char http[] = "GET / HTTP/1.1\r\nHost: example.org\r\nX-Echo: <iq type='set'/>\r\n\r\n";
	static const char stream[] = "<?xml version='1.0'?><stream:stream to='example.org' xmlns='jabber:client'>";
	static const char proxy[] = "CONNECT example.org:25 HTTP/1.1\r\n\r\n";
	uint64_t x = 4711;

	garbage_is_refused((const uint8_t *)http, strlen(http));
	garbage_is_refused((const uint8_t *)stream, strlen(stream));
	garbage_is_refused((const uint8_t *)proxy, strlen(proxy));
	for (int i = 0; i < 100; i++) {
		uint8_t bytes[200];

		random_fill(&x, bytes, sizeof bytes);
		bytes[0] = (uint8_t)(0x20 | (bytes[0] & 0x5f));
		garbage_is_refused(bytes, sizeof bytes);
	}
}

/* Any byte of the client's hello or of its last flight changed: never a connection that works. */
Test(handshake, bent_flights_never_finish)
{
	for (enum record_version version = RECORD_TLS12; version <= RECORD_TLS13; version++)
		for (size_t back = 1; back <= 36; back++) {
			struct tls_peer *p = peer_new(false);
			size_t len;

			peer_choose(p, version, RECORD_AES_128_GCM);
			len = last_flight(p);
			wire[len - back] ^= 0x10;
			cr_assert_eq(peer_server_hears(p, wire, len), HANDSHAKE_FAILED);
			cr_assert_str_not_empty(handshake_error(p->server));
			peer_free(p);
		}
}

/* A client that does not trust the certificate says so; it gets no answer. */
Test(handshake, client_s_alert_is_not_answered)
{
	for (enum record_version version = RECORD_TLS12; version <= RECORD_TLS13; version++) {
		struct tls_peer *p = peer_new(false);
		size_t len, output_len;

		peer_choose(p, version, RECORD_AES_128_GCM);
		SSL_set_verify(p->client, SSL_VERIFY_PEER, NULL);
		len = last_flight(p);
		output_len = p->output_len;
		cr_assert_eq(peer_server_hears(p, wire, len), HANDSHAKE_FAILED);
		cr_assert_eq(p->output_len, output_len);
		cr_assert(strstr(handshake_error(p->server), "unknown ca"), "%s", handshake_error(p->server));
		peer_free(p);
	}
}

Test(handshake, given_up_in_the_middle)
{
	struct tls_peer *p = peer_new(false);
	size_t len = peer_client_says(p, wire, sizeof wire);

	cr_assert_eq(peer_server_hears(p, wire, 0), HANDSHAKE_MORE);
	cr_assert_eq(peer_server_hears(p, wire, len / 2), HANDSHAKE_MORE);
	cr_assert_eq(p->output_len, 0);
	peer_free(p);
	p = peer_new(false);
	last_flight(p);
	peer_free(p);
	handshake_free(NULL);
}

/* A context may go while its handshakes run. */
Test(handshake, outlives_its_context)
{
	struct tls_peer *p = peer_new(false);

	tls_context_unref(p->context);
	p->context = NULL;
	cr_assert_eq(peer_shake(p, SIZE_MAX), HANDSHAKE_DONE);
	cr_assert(peer_finish(p));
	says_hello_both_ways(p);
	peer_free(p);
}
