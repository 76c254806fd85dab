/* Sealed and opened against OpenSSL's client: bulk, KeyUpdates of both sides, the end. */
#include "tls_peer.h"

#include <criterion/criterion.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

static struct record_crypto *crypto;
static struct tls_peer *p;
static uint8_t wire[1 << 18], heard[RECORD_TEXT_MAX];
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

TestSuite(traffic, .init = crypto_make, .fini = crypto_drop);

#define EACH_KIND(version, cipher)                                                                                     \
	for (enum record_version version = RECORD_TLS12; version <= RECORD_TLS13; version++)                           \
		for (enum record_cipher cipher = 0; cipher < RECORD_CIPHER_COUNT; cipher++)

static void connect_as(enum record_version version, enum record_cipher cipher)
{
	p = peer_new(false);
	peer_choose(p, version, cipher);
	cr_assert_eq(peer_shake(p, SIZE_MAX), HANDSHAKE_DONE);
	cr_assert(peer_finish(p));
	cr_assert_eq(p->facts.version, version);
	cr_assert_eq(p->facts.cipher, cipher);
	cr_assert_eq(p->leftover_len, 0);
}

static void disconnect(void)
{
	record_done(&p->record);
	peer_free(p);
}

/* The client sends a text; it is opened here, KeyUpdates before it included. Answers how many of these there were. */
static int client_says(const uint8_t *text, size_t len)
{
	size_t have, at = 0;
	int quiet = 0;

	cr_assert_eq(SSL_write(p->client, text, (int)len), (int)len);
	have = peer_client_says(p, wire, sizeof wire);
	for (;; quiet++) {
		record_open(&p->record, crypto, wire + at, have - at, &found);
		at += found.used;
		if (found.is != RECORD_QUIET)
			break;
	}
	cr_assert_eq(found.is, RECORD_TEXT, "is %d, alert %d", found.is, found.alert);
	cr_assert_eq(at, have);
	cr_assert_eq(found.text_len, len);
	cr_assert_eq(memcmp(found.text, text, len), 0);
	return quiet;
}

/* Ours is read there. Answers the bytes that the KeyUpdate before it took. */
static size_t client_hears(const uint8_t *text, size_t len)
{
	size_t sealed = record_seal(&p->record, crypto, text, len, wire);
	size_t extra = p->record.version == RECORD_TLS13	      ? 5 + 1 + 16
		       : p->record.cipher == RECORD_CHACHA20_POLY1305 ? 5 + 16
								      : 5 + 8 + 16;

	cr_assert_geq(sealed, len + extra);
	peer_client_hears(p, wire, sealed);
	cr_assert_eq(SSL_read(p->client, heard, sizeof heard), (int)len);
	cr_assert_eq(memcmp(heard, text, len), 0);
	return sealed - len - extra;
}

Test(traffic, random_records_both_ways)
{
	static uint8_t text[RECORD_TEXT_MAX];
	uint64_t x = 88172645463325252;

	random_fill(&x, text, sizeof text);
	EACH_KIND(version, cipher)
	{
		connect_as(version, cipher);
		for (int i = 0; i < 6000; i++) {
			bool large = random_next(&x) % 4 == 0;
			size_t len = 1 + random_next(&x) % (large ? RECORD_TEXT_MAX : 300);

			text[random_next(&x) % sizeof text] ^= 1;
			if (random_next(&x) % 2)
				cr_assert_eq(client_says(text, len), 0);
			else
				cr_assert_eq(client_hears(text, len), 0);
		}
		client_says(text, RECORD_TEXT_MAX);
		client_hears(text, RECORD_TEXT_MAX);
		disconnect();
	}
}

/* The client pads its records: what it means must come out. */
Test(traffic, padded_records)
{
	connect_as(RECORD_TLS13, RECORD_AES_128_GCM);
	SSL_set_block_padding(p->client, 512);
	for (size_t len = 1; len < 1200; len++)
		client_says(wire + sizeof wire / 2, len);
	disconnect();
}

Test(traffic, an_empty_record_does_no_harm)
{
	EACH_KIND(version, cipher)
	{
		size_t len;

		connect_as(version, cipher);
		len = record_seal(&p->record, crypto, NULL, 0, wire);
		peer_client_hears(p, wire, len);
		client_hears((const uint8_t *)"x", 1);
		disconnect();
	}
}

Test(traffic, client_updates_its_key)
{
	for (enum record_cipher cipher = 0; cipher < RECORD_CIPHER_COUNT; cipher++) {
		connect_as(RECORD_TLS13, cipher);
		for (int i = 0; i < 40; i++) {
			int request = i % 3 == 0 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;

			cr_assert_eq(SSL_key_update(p->client, request), 1);
			cr_assert_eq(client_says((const uint8_t *)"after", 5), 1);
			cr_assert_eq(client_says((const uint8_t *)"later", 5), 0);
			cr_assert_eq(client_hears((const uint8_t *)"answer", 6),
				     request == SSL_KEY_UPDATE_REQUESTED ? 27 : 0);
			cr_assert_eq(client_hears((const uint8_t *)"again", 5), 0);
		}
		disconnect();
	}
}

/* A key reaches its limit every 7 records, and OpenSSL follows; when its own is worn too, it is asked and answers. */
Test(traffic, we_update_our_key)
{
	record_crypto_limit(crypto, 7);
	for (enum record_cipher cipher = 0; cipher < RECORD_CIPHER_COUNT; cipher++) {
		connect_as(RECORD_TLS13, cipher);
		for (int i = 0; i < 100; i++) {
			size_t update = client_hears((const uint8_t *)"<message/>", 10);

			cr_assert_eq(update, i > 0 && i % 7 == 0 ? 27 : 0, "record %d", i);
			cr_assert_leq(p->record.write.sequence, 7);
		}
		for (int i = 0; i < 20; i++)
			cr_assert_eq(client_says((const uint8_t *)"<iq/>", 5), 0);
		cr_assert_eq(client_hears((const uint8_t *)"x", 1), 27);
		cr_assert(p->record.update_asked);
		cr_assert_eq(client_hears((const uint8_t *)"x", 1), 0);
		cr_assert_eq(client_says((const uint8_t *)"<iq/>", 5), 1);
		cr_assert_not(p->record.update_asked);
		cr_assert_eq(p->record.read.sequence, 1);
		disconnect();
	}
}

Test(traffic, close_notify_both_ways)
{
	EACH_KIND(version, cipher)
	{
		size_t len;

		connect_as(version, cipher);
		cr_assert_eq(SSL_shutdown(p->client), 0);
		len = peer_client_says(p, wire, sizeof wire);
		record_open(&p->record, crypto, wire, len, &found);
		cr_assert_eq(found.is, RECORD_END);
		cr_assert_eq(found.used, len);
		len = record_seal_alert(&p->record, crypto, RECORD_CLOSE_NOTIFY, wire);
		peer_client_hears(p, wire, len);
		cr_assert_eq(SSL_shutdown(p->client), 1);
		disconnect();
	}
}

Test(traffic, client_understands_our_alert)
{
	EACH_KIND(version, cipher)
	{
		size_t len;

		connect_as(version, cipher);
		len = record_seal_alert(&p->record, crypto, RECORD_DECODE_ERROR, wire);
		peer_client_hears(p, wire, len);
		ERR_clear_error();
		cr_assert_leq(SSL_read(p->client, heard, 1), 0);
		cr_assert_eq(ERR_GET_REASON(ERR_peek_error()), SSL_AD_REASON_OFFSET + RECORD_DECODE_ERROR);
		disconnect();
	}
}

Test(traffic, renegotiation_is_refused)
{
	size_t len;

	connect_as(RECORD_TLS12, RECORD_AES_128_GCM);
	cr_assert_eq(SSL_renegotiate(p->client), 1);
	SSL_do_handshake(p->client);
	len = peer_client_says(p, wire, sizeof wire);
	cr_assert_gt(len, 100);
	record_open(&p->record, crypto, wire, len, &found);
	cr_assert_eq(found.is, RECORD_BAD);
	cr_assert_eq(found.alert, RECORD_NO_RENEGOTIATION);
	disconnect();
}
