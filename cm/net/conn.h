/*
 * conn: one stream socket with a life, TLS on it or not. Clients and links are conns.
 *
 * Life. OPEN; then ENDING: what waits is sent, TLS is closed, FIN is sent, what still arrives is thrown away until the
 * peer ends too; then TERMINATED: the kernel is asked to let go; when it has (no operation is pending), the descriptor
 * is closed and net_gone() hands the conn back, exactly once: its memory is the owner's again. conn_end() and
 * conn_terminate() only move it on, so they may be called anywhere.
 *
 * Reading is pulled. When conn_complete() says CONN_DID_RECEIVE, the owner calls conn_read() until it answers
 * CONN_MORE; each call opens at most one TLS record and answers its text, which lies in the input or in the conn and is
 * good until the next call. Writing is queued by conn_write() and leaves with conn_flush(), once a tick; one send is
 * with the kernel at a time.
 *
 * A conn wants attention (`dirty`) when something is to be flushed; it is then on the net's list, and net_flush() does
 * it.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "busy.h"
#include "counter.h"
#include "handshake_step.h"
#include "io.h"
#include "kernel_tls.h"
#include "outbox.h"
#include "shelf.h"

/* What the conns of one worker share. */
struct net {
	struct io *io;
	struct counters *counters;
	struct record_crypto *crypto;
	struct shelf records;			/* of all conns with TLS */
	struct conn *dirty;			/* list of those that want attention */
	struct conn *gone;			/* list of those that have ended */
	uint8_t leftover[2 * IO_RECEIVE_BYTES]; /* of a handshake; text of records is opened in here */
	/* Whether the kernel's record engine is used (conn_engine); OFF: the rest need not be set. */
	enum kernel_tls_use kernel_use;
	uint64_t kernel_bytes_per_s;		 /* AUTO: for conns that move as much within a second */
	const struct kernel_tls_can *kernel_can; /* stays */
	struct busy busy;			 /* what moved since net_second() */
};

enum conn_life { CONN_CONNECTING, CONN_OPEN, CONN_ENDING, CONN_TERMINATED };
enum conn_tls { CONN_PLAIN, CONN_HANDSHAKE, CONN_RECORDS };

/* Low bits of a tag's top byte: which operation of the conn a completion belongs to. */
enum conn_op { CONN_WATCH, CONN_RECEIVE, CONN_SEND, CONN_CONNECT, CONN_OPS };
enum { CONN_OP_SHIFT = 56 };

struct conn {
	struct conn *dirty_next;
	struct outbox outbox;  /* text to be sealed; bytes as they are while there is no TLS */
	struct chunk *sending; /* with the kernel */
	struct chunk *partial; /* the first bytes of a TLS record */
	union {
		struct handshake *handshake; /* CONN_HANDSHAKE */
		/*
		 * CONN_RECORDS: as many bytes as it needs (record_bytes); with kernel_has, the first member of a struct
		 * conn_kernel.
		 */
		struct record *record;
	};
	uint64_t tag; /* the owner's handle; its bits from CONN_OP_SHIFT on, four, are ours */
	int fd;
	uint32_t raw_bytes;	    /* at the front of the outbox: bytes of the handshake, not to be sealed */
	uint8_t life, tls, pending; /* pending: a bit for each conn_op */
	uint8_t reason;		    /* enum reason, once ENDING */
	uint8_t alert;		    /* TLS alert to end with; 0: close_notify */
	uint8_t kernel_has : 2;	    /* directions whose records are the kernel's (enum kernel_tls_way) */
	uint8_t kernel_wants : 2;   /* that shall be */
	uint8_t kernel_asked : 1;   /* whether that was decided */
	bool dirty, readable, reading_stopped, receive_whole;
	bool peer_ended;	 /* nothing more will come */
	bool hung_up;		 /* the end stands behind what is still to be read */
	bool notified, finished; /* ENDING: alert queued; FIN sent */
};

/* The descriptor is the conn's from now on. `whole`: the owner reads into memory of its own (conn_receive_into). */
void conn_init(struct conn *, int fd, uint64_t tag, bool whole);
/* An accepted or connected socket: begin to read. */
void conn_start(struct net *, struct conn *);
/* Connect first; CONN_DID_CONNECT or CONN_DID_LOST comes. The address lives until then. */
void conn_connect(struct net *, struct conn *, const struct sockaddr *, uint32_t len);

enum conn_did {
	CONN_DID_NOTHING,
	CONN_DID_RECEIVE, /* bytes are there: conn_read() them (whole: done->result of them are in the owner's memory)
			   */
	CONN_DID_CONNECT,
	CONN_DID_CONTROL, /* a TLS record that is no text came: conn_read() an empty input until it answers CONN_MORE */
	CONN_DID_SEND,	  /* something was sent: there may be room again */
	CONN_DID_SPENT,	  /* the same; and the TLS keys have been used as often as they may be: conn_end it */
	CONN_DID_LOST	  /* the peer has ended or the connection broke: conn_end or conn_terminate it */
};
/* A completion of one of the conn's operations. The owner gives done's buffer back afterwards (io_return). */
enum conn_did conn_complete(struct net *, struct conn *, enum conn_op, const struct io_done *);

/* Bytes to be read, in memory that may be written to. */
struct conn_input {
	uint8_t *at;
	size_t len;
};
enum conn_found {
	CONN_MORE,   /* everything is read */
	CONN_TEXT,   /* `text` */
	CONN_SECURE, /* the handshake is done: `facts` */
	CONN_END,    /* the peer has ended TLS */
	CONN_BAD     /* `reason`: conn_end() it */
};
struct conn_text {
	uint8_t *at;
	size_t len;
	enum reason reason;
	const char *detail; /* BAD: one more word for the log, or NULL; good until the next call */
};
/* facts is filled in with CONN_SECURE. */
enum conn_found conn_read(struct net *, struct conn *, struct conn_input *, struct conn_text *ret,
			  struct tls_facts *ret_facts);

/*
 * TLS comes next: what is read from now on is a handshake's. Either conn_start_tls() begins it before, and conn_read()
 * makes its steps; or they are made elsewhere, and the owner reads nothing meanwhile: conn_lend_handshake() gives out
 * the handshake (NULL: it has not begun), and conn_take_step() takes it back with what came of it. Its answer is
 * CONN_MORE, CONN_SECURE, with what the step has left over to be read next, or CONN_BAD. The conn must be OPEN.
 */
void conn_await_tls(struct conn *);
struct handshake *conn_lend_handshake(struct conn *);
enum conn_found conn_take_step(struct net *, struct conn *, struct handshake_step *, struct conn_text *ret);
/*
 * TLS begins, as after STARTTLS (handshake_new()). Nothing of the input may be left. False: no memory.
 */
bool conn_start_tls(struct conn *, struct tls_context *);

/*
 * A connected socket: TLS begins with us as the client, by a client's context (link_tls.h). The peer's certificate must
 * have one of the names, which are separated by spaces. False: no memory.
 */
bool conn_join_tls(struct net *, struct conn *, struct tls_context *, const char *names);

/* Queues a copy. Ignored when ENDING or later. */
void conn_write(struct net *, struct conn *, const void *bytes, size_t len);
/*
 * The same, with records of their own (and without TLS, a send of their own), which nothing else is in: for peers that
 * look at one record at a time.
 */
void conn_write_apart(struct net *, struct conn *, const void *bytes, size_t len);
/* Bytes queued and not yet with the kernel. */
size_t conn_unsent(const struct conn *);
/*
 * Stops and resumes reading; what arrives meanwhile stays in the kernel, and so does the peer's end. A connection that
 * broke is told all the same.
 */
void conn_stop_reading(struct conn *);
void conn_resume_reading(struct net *, struct conn *);
/* For `whole` conns, when CONN_DID_CONNECT or CONN_DID_RECEIVE was handled: reads at most cap bytes to memory of the
 * owner. */
void conn_receive_into(struct net *, struct conn *, void *to, size_t cap);

/* Ends in peace: see above. A second call changes nothing. */
void conn_end(struct net *, struct conn *, enum reason);
/* Ends at once; what waits is thrown away. */
void conn_terminate(struct net *, struct conn *, enum reason);

/* Who seals and opens its TLS records: "none", "user", "kernel", or "kernel_send" when the kernel seals and we open. */
const char *conn_engine(const struct conn *);
/* Once a second. */
void net_second(struct net *);

/* Sends what is queued, of every conn that wants it. Once a tick. */
void net_flush(struct net *);
/* A conn that has ended: take its memory back. NULL: no more. After net_flush. */
struct conn *net_gone(struct net *);

#endif
