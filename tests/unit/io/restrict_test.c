#include "restrict.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct io_uring ring;
static char bytes[16];
static int ends[2];

static void begin(void)
{
	cr_assert_eq(io_uring_queue_init(8, &ring, IORING_SETUP_R_DISABLED), 0);
	cr_assert_eq(restrict_ring(ring.ring_fd), 0);
	cr_assert_eq(pipe(ends), 0);
}

TestSuite(restrict, .init = begin);

/* What comes of the operation. */
static int ask(void (*what)(struct io_uring_sqe *))
{
	struct __kernel_timespec patience = {.tv_sec = 60};
	struct io_uring_cqe *cqe = NULL;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	what(sqe);
	io_uring_submit(&ring);
	cr_assert_eq(io_uring_wait_cqe_timeout(&ring, &cqe, &patience), 0);
	int result = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	return result;
}

static void do_nothing(struct io_uring_sqe *sqe)
{
	io_uring_prep_nop(sqe);
}

static void watch(struct io_uring_sqe *sqe)
{
	io_uring_prep_poll_add(sqe, ends[1], POLLOUT);
}

static void open_a_file(struct io_uring_sqe *sqe)
{
	io_uring_prep_openat(sqe, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
}

static void read_a_file(struct io_uring_sqe *sqe)
{
	io_uring_prep_read(sqe, ends[0], bytes, sizeof bytes, 0);
}

static void write_a_file(struct io_uring_sqe *sqe)
{
	io_uring_prep_write(sqe, ends[1], bytes, sizeof bytes, 0);
}

static void take_away_a_file(struct io_uring_sqe *sqe)
{
	io_uring_prep_unlinkat(sqe, AT_FDCWD, "/nowhere", 0);
}

static void tell_another_ring(struct io_uring_sqe *sqe)
{
	io_uring_prep_msg_ring(sqe, ring.ring_fd, 0, 0, 0);
}

static void make_a_socket(struct io_uring_sqe *sqe)
{
	io_uring_prep_socket(sqe, AF_INET, SOCK_STREAM, 0, 0);
}

static void wait_for_all(struct io_uring_sqe *sqe)
{
	io_uring_prep_nop(sqe);
	sqe->flags |= IOSQE_IO_DRAIN;
}

Test(restrict, what_is_needed_is_done)
{
	cr_assert_eq(ask(do_nothing), 0);
	cr_assert_eq(ask(watch), POLLOUT);
}

Test(restrict, the_rest_is_refused)
{
	static void (*const rows[])(struct io_uring_sqe *) = {open_a_file,	read_a_file,	   write_a_file,
							      take_away_a_file, tell_another_ring, make_a_socket,
							      wait_for_all};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_assert_eq(ask(rows[i]), -EACCES, "%zu", i);
}

Test(restrict, nothing_else_is_registered)
{
	cr_assert_eq(syscall(__NR_io_uring_register, ring.ring_fd, IORING_REGISTER_EVENTFD, &ends[0], 1), -1);
	cr_assert_eq(errno, EACCES);
	cr_assert_eq(io_uring_register_files_sparse(&ring, 4), 0);
	cr_assert_eq(io_uring_register_ring_fd(&ring), 1);
	cr_assert_eq(ask(do_nothing), 0);
}

Test(restrict, only_before_the_ring_begins)
{
	cr_assert_lt(restrict_ring(ring.ring_fd), 0);
}
