#include "io.h"

#include "direct.h"
#include "restrict.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	IO_SUBMISSIONS = 4096,
	IO_COMPLETIONS = 32768,
	IO_WAIT_BATCH_MAX = 64,
	IO_GATHER_CALLS_MAX = 1024,
	IO_BUFFER_GROUP = 0,
};

/* Tags of io's own; all others are the caller's. */
static const uint64_t tag_wake = UINT64_MAX;
static const uint64_t tag_nobody = UINT64_MAX - 1;
static const uint64_t tag_plain = UINT64_MAX - 2;
/* Its low half is the slot of the table that was closed. */
static const uint64_t tag_closed = UINT64_MAX << 32;

/* In the name of a socket in the ring's table; no descriptor of the process comes near it. */
enum { DIRECT = 1 << 30, DIRECT_SLOTS_MAX = 1 << 24 };

struct io {
	struct io_uring ring;
	struct io_uring_buf_ring *buffers;
	uint8_t *receive_memory;
	struct io_uring_cqe *batch[IO_WAIT_BATCH_MAX];
	unsigned batch_len, batch_at;
	struct direct direct;
	int wake_fd;
	char features[128];
};

/* Flags worth having, dearest first: each is dropped when the kernel does not know it. */
struct io_flag {
	unsigned flag;
	const char *name;
};
static const struct io_flag wanted_flags[] = {
	{IORING_SETUP_TASKRUN_FLAG, "taskrun_flag"},   {IORING_SETUP_DEFER_TASKRUN, "defer_taskrun"},
	{IORING_SETUP_SINGLE_ISSUER, "single_issuer"}, {IORING_SETUP_COOP_TASKRUN, "coop_taskrun"},
	{IORING_SETUP_SUBMIT_ALL, "submit_all"},
};
enum { WANTED_FLAGS = sizeof wanted_flags / sizeof wanted_flags[0] };

static void say_refused(int error, char to[static IO_ERROR_BYTES])
{
	const char *advice = "the kernel must be Linux 6.1 or later, built with io_uring";

	if (error == EPERM || error == EACCES)
		advice = "allow it: set the sysctl kernel.io_uring_disabled to 0 (or to 1 and run with CAP_SYS_ADMIN), "
			 "and in a "
			 "container allow io_uring_setup, io_uring_enter and io_uring_register in its seccomp profile";
	else if (error == ENOMEM)
		advice = "raise the limit of locked memory (LimitMEMLOCK= or ulimit -l)";
	snprintf(to, IO_ERROR_BYTES, "io_uring_setup is refused: %s; %s", strerror(error), advice);
}

static int ring_try(struct io *io, unsigned flags)
{
	struct io_uring_params params = {.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP |
						  IORING_SETUP_R_DISABLED,
					 .cq_entries = IO_COMPLETIONS};

	return io_uring_queue_init_params(IO_SUBMISSIONS, &io->ring, &params);
}

static void features_note(struct io *io, unsigned flags)
{
	size_t len = 0;

	for (int i = 0; i < WANTED_FLAGS; i++)
		if (flags & wanted_flags[i].flag)
			len += (size_t)snprintf(io->features + len, sizeof io->features - len, "%s%s",
						len > 0 ? " " : "", wanted_flags[i].name);
}

/* Starts with every flag and gives up one after the other while the kernel says EINVAL. */
static int ring_open(struct io *io)
{
	unsigned flags = 0;
	int error = -EINVAL;

	for (int i = 0; i < WANTED_FLAGS; i++)
		flags |= wanted_flags[i].flag;
	for (int i = 0; i <= WANTED_FLAGS && error == -EINVAL; i++) {
		error = ring_try(io, flags);
		if (error == -EINVAL && i < WANTED_FLAGS)
			flags &= ~wanted_flags[i].flag;
	}
	if (error == 0)
		features_note(io, flags);
	return error;
}

static void buffer_give(struct io *io, uint16_t buffer)
{
	io_uring_buf_ring_add(io->buffers, io->receive_memory + (size_t)buffer * IO_RECEIVE_BYTES, IO_RECEIVE_BYTES,
			      buffer, io_uring_buf_ring_mask(IO_RECEIVE_BUFFERS), 0);
	io_uring_buf_ring_advance(io->buffers, 1);
}

static size_t buffer_ring_bytes(void)
{
	return IO_RECEIVE_BUFFERS * sizeof(struct io_uring_buf);
}

static void *pages_new(size_t bytes)
{
	void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return pages == MAP_FAILED ? NULL : pages;
}

static int buffers_open(struct io *io)
{
	struct io_uring_buf_reg reg = {.ring_entries = IO_RECEIVE_BUFFERS, .bgid = IO_BUFFER_GROUP};
	int error;

	io->buffers = pages_new(buffer_ring_bytes());
	io->receive_memory = pages_new((size_t)IO_RECEIVE_BUFFERS * IO_RECEIVE_BYTES);
	if (io->buffers == NULL || io->receive_memory == NULL)
		return -ENOMEM;
	reg.ring_addr = (uint64_t)(uintptr_t)io->buffers;
	error = io_uring_register_buf_ring(&io->ring, &reg, 0);
	if (error != 0)
		return error;
	io_uring_buf_ring_init(io->buffers);
	for (unsigned i = 0; i < IO_RECEIVE_BUFFERS; i++)
		buffer_give(io, (uint16_t)i);
	return 0;
}

static void buffers_close(struct io *io)
{
	if (io->buffers != NULL)
		munmap(io->buffers, buffer_ring_bytes());
	if (io->receive_memory != NULL)
		munmap(io->receive_memory, (size_t)IO_RECEIVE_BUFFERS * IO_RECEIVE_BYTES);
}

struct io *io_new(char error[static IO_ERROR_BYTES])
{
	struct io *io = calloc(1, sizeof *io);
	int refused;

	assert(io != NULL);
	io->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	refused = io->wake_fd < 0 ? -errno : ring_open(io);
	if (refused != 0) {
		say_refused(-refused, error);
		if (io->wake_fd >= 0)
			close(io->wake_fd);
		free(io);
		return NULL;
	}
	refused = buffers_open(io);
	if (refused == 0)
		refused = restrict_ring(io->ring.ring_fd);
	if (refused != 0) {
		snprintf(error, IO_ERROR_BYTES,
			 "io_uring's buffer rings or restrictions are refused: %s; Linux 6.1 or later is needed",
			 strerror(-refused));
		io_free(io);
		return NULL;
	}
	io_uring_register_ring_fd(&io->ring);
	io_watch(io, io->wake_fd, tag_wake);
	return io;
}

void io_free(struct io *io)
{
	io_uring_queue_exit(&io->ring);
	direct_close(&io->direct);
	buffers_close(io);
	close(io->wake_fd);
	free(io);
}

const char *io_features(const struct io *io)
{
	return io->features;
}

size_t io_receive_memory(void)
{
	return (size_t)IO_RECEIVE_BUFFERS * IO_RECEIVE_BYTES + buffer_ring_bytes();
}

/* A free submission; a full queue is handed to the kernel first. */
static struct io_uring_sqe *ask(struct io *io, uint64_t tag)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&io->ring);

	while (sqe == NULL) {
		io_uring_submit(&io->ring);
		sqe = io_uring_get_sqe(&io->ring);
	}
	sqe->user_data = tag;
	return sqe;
}

static bool is_direct(int fd)
{
	return fd >= DIRECT;
}

/* Tells the kernel in which table the descriptor stands, once the rest is filled in. */
static void aim(struct io_uring_sqe *sqe, int fd)
{
	if (!is_direct(fd))
		return;
	sqe->fd = fd & ~DIRECT;
	sqe->flags |= IOSQE_FIXED_FILE;
}

/* The prep functions of liburing leave user_data alone. */
void io_accept(struct io *io, int fd, uint64_t tag)
{
	io_uring_prep_accept(ask(io, tag), fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

void io_watch(struct io *io, int fd, uint64_t tag)
{
	struct io_uring_sqe *sqe = ask(io, tag);

	io_uring_prep_poll_multishot(sqe, fd, POLLIN | POLLRDHUP);
	aim(sqe, fd);
}

void io_receive(struct io *io, int fd, uint64_t tag)
{
	struct io_uring_sqe *sqe = ask(io, tag);

	io_uring_prep_recv(sqe, fd, NULL, IO_RECEIVE_BYTES, MSG_DONTWAIT);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = IO_BUFFER_GROUP;
	aim(sqe, fd);
}

void io_receive_into(struct io *io, int fd, void *to, size_t cap, uint64_t tag)
{
	struct io_uring_sqe *sqe = ask(io, tag);

	io_uring_prep_recv(sqe, fd, to, cap, 0);
	aim(sqe, fd);
}

void io_send(struct io *io, int fd, const void *bytes, size_t len, uint64_t tag)
{
	struct io_uring_sqe *sqe = ask(io, tag);

	io_uring_prep_send(sqe, fd, bytes, len, MSG_WAITALL | MSG_NOSIGNAL);
	aim(sqe, fd);
}

void io_send_message(struct io *io, int fd, const struct msghdr *message, bool room, uint64_t tag)
{
	struct io_uring_sqe *sqe;

	if (room) {
		struct io_uring_sqe *before = ask(io, tag_nobody);

		io_uring_prep_poll_add(before, fd, POLLOUT);
		before->flags |= IOSQE_IO_LINK;
		aim(before, fd);
	}
	sqe = ask(io, tag);
	io_uring_prep_sendmsg(sqe, fd, message, MSG_NOSIGNAL);
	aim(sqe, fd);
}

void io_connect(struct io *io, int fd, const struct sockaddr *address, uint32_t len, uint64_t tag)
{
	io_uring_prep_connect(ask(io, tag), fd, address, len);
}

void io_cancel(struct io *io, uint64_t tag)
{
	io_uring_prep_cancel64(ask(io, tag_nobody), tag, 0);
}

void io_close(struct io *io, int fd)
{
	if (is_direct(fd))
		io_uring_prep_close_direct(ask(io, tag_closed | (unsigned)(fd & ~DIRECT)), (unsigned)(fd & ~DIRECT));
	else
		io_uring_prep_close(ask(io, tag_nobody), fd);
}

/* ---- direct descriptors */

static uint32_t descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > DIRECT_SLOTS_MAX)
		return DIRECT_SLOTS_MAX;
	return (uint32_t)limit.rlim_cur;
}

uint32_t io_direct_open(struct io *io, uint32_t wanted, char why[static IO_ERROR_BYTES])
{
	const char *lacks = direct_probe();
	uint32_t slots = descriptor_limit();

	assert(io->direct.slots == 0);
	if (lacks != NULL) {
		snprintf(why, IO_ERROR_BYTES, "direct descriptors need what this kernel cannot do: %s", lacks);
		return 0;
	}
	slots = wanted < slots ? wanted : slots;
	if (!direct_open(&io->direct, &io->ring, slots)) {
		snprintf(why, IO_ERROR_BYTES, "there is no table for %u direct descriptors: %s", slots,
			 strerror(errno));
		return 0;
	}
	return slots;
}

uint32_t io_direct_slots(const struct io *io)
{
	return io->direct.slots;
}

uint32_t io_direct_used(const struct io *io)
{
	return direct_used(&io->direct);
}

int io_adopt(struct io *io, int fd)
{
	int64_t slot = direct_take(&io->direct);

	if (slot < 0)
		return fd;
	if (io_uring_register_files_update(&io->ring, (unsigned)slot, &fd, 1) != 1) {
		direct_give(&io->direct, (uint32_t)slot);
		return fd;
	}
	close(fd);
	return (int)slot | DIRECT;
}

/*
 * The result of an operation that is done as soon as it is handed over: it is among the last completions. Its place is
 * made nobody's, so that it is not met again. Negative when it is not there, because the queue is full.
 */
static int result_at_once(struct io *io, uint64_t tag)
{
	struct io_uring_cq *cq = &io->ring.cq;
	unsigned head = *cq->khead, at = io_uring_smp_load_acquire(cq->ktail);

	while (at-- != head) {
		struct io_uring_cqe *cqe = &cq->cqes[at & cq->ring_mask];

		if (cqe->user_data != tag)
			continue;
		cqe->user_data = tag_nobody;
		return cqe->res;
	}
	return -EAGAIN;
}

int io_plain(struct io *io, int fd)
{
	struct io_uring_sqe *sqe;
	int plain;

	if (!is_direct(fd))
		return fd;
	sqe = ask(io, tag_plain);
	io_uring_prep_nop(sqe);
	sqe->opcode = DIRECT_OP_FIXED_FD_INSTALL;
	aim(sqe, fd);
	io_uring_submit(&io->ring);
	plain = result_at_once(io, tag_plain);
	return plain < 0 ? -1 : plain;
}

void io_plain_end(int fd, int plain)
{
	if (plain >= 0 && plain != fd)
		close(plain);
}

void io_shutdown(struct io *io, int fd, int how)
{
	int plain = io_plain(io, fd);

	if (plain >= 0)
		shutdown(plain, how);
	io_plain_end(fd, plain);
}

static void wake_taken(struct io *io, bool more)
{
	uint64_t count;
	ssize_t got = read(io->wake_fd, &count, sizeof count);

	(void)got; /* another wake may have emptied it already */
	if (!more)
		io_watch(io, io->wake_fd, tag_wake);
}

/* What concerns nobody but io. */
static void own_done(struct io *io, const struct io_done *done)
{
	if (done->tag == tag_wake)
		wake_taken(io, done->more);
	else if (done->tag == tag_plain && done->result >= 0)
		close(done->result); /* it came too late to be of use */
	else if (done->tag < tag_plain)
		direct_give(&io->direct, (uint32_t)done->tag);
}

/*
 * Newer kernels (6.18, seen) finish no more than twenty of the things that have become true for each call, and flag
 * that more are left; all of them belong to this turn.
 */
static void rest_gather(struct io *io)
{
	unsigned calls = 0;

	while (IO_URING_READ_ONCE(*io->ring.sq.kflags) & IORING_SQ_TASKRUN && calls++ < IO_GATHER_CALLS_MAX)
		io_uring_get_events(&io->ring);
}

void io_wait(struct io *io, uint64_t timeout_ms)
{
	struct __kernel_timespec ts = {.tv_sec = (long long)(timeout_ms / 1000),
				       .tv_nsec = (long long)(timeout_ms % 1000) * 1000000};
	struct io_uring_cqe *first;

	io_uring_submit_and_wait_timeout(&io->ring, &first, 1, &ts, NULL);
	rest_gather(io);
	io->batch_len = io->batch_at = 0;
}

/*
 * The next completion that is not io's own; they are taken from the ring in batches. An empty ring is not peeked into:
 * that would bring what has become true meanwhile, and a turn might never end.
 */
static struct io_uring_cqe *completion_next(struct io *io)
{
	if (io->batch_at == io->batch_len) {
		io->batch_at = io->batch_len = 0;
		if (io_uring_cq_ready(&io->ring) > 0)
			io->batch_len = io_uring_peek_batch_cqe(&io->ring, io->batch, IO_WAIT_BATCH_MAX);
	}
	return io->batch_at == io->batch_len ? NULL : io->batch[io->batch_at];
}

static void completion_read(struct io *io, const struct io_uring_cqe *cqe, struct io_done *ret)
{
	*ret = (struct io_done){.tag = cqe->user_data, .result = cqe->res, .more = cqe->flags & IORING_CQE_F_MORE};
	if (cqe->flags & IORING_CQE_F_BUFFER) {
		ret->buffer = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
		ret->bytes = io->receive_memory + (size_t)ret->buffer * IO_RECEIVE_BYTES;
	}
}

bool io_next(struct io *io, struct io_done *ret)
{
	struct io_uring_cqe *cqe;

	while ((cqe = completion_next(io)) != NULL) {
		completion_read(io, cqe, ret);
		io->batch_at++;
		io_uring_cqe_seen(&io->ring, cqe);
		if (ret->tag < tag_closed)
			return true;
		own_done(io, ret);
	}
	return false;
}

void io_return(struct io *io, const struct io_done *done)
{
	if (done->bytes != NULL)
		buffer_give(io, done->buffer);
}

void io_wake(struct io *io)
{
	uint64_t one = 1;
	ssize_t put = write(io->wake_fd, &one, sizeof one);

	(void)put; /* full means that it is awake */
}

uint64_t io_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
