/* The record engine alone: records of every make, opened and sealed between two ends with fixed secrets. */
#include "record_craft.h"
#include "record_crypto.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { ALERT = 21, HANDSHAKE = 22, DATA = 23, WIRE_CAP = RECORD_TEXT_MAX + 1024 };

static struct record_crypto *crypto;
static struct record server, client;
static uint8_t wire[WIRE_CAP];
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

TestSuite(record, .init = crypto_make, .fini = crypto_drop);

#define EACH_KIND(version, cipher)                                                                                     \
	for (enum record_version version = RECORD_TLS12; version <= RECORD_TLS13; version++)                           \
		for (enum record_cipher cipher = 0; cipher < RECORD_CIPHER_COUNT; cipher++)

/* Opens a copy that is exactly as long as said, so that a sanitizer sees any reading behind its end. */
static void open_exactly(struct record *r, const uint8_t *bytes, size_t len)
{
	static uint8_t *copy;

	free(copy);
	copy = malloc(len ? len : 1);
	memcpy(copy, bytes, len);
	record_open(r, crypto, copy, len, &found);
}

static void server_hears(uint8_t type, const void *content, size_t len, size_t padding)
{
	open_exactly(&server, wire, record_craft(&client, crypto, type, content, len, padding, wire));
}

static void is_bad(uint8_t alert)
{
	cr_assert_eq(found.is, RECORD_BAD, "is %d", found.is);
	cr_assert_eq(found.alert, alert, "alert %d, wanted %d", found.alert, alert);
	cr_assert_eq(found.used, 0);
	cr_assert_null(found.text);
}

static void is_text(const char *text, size_t len)
{
	cr_assert_eq(found.is, RECORD_TEXT, "is %d, alert %d", found.is, found.alert);
	cr_assert_eq(found.text_len, len);
	cr_assert_arr_eq(found.text, text, len);
}

Test(record, names)
{
	cr_assert_str_eq(record_cipher_name(RECORD_AES_128_GCM), "AES_128_GCM");
	cr_assert_str_eq(record_cipher_name(RECORD_AES_256_GCM), "AES_256_GCM");
	cr_assert_str_eq(record_cipher_name(RECORD_CHACHA20_POLY1305), "CHACHA20_POLY1305");
}

Test(record, what_one_seals_the_other_opens)
{
	static const size_t lens[] = {0, 1, 15, 16, 17, 200, 4096, RECORD_TEXT_MAX};
	static uint8_t text[RECORD_TEXT_MAX];

	memset(text, 'x', sizeof text);
	EACH_KIND(version, cipher)
	{
		record_pair_make(version, cipher, &server, &client);
		for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
			size_t len = record_seal(&client, crypto, text, lens[i], wire);

			cr_assert_gt(len, lens[i]);
			cr_assert_leq(len, lens[i] + RECORD_SEAL_EXTRA);
			open_exactly(&server, wire, len);
			is_text((char *)text, lens[i]);
			cr_assert_eq(found.used, len);
		}
		cr_assert_eq(server.read.sequence, client.write.sequence);
	}
}

/* Three records, of which one moves nothing, must give the same whatever came with which call. */
Test(record, every_split_is_the_same)
{
	static const char *const texts[] = {"one", "", "three"};

	EACH_KIND(version, cipher)
	{
		size_t lens[3], all = 0;

		record_pair_make(version, cipher, &server, &client);
		for (int i = 0; i < 3; i++)
			all += lens[i] = record_craft(&client, crypto, DATA, texts[i], strlen(texts[i]), 0, wire + all);
		for (size_t split = 0; split <= all; split++) {
			struct record reader = server;
			size_t at = 0, records = 0;

			for (size_t have = split;;) {
				open_exactly(&reader, wire + at, have - at);
				if (found.is == RECORD_MORE && have == all)
					break;
				if (found.is == RECORD_MORE) {
					cr_assert_eq(found.used, 0);
					have = all;
					continue;
				}
				cr_assert_lt(records, 3);
				is_text(texts[records], strlen(texts[records]));
				cr_assert_eq(found.used, lens[records]);
				at += found.used;
				records++;
			}
			cr_assert_eq(records, 3);
			cr_assert_eq(at, all);
		}
	}
}

/* Behind the record stand zeros enough for any length that a flipped bit may claim. */
Test(record, every_flipped_bit_is_refused)
{
	static uint8_t bent[WIRE_CAP + 65536];

	EACH_KIND(version, cipher)
	{
		size_t len;

		record_pair_make(version, cipher, &server, &client);
		len = record_seal(&client, crypto, (const uint8_t *)"<presence/>", 11, wire);
		for (size_t bit = 0; bit < len * 8; bit++) {
			struct record reader = server;

			memset(bent, 0, sizeof bent);
			memcpy(bent, wire, len);
			bent[bit / 8] ^= (uint8_t)(1 << bit % 8);
			record_open(&reader, crypto, bent, sizeof bent, &found);
			cr_assert_eq(found.is, RECORD_BAD, "bit %zu", bit);
			cr_assert_gt(found.alert, 0);
			cr_assert(bit < 40 || found.alert == RECORD_BAD_RECORD_MAC);
		}
		open_exactly(&server, wire, len);
		is_text("<presence/>", 11);
	}
}

Test(record, replay_and_reorder_are_refused)
{
	EACH_KIND(version, cipher)
	{
		size_t one, two;
		struct record reader;

		record_pair_make(version, cipher, &server, &client);
		one = record_seal(&client, crypto, (const uint8_t *)"1", 1, wire);
		two = record_seal(&client, crypto, (const uint8_t *)"2", 1, wire + one);
		reader = server;
		open_exactly(&reader, wire + one, two);
		is_bad(RECORD_BAD_RECORD_MAC);
		open_exactly(&server, wire, one);
		is_text("1", 1);
		open_exactly(&server, wire, one);
		is_bad(RECORD_BAD_RECORD_MAC);
	}
}

Test(record, header_is_judged_alone)
{
	static const uint8_t long13[] = {23, 3, 3, 0x41, 0x01}, fits13[] = {23, 3, 3, 0x41, 0x00};
	static const uint8_t long12[] = {23, 3, 3, 0x40, 0x19}, fits12[] = {23, 3, 3, 0x40, 0x18};
	static const uint8_t long_chacha12[] = {23, 3, 3, 0x40, 0x11};
	static const uint8_t change[] = {20, 3, 3, 0, 1}, clear_alert[] = {21, 3, 3, 0, 2}, http[] = "GET /";
	static const uint8_t old[] = {23, 3, 1, 0, 100}, tiny13[] = {23, 3, 3, 0, 15}, tiny12[] = {23, 3, 3, 0, 23};
	const struct {
		enum record_version version;
		enum record_cipher cipher;
		const uint8_t *header;
		int alert; /* -1: it is acceptable */
	} rows[] = {
		{RECORD_TLS13, RECORD_AES_128_GCM, long13, RECORD_RECORD_OVERFLOW},
		{RECORD_TLS13, RECORD_AES_128_GCM, fits13, -1},
		{RECORD_TLS12, RECORD_AES_128_GCM, long12, RECORD_RECORD_OVERFLOW},
		{RECORD_TLS12, RECORD_AES_128_GCM, fits12, -1},
		{RECORD_TLS12, RECORD_CHACHA20_POLY1305, long_chacha12, RECORD_RECORD_OVERFLOW},
		{RECORD_TLS13, RECORD_AES_128_GCM, change, RECORD_UNEXPECTED_MESSAGE},
		{RECORD_TLS12, RECORD_AES_128_GCM, change, RECORD_UNEXPECTED_MESSAGE},
		{RECORD_TLS13, RECORD_AES_128_GCM, clear_alert, RECORD_UNEXPECTED_MESSAGE},
		{RECORD_TLS12, RECORD_AES_128_GCM, clear_alert, RECORD_BAD_RECORD_MAC},
		{RECORD_TLS13, RECORD_AES_128_GCM, http, RECORD_UNEXPECTED_MESSAGE},
		{RECORD_TLS12, RECORD_AES_128_GCM, http, RECORD_UNEXPECTED_MESSAGE},
		{RECORD_TLS13, RECORD_AES_128_GCM, old, RECORD_PROTOCOL_VERSION},
		{RECORD_TLS12, RECORD_AES_128_GCM, old, RECORD_PROTOCOL_VERSION},
		{RECORD_TLS13, RECORD_AES_128_GCM, tiny13, RECORD_BAD_RECORD_MAC},
		{RECORD_TLS12, RECORD_AES_128_GCM, tiny12, RECORD_BAD_RECORD_MAC},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		record_pair_make(rows[i].version, rows[i].cipher, &server, &client);
		open_exactly(&server, rows[i].header, 4);
		cr_assert_eq(found.is, RECORD_MORE);
		open_exactly(&server, rows[i].header, 5);
		if (rows[i].alert < 0)
			cr_assert_eq(found.is, RECORD_MORE, "row %zu", i);
		else
			is_bad((uint8_t)rows[i].alert);
	}
}

Test(record, padding_is_stripped)
{
	static const size_t paddings[] = {0, 1, 100, RECORD_TEXT_MAX - 5};
	static const uint8_t zeros[4];

	record_pair_make(RECORD_TLS13, RECORD_AES_128_GCM, &server, &client);
	for (size_t i = 0; i < sizeof paddings / sizeof *paddings; i++) {
		server_hears(DATA, "hello", 5, paddings[i]);
		is_text("hello", 5);
	}
	server_hears(DATA, zeros, 4, 3);
	is_text((const char *)zeros, 4);
	server_hears(ALERT, "\1\0", 2, 77);
	cr_assert_eq(found.is, RECORD_END);
}

Test(record, inner_text_has_limits)
{
	static const uint8_t text[RECORD_TEXT_MAX + 1];

	record_pair_make(RECORD_TLS13, RECORD_AES_128_GCM, &server, &client);
	server_hears(DATA, text, RECORD_TEXT_MAX, 0);
	is_text((const char *)text, RECORD_TEXT_MAX);
	server_hears(DATA, text, RECORD_TEXT_MAX, 1);
	is_bad(RECORD_RECORD_OVERFLOW);
	record_pair_make(RECORD_TLS13, RECORD_AES_128_GCM, &server, &client);
	server_hears(0, text, 100, 0);
	is_bad(RECORD_UNEXPECTED_MESSAGE);
	record_pair_make(RECORD_TLS12, RECORD_AES_128_GCM, &server, &client);
	server_hears(DATA, text, RECORD_TEXT_MAX, 0);
	is_text((const char *)text, RECORD_TEXT_MAX);
	server_hears(DATA, text, RECORD_TEXT_MAX + 1, 0);
	is_bad(RECORD_RECORD_OVERFLOW);
}

/* One byte of tag too few is a forgery; a tag over nothing at all is well sealed, and yet no record. */
Test(record, inner_text_of_nothing)
{
	record_pair_make(RECORD_TLS13, RECORD_AES_128_GCM, &server, &client);
	server_hears(0, "", 0, 0);
	is_bad(RECORD_UNEXPECTED_MESSAGE);
}

Test(record, empty_records_are_bounded)
{
	EACH_KIND(version, cipher)
	{
		record_pair_make(version, cipher, &server, &client);
		for (int round = 0; round < 3; round++) {
			for (int i = 0; i < RECORD_EMPTY_MAX; i++) {
				server_hears(DATA, "", 0, 0);
				is_text("", 0);
			}
			server_hears(DATA, "x", 1, 0);
			is_text("x", 1);
		}
		for (int i = 0; i < RECORD_EMPTY_MAX; i++)
			server_hears(DATA, "", 0, 0);
		is_text("", 0);
		server_hears(DATA, "", 0, 0);
		is_bad(RECORD_UNEXPECTED_MESSAGE);
	}
}

/* What type and content do, after the seal was found whole. */
struct content_row {
	enum record_version version;
	uint8_t type;
	const char *content;
	size_t len;
	enum record_is is;
	uint8_t alert;
};
#define BYTES(text) text, sizeof(text) - 1
static const struct content_row contents[] = {
	{RECORD_TLS13, ALERT, BYTES("\1\0"), RECORD_END, 0},
	{RECORD_TLS12, ALERT, BYTES("\1\0"), RECORD_END, 0},
	{RECORD_TLS13, ALERT, BYTES("\2\0"), RECORD_END, 0},
	{RECORD_TLS13, ALERT, BYTES("\2\50"), RECORD_BAD, 0},
	{RECORD_TLS12, ALERT, BYTES("\2\50"), RECORD_BAD, 0},
	{RECORD_TLS13, ALERT, BYTES("\1\50"), RECORD_BAD, 0},
	{RECORD_TLS12, ALERT, BYTES("\1\144"), RECORD_QUIET, 0},
	{RECORD_TLS12, ALERT, BYTES("\1\132"), RECORD_QUIET, 0},
	{RECORD_TLS13, ALERT, BYTES("\1\132"), RECORD_QUIET, 0},
	{RECORD_TLS12, ALERT, BYTES("\3\0"), RECORD_BAD, RECORD_ILLEGAL_PARAMETER},
	{RECORD_TLS13, ALERT, BYTES(""), RECORD_BAD, RECORD_UNEXPECTED_MESSAGE},
	{RECORD_TLS12, ALERT, BYTES(""), RECORD_BAD, RECORD_UNEXPECTED_MESSAGE},
	{RECORD_TLS13, ALERT, BYTES("\1"), RECORD_BAD, RECORD_DECODE_ERROR},
	{RECORD_TLS13, ALERT, BYTES("\1\0\1\0"), RECORD_BAD, RECORD_DECODE_ERROR},
	{RECORD_TLS13, HANDSHAKE, BYTES(""), RECORD_BAD, RECORD_UNEXPECTED_MESSAGE},
	{RECORD_TLS12, HANDSHAKE, BYTES(""), RECORD_BAD, RECORD_UNEXPECTED_MESSAGE},
	{RECORD_TLS12, HANDSHAKE, BYTES("\1\0\0\0"), RECORD_BAD, RECORD_NO_RENEGOTIATION},
	{RECORD_TLS12, HANDSHAKE, BYTES("\0\0\0\0"), RECORD_BAD, RECORD_UNEXPECTED_MESSAGE},
	{RECORD_TLS12, HANDSHAKE, BYTES("\30\0\0\1\0"), RECORD_BAD, RECORD_UNEXPECTED_MESSAGE},
	{RECORD_TLS13, HANDSHAKE, BYTES("\1\0\0\0"), RECORD_BAD, RECORD_UNEXPECTED_MESSAGE},
	{RECORD_TLS13, HANDSHAKE, BYTES("\4\0\0\0"), RECORD_BAD, RECORD_UNEXPECTED_MESSAGE},
	{RECORD_TLS13, HANDSHAKE, BYTES("\30\0\0\1\0"), RECORD_QUIET, 0},
	{RECORD_TLS13, HANDSHAKE, BYTES("\30\0\0\1\1"), RECORD_QUIET, 0},
	{RECORD_TLS13, HANDSHAKE, BYTES("\30\0\0\1\2"), RECORD_BAD, RECORD_ILLEGAL_PARAMETER},
	{RECORD_TLS13, HANDSHAKE, BYTES("\30\0\0\0"), RECORD_BAD, RECORD_DECODE_ERROR},
	{RECORD_TLS13, HANDSHAKE, BYTES("\30\0\0\2\0\0"), RECORD_BAD, RECORD_DECODE_ERROR},
	{RECORD_TLS13, HANDSHAKE, BYTES("\30\0\0\1\0\30\0\0\1\0"), RECORD_BAD, RECORD_UNEXPECTED_MESSAGE},
	{RECORD_TLS13, 20, BYTES("\1"), RECORD_BAD, RECORD_UNEXPECTED_MESSAGE},
	{RECORD_TLS13, 24, BYTES("\1"), RECORD_BAD, RECORD_UNEXPECTED_MESSAGE},
};

Test(record, contents)
{
	for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
		const struct content_row *row = &contents[i];

		record_pair_make(row->version, RECORD_AES_128_GCM, &server, &client);
		server_hears(row->type, row->content, row->len, 0);
		cr_assert_eq(found.is, row->is, "row %zu is %d", i, found.is);
		cr_assert_eq(found.alert, row->alert, "row %zu alert %d", i, found.alert);
	}
}

/* After the end or a refusal, what follows counts for nothing, be it well sealed or not. */
Test(record, nothing_is_opened_after_the_end)
{
	record_pair_make(RECORD_TLS13, RECORD_AES_128_GCM, &server, &client);
	server_hears(ALERT, "\1\0", 2, 0);
	cr_assert_eq(found.is, RECORD_END);
	server_hears(DATA, "more", 4, 0);
	cr_assert_eq(found.is, RECORD_END);
	cr_assert_eq(found.used, 5 + 4 + 1 + 16);
	cr_assert_gt(record_seal(&server, crypto, (const uint8_t *)"bye", 3, wire), 0);
	record_pair_make(RECORD_TLS13, RECORD_AES_128_GCM, &server, &client);
	server_hears(99, "", 0, 0);
	cr_assert_eq(found.is, RECORD_BAD);
	server_hears(DATA, "more", 4, 0);
	cr_assert_eq(found.is, RECORD_END);
}

static void update_hear(uint8_t request)
{
	const uint8_t message[] = {24, 0, 0, 1, request};

	server_hears(HANDSHAKE, message, sizeof message, 0);
	cr_assert(record_keys_update(record_keys(&client, RECORD_WRITE), client.cipher));
	client.write.sequence = 0;
}

Test(record, updates_are_bounded)
{
	record_pair_make(RECORD_TLS13, RECORD_AES_256_GCM, &server, &client);
	for (int i = 0; i < RECORD_EMPTY_MAX; i++) {
		update_hear(i & 1);
		cr_assert_eq(found.is, RECORD_QUIET);
	}
	update_hear(0);
	is_bad(RECORD_UNEXPECTED_MESSAGE);
}

/* Many requests are answered by one KeyUpdate. */
Test(record, update_owed_is_sealed_once)
{
	size_t len;

	record_pair_make(RECORD_TLS13, RECORD_CHACHA20_POLY1305, &server, &client);
	cr_assert_eq(record_seal_owed(&server, crypto, wire), 0);
	update_hear(1);
	update_hear(1);
	update_hear(0);
	server_hears(DATA, "x", 1, 0);
	is_text("x", 1);
	len = record_seal_owed(&server, crypto, wire);
	cr_assert_eq(len, 5 + 5 + 1 + 16);
	cr_assert_eq(record_seal_owed(&server, crypto, wire + len), 0);
	open_exactly(&client, wire, len);
	cr_assert_eq(found.is, RECORD_QUIET);
	cr_assert_not(client.update_owed);
	len = record_seal(&server, crypto, (const uint8_t *)"y", 1, wire);
	open_exactly(&client, wire, len);
	is_text("y", 1);
}

/* A KeyUpdate in pieces (RFC 8446, 5.1), with nothing allowed between but an alert. */
Test(record, update_in_fragments)
{
	static const char message[] = "\30\0\0\1\1";

	for (int cut = 1; cut < 5; cut++) {
		struct record reader;

		record_pair_make(RECORD_TLS13, RECORD_AES_128_GCM, &server, &client);
		server_hears(HANDSHAKE, message, cut, 0);
		cr_assert_eq(found.is, RECORD_QUIET);
		cr_assert_not(server.update_owed);
		reader = client;
		record_craft(&reader, crypto, DATA, "x", 1, 0, wire);
		reader = server;
		open_exactly(&reader, wire, 5 + 1 + 1 + 16);
		is_bad(RECORD_UNEXPECTED_MESSAGE);
		server_hears(HANDSHAKE, message + cut, 5 - cut, 0);
		cr_assert_eq(found.is, RECORD_QUIET);
		cr_assert(server.update_owed);
		cr_assert_eq(server.read.sequence, 0);
	}
}

Test(record, alerts_close_the_writing_side)
{
	EACH_KIND(version, cipher)
	{
		size_t len;

		record_pair_make(version, cipher, &server, &client);
		len = record_seal_alert(&server, crypto, RECORD_BAD_RECORD_MAC, wire);
		cr_assert_leq(len, RECORD_SEAL_EXTRA);
		open_exactly(&client, wire, len);
		is_bad(0);
		cr_assert_eq(record_seal(&server, crypto, (const uint8_t *)"x", 1, wire), 0);
		cr_assert_eq(record_seal_owed(&server, crypto, wire), 0);
		cr_assert_eq(record_seal_alert(&server, crypto, 0, wire), 0);
		len = record_seal_alert(&client, crypto, RECORD_CLOSE_NOTIFY, wire);
		open_exactly(&server, wire, len);
		cr_assert_eq(found.is, RECORD_END);
	}
}

/* The level of TLS 1.2's warnings is one; all else is fatal (RFC 5246, 7.2). */
Test(record, alerts_have_their_level)
{
	static const uint8_t warnings[] = {RECORD_CLOSE_NOTIFY, RECORD_USER_CANCELED, RECORD_NO_RENEGOTIATION};

	for (int description = 0; description < 256; description++) {
		bool warning = memchr(warnings, description, sizeof warnings);

		record_pair_make(RECORD_TLS12, RECORD_CHACHA20_POLY1305, &server, &client);
		record_open(&client, crypto, wire, record_seal_alert(&server, crypto, description, wire), &found);
		cr_assert_neq(found.is, RECORD_MORE);
		cr_assert_eq(wire[5], warning ? 1 : 2);
		cr_assert_eq(wire[6], description);
	}
}

/* 1.2 cannot change its keys: data ends at the limit of either side, the farewell is still possible. */
Test(record, limit_ends_tls12)
{
	record_crypto_limit(crypto, 5);
	record_pair_make(RECORD_TLS12, RECORD_AES_128_GCM, &server, &client);
	for (int i = 1; i < 5; i++)
		cr_assert_gt(record_seal(&server, crypto, (const uint8_t *)"x", 1, wire), 0);
	cr_assert_eq(record_seal(&server, crypto, (const uint8_t *)"x", 1, wire), 0);
	cr_assert_gt(record_seal_alert(&server, crypto, RECORD_CLOSE_NOTIFY, wire), 0);
	record_pair_make(RECORD_TLS12, RECORD_AES_128_GCM, &server, &client);
	for (int i = 1; i < 5; i++)
		server_hears(DATA, "x", 1, 0);
	is_text("x", 1);
	cr_assert_eq(record_seal(&server, crypto, (const uint8_t *)"x", 1, wire), 0);
}

Test(record, limits_are_those_of_the_ciphers)
{
	record_pair_make(RECORD_TLS13, RECORD_AES_128_GCM, &server, &client);
	server.write.sequence = (1 << 24) - 1;
	cr_assert_eq(record_seal_owed(&server, crypto, wire), 0);
	cr_assert_eq(record_seal(&server, crypto, (const uint8_t *)"x", 1, wire), 5 + 1 + 1 + 16);
	cr_assert_eq(record_seal(&server, crypto, (const uint8_t *)"x", 1, wire), 27 + 5 + 1 + 1 + 16);
	cr_assert_eq(server.write.sequence, 1);
	record_pair_make(RECORD_TLS13, RECORD_CHACHA20_POLY1305, &server, &client);
	server.write.sequence = (uint64_t)1 << 40;
	cr_assert_eq(record_seal_owed(&server, crypto, wire), 0);
}

Test(record, sequence_never_wraps)
{
	EACH_KIND(version, cipher)
	{
		record_pair_make(version, cipher, &server, &client);
		client.write.sequence = UINT64_MAX - 1;
		server.read.sequence = UINT64_MAX - 1;
		server_hears(DATA, "x", 1, 0);
		is_text("x", 1);
		server_hears(DATA, "x", 1, 0);
		is_bad(RECORD_INTERNAL_ERROR);
		server.write.sequence = UINT64_MAX;
		cr_assert_eq(record_seal(&server, crypto, (const uint8_t *)"x", 1, wire), 0);
		cr_assert_eq(record_seal_alert(&server, crypto, 0, wire), 0);
	}
}

Test(record, done_wipes)
{
	static const struct record nothing;

	record_pair_make(RECORD_TLS13, RECORD_AES_256_GCM, &server, &client);
	cr_assert_neq(memcmp(&server, &nothing, sizeof server), 0);
	record_done(&server);
	cr_assert_eq(memcmp(&server, &nothing, sizeof server), 0);
}

/* What a connection keeps is a copy that ends where the suite's keys end: AddressSanitizer sees a byte too far. */
static struct record *keep(const struct record *whole)
{
	struct record *kept = malloc(record_bytes(whole));

	cr_assert(kept);
	memcpy(kept, whole, record_bytes(whole));
	return kept;
}

/* Both ways, and through a KeyUpdate where there is one. */
static void talk_with(struct record *kept)
{
	size_t len, at = 0;

	kept->update_owed = kept->version == RECORD_TLS13;
	len = record_seal(kept, crypto, (const uint8_t *)"there", 5, wire);
	if (kept->version == RECORD_TLS13) {
		record_open(&client, crypto, wire, len, &found);
		cr_assert_eq(found.is, RECORD_QUIET);
		at = found.used;
	}
	record_open(&client, crypto, wire + at, len - at, &found);
	cr_assert(found.is == RECORD_TEXT && found.text_len == 5);
	len = record_seal(&client, crypto, (const uint8_t *)"back", 4, wire);
	record_open(kept, crypto, wire, len, &found);
	cr_assert(found.is == RECORD_TEXT && found.text_len == 4);
}

Test(record, a_copy_of_record_bytes_is_the_whole_of_it)
{
	static const size_t sizes[][RECORD_CIPHER_COUNT] = {
		[RECORD_TLS12] = {80, 112, 112}, [RECORD_TLS13] = {144, 208, 176}};

	EACH_KIND(version, cipher)
	{
		struct record *kept;

		record_pair_make(version, cipher, &server, &client);
		cr_assert_eq(record_bytes(&server), sizes[version][cipher]);
		kept = keep(&server);
		talk_with(kept);
		record_done(kept);
		for (size_t i = 0; i < sizes[version][cipher]; i++)
			cr_assert_eq(((uint8_t *)kept)[i], 0);
		free(kept);
	}
}
