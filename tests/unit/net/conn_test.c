#include "conn_talk.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MUCH = 1 << 20 };

Test(conn, text_comes_as_it_is)
{
	struct talk *t = talk_new();

	talk_put(t, "hello, world", 12, 1);
	cr_assert_eq(t->text_len, 12);
	cr_assert_arr_eq(t->text, "hello, world", 12);
	talk_free(t);
}

Test(conn, much_text_comes_whole)
{
	struct talk *t = talk_new();
	uint8_t *much = malloc(MUCH);
	uint64_t x = 5;

	random_fill(&x, much, MUCH);
	talk_put(t, much, MUCH, 50000);
	talk_until(t, t->text_len == MUCH);
	cr_assert_arr_eq(t->text, much, MUCH);
	free(much);
	talk_free(t);
}

/* What came before the first turn of the loop, of any length around that of a buffer, and the end right behind it. */
Test(conn, text_and_end_in_one_moment_are_both_told)
{
	static const size_t lens[] = {
		0, 1, 100, IO_RECEIVE_BYTES - 1, IO_RECEIVE_BYTES, IO_RECEIVE_BYTES + 1, 3 * IO_RECEIVE_BYTES};
	static uint8_t much[3 * IO_RECEIVE_BYTES];

	for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
		struct talk *t = talk_new();

		cr_assert_eq(send(t->fd, much, lens[i], 0), (ssize_t)lens[i]);
		shutdown(t->fd, SHUT_WR);
		talk_settle(t);
		cr_assert_eq(t->text_len, lens[i]);
		cr_assert_eq(t->lost, 1, "the end behind %zu bytes was not seen", lens[i]);
		talk_free(t);
	}
}

Test(conn, the_peers_end_is_told_once)
{
	struct talk *t = talk_new();

	talk_put(t, "x", 1, 1);
	close(t->fd);
	t->fd = -1;
	talk_settle(t);
	cr_assert_eq(t->lost, 1);
	cr_assert_eq(t->gone, 1);
	talk_free(t);
}

static void stop_on_text(struct talk *t)
{
	conn_stop_reading(&t->conn);
}

Test(conn, what_arrives_while_reading_is_stopped_stays_in_the_kernel)
{
	struct talk *t = talk_new();
	static uint8_t much[3 * IO_RECEIVE_BYTES];
	size_t len;

	t->on_text = stop_on_text;
	cr_assert_eq(send(t->fd, much, sizeof much, 0), (ssize_t)sizeof much);
	talk_settle(t);
	len = t->text_len;
	cr_assert_leq(len, IO_RECEIVE_BYTES);
	talk_settle(t);
	cr_assert_eq(t->text_len, len);
	t->on_text = NULL;
	conn_resume_reading(&t->net, &t->conn);
	talk_settle(t);
	cr_assert_eq(t->text_len, sizeof much);
	talk_free(t);
}

Test(conn, stopped_before_anything_came)
{
	struct talk *t = talk_new();

	talk_settle(t);
	conn_stop_reading(&t->conn);
	talk_put(t, "late", 4, 1);
	cr_assert_eq(t->text_len, 0);
	conn_resume_reading(&t->net, &t->conn);
	talk_settle(t);
	cr_assert_eq(t->text_len, 4);
	talk_put(t, "r", 1, 1);
	cr_assert_eq(t->text_len, 5);
	talk_free(t);
}

Test(conn, the_end_that_comes_while_reading_is_stopped_is_told_behind_the_text)
{
	struct talk *t = talk_new();

	talk_settle(t);
	conn_stop_reading(&t->conn);
	talk_put(t, "last words", 10, 10);
	shutdown(t->fd, SHUT_WR);
	talk_settle(t);
	cr_assert_eq(t->lost, 0);
	conn_resume_reading(&t->net, &t->conn);
	talk_settle(t);
	cr_assert_eq(t->text_len, 10);
	cr_assert_eq(t->lost, 1);
	talk_free(t);
}

Test(conn, a_connection_that_breaks_while_reading_is_stopped_is_told)
{
	struct talk *t = talk_new();

	talk_settle(t);
	conn_stop_reading(&t->conn);
	talk_put(t, "unread", 6, 6);
	close(t->fd);
	t->fd = -1;
	talk_settle(t);
	cr_assert_eq(t->lost, 1);
	cr_assert_eq(t->gone, 1);
	cr_assert_eq(t->text_len, 0);
	talk_free(t);
}

Test(conn, without_a_buffer_it_asks_again)
{
	struct talk *t = talk_new();

	t->hoard = calloc(IO_RECEIVE_BUFFERS, sizeof *t->hoard);
	for (int i = 0; i < IO_RECEIVE_BUFFERS; i++)
		talk_put(t, "x", 1, 1);
	cr_assert_eq(t->hoard_len, IO_RECEIVE_BUFFERS);
	cr_assert_eq(send(t->fd, "waits", 5, 0), 5);
	for (int i = 0; i < 20; i++)
		talk_tick(t);
	cr_assert_eq(t->text_len, IO_RECEIVE_BUFFERS);
	for (size_t i = 0; i < t->hoard_len; i++)
		io_return(t->io, &t->hoard[i]);
	t->hoard_len = 0;
	free(t->hoard);
	t->hoard = NULL;
	talk_until(t, t->text_len == IO_RECEIVE_BUFFERS + 5);
	talk_free(t);
}

Test(conn, writes_of_a_tick_leave_together)
{
	struct talk *t = talk_new();
	uint8_t got[2000];
	bool end;

	talk_settle(t);
	for (int i = 0; i < 40; i++)
		conn_write(&t->net, &t->conn, "0123456789", 10);
	cr_assert_eq(talk_drain(t, got, sizeof got, &end), 400);
	cr_assert_eq(t->sent, 1);
	cr_assert_not(end);
	talk_free(t);
}

Test(conn, a_peer_that_stalls_makes_the_queue_grow_and_later_drains_it)
{
	struct talk *t = talk_new();
	uint8_t *much = malloc(MUCH), *got = malloc(MUCH);
	uint64_t x = 3;
	size_t len = 0, before;
	unsigned sent;

	random_fill(&x, much, MUCH);
	conn_write(&t->net, &t->conn, much, MUCH / 2);
	talk_settle(t);
	before = conn_unsent(&t->conn);
	cr_assert_gt(before, 0);
	sent = t->sent;
	conn_write(&t->net, &t->conn, much + MUCH / 2, MUCH / 2);
	talk_settle(t);
	cr_assert_eq(conn_unsent(&t->conn), before + MUCH / 2);
	cr_assert_eq(t->sent, sent);
	while (len < MUCH) {
		ssize_t part = recv(t->fd, got + len, MUCH - len, 0);

		len += part > 0 ? (size_t)part : 0;
		talk_tick(t);
	}
	talk_settle(t);
	cr_assert_gt(t->sent, sent);
	cr_assert_eq(conn_unsent(&t->conn), 0);
	cr_assert_arr_eq(got, much, MUCH);
	free(much);
	free(got);
	talk_free(t);
}

Test(conn, a_peer_that_is_gone_while_much_waits_is_told)
{
	struct talk *t = talk_new();
	uint8_t *much = calloc(1, MUCH);

	conn_write(&t->net, &t->conn, much, MUCH);
	talk_settle(t);
	close(t->fd);
	t->fd = -1;
	talk_settle(t);
	cr_assert_geq(t->lost, 1);
	cr_assert_eq(t->gone, 1);
	free(much);
	talk_free(t);
}

/* ---- ends */

Test(conn, conn_end_sends_everything_then_fin_then_waits_for_the_peer)
{
	struct talk *t = talk_new();
	uint8_t *much = malloc(MUCH), *got = malloc(MUCH + 1);
	uint64_t x = 11;
	bool end;

	random_fill(&x, much, MUCH);
	conn_write(&t->net, &t->conn, much, MUCH);
	conn_end(&t->net, &t->conn, REASON_CLIENT_END);
	cr_assert_eq(talk_drain(t, got, MUCH + 1, &end), MUCH);
	cr_assert_arr_eq(got, much, MUCH);
	cr_assert(end);
	cr_assert_eq(t->gone, 0);
	talk_put(t, much, MUCH, 100000); /* thrown away, and read: the peer is not stuck */
	cr_assert_eq(t->text_len, 0);
	shutdown(t->fd, SHUT_WR);
	talk_settle(t);
	cr_assert_eq(t->gone, 1);
	free(much);
	free(got);
	talk_free(t);
}

/* Bytes of the goodbye and the peer's end behind it arrive while we are ending already. */
Test(conn, ending_sees_the_end_right_behind_bytes)
{
	struct talk *t = talk_new();

	conn_end(&t->net, &t->conn, REASON_SHUTDOWN);
	talk_settle(t);
	cr_assert_eq(send(t->fd, "bye", 3, 0), 3);
	shutdown(t->fd, SHUT_WR);
	talk_settle(t);
	cr_assert_eq(t->gone, 1);
	cr_assert_eq(t->conn.reason, REASON_SHUTDOWN);
	talk_free(t);
}

static void say_and_end(struct talk *t)
{
	uint8_t *much = calloc(1, MUCH);

	conn_write(&t->net, &t->conn, much, MUCH);
	conn_end(&t->net, &t->conn, REASON_CLIENT_END);
	free(much);
}

/* Half-closed in the same moment: what is queued still goes out, however long that takes. */
Test(conn, conn_end_says_everything_though_the_peer_has_ended)
{
	struct talk *t = talk_new();
	uint8_t *got = malloc(MUCH + 1);
	bool end;

	t->on_text = say_and_end;
	cr_assert_eq(send(t->fd, "bye", 3, 0), 3);
	shutdown(t->fd, SHUT_WR);
	cr_assert_eq(talk_drain(t, got, MUCH + 1, &end), MUCH);
	cr_assert(end);
	talk_settle(t);
	cr_assert_eq(t->gone, 1);
	free(got);
	talk_free(t);
}

Test(conn, conn_end_after_stopped_reading_still_sees_the_peers_end)
{
	struct talk *t = talk_new();

	talk_settle(t);
	conn_stop_reading(&t->conn);
	talk_put(t, "unread", 6, 6);
	conn_end(&t->net, &t->conn, REASON_IDLE);
	shutdown(t->fd, SHUT_WR);
	talk_settle(t);
	cr_assert_eq(t->gone, 1);
	cr_assert_eq(t->text_len, 0);
	talk_free(t);
}

/* ---- terminate, in every life; talk_free checks that it comes back once and leaves nothing */

Test(conn, terminates_before_the_first_tick)
{
	struct talk *t = talk_new();

	conn_terminate(&t->net, &t->conn, REASON_CLIENT_LOST);
	conn_terminate(&t->net, &t->conn, REASON_IDLE);
	conn_end(&t->net, &t->conn, REASON_IDLE);
	conn_write(&t->net, &t->conn, "x", 1);
	conn_resume_reading(&t->net, &t->conn);
	talk_settle(t);
	cr_assert_eq(t->gone, 1);
	cr_assert_eq(t->conn.reason, REASON_CLIENT_LOST);
	talk_free(t);
}

Test(conn, terminates_while_open_with_text_unread)
{
	struct talk *t = talk_new();
	char byte;

	talk_settle(t);
	cr_assert_eq(send(t->fd, "unread", 6, 0), 6);
	conn_terminate(&t->net, &t->conn, REASON_IDLE);
	talk_settle(t);
	cr_assert_eq(t->gone, 1);
	cr_assert_eq(t->text_len, 0);
	cr_assert_leq(recv(t->fd, &byte, 1, 0), 0);
	talk_free(t);
}

Test(conn, terminates_while_a_send_is_stuck)
{
	struct talk *t = talk_new();
	uint8_t *much = calloc(1, MUCH);

	conn_write(&t->net, &t->conn, much, MUCH);
	talk_settle(t);
	cr_assert_eq(t->counters.value[COUNTER_sends_pending], 1);
	conn_terminate(&t->net, &t->conn, REASON_TOO_SLOW);
	talk_settle(t);
	cr_assert_eq(t->gone, 1);
	free(much);
	talk_free(t);
}

Test(conn, terminates_while_ending_and_keeps_the_first_reason)
{
	struct talk *t = talk_new();
	uint8_t *much = calloc(1, MUCH);

	conn_write(&t->net, &t->conn, much, MUCH);
	conn_end(&t->net, &t->conn, REASON_SHUTDOWN);
	talk_settle(t);
	cr_assert_eq(t->gone, 0);
	conn_terminate(&t->net, &t->conn, REASON_IDLE);
	talk_settle(t);
	cr_assert_eq(t->gone, 1);
	cr_assert_eq(t->conn.reason, REASON_SHUTDOWN);
	free(much);
	talk_free(t);
}

static void terminate_on_text(struct talk *t)
{
	conn_terminate(&t->net, &t->conn, REASON_XML);
}

Test(conn, terminates_in_the_middle_of_reading)
{
	struct talk *t = talk_new();
	static uint8_t much[3 * IO_RECEIVE_BYTES];

	t->on_text = terminate_on_text;
	cr_assert_eq(send(t->fd, much, sizeof much, 0), (ssize_t)sizeof much);
	talk_settle(t);
	cr_assert_eq(t->texts, 1);
	cr_assert_eq(t->gone, 1);
	talk_free(t);
}

/* ---- connecting */

static int listen_loopback(struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof *address;

	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	cr_assert_eq(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
	cr_assert_eq(listen(fd, 16), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)address, &len), 0);
	return fd;
}

/* The talk's conn again, as one that dials. */
static struct talk *talk_dialling(const struct sockaddr_in *address)
{
	struct talk *t = talk_new();

	conn_terminate(&t->net, &t->conn, REASON_CLIENT_LOST);
	talk_settle(t);
	close(t->fd);
	t->fd = -1;
	t->gone = 0;
	conn_init(&t->conn, socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), t->conn.tag, true);
	conn_connect(&t->net, &t->conn, (const struct sockaddr *)address, sizeof *address);
	return t;
}

Test(conn, dials_says_and_hears)
{
	struct sockaddr_in address;
	int listener = listen_loopback(&address);
	struct talk *t = talk_dialling(&address);
	char room[16], got[16];

	conn_write(&t->net, &t->conn, "hello", 5);
	talk_until(t, t->connected == 1);
	t->fd = accept(listener, NULL, NULL);
	conn_receive_into(&t->net, &t->conn, room, sizeof room);
	talk_settle(t);
	cr_assert_eq(recv(t->fd, got, sizeof got, 0), 5);
	cr_assert_eq(t->lost, 0);
	conn_write(&t->net, &t->conn, "bye", 3);
	conn_end(&t->net, &t->conn, REASON_SHUTDOWN);
	talk_settle(t);
	cr_assert_eq(recv(t->fd, got, sizeof got, 0), 3);
	cr_assert_eq(recv(t->fd, got, sizeof got, 0), 0);
	cr_assert_eq(t->gone, 1, "one that dials does not wait for the peer's end");
	close(listener);
	talk_free(t);
}

Test(conn, dialling_nobody_is_told)
{
	struct sockaddr_in address;
	struct talk *t;

	close(listen_loopback(&address));
	t = talk_dialling(&address);
	talk_until(t, t->lost == 1);
	talk_free(t);
}

Test(conn, terminates_and_ends_while_dialling)
{
	struct sockaddr_in address;
	int listener = listen_loopback(&address);
	struct talk *t = talk_dialling(&address);

	conn_terminate(&t->net, &t->conn, REASON_SERVER_LOST);
	talk_settle(t);
	cr_assert_eq(t->connected, 0);
	cr_assert_eq(t->gone, 1);
	talk_free(t);
	t = talk_dialling(&address);
	conn_end(&t->net, &t->conn, REASON_SERVER_LOST);
	talk_settle(t);
	cr_assert_eq(t->gone, 1);
	close(listener);
	talk_free(t);
}
