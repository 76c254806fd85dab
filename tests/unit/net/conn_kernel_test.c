/*
 * The kernel's record engine, on a kernel that has one; elsewhere all but the first few are skipped. Where the kernel
 * cannot change keys, receiving with TLS 1.3 is tried all the same, without KeyUpdates.
 */
#include "conn_talk.h"

#include <criterion/criterion.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { MUCH = 300000 };

static const char said[] = "<message><body>what the client says</body></message>";
static const char answered[] = "<message><body>what the server says</body></message>";
static struct kernel_tls_can can; /* what the conn is told that the kernel can */
static bool can_rekey;		  /* what is true */

static void kernel_ask(void)
{
	kernel_tls_probe(&can);
	can_rekey = (can.tls13[RECORD_AES_128_GCM] & KERNEL_TLS_REKEY) != 0;
	if (can.tls12[RECORD_AES_128_GCM] == 0)
		cr_skip_test("the kernel has no TLS: %s", can.why);
}

/* As if keys could be changed: for tests in which nobody changes any. */
static void rekey_pretend(void)
{
	for (int cipher = 0; cipher < RECORD_CIPHER_COUNT; cipher++)
		can.tls13[cipher] |= KERNEL_TLS_REKEY;
}

static void rekey_deny(void)
{
	for (int cipher = 0; cipher < RECORD_CIPHER_COUNT; cipher++)
		can.tls13[cipher] &= (uint8_t)~KERNEL_TLS_REKEY;
}

static struct talk *talk_kernel(enum kernel_tls_use use, enum record_version version, enum record_cipher cipher)
{
	struct talk *t = talk_new_tcp(version, cipher);

	t->net.kernel_use = use;
	t->net.kernel_bytes_per_s = 1;
	t->net.kernel_can = &can;
	return t;
}

/* With TLS done, and both directions with the kernel, or as the test wants it. */
static struct talk *talk_handed_over(enum record_version version, enum record_cipher cipher, const char *engine)
{
	struct talk *t = talk_kernel(KERNEL_TLS_ON, version, cipher);

	talk_shake(t, SIZE_MAX);
	talk_until(t, strcmp(conn_engine(&t->conn), engine) == 0);
	t->sent = 0;
	return t;
}

static void answer(struct talk *t, const char *text)
{
	char heard[256];
	size_t len = strlen(text);

	conn_write(&t->net, &t->conn, text, len);
	talk_hear(t, heard, len);
	cr_assert_eq(memcmp(heard, text, len), 0);
}

static void say(struct talk *t, size_t chunk)
{
	size_t had = t->text_len;

	talk_say(t, said, sizeof said, chunk);
	talk_until(t, t->text_len == had + sizeof said);
	cr_assert_eq(memcmp(t->text + had, said, sizeof said), 0);
}

/* The client sees the end: close_notify, then FIN. */
static void client_sees_end(struct talk *t)
{
	char byte;

	talk_until(t, !talk_pull(t));
	cr_assert_eq(SSL_read(t->peer.client, &byte, 1), 0);
	cr_assert_eq(SSL_get_error(t->peer.client, 0), SSL_ERROR_ZERO_RETURN);
}

/* ---- on every kernel */

Test(conn_kernel, what_is_refused_goes_on_as_it_is)
{
	static const uint8_t all[RECORD_CIPHER_COUNT] = {7, 7, 7};
	struct talk *t = talk_new_tls(RECORD_TLS13, RECORD_AES_128_GCM, true); /* not TCP: no kernel takes it */

	memcpy(can.tls13, all, sizeof all);
	t->net.kernel_use = KERNEL_TLS_ON;
	t->net.kernel_can = &can;
	talk_shake(t, SIZE_MAX);
	say(t, SIZE_MAX);
	answer(t, answered);
	cr_assert_eq(strcmp(conn_engine(&t->conn), "user"), 0);
	cr_assert_eq(t->counters.value[COUNTER_tls_kernel_failures], 1);
	cr_assert_eq(t->counters.value[COUNTER_tls_user], 1);
	talk_free(t);
}

Test(conn_kernel, what_cannot_be_is_not_tried)
{
	struct talk *t = talk_new_tcp(RECORD_TLS13, RECORD_AES_128_GCM);

	t->net.kernel_use = KERNEL_TLS_ON;
	t->net.kernel_can = &can; /* nothing */
	talk_shake(t, SIZE_MAX);
	say(t, SIZE_MAX);
	answer(t, answered);
	cr_assert_eq(t->counters.value[COUNTER_tls_kernel_failures], 0);
	cr_assert_eq(t->counters.value[COUNTER_tls_promoted_send], 0);
	talk_free(t);
}

/* ---- where it is */

static void exchange(enum record_version version, enum record_cipher cipher, size_t chunk)
{
	struct talk *t = talk_handed_over(version, cipher, "kernel");

	cr_assert_eq(t->counters.value[COUNTER_tls_kernel], 1);
	cr_assert_eq(t->counters.value[COUNTER_tls_user], 0);
	for (int i = 0; i < 3; i++) {
		say(t, chunk);
		answer(t, answered);
	}
	cr_assert_eq(t->counters.value[COUNTER_tls_kernel_failures], 0);
	conn_terminate(&t->net, &t->conn, REASON_CLIENT_LOST);
	talk_until(t, t->gone > 0);
	cr_assert_eq(t->counters.value[COUNTER_tls_kernel], 0);
	talk_free(t);
}

Test(conn_kernel, text_both_ways_however_the_bytes_come)
{
	static const size_t chunks[] = {1, 7, SIZE_MAX};

	kernel_ask();
	rekey_pretend();
	for (enum record_version v = RECORD_TLS12; v <= RECORD_TLS13; v++)
		for (int cipher = 0; cipher < RECORD_CIPHER_COUNT; cipher++)
			for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++)
				exchange(v, (enum record_cipher)cipher, chunks[i]);
}

/* Records in both directions go before, so that the sequence numbers are others than 0 and 1. */
static void promoted(enum record_version version, enum record_cipher cipher)
{
	struct talk *t = talk_kernel(KERNEL_TLS_AUTO, version, cipher);

	t->net.kernel_bytes_per_s = 1000;
	talk_shake(t, SIZE_MAX);
	for (int i = 0; i < 10; i++) {
		answer(t, answered);
		say(t, SIZE_MAX);
		net_second(&t->net); /* never so much within a second */
		cr_assert_eq(strcmp(conn_engine(&t->conn), "user"), 0);
	}
	for (int i = 0; i < 10; i++) {
		answer(t, answered);
		say(t, SIZE_MAX);
	}
	cr_assert_eq(strcmp(conn_engine(&t->conn), "kernel"), 0);
	cr_assert_eq(t->counters.value[COUNTER_tls_promoted_send], 1);
	cr_assert_eq(t->counters.value[COUNTER_tls_promoted_receive], 1);
	talk_free(t);
}

Test(conn_kernel, a_busy_connection_is_promoted)
{
	kernel_ask();
	rekey_pretend();
	for (enum record_version v = RECORD_TLS12; v <= RECORD_TLS13; v++)
		for (int cipher = 0; cipher < RECORD_CIPHER_COUNT; cipher++)
			promoted(v, (enum record_cipher)cipher);
}

Test(conn_kernel, receiving_waits_for_the_end_of_a_record)
{
	struct talk *t;
	uint8_t wire[4096];
	size_t len;

	kernel_ask();
	t = talk_kernel(KERNEL_TLS_AUTO, RECORD_TLS12, RECORD_AES_128_GCM);
	t->net.kernel_bytes_per_s = UINT64_MAX;
	talk_shake(t, SIZE_MAX);
	SSL_write(t->peer.client, said, sizeof said);
	len = talk_wire(t, wire, sizeof wire);
	talk_put(t, wire, 20, SIZE_MAX);
	talk_until(t, t->conn.partial != NULL);
	t->net.kernel_bytes_per_s = 1;
	talk_put(t, wire + 20, 10, SIZE_MAX);
	talk_until(t, strcmp(conn_engine(&t->conn), "kernel_send") == 0);
	talk_put(t, wire + 30, len - 30, SIZE_MAX);
	talk_until(t, strcmp(conn_engine(&t->conn), "kernel") == 0);
	talk_until(t, t->text_len == sizeof said);
	say(t, SIZE_MAX);
	answer(t, answered);
	talk_free(t);
}

/* Explicit nonces of AES-GCM in TLS 1.2, of both engines, are never the same (RFC 5288, 3). */
Test(conn_kernel, nonces_are_not_used_twice)
{
	uint8_t nonces[40][8], wire[65536];
	size_t count = 0, len = 0;
	struct talk *t;
	bool end;

	kernel_ask();
	t = talk_kernel(KERNEL_TLS_AUTO, RECORD_TLS12, RECORD_AES_256_GCM);
	t->net.kernel_bytes_per_s = UINT64_MAX;
	talk_shake(t, SIZE_MAX);
	for (int i = 0; i < 40; i++) {
		size_t until = len + 5 + 8 + sizeof answered + 16;

		if (i == 20)
			t->net.kernel_bytes_per_s = 1;
		conn_write(&t->net, &t->conn, answered, sizeof answered);
		talk_until(t, (len += talk_drain(t, wire + len, sizeof wire - len, &end)) >= until);
	}
	cr_assert_eq(strcmp(conn_engine(&t->conn), "kernel"), 0);
	for (size_t at = 0; at < len; at += 5 + ((size_t)wire[at + 3] << 8 | wire[at + 4]))
		memcpy(nonces[count++], wire + at + 5, 8);
	cr_assert_eq(count, 40);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			cr_assert(memcmp(nonces[i], nonces[j], 8) != 0, "%zu and %zu", i, j);
	talk_free(t);
}

/* ---- much */

static void much_in(enum record_version version, enum record_cipher cipher)
{
	static uint8_t text[MUCH], wire[MUCH + 65536];
	struct talk *t = talk_handed_over(version, cipher, "kernel");
	uint64_t x = 7;
	size_t len;

	random_fill(&x, text, MUCH);
	cr_assert_eq(SSL_write(t->peer.client, text, MUCH), MUCH);
	len = talk_wire(t, wire, sizeof wire);
	talk_put_parts(t, wire, len, 9000, &x);
	talk_until(t, t->text_len == MUCH);
	cr_assert_eq(memcmp(t->text, text, MUCH), 0);
	talk_free(t);
}

Test(conn_kernel, large_records_are_received)
{
	kernel_ask();
	rekey_pretend();
	much_in(RECORD_TLS12, RECORD_AES_128_GCM);
	much_in(RECORD_TLS13, RECORD_CHACHA20_POLY1305);
}

/* The client takes a little from the socket, so that there is room for a little more. */
static void sip(struct talk *t)
{
	uint8_t bytes[2500];
	ssize_t got = recv(t->fd, bytes, sizeof bytes, 0);

	if (got > 0)
		peer_client_hears(&t->peer, bytes, (size_t)got);
	talk_settle(t);
}

/* The client reads nothing while it is all queued, and the connection ends: not a byte, nor close_notify, is lost. */
static void much_out(enum record_version version, enum record_cipher cipher, int buffer)
{
	static uint8_t text[MUCH], heard[MUCH];
	struct talk *t = talk_kernel(KERNEL_TLS_ON, version, cipher);
	int room = 65536;
	uint64_t x = 8;

	setsockopt(t->conn.fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
	setsockopt(t->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	talk_shake(t, SIZE_MAX);
	talk_until(t, strcmp(conn_engine(&t->conn), "kernel") == 0);
	random_fill(&x, text, MUCH);
	for (size_t at = 0; at < MUCH; at += 100)
		conn_write(&t->net, &t->conn, text + at, 100);
	talk_settle(t);
	conn_end(&t->net, &t->conn, REASON_SHUTDOWN);
	for (int i = 0; i < 100; i++)
		sip(t);
	talk_hear(t, heard, MUCH);
	cr_assert_eq(memcmp(heard, text, MUCH), 0);
	client_sees_end(t);
	talk_free(t);
}

Test(conn_kernel, everything_is_sent_before_the_end)
{
	kernel_ask();
	rekey_pretend();
	for (int buffer = 4608; buffer <= 300000; buffer *= 2) {
		much_out(RECORD_TLS12, RECORD_AES_128_GCM, buffer);
		much_out(RECORD_TLS13, RECORD_AES_256_GCM, buffer);
	}
}

/* ---- records that are no text */

static void ends(enum record_version version, enum record_cipher cipher)
{
	struct talk *t = talk_handed_over(version, cipher, "kernel");
	uint8_t wire[4096];

	SSL_write(t->peer.client, said, sizeof said);
	SSL_shutdown(t->peer.client);
	talk_put(t, wire, talk_wire(t, wire, sizeof wire), SIZE_MAX);
	talk_until(t, t->ended == 1);
	cr_assert_eq(t->text_len, sizeof said);
	cr_assert_eq(t->bad, 0);
	client_sees_end(t);
	shutdown(t->fd, SHUT_WR);
	talk_until(t, t->gone == 1);
	cr_assert_eq(t->lost, 0);
	talk_free(t);
}

Test(conn_kernel, close_notify_both_ways)
{
	kernel_ask();
	rekey_pretend();
	for (enum record_version v = RECORD_TLS12; v <= RECORD_TLS13; v++)
		for (int cipher = 0; cipher < RECORD_CIPHER_COUNT; cipher++)
			ends(v, (enum record_cipher)cipher);
}

Test(conn_kernel, a_fin_without_close_notify_is_a_loss)
{
	struct talk *t;

	kernel_ask();
	t = talk_handed_over(RECORD_TLS12, RECORD_AES_128_GCM, "kernel");
	shutdown(t->fd, SHUT_WR);
	talk_until(t, t->lost == 1);
	cr_assert_eq(t->ended, 0);
	talk_free(t);
}

static void refused(const uint8_t *bytes, size_t len, uint8_t alert)
{
	struct talk *t = talk_handed_over(RECORD_TLS12, RECORD_AES_128_GCM, "kernel");

	say(t, SIZE_MAX);
	talk_put(t, bytes, len, SIZE_MAX);
	talk_until(t, t->bad == 1);
	cr_assert_eq(t->why.reason, REASON_TLS_RECORD);
	cr_assert_eq(t->conn.alert, alert);
	cr_assert_eq(t->text_len, sizeof said);
	talk_until(t, t->gone == 1); /* it does not go on trying to read */
	talk_free(t);
}

Test(conn_kernel, a_forged_record_is_refused)
{
	static const uint8_t forged[5 + 40] = {23, 3, 3, 0, 40, 1, 2, 3};

	kernel_ask();
	refused(forged, sizeof forged, RECORD_BAD_RECORD_MAC);
}

Test(conn_kernel, a_record_that_is_too_long_is_refused)
{
	static const uint8_t large[20] = {23, 3, 3, 0xff, 0xff};

	kernel_ask();
	refused(large, sizeof large, RECORD_RECORD_OVERFLOW);
}

Test(conn_kernel, what_is_no_record_is_refused)
{
	static const uint8_t plain[5 + 40] = {23, 's', 't', 0, 40};

	kernel_ask();
	refused(plain, sizeof plain, RECORD_PROTOCOL_VERSION);
}

Test(conn_kernel, renegotiation_is_refused)
{
	struct talk *t;
	uint8_t wire[4096];
	char byte;

	kernel_ask();
	t = talk_handed_over(RECORD_TLS12, RECORD_AES_128_GCM, "kernel");
	SSL_renegotiate(t->peer.client);
	SSL_do_handshake(t->peer.client);
	talk_put(t, wire, talk_wire(t, wire, sizeof wire), SIZE_MAX);
	talk_until(t, t->bad == 1);
	cr_assert_eq(t->conn.alert, RECORD_NO_RENEGOTIATION);
	talk_until(t, !talk_pull(t));
	ERR_clear_error();
	cr_assert_eq(SSL_read(t->peer.client, &byte, 1), -1);
	cr_assert_eq(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
	talk_free(t);
}

/* A fatal alert of the client's is not answered. */
Test(conn_kernel, an_alert_ends_it)
{
	struct talk *t;
	uint8_t wire[4096];
	char byte;

	kernel_ask();
	rekey_pretend();
	t = talk_handed_over(RECORD_TLS13, RECORD_AES_128_GCM, "kernel");
	peer_client_hears(&t->peer, (const uint8_t *)"\x17\x03\x03\x00\x13________________\0\0", 24);
	SSL_read(t->peer.client, &byte, 1); /* forged: it says so */
	talk_put(t, wire, talk_wire(t, wire, sizeof wire), SIZE_MAX);
	talk_until(t, t->bad == 1);
	cr_assert_eq(t->why.reason, REASON_CLIENT_LOST);
	cr_assert_eq(t->conn.alert, 0);
	talk_free(t);
}

static void write_answer(struct talk *t)
{
	conn_write(&t->net, &t->conn, answered, sizeof answered);
}

/* ---- KeyUpdate (RFC 8446, 4.6.3) */

static void key_update(struct talk *t, int kind)
{
	uint8_t wire[4096];

	cr_assert_eq(SSL_key_update(t->peer.client, kind), 1);
	cr_assert_eq(SSL_do_handshake(t->peer.client), 1);
	talk_put(t, wire, talk_wire(t, wire, sizeof wire), SIZE_MAX);
}

Test(conn_kernel, where_keys_stay_a_key_update_is_survived)
{
	struct talk *t;

	kernel_ask();
	rekey_deny();
	t = talk_handed_over(RECORD_TLS13, RECORD_AES_128_GCM, "kernel_send");
	for (int i = 0; i < 3; i++) {
		key_update(t, SSL_KEY_UPDATE_NOT_REQUESTED);
		say(t, SIZE_MAX);
		answer(t, answered);
	}
	talk_free(t);
}

/* Not a byte of text comes behind a question that cannot be answered. */
Test(conn_kernel, where_keys_stay_a_request_for_another_is_the_end)
{
	struct talk *t;
	uint8_t wire[4096];

	kernel_ask();
	rekey_deny();
	t = talk_handed_over(RECORD_TLS13, RECORD_AES_256_GCM, "kernel_send");
	answer(t, answered);
	SSL_write(t->peer.client, said, sizeof said);
	SSL_key_update(t->peer.client, SSL_KEY_UPDATE_REQUESTED);
	SSL_do_handshake(t->peer.client);
	t->on_text = write_answer;
	talk_put(t, wire, talk_wire(t, wire, sizeof wire), SIZE_MAX);
	talk_until(t, t->bad == 1);
	cr_assert_eq(t->why.reason, REASON_TLS_REKEY);
	cr_assert_eq(t->text_len, sizeof said);
	client_sees_end(t);
	talk_free(t);
}

Test(conn_kernel, where_keys_stay_auto_leaves_tls_13_alone)
{
	struct talk *t;

	kernel_ask();
	rekey_deny();
	t = talk_kernel(KERNEL_TLS_AUTO, RECORD_TLS13, RECORD_AES_128_GCM);
	talk_shake(t, SIZE_MAX);
	for (int i = 0; i < 5; i++) {
		say(t, SIZE_MAX);
		answer(t, answered);
	}
	cr_assert_eq(strcmp(conn_engine(&t->conn), "user"), 0);
	key_update(t, SSL_KEY_UPDATE_REQUESTED);
	say(t, SIZE_MAX);
	answer(t, answered);
	talk_free(t);
}

Test(conn_kernel, where_keys_change_key_updates_are_followed)
{
	kernel_ask();
	if (!can_rekey)
		cr_skip_test("the kernel cannot change keys");
	for (int cipher = 0; cipher < RECORD_CIPHER_COUNT; cipher++) {
		struct talk *t = talk_handed_over(RECORD_TLS13, (enum record_cipher)cipher, "kernel");

		for (int i = 0; i < 6; i++) {
			key_update(t, i % 2 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
			say(t, SIZE_MAX);
			answer(t, answered);
		}
		cr_assert_eq(t->counters.value[COUNTER_key_updates], 6);
		cr_assert_eq(t->counters.value[COUNTER_tls_kernel_rekeys], 9);
		cr_assert_eq(strcmp(conn_engine(&t->conn), "kernel"), 0);
		talk_free(t);
	}
}

Test(conn_kernel, where_keys_change_ours_changes_before_its_limit)
{
	struct talk *t;

	kernel_ask();
	if (!can_rekey)
		cr_skip_test("the kernel cannot change keys");
	t = talk_handed_over(RECORD_TLS13, RECORD_AES_128_GCM, "kernel");
	record_crypto_limit(t->net.crypto, 4);
	for (int i = 0; i < 20; i++) {
		answer(t, answered);
		say(t, SIZE_MAX);
	}
	cr_assert_geq(t->counters.value[COUNTER_tls_kernel_rekeys], 4);
	cr_assert_eq(t->spent, 0);
	talk_free(t);
}

/* ---- the keys' limit, where they cannot be changed */

static void spends(enum record_version version, const char *engine)
{
	enum { LIMIT = 12 };
	struct talk *t = talk_handed_over(version, RECORD_AES_128_GCM, engine);
	unsigned heard = 0;

	record_crypto_limit(t->net.crypto, LIMIT);
	for (; t->spent == 0 && heard < 2 * LIMIT; heard++)
		answer(t, answered);
	cr_assert_eq(t->spent, 1);
	cr_assert_eq(heard, version == RECORD_TLS12 ? LIMIT - 1 : LIMIT, "%u", heard); /* Finished was record 0 */
	client_sees_end(t);
	talk_free(t);
}

Test(conn_kernel, worn_keys_end_it_in_good_order)
{
	kernel_ask();
	rekey_deny();
	spends(RECORD_TLS12, "kernel");
	spends(RECORD_TLS13, "kernel_send");
}

/* What is received is counted by bytes at first; the kernel knows better. */
Test(conn_kernel, bytes_received_are_not_records)
{
	struct talk *t;

	kernel_ask();
	t = talk_handed_over(RECORD_TLS12, RECORD_AES_128_GCM, "kernel");
	record_crypto_limit(t->net.crypto, 40);
	for (int i = 0; i < 10; i++) {
		say(t, SIZE_MAX);
		answer(t, answered);
	}
	cr_assert_eq(t->spent, 0);
	talk_free(t);
}
