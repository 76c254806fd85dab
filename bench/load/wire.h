/*
 * wire: one client's connection on io_uring (io.h): TCP, and TLS when it has begun. What is put is sent by
 * wire_flush(), in one piece while nothing else is with the kernel.
 *
 * Life: CONNECTING; OPEN; ENDING: what waits is sent, TLS is closed, FIN is sent, and the peer's end awaited; DYING:
 * the kernel is asked to let go; GONE: it has. The owner calls wire_flush() after every completion and whenever it has
 * put something, until it answers that the wire is gone: its memory is free then, and not before.
 */
#ifndef LOAD_WIRE_H
#define LOAD_WIRE_H

#include "io.h"
#include "tls.h"

#include <sys/socket.h>

enum wire_op { WIRE_WATCH, WIRE_RECEIVE, WIRE_SEND, WIRE_CONNECT, WIRE_OPS };
/* Bits of a tag from here on say which operation it was. */
enum { WIRE_OP_SHIFT = 56 };
enum wire_life { WIRE_GONE, WIRE_CONNECTING, WIRE_OPEN, WIRE_ENDING, WIRE_DYING };

/*
 * What all wires of a process share. No more than WIRES_READ_MAX are read at once, each in its turn, so that a turn of
 * the loop is short however many have something to say.
 */
enum { WIRES_READ_MAX = 64 };
struct wires {
	struct io *io;
	unsigned reading; /* now */
	struct tls_shared tls;
	struct sockaddr_storage address;
	socklen_t address_len;
	unsigned sources; /* 127.0.0.1 and the addresses behind it in turn; 0: no choice */
	uint8_t leftover[2 * IO_RECEIVE_BYTES];
	uint8_t text[RECORD_TEXT_MAX];
};

struct wire {
	struct tls *tls;       /* the handshake; or all of it, when OpenSSL keeps it */
	struct record *record; /* the engine that took over */
	struct chunk *out;     /* text that was put */
	struct chunk *sending; /* with the kernel */
	struct chunk *partial; /* the first bytes of a record */
	uint64_t tag;
	int fd;
	uint8_t life, pending; /* pending: a bit for each wire_op */
	bool readable, hung_up, stopped, farewell, finished, secure;
};

/* `number` chooses the source address. False: errno says why, and the wire is gone. */
bool wire_connect(struct wires *, struct wire *, uint64_t tag, unsigned number);

enum wire_did { WIRE_NOTHING, WIRE_CONNECTED, WIRE_INPUT, WIRE_LOST };
/*
 * A completion. CONNECTED: it is open. INPUT: done->bytes are there, to be read by wire_read() (and given back
 * afterwards by the owner, as are those of completions that are NOTHING). LOST: *ret_error is an errno, 0 when the peer
 * ended it.
 */
enum wire_did wire_complete(struct wires *, struct wire *, enum wire_op, const struct io_done *, int *ret_error);

/* TLS begins. `session` as in tls_new(). False: it could not. */
bool wire_start_tls(struct wires *, struct wire *, SSL_SESSION **session);

struct wire_input {
	uint8_t *at;
	size_t len;
};
enum wire_found {
	WIRE_MORE,   /* everything is read */
	WIRE_TEXT,   /* `ret`: good until the next call */
	WIRE_SECURE, /* the handshake is over: `secured` was called */
	WIRE_END,    /* the peer has ended TLS */
	WIRE_BAD     /* *ret_why says in words what */
};
/* Called at the end of the handshake, while its facts can still be asked for. */
typedef void wire_secured(void *context, const struct tls *);
enum wire_found wire_read(struct wires *, struct wire *, struct wire_input *, struct wire_input *ret,
			  const char **ret_why, wire_secured *secured, void *context);

/* Text to be sent; ignored unless OPEN. */
void wire_put(struct wire *, const char *bytes, size_t len);
/* Sends and receives what there is to be. True: the wire is gone now. */
bool wire_flush(struct wires *, struct wire *);
/* It has something to be read, and it is not its turn: it is to be flushed again. */
bool wire_waits(const struct wire *);
/* Nothing is received until it is resumed. */
void wire_stop(struct wire *);
void wire_resume(struct wire *);
/* Ends in peace, or at once; wire_flush() does it. */
void wire_end(struct wire *);
void wire_kill(struct wires *, struct wire *);

#endif
