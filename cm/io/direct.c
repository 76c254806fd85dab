#include "direct.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PROBE_ENTRIES = 8, PROBE_MS = 1000 };

/* Two sockets in the table, with their other ends outside. */
struct probe {
	struct io_uring ring;
	int inside[2], outside[2];
};

static struct io_uring_sqe *probe_ask(struct probe *p, unsigned slot, uint64_t tag)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&p->ring);

	io_uring_prep_nop(sqe);
	sqe->fd = (int)slot;
	sqe->flags |= IOSQE_FIXED_FILE;
	sqe->user_data = tag;
	return sqe;
}

/* The result of the operation with this tag; others that come first are let go. */
static int probe_result(struct probe *p, uint64_t tag)
{
	struct __kernel_timespec ts = {.tv_nsec = PROBE_MS * 1000000LL};
	struct io_uring_cqe *cqe;
	int result = -ETIME;
	bool mine = false;

	while (!mine && io_uring_submit_and_wait_timeout(&p->ring, &cqe, 1, &ts, NULL) >= 0 && cqe != NULL) {
		mine = cqe->user_data == tag;
		result = cqe->res;
		io_uring_cqe_seen(&p->ring, cqe);
	}
	return mine ? result : -ETIME;
}

static bool probe_fill(struct probe *p)
{
	int pair[2][2];
	bool made;

	for (int i = 0; i < 2; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair[i]) != 0)
			return false;
		p->inside[i] = pair[i][0];
		p->outside[i] = pair[i][1];
	}
	made = io_uring_register_files_sparse(&p->ring, 2) == 0 &&
	       io_uring_register_files_update(&p->ring, 0, p->inside, 2) == 2;
	for (int i = 0; i < 2; i++) {
		close(p->inside[i]);
		p->inside[i] = -1;
	}
	return made;
}

static bool probe_plain(struct probe *p)
{
	struct io_uring_sqe *sqe = probe_ask(p, 1, 2);
	int plain;

	sqe->opcode = DIRECT_OP_FIXED_FD_INSTALL;
	plain = probe_result(p, 2);
	if (plain >= 0)
		close(plain);
	return plain >= 0;
}

/* The first socket is watched all the time; the second is closed, and its peer must see it. */
static bool probe_close(struct probe *p)
{
	struct pollfd peer = {p->outside[1], POLLIN, 0};
	struct io_uring_sqe *sqe = io_uring_get_sqe(&p->ring);

	io_uring_prep_close_direct(sqe, 1);
	sqe->user_data = 3;
	return probe_result(p, 3) == 0 && poll(&peer, 1, PROBE_MS) == 1;
}

static const char *probe_run(struct probe *p)
{
	struct io_uring_sqe *sqe;

	if (!probe_fill(p))
		return "a ring's own table of descriptors";
	sqe = probe_ask(p, 0, 1);
	sqe->opcode = IORING_OP_POLL_ADD;
	sqe->poll32_events = POLLIN;
	io_uring_submit(&p->ring);
	if (!probe_plain(p))
		return "making a plain descriptor of a direct one (Linux 6.8 and later can)";
	if (!probe_close(p))
		return "closing a direct descriptor while others are in use (Linux 6.13 and later can)";
	return NULL;
}

const char *direct_probe(void)
{
	struct probe p = {.inside = {-1, -1}, .outside = {-1, -1}};
	const char *lacks;

	if (io_uring_queue_init(PROBE_ENTRIES, &p.ring, 0) != 0)
		return "one more ring";
	lacks = probe_run(&p);
	io_uring_queue_exit(&p.ring);
	for (int i = 0; i < 2; i++) {
		if (p.inside[i] >= 0)
			close(p.inside[i]);
		if (p.outside[i] >= 0)
			close(p.outside[i]);
	}
	return lacks;
}

bool direct_open(struct direct *d, struct io_uring *ring, uint32_t slots)
{
	int error = io_uring_register_files_sparse(ring, slots);

	if (error != 0) {
		errno = -error;
		return false;
	}
	*d = (struct direct){.slots = slots, .freed = malloc(slots * sizeof *d->freed)};
	assert(d->freed != NULL);
	return true;
}

void direct_close(struct direct *d)
{
	free(d->freed);
	*d = (struct direct){0};
}

int64_t direct_take(struct direct *d)
{
	if (d->freed_count > 0)
		return d->freed[--d->freed_count];
	return d->fresh < d->slots ? (int64_t)d->fresh++ : -1;
}

void direct_give(struct direct *d, uint32_t slot)
{
	assert(slot < d->fresh && d->freed_count < d->slots);
	d->freed[d->freed_count++] = slot;
}

uint32_t direct_used(const struct direct *d)
{
	return d->fresh - d->freed_count;
}
