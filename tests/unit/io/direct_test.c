/* Direct descriptors, where the kernel has them; else these tests are skipped, and say why. */
#include "io.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SLOTS = 3, PAIRS = 4, PATIENCE_MS = 60000 };

static struct io *io;
static int inside[PAIRS], outside[PAIRS];

static void begin(void)
{
	char error[IO_ERROR_BYTES];

	io = io_new(error);
	cr_assert(io != NULL, "%s", error);
	cr_assert_eq(io_direct_slots(io), 0);
	if (io_direct_open(io, SLOTS, error) == 0)
		cr_skip_test("%s", error);
	cr_assert_eq(io_direct_slots(io), SLOTS);
	for (int i = 0; i < PAIRS; i++) {
		int pair[2];

		cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
		inside[i] = pair[0];
		outside[i] = pair[1];
	}
}

static void end(void)
{
	io_free(io);
}

TestSuite(direct, .init = begin, .fini = end);

static struct io_done next_of(uint64_t tag)
{
	uint64_t until_us = io_now_us() + PATIENCE_MS * 1000;
	struct io_done done;

	while (!io_next(io, &done)) {
		cr_assert_lt(io_now_us(), until_us, "no completion came");
		io_wait(io, 100);
	}
	cr_assert_eq(done.tag, tag);
	return done;
}

/* A receive of nothing comes back when everything before it was done. */
static void settle(void)
{
	int fence[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fence), 0);
	io_receive(io, fence[0], 999);
	next_of(999);
	close(fence[0]);
	close(fence[1]);
}

static bool sees_the_end(int fd)
{
	struct pollfd peer = {fd, POLLIN, 0};
	char byte;

	return poll(&peer, 1, PATIENCE_MS) == 1 && read(fd, &byte, 1) == 0;
}

Test(direct, a_socket_that_moved_has_left_the_process)
{
	int socket = inside[0], name = io_adopt(io, socket);

	cr_assert_neq(name, socket);
	cr_assert_eq(fcntl(socket, F_GETFD), -1);
	cr_assert_eq(fcntl(name, F_GETFD), -1);
	cr_assert_eq(io_direct_used(io), 1);
}

Test(direct, every_verb_knows_the_name)
{
	int name = io_adopt(io, inside[0]);
	struct io_done done;
	char text[8];

	io_watch(io, name, 1);
	cr_assert_eq(write(outside[0], "hello", 5), 5);
	cr_assert(next_of(1).result & POLLIN);
	io_receive(io, name, 2);
	done = next_of(2);
	cr_assert(done.result == 5 && memcmp(done.bytes, "hello", 5) == 0);
	io_return(io, &done);
	io_send(io, name, "there", 5, 3);
	cr_assert_eq(next_of(3).result, 5);
	cr_assert_eq(read(outside[0], text, sizeof text), 5);
	cr_assert_eq(write(outside[0], "again", 5), 5);
	cr_assert(next_of(1).more);
	io_receive_into(io, name, text, sizeof text, 4);
	cr_assert_eq(next_of(4).result, 5);
	io_shutdown(io, name, SHUT_WR);
	cr_assert(sees_the_end(outside[0]));
}

/* What kernels before 6.13 get wrong, and why they are tried first. */
Test(direct, a_socket_that_is_closed_is_gone_though_others_are_in_use)
{
	int first = io_adopt(io, inside[0]), second = io_adopt(io, inside[1]);

	io_watch(io, first, 1);
	settle();
	io_close(io, second);
	settle();
	cr_assert(sees_the_end(outside[1]));
	cr_assert_eq(io_direct_used(io), 1);
}

Test(direct, a_full_table_leaves_the_descriptor_as_it_is_and_a_closed_place_serves_again)
{
	int names[SLOTS];

	for (int i = 0; i < SLOTS; i++)
		names[i] = io_adopt(io, inside[i]);
	cr_assert_eq(io_adopt(io, inside[3]), inside[3]);
	cr_assert_neq(fcntl(inside[3], F_GETFD), -1);
	io_close(io, names[1]);
	settle();
	cr_assert_eq(io_adopt(io, inside[3]), names[1]);
	cr_assert_eq(io_direct_used(io), SLOTS);
	io_send(io, names[1], "x", 1, 5);
	cr_assert_eq(next_of(5).result, 1);
	cr_assert_eq(read(outside[3], &(char){0}, 1), 1, "it is the new tenant's");
}

Test(direct, a_plain_descriptor_is_another_of_the_same_socket)
{
	int name = io_adopt(io, inside[0]), plain = io_plain(io, name), bytes = 0;
	socklen_t len = sizeof bytes;

	cr_assert(plain >= 0 && plain != name);
	cr_assert_eq(getsockopt(plain, SOL_SOCKET, SO_RCVBUF, &bytes, &len), 0);
	cr_assert_eq(write(plain, "x", 1), 1);
	cr_assert_eq(read(outside[0], &(char){0}, 1), 1);
	settle();
	cr_assert_neq(fcntl(plain, F_GETFD), -1, "its completion, met again, must not close it");
	io_plain_end(name, plain);
	cr_assert_eq(fcntl(plain, F_GETFD), -1);
	settle();
	cr_assert_eq(io_plain(io, outside[0]), outside[0], "a plain one is itself");
	io_plain_end(outside[0], outside[0]);
	cr_assert_neq(fcntl(outside[0], F_GETFD), -1);
}

/* The answer is found among completions that nobody has taken yet, and takes none of them away. */
Test(direct, a_plain_descriptor_is_had_amid_other_completions)
{
	int name = io_adopt(io, inside[0]);

	for (uint64_t tag = 100; tag < 200; tag++)
		io_send(io, outside[1], "x", 1, tag);
	for (int i = 0; i < 10; i++) {
		int plain = io_plain(io, name);

		cr_assert_geq(plain, 0);
		io_plain_end(name, plain);
	}
	for (uint64_t tag = 100; tag < 200; tag++)
		cr_assert_eq(next_of(tag).result, 1);
	settle();
}

Test(direct, no_descriptor_is_left_for_a_plain_one)
{
	int name = io_adopt(io, inside[0]);
	struct rlimit limit, none;
	int plain;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){0, limit.rlim_max};
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	plain = io_plain(io, name);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_assert_eq(plain, -1);
	plain = io_plain(io, name);
	cr_assert_geq(plain, 0, "and later there is one again");
	io_plain_end(name, plain);
}
