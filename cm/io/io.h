/*
 * io: THE SEAM between the gate and the kernel. One struct io is one io_uring, used by one thread alone (io_wake
 * excepted).
 *
 * A verb asks the kernel for something and names it by a tag; nothing happens before the next io_wait(), which hands
 * all that was asked for to the kernel in one system call and waits. Then io_next() gives what has become true, one
 * completion at a time. Whoever asked must leave descriptor and memory alone until the completion without `more` came.
 *
 *     for (;;) { io_wait(io, until_ms); while (io_next(io, &done)) act on done; }
 *
 * At most one receive and one send may be asked for at a time for one descriptor (two sends would be mixed up).
 */
#ifndef IO_IO_H
#define IO_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct io;
struct sockaddr;
struct msghdr;

enum { IO_ERROR_BYTES = 512, IO_RECEIVE_BYTES = 4096, IO_RECEIVE_BUFFERS = 256 };

/*
 * Makes a ring for the calling thread, with what the kernel offers (probed, not guessed from its version). NULL:
 * `error` says in one line why the kernel refuses and what an operator can do about it.
 */
struct io *io_new(char error[static IO_ERROR_BYTES]);
/* Nothing asked for may be pending. */
void io_free(struct io *);
/* What was found at the start, for the log: "single_issuer defer_taskrun ...". */
const char *io_features(const struct io *);
/* Bytes of the buffers that receiving shares. */
size_t io_receive_memory(void);

/* What became true. */
struct io_done {
	uint64_t tag;
	int32_t result; /* bytes, descriptor or 0; negative: -errno */
	bool more;	/* this verb goes on: more completions with this tag will come */
	uint8_t *bytes; /* io_receive: what was received, in a shared buffer; give it back with io_return */
	uint16_t buffer;
};

/* One connection of a listening socket. Several may be asked for at once, each under a tag of its own. */
void io_accept(struct io *, int fd, uint64_t tag);
/*
 * A completion whenever there is something new to read (edge-like: read until short), until one comes without `more`.
 * Its result is what poll(2) says; with POLLRDHUP, POLLHUP or POLLERR in it the end may stand right behind what there
 * is to read, and nothing more will tell of it: read until it comes.
 */
void io_watch(struct io *, int fd, uint64_t tag);
/* Reads once what is there, into a shared buffer: -EAGAIN nothing, -ENOBUFS all buffers are in use: try again later. */
void io_receive(struct io *, int fd, uint64_t tag);
/* Reads once, waiting, into memory of the caller. */
void io_receive_into(struct io *, int fd, void *to, size_t cap, uint64_t tag);
/* Sends all of it; a result below len means that the connection broke. */
void io_send(struct io *, int fd, const void *bytes, size_t len, uint64_t tag);
/*
 * sendmsg(2): sends what there is room for, and waits for room when there is none; the result may be below what the
 * message holds. `room`: waits first until the socket says that it is writable, so that what lower layers hold back
 * goes out before it.
 */
void io_send_message(struct io *, int fd, const struct msghdr *, bool room, uint64_t tag);
void io_connect(struct io *, int fd, const struct sockaddr *, uint32_t len, uint64_t tag);
/* Ends whatever was asked for under this tag; its completion comes with -ECANCELED, unless it came before. */
void io_cancel(struct io *, uint64_t tag);
/* Closes; there is no completion. Nothing may be pending for the descriptor. */
void io_close(struct io *, int fd);
/* shutdown(2), done when it returns; `how` is its SHUT_RD, SHUT_WR or SHUT_RDWR. */
void io_shutdown(struct io *, int fd, int how);

/*
 * Direct descriptors: a ring has a table of its own for sockets, in which they do not count against the process's limit
 * of descriptors (RLIMIT_NOFILE). A table is no longer than that limit, but every ring has one.
 *
 * io_direct_open makes the table, for `wanted` sockets or as many as the limit allows, and answers how many. 0: there
 * is none, and `why` says in one line what this kernel cannot do (which is tried, not guessed from its version). At
 * most once, before anything else is asked for.
 */
uint32_t io_direct_open(struct io *, uint32_t wanted, char why[static IO_ERROR_BYTES]);
/* What the table holds, and sockets that are in it now. */
uint32_t io_direct_slots(const struct io *);
uint32_t io_direct_used(const struct io *);
/*
 * Moves a socket into the table, if there is one and it has room. Answers its name for the verbs of this header, and
 * for nothing else; the descriptor is closed. Without room the descriptor itself is answered, and all stays as it was.
 */
int io_adopt(struct io *, int fd);
/*
 * A plain descriptor for what no verb does: the same one, if it is plain; else another of the same socket, for a short
 * while. -1: there is none to be had now. Give it back with io_plain_end, with the name it was got for.
 */
int io_plain(struct io *, int fd);
void io_plain_end(int fd, int plain);

/*
 * Hands over what was asked for, and waits until there is a completion, io_wake was called, or the time is over. All
 * that has become true by then is there for io_next(); what becomes true later waits for the next call.
 */
void io_wait(struct io *, uint64_t timeout_ms);
/* The next completion. False: none is left. */
bool io_next(struct io *, struct io_done *ret);
/* Gives the shared buffer of an io_receive back. */
void io_return(struct io *, const struct io_done *);
/* Makes io_wait return. From any thread. */
void io_wake(struct io *);

/* Monotonic time. */
uint64_t io_now_us(void);

#endif
