#include "restrict.h"

#include "direct.h"

#include <errno.h>
#include <liburing.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The one that older kernels do not know stands last. */
static const uint8_t operations[] = {
	IORING_OP_NOP,	   IORING_OP_ACCEPT,  IORING_OP_POLL_ADD, IORING_OP_RECV,	  IORING_OP_SEND,
	IORING_OP_SENDMSG, IORING_OP_CONNECT, IORING_OP_CLOSE,	  IORING_OP_ASYNC_CANCEL, DIRECT_OP_FIXED_FD_INSTALL,
};
static const uint8_t registers[] = {
	IORING_REGISTER_FILES2,
	IORING_REGISTER_FILES_UPDATE,
	IORING_REGISTER_RING_FDS,
	IORING_UNREGISTER_RING_FDS,
};
enum { OPERATIONS = sizeof operations / sizeof *operations, REGISTERS = sizeof registers / sizeof *registers };

/* Debian 12's liburing has no function for what is registered here. */
static int ring_register(int ring_fd, unsigned what, void *list, unsigned count)
{
	return syscall(__NR_io_uring_register, ring_fd, what, list, count) < 0 ? -errno : 0;
}

int restrict_ring(int ring_fd)
{
	struct io_uring_restriction list[1 + REGISTERS + OPERATIONS] = {
		{.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
		 .sqe_flags = IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT | IOSQE_IO_LINK}};
	unsigned count = 1;
	int error;

	for (int i = 0; i < REGISTERS; i++)
		list[count++] = (struct io_uring_restriction){.opcode = IORING_RESTRICTION_REGISTER_OP,
							      .register_op = registers[i]};
	for (int i = 0; i < OPERATIONS; i++)
		list[count++] =
			(struct io_uring_restriction){.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = operations[i]};
	error = ring_register(ring_fd, IORING_REGISTER_RESTRICTIONS, list, count);
	if (error == -EINVAL)
		error = ring_register(ring_fd, IORING_REGISTER_RESTRICTIONS, list, count - 1);
	return error != 0 ? error : ring_register(ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}
