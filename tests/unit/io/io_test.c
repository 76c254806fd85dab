#include "io.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000 };

static struct io *io;
static int pair[2];

static void begin(void)
{
	char error[IO_ERROR_BYTES];

	io = io_new(error);
	cr_assert(io != NULL, "%s", error);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
}

static void end(void)
{
	io_free(io);
	close(pair[0]);
	close(pair[1]);
}

TestSuite(io, .init = begin, .fini = end);

/* The next completion; fails when none comes. */
static struct io_done next(void)
{
	uint64_t until_us = io_now_us() + PATIENCE_MS * 1000;
	struct io_done done;

	while (!io_next(io, &done)) {
		cr_assert_lt(io_now_us(), until_us, "no completion came");
		io_wait(io, 100);
	}
	return done;
}

static struct io_done next_of(uint64_t tag)
{
	struct io_done done = next();

	cr_assert_eq(done.tag, tag, "expected %lu, got %lu (%d)", (unsigned long)tag, (unsigned long)done.tag,
		     done.result);
	return done;
}

/* Everything that is true now has become a completion: none is left. A receive of nothing is the fence. */
static void expect_none(void)
{
	int other[2];
	struct io_done done;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, other), 0);
	io_receive(io, other[0], 999);
	done = next_of(999);
	cr_assert_eq(done.result, -EAGAIN);
	cr_assert_not(io_next(io, &done));
	close(other[0]);
	close(other[1]);
}

static void put(int fd, const char *text)
{
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

Test(io, says_what_the_kernel_offers)
{
	cr_assert_neq(strlen(io_features(io)), 0);
	cr_assert_geq(io_receive_memory(), (size_t)IO_RECEIVE_BYTES * IO_RECEIVE_BUFFERS);
}

Test(io, watch_tells_of_each_arrival_and_stays)
{
	struct io_done done;

	io_watch(io, pair[0], 1);
	expect_none();
	for (int i = 0; i < 5; i++) {
		put(pair[1], "x");
		done = next_of(1);
		cr_assert(done.more);
		cr_assert_geq(done.result, 0);
		expect_none(); /* an edge: not told twice, though it was not read */
	}
}

Test(io, one_wait_brings_all_that_is_true)
{
	enum { MANY = 200 };
	int many[MANY][2], count = 0;
	struct io_done done;

	for (uint64_t i = 0; i < MANY; i++) {
		cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, many[i]), 0);
		io_watch(io, many[i][0], i);
	}
	expect_none();
	for (int i = 0; i < MANY; i++)
		put(many[i][1], "x");
	io_wait(io, 0);
	while (io_next(io, &done))
		count++;
	cr_assert_eq(count, MANY);
	for (int i = 0; i < MANY; i++) {
		close(many[i][0]);
		close(many[i][1]);
	}
}

Test(io, watch_tells_of_what_was_there_before)
{
	put(pair[1], "x");
	io_watch(io, pair[0], 1);
	cr_assert(next_of(1).more);
}

Test(io, watch_tells_of_the_peers_end)
{
	io_watch(io, pair[0], 1);
	expect_none();
	shutdown(pair[1], SHUT_WR);
	cr_assert(next_of(1).result & POLLRDHUP);
}

Test(io, watch_tells_of_data_and_end_at_once)
{
	put(pair[1], "x");
	shutdown(pair[1], SHUT_WR);
	io_watch(io, pair[0], 1);
	cr_assert_eq(next_of(1).result & (POLLIN | POLLRDHUP), POLLIN | POLLRDHUP);
	expect_none();
}

Test(io, receive_takes_what_is_there_into_a_shared_buffer)
{
	struct io_done done;

	put(pair[1], "hello");
	io_receive(io, pair[0], 7);
	done = next_of(7);
	cr_assert_eq(done.result, 5);
	cr_assert_not(done.more);
	cr_assert_arr_eq(done.bytes, "hello", 5);
	io_return(io, &done);
}

Test(io, receive_of_nothing_says_so_at_once)
{
	struct io_done done;

	io_receive(io, pair[0], 7);
	done = next_of(7);
	cr_assert_eq(done.result, -EAGAIN);
	cr_assert_null(done.bytes);
	io_return(io, &done); /* nothing to return: nothing happens */
}

Test(io, receive_takes_at_most_a_buffer)
{
	char much[IO_RECEIVE_BYTES + 100];
	struct io_done done;

	memset(much, 'm', sizeof much);
	cr_assert_eq(write(pair[1], much, sizeof much), (ssize_t)sizeof much);
	io_receive(io, pair[0], 1);
	done = next_of(1);
	cr_assert_eq(done.result, IO_RECEIVE_BYTES);
	io_return(io, &done);
	io_receive(io, pair[0], 2);
	done = next_of(2);
	cr_assert_eq(done.result, 100);
	io_return(io, &done);
}

Test(io, receive_tells_the_peers_end)
{
	close(pair[1]);
	io_receive(io, pair[0], 3);
	cr_assert_eq(next_of(3).result, 0);
}

/* All buffers away: a receive says so, takes nothing, and works again once one is back. */
Test(io, receive_without_buffers_takes_nothing)
{
	static struct io_done taken[IO_RECEIVE_BUFFERS];
	struct io_done done;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < IO_RECEIVE_BUFFERS; i++) {
			put(pair[1], "b");
			io_receive(io, pair[0], 1);
			taken[i] = next_of(1);
			cr_assert_eq(taken[i].result, 1);
		}
		put(pair[1], "kept");
		io_receive(io, pair[0], 2);
		cr_assert_eq(next_of(2).result, -ENOBUFS);
		io_return(io, &taken[round]);
		io_receive(io, pair[0], 3);
		done = next_of(3);
		cr_assert_eq(done.result, 4);
		cr_assert_arr_eq(done.bytes, "kept", 4);
		io_return(io, &done);
		for (int i = 0; i < IO_RECEIVE_BUFFERS; i++)
			if (i != round)
				io_return(io, &taken[i]);
	}
}

Test(io, buffers_do_not_overlap)
{
	static struct io_done taken[IO_RECEIVE_BUFFERS];
	char text[16];

	for (int i = 0; i < IO_RECEIVE_BUFFERS; i++) {
		snprintf(text, sizeof text, "n%d", i);
		put(pair[1], text);
		io_receive(io, pair[0], 1);
		taken[i] = next_of(1);
	}
	for (int i = 0; i < IO_RECEIVE_BUFFERS; i++) {
		snprintf(text, sizeof text, "n%d", i);
		cr_assert_arr_eq(taken[i].bytes, text, strlen(text));
		io_return(io, &taken[i]);
	}
}

Test(io, receive_into_waits_for_bytes)
{
	char room[16];
	struct io_done done;

	io_receive_into(io, pair[0], room, sizeof room, 4);
	expect_none();
	put(pair[1], "late");
	done = next_of(4);
	cr_assert_eq(done.result, 4);
	cr_assert_null(done.bytes);
	cr_assert_arr_eq(room, "late", 4);
}

Test(io, cancel_ends_what_waits)
{
	char room[16];

	io_receive_into(io, pair[0], room, sizeof room, 4);
	io_watch(io, pair[0], 5);
	expect_none();
	io_cancel(io, 4);
	cr_assert_eq(next_of(4).result, -ECANCELED);
	io_cancel(io, 5);
	{
		struct io_done done = next_of(5);

		cr_assert_eq(done.result, -ECANCELED);
		cr_assert_not(done.more);
	}
	io_cancel(io, 77); /* nobody: nothing is heard of it */
	expect_none();
}

struct reader {
	int fd;
	size_t want, got;
	uint8_t sum;
};

static void *read_slowly(void *context)
{
	struct reader *r = context;
	uint8_t bytes[3000];

	while (r->got < r->want) {
		struct pollfd ready = {.fd = r->fd, .events = POLLIN};
		ssize_t got;

		poll(&ready, 1, PATIENCE_MS);
		got = read(r->fd, bytes, sizeof bytes);
		if (got <= 0)
			break;
		for (ssize_t i = 0; i < got; i++)
			r->sum = (uint8_t)(r->sum * 31 + bytes[i]);
		r->got += (size_t)got;
	}
	return NULL;
}

Test(io, send_to_a_slow_reader_completes_whole)
{
	enum { MUCH = 4 << 20 };
	uint8_t *much = malloc(MUCH), sum = 0;
	struct reader r = {.fd = pair[1], .want = MUCH};
	pthread_t thread;

	for (size_t i = 0; i < MUCH; i++) {
		much[i] = (uint8_t)(i * 7 >> 3);
		sum = (uint8_t)(sum * 31 + much[i]);
	}
	io_send(io, pair[0], much, MUCH, 6);
	expect_none(); /* it waits: nobody reads yet */
	cr_assert_eq(pthread_create(&thread, NULL, read_slowly, &r), 0);
	cr_assert_eq(next_of(6).result, MUCH);
	pthread_join(thread, NULL);
	cr_assert_eq(r.got, MUCH);
	cr_assert_eq(r.sum, sum);
	free(much);
}

Test(io, send_that_waits_ends_when_the_socket_is_shut)
{
	enum { MUCH = 4 << 20 };
	uint8_t *much = calloc(1, MUCH);
	struct io_done done;

	io_send(io, pair[0], much, MUCH, 6);
	expect_none();
	shutdown(pair[0], SHUT_RDWR);
	done = next_of(6);
	cr_assert_lt(done.result, MUCH);
	free(much);
}

Test(io, send_to_a_peer_that_is_gone_fails)
{
	close(pair[1]);
	io_send(io, pair[0], "x", 1, 6);
	cr_assert_eq(next_of(6).result, -EPIPE); /* and no signal */
}

static int listen_loopback(struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof *address;

	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	cr_assert_eq(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
	cr_assert_eq(listen(fd, 16), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)address, &len), 0);
	return fd;
}

Test(io, connects_and_accepts)
{
	struct sockaddr_in address;
	int listener = listen_loopback(&address), accepted[3] = {-1, -1, -1}, fds[3], got = 0;
	bool connected[3] = {false};

	for (int i = 0; i < 3; i++) {
		io_accept(io, listener, 10);
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		io_connect(io, fds[i], (struct sockaddr *)&address, sizeof address, 11 + (uint64_t)i);
	}
	for (int i = 0; i < 6; i++) {
		struct io_done done = next();

		if (done.tag == 10) {
			cr_assert_geq(done.result, 0);
			cr_assert_not(done.more);
			cr_assert(fcntl(done.result, F_GETFL) & O_NONBLOCK);
			cr_assert(fcntl(done.result, F_GETFD) & FD_CLOEXEC);
			accepted[got++] = done.result;
		} else {
			cr_assert_eq(done.result, 0);
			connected[done.tag - 11] = true;
		}
	}
	cr_assert(got == 3 && connected[0] && connected[1] && connected[2]);
	io_accept(io, listener, 10);
	io_accept(io, listener, 11);
	io_cancel(io, 11);
	cr_assert_eq(next_of(11).result, -ECANCELED);
	io_cancel(io, 10);
	cr_assert_eq(next_of(10).result, -ECANCELED);
	for (int i = 0; i < 3; i++) {
		io_close(io, accepted[i]);
		io_close(io, fds[i]);
	}
	expect_none();
	for (int i = 0; i < 3; i++)
		cr_assert(fcntl(fds[i], F_GETFD) < 0 && errno == EBADF, "not closed");
	close(listener);
}

Test(io, connect_to_nobody_fails)
{
	struct sockaddr_in address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	close(listen_loopback(&address));
	io_connect(io, fd, (struct sockaddr *)&address, sizeof address, 11);
	cr_assert_eq(next_of(11).result, -ECONNREFUSED);
	close(fd);
}

static void *wake_often(void *unused)
{
	for (int i = 0; i < 1000; i++)
		io_wake(io);
	return unused;
}

Test(io, wake_ends_a_wait_from_another_thread)
{
	uint64_t began_us = io_now_us();
	pthread_t thread;
	struct io_done done;

	for (int i = 0; i < 20; i++) {
		cr_assert_eq(pthread_create(&thread, NULL, wake_often, NULL), 0);
		io_wait(io, 60000);
		cr_assert_not(io_next(io, &done), "the wake itself is nobody's completion");
		pthread_join(thread, NULL);
	}
	cr_assert_lt(io_now_us() - began_us, 30000000);
}

/* A wake that comes before the wait is not lost. */
Test(io, wake_before_the_wait_ends_it)
{
	uint64_t began_us = io_now_us();

	for (int i = 0; i < 10; i++) {
		struct io_done done;

		io_wake(io);
		io_wait(io, 60000);
		cr_assert_not(io_next(io, &done));
	}
	cr_assert_lt(io_now_us() - began_us, 30000000);
}

Test(io, wait_ends_with_its_time)
{
	uint64_t began_us = io_now_us();
	struct io_done done;

	io_wait(io, 30);
	cr_assert_geq(io_now_us() - began_us, 30000 - 1000);
	cr_assert_not(io_next(io, &done));
	began_us = io_now_us();
	io_wait(io, 0);
	cr_assert_lt(io_now_us() - began_us, 1000000);
}

/* More is asked for at once than the submission queue holds, and completions that are not taken at once are not lost.
 */
Test(io, asks_more_than_a_queue_holds)
{
	enum { MANY = 10000 };
	uint64_t sum = 0, expected = 0;

	for (uint64_t i = 0; i < MANY; i++) {
		io_receive(io, pair[0], 1000 + i);
		expected += 1000 + i;
	}
	for (int i = 0; i < MANY; i++) {
		struct io_done done = next();

		cr_assert_eq(done.result, -EAGAIN);
		sum += done.tag;
		if (i % 1000 == 0)
			io_wait(io, 0); /* in the middle of a batch */
	}
	cr_assert_eq(sum, expected);
	expect_none();
}

/* The ring's descriptor, as whoever has got hold of the process would find it. */
static int ring_find(void)
{
	char link[64], target[64];

	for (int fd = 3; fd < 256; fd++) {
		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		ssize_t len = readlink(link, target, sizeof target - 1);
		target[len < 0 ? 0 : len] = '\0';
		if (strcmp(target, "anon_inode:[io_uring]") == 0)
			return fd;
	}
	return -1;
}

Test(io, the_ring_takes_no_orders_from_others)
{
	int event = eventfd(0, EFD_CLOEXEC), fd = ring_find();

	cr_assert_neq(fd, -1);
	cr_assert_eq(syscall(__NR_io_uring_register, fd, IORING_REGISTER_EVENTFD, &event, 1), -1);
	cr_assert_eq(errno, EACCES);
	close(event);
}
