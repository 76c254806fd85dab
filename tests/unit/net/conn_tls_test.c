#include "conn_talk.h"
#include "record_crypto.h"

#include <criterion/criterion.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WIRE_MAX = 1 << 20 };

static const char said[] = "<message><body>what the client says</body></message>";
static const char answered[] = "<message><body>what the server says</body></message>";

static void write_answer(struct talk *t)
{
	conn_write(&t->net, &t->conn, answered, sizeof answered);
}

static size_t records_count(const uint8_t *wire, size_t len)
{
	size_t count = 0;

	for (size_t at = 0; at < len; at += 5 + ((size_t)wire[at + 3] << 8 | wire[at + 4]), count++)
		cr_assert_leq(at + 5, len);
	return count;
}

static void exchange(enum record_version version, enum record_cipher cipher, size_t chunk)
{
	struct talk *t = talk_new_tls(version, cipher, true);
	char heard[sizeof answered];

	talk_shake(t, chunk);
	for (int i = 0; i < 3; i++)
		talk_say(t, said, sizeof said, chunk);
	talk_until(t, t->text_len == 3 * sizeof said);
	for (int i = 0; i < 3; i++)
		cr_assert_arr_eq(t->text + i * sizeof said, said, sizeof said);
	cr_assert_eq(t->secured, 1);
	cr_assert_eq(t->facts.version, version);
	cr_assert_eq(t->facts.cipher, cipher);
	write_answer(t);
	talk_hear(t, heard, sizeof heard);
	cr_assert_arr_eq(heard, answered, sizeof heard);
	talk_free(t);
}

Test(conn_tls, handshake_and_text_however_the_bytes_come)
{
	static const size_t chunks[] = {1, 2, 5, 64, SIZE_MAX};

	for (enum record_version v = RECORD_TLS12; v <= RECORD_TLS13; v++)
		for (int cipher = 0; cipher < RECORD_CIPHER_COUNT; cipher++)
			for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++)
				exchange(v, (enum record_cipher)cipher, chunks[i]);
}

/* The client's last flight with two records behind it, cut in two at every place. Answers its length. */
static size_t last_flight_cut(size_t cut)
{
	struct talk *t = talk_new_tls(RECORD_TLS13, RECORD_AES_128_GCM, true);
	uint8_t wire[4096];
	size_t len = talk_wire(t, wire, sizeof wire);

	talk_put(t, wire, len, SIZE_MAX);
	talk_pull(t);
	cr_assert_eq(SSL_do_handshake(t->peer.client), 1);
	SSL_write(t->peer.client, said, sizeof said);
	SSL_write(t->peer.client, said, sizeof said);
	len = talk_wire(t, wire, sizeof wire);
	cr_assert_leq(cut, len);
	talk_put(t, wire, cut, SIZE_MAX);
	talk_put(t, wire + cut, len - cut, SIZE_MAX);
	talk_settle(t);
	cr_assert_eq(t->secured, 1);
	cr_assert_eq(t->text_len, 2 * sizeof said, "cut at %zu", cut);
	cr_assert_arr_eq(t->text, said, sizeof said);
	cr_assert_arr_eq(t->text + sizeof said, said, sizeof said);
	talk_free(t);
	return len;
}

Test(conn_tls, leftover_behind_the_handshake_at_every_cut)
{
	size_t len = last_flight_cut(0);

	for (size_t cut = 1; cut <= len; cut++)
		last_flight_cut(cut);
}

/* Large records, whose parts must be kept, cut at random. */
Test(conn_tls, large_records_are_put_together)
{
	enum { MUCH = 300000 };
	struct talk *t = talk_new_secure(RECORD_TLS13, RECORD_CHACHA20_POLY1305);
	static uint8_t text[MUCH], wire[WIRE_MAX];
	uint64_t x = 99;
	size_t len;

	random_fill(&x, text, MUCH);
	cr_assert_eq(SSL_write(t->peer.client, text, MUCH), MUCH);
	len = talk_wire(t, wire, sizeof wire);
	talk_put_parts(t, wire, len, 9000, &x);
	talk_until(t, t->text_len == MUCH);
	cr_assert_arr_eq(t->text, text, MUCH);
	talk_free(t);
}

static void answer_starttls(struct talk *t)
{
	if (t->secured > 0 || t->text_len < 11 || memcmp(t->text + t->text_len - 11, "<starttls/>", 11) != 0)
		return;
	conn_write(&t->net, &t->conn, "<proceed/>", 10);
	talk_start_tls(t);
}

static void starttls(size_t chunk)
{
	struct talk *t = talk_new_tls(RECORD_TLS13, RECORD_AES_256_GCM, false);
	char proceed[10];

	t->on_text = answer_starttls;
	talk_put(t, "<stream><starttls/>", 19, chunk);
	cr_assert_eq(recv(t->fd, proceed, sizeof proceed, 0), (ssize_t)sizeof proceed);
	cr_assert_arr_eq(proceed, "<proceed/>", 10);
	t->text_len = 0;
	talk_shake(t, chunk);
	talk_say(t, said, sizeof said, chunk);
	talk_until(t, t->text_len == sizeof said);
	cr_assert_arr_eq(t->text, said, sizeof said);
	talk_free(t);
}

Test(conn_tls, clear_text_first)
{
	starttls(1);
	starttls(SIZE_MAX);
}

/* What a client that does not wait sends behind its <starttls/> is part of the handshake, and spoils it. */
Test(conn_tls, clear_text_where_tls_should_be_is_refused_with_an_alert)
{
	struct talk *t = talk_new_tls(RECORD_TLS13, RECORD_AES_128_GCM, true);
	uint8_t wire[100];
	bool end;
	size_t len;

	talk_put(t, said, sizeof said, SIZE_MAX);
	cr_assert_eq(t->bad, 1);
	cr_assert_eq(t->why.reason, REASON_TLS_FAILED);
	cr_assert_neq(t->why.detail[0], '\0');
	len = talk_drain(t, wire, sizeof wire, &end);
	cr_assert_eq(len, 7);
	cr_assert_eq(wire[0], 21);
	cr_assert(end);
	talk_free(t);
}

/* A record for each chunk of the queue, not for each write. */
Test(conn_tls, many_writes_of_a_tick_are_few_records_and_one_send)
{
	struct talk *t = talk_new_secure(RECORD_TLS13, RECORD_AES_128_GCM);
	uint8_t wire[16384];
	bool end;
	size_t len;

	for (int i = 0; i < 100; i++)
		conn_write(&t->net, &t->conn, "0123456789", 10);
	len = talk_drain(t, wire, sizeof wire, &end);
	cr_assert_eq(t->sent, 1);
	cr_assert_leq(records_count(wire, len), 3, "%zu records", records_count(wire, len));
	talk_free(t);
}

Test(conn_tls, what_is_written_apart_has_a_record_of_its_own)
{
	struct talk *t = talk_new_secure(RECORD_TLS13, RECORD_AES_128_GCM);
	uint8_t wire[16384];
	bool end;
	size_t len;

	conn_write(&t->net, &t->conn, "0123456789", 10);
	for (int i = 0; i < 50; i++)
		conn_write_apart(&t->net, &t->conn, "0123456789", 10);
	len = talk_drain(t, wire, sizeof wire, &end);
	cr_assert_eq(t->sent, 1);
	cr_assert_eq(records_count(wire, len), 51, "%zu records", records_count(wire, len));
	talk_free(t);
}

/* The server speaks at once when the keys are there: its last flight must go before, as it is. */
static void speak_at_once(enum record_version version)
{
	struct talk *t = talk_new_tls(version, RECORD_AES_128_GCM, true);
	char heard[sizeof answered];

	t->on_secure = write_answer;
	talk_shake(t, SIZE_MAX);
	talk_hear(t, heard, sizeof heard);
	cr_assert_arr_eq(heard, answered, sizeof heard);
	talk_free(t);
}

Test(conn_tls, text_waits_behind_the_last_flight)
{
	speak_at_once(RECORD_TLS12);
	speak_at_once(RECORD_TLS13);
}

/* A send is stuck when TLS begins: clear text, flight and first text wait in one queue. */
Test(conn_tls, clear_text_flight_and_text_leave_in_order)
{
	enum { MUCH = 1 << 20 };
	struct talk *t = talk_new_tls(RECORD_TLS12, RECORD_AES_128_GCM, false);
	static uint8_t much[MUCH], got[MUCH];
	char heard[sizeof answered];
	size_t len = 0;

	t->on_text = answer_starttls;
	t->on_secure = write_answer;
	memset(much, 'm', MUCH);
	conn_write(&t->net, &t->conn, much, MUCH);
	talk_put(t, "<starttls/>", 11, SIZE_MAX);
	cr_assert_gt(conn_unsent(&t->conn), 0);
	{
		uint8_t wire[4096];

		talk_put(t, wire, talk_wire(t, wire, sizeof wire), SIZE_MAX);
	}
	while (len < MUCH) {
		ssize_t part = recv(t->fd, got + len, MUCH - len, 0);

		if (part > 0)
			len += (size_t)part;
		talk_tick(t);
	}
	cr_assert_arr_eq(got, much, MUCH);
	talk_until(t, recv(t->fd, got, 10, MSG_PEEK) == 10);
	cr_assert_eq(recv(t->fd, got, 10, 0), 10);
	cr_assert_arr_eq(got, "<proceed/>", 10);
	talk_settle(t);
	talk_pull(t);
	talk_shake(t, SIZE_MAX);
	talk_hear(t, heard, sizeof heard);
	cr_assert_arr_eq(heard, answered, sizeof heard);
	talk_free(t);
}

Test(conn_tls, a_key_update_is_answered_though_nothing_else_is_sent)
{
	struct talk *t = talk_new_secure(RECORD_TLS13, RECORD_AES_128_GCM);
	uint8_t wire[4096];
	char heard[sizeof answered];

	for (int i = 0; i < 5; i++) {
		cr_assert_eq(SSL_key_update(t->peer.client, SSL_KEY_UPDATE_REQUESTED), 1);
		cr_assert_eq(SSL_do_handshake(t->peer.client), 1);
		talk_put(t, wire, talk_wire(t, wire, sizeof wire), i % 2 ? 1 : SIZE_MAX);
		cr_assert_eq(recv(t->fd, wire, sizeof wire, MSG_PEEK), 5 + 5 + 1 + 16, "no answer");
		cr_assert_eq(t->sent, (unsigned)i + 1);
		talk_pull(t);
		cr_assert_leq(SSL_read(t->peer.client, heard, 1), 0);
	}
	cr_assert_eq(t->counters.value[COUNTER_key_updates], 5);
	talk_say(t, said, sizeof said, SIZE_MAX);
	cr_assert_eq(t->text_len, sizeof said);
	write_answer(t);
	talk_hear(t, heard, sizeof heard);
	cr_assert_arr_eq(heard, answered, sizeof heard);
	talk_free(t);
}

static bool client_was_notified(struct talk *t)
{
	char byte;

	SSL_read(t->peer.client, &byte, 1);
	return SSL_get_shutdown(t->peer.client) & SSL_RECEIVED_SHUTDOWN;
}

static void end_in_peace(enum record_version version)
{
	struct talk *t = talk_new_secure(version, RECORD_AES_128_GCM);
	char heard[sizeof answered];

	write_answer(t);
	conn_end(&t->net, &t->conn, REASON_IDLE);
	conn_end(&t->net, &t->conn, REASON_SHUTDOWN);
	conn_write(&t->net, &t->conn, "ignored", 7);
	talk_settle(t);
	cr_assert_not(talk_pull(t), "no FIN");
	talk_hear(t, heard, sizeof heard);
	cr_assert_arr_eq(heard, answered, sizeof heard);
	cr_assert(client_was_notified(t));
	cr_assert_eq(t->gone, 0, "it did not wait for the peer");
	talk_say(t, said, sizeof said, 10);
	cr_assert_eq(t->text_len, 0, "what arrives is thrown away");
	cr_assert_eq(t->gone, 0);
	shutdown(t->fd, SHUT_WR);
	talk_settle(t);
	cr_assert_eq(t->gone, 1);
	cr_assert_eq(t->conn.reason, REASON_IDLE);
	talk_free(t);
}

Test(conn_tls, conn_end_notifies_then_ends_then_waits_for_the_peer)
{
	end_in_peace(RECORD_TLS12);
	end_in_peace(RECORD_TLS13);
}

static void end_on_text(struct talk *t)
{
	write_answer(t);
	conn_end(&t->net, &t->conn, REASON_CLIENT_END);
}

/* A client that says goodbye and ends in the same moment hears all that is due to it. */
Test(conn_tls, conn_end_says_everything_though_the_peer_has_ended)
{
	struct talk *t = talk_new_secure(RECORD_TLS13, RECORD_AES_128_GCM);
	char heard[sizeof answered];
	uint8_t wire[200];
	size_t len;

	t->on_text = end_on_text;
	SSL_write(t->peer.client, said, sizeof said);
	len = talk_wire(t, wire, sizeof wire);
	cr_assert_eq(send(t->fd, wire, len, 0), (ssize_t)len);
	shutdown(t->fd, SHUT_WR);
	talk_settle(t);
	cr_assert_not(talk_pull(t));
	talk_hear(t, heard, sizeof heard);
	cr_assert(client_was_notified(t));
	cr_assert_eq(t->gone, 1);
	talk_free(t);
}

Test(conn_tls, the_clients_close_notify_is_told_and_answered)
{
	struct talk *t = talk_new_secure(RECORD_TLS13, RECORD_AES_128_GCM);
	uint8_t wire[100];

	SSL_shutdown(t->peer.client);
	talk_put(t, wire, talk_wire(t, wire, sizeof wire), 1);
	cr_assert_eq(t->ended, 1);
	talk_pull(t);
	cr_assert(client_was_notified(t));
	talk_free(t);
}

Test(conn_tls, a_forged_record_is_answered_with_an_alert)
{
	for (size_t place = 5; place < 60; place += 7) {
		struct talk *t = talk_new_secure(RECORD_TLS13, RECORD_AES_128_GCM);
		uint8_t wire[200];
		char byte;
		size_t len;

		SSL_write(t->peer.client, said, sizeof said);
		len = talk_wire(t, wire, sizeof wire);
		wire[place] ^= 4;
		talk_put(t, wire, len, place % 2 ? 1 : SIZE_MAX);
		cr_assert_eq(t->bad, 1);
		cr_assert_eq(t->text_len, 0);
		cr_assert_eq(t->why.reason, REASON_TLS_RECORD);
		cr_assert_not(talk_pull(t));
		cr_assert_leq(SSL_read(t->peer.client, &byte, 1), 0);
		cr_assert_eq(ERR_GET_REASON(ERR_get_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
		talk_free(t);
	}
}

/* Five bytes are enough to refuse a record. */
Test(conn_tls, a_head_that_announces_too_much_is_refused_at_once)
{
	struct talk *t = talk_new_secure(RECORD_TLS13, RECORD_AES_128_GCM);

	talk_put(t, "\x17\x03\x03\xff\xff", 5, 1);
	cr_assert_eq(t->bad, 1);
	cr_assert_eq(t->why.reason, REASON_TLS_RECORD);
	talk_free(t);
}

/* A key of TLS 1.2 cannot be changed: when it is worn, the conn ends. */
Test(conn_tls, a_worn_key_ends_the_connection)
{
	struct talk *t = talk_new_secure(RECORD_TLS12, RECORD_AES_128_GCM);

	record_crypto_limit(t->net.crypto, 1);
	write_answer(t);
	talk_settle(t);
	cr_assert_eq(t->conn.life, CONN_TERMINATED);
	cr_assert_eq(t->conn.reason, REASON_TLS_SPENT);
	cr_assert_eq(t->gone, 1);
	talk_free(t);
}

Test(conn_tls, much_text_to_a_slow_reader_arrives_whole)
{
	enum { MUCH = 1 << 20 };
	struct talk *t = talk_new_secure(RECORD_TLS13, RECORD_AES_128_GCM);
	static uint8_t text[MUCH], heard[MUCH];
	uint64_t x = 7;

	random_fill(&x, text, MUCH);
	conn_write(&t->net, &t->conn, text, MUCH);
	talk_settle(t);
	cr_assert_gt(conn_unsent(&t->conn), MUCH / 4);
	talk_hear(t, heard, MUCH);
	cr_assert_arr_eq(heard, text, MUCH);
	talk_settle(t);
	cr_assert_eq(conn_unsent(&t->conn), 0);
	talk_free(t);
}

static void terminate_on_text(struct talk *t)
{
	conn_terminate(&t->net, &t->conn, REASON_TLS_INJECTION);
}

Test(conn_tls, terminates_in_the_middle_of_reading)
{
	struct talk *t = talk_new_secure(RECORD_TLS13, RECORD_AES_128_GCM);
	uint8_t wire[1000];

	t->on_text = terminate_on_text;
	for (int i = 0; i < 5; i++)
		SSL_write(t->peer.client, said, sizeof said);
	talk_put(t, wire, talk_wire(t, wire, sizeof wire), SIZE_MAX);
	cr_assert_eq(t->texts, 1);
	cr_assert_eq(t->gone, 1);
	cr_assert_not(talk_pull(t));
	talk_free(t);
}

Test(conn_tls, terminates_in_the_middle_of_a_handshake_and_of_a_record)
{
	struct talk *t = talk_new_tls(RECORD_TLS13, RECORD_AES_128_GCM, true);
	uint8_t wire[1000];

	talk_put(t, wire, talk_wire(t, wire, sizeof wire) - 3, SIZE_MAX);
	talk_free(t);
	t = talk_new_secure(RECORD_TLS13, RECORD_AES_128_GCM);
	SSL_write(t->peer.client, said, sizeof said);
	talk_put(t, wire, talk_wire(t, wire, sizeof wire) - 3, SIZE_MAX);
	cr_assert_not_null(t->conn.partial);
	talk_free(t);
}

/* A client that asks for key updates and reads no answer: one answer is kept for it, not one for each. */
Test(conn_tls, key_updates_without_end_cost_no_memory)
{
	enum { MANY = 12000 };
	struct talk *t = talk_new_secure(RECORD_TLS13, RECORD_AES_128_GCM);
	uint8_t wire[512];

	for (int i = 0; i < MANY; i++) {
		cr_assert_eq(SSL_key_update(t->peer.client, SSL_KEY_UPDATE_REQUESTED), 1);
		cr_assert_eq(SSL_write(t->peer.client, "x", 1), 1);
		talk_put(t, wire, talk_wire(t, wire, sizeof wire), SIZE_MAX);
	}
	cr_assert_eq(t->text_len, MANY);
	cr_assert_eq(t->bad, 0);
	cr_assert_lt(chunk_memory(), 1000);
	talk_free(t);
}

/* Nothing but key updates is an attack on our time. */
Test(conn_tls, key_updates_and_nothing_else_are_refused)
{
	struct talk *t = talk_new_secure(RECORD_TLS13, RECORD_AES_128_GCM);
	uint8_t wire[512];

	for (int i = 0; i <= RECORD_EMPTY_MAX; i++) {
		cr_assert_eq(t->bad, 0);
		cr_assert_eq(SSL_key_update(t->peer.client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		cr_assert_eq(SSL_do_handshake(t->peer.client), 1);
		talk_put(t, wire, talk_wire(t, wire, sizeof wire), SIZE_MAX);
	}
	cr_assert_eq(t->bad, 1);
	cr_assert_eq(t->why.reason, REASON_TLS_RECORD);
	talk_free(t);
}
