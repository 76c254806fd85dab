/*
 * conn_talk: a conn on one end of a socketpair, on a true io, with an owner that notes what it is told; and on the
 * other end a peer, in clear text or with OpenSSL, whose bytes the test hands over as it likes.
 */
#ifndef TEST_CONN_TALK_H
#define TEST_CONN_TALK_H

#include "conn.h"
#include "tls_peer.h"

enum { TALK_TEXT_MAX = 4 << 20, TALK_PATIENCE_US = 60000000 };

struct talk {
	struct io *io;
	struct net net;
	struct counters counters;
	struct conn conn;
	int fd;		      /* the peer's end; -1: closed */
	struct tls_peer peer; /* its client, context, in and out are used */
	struct tls_facts facts;
	/* What the owner saw. */
	uint8_t *text;
	size_t text_len, texts;
	unsigned secured, ended, bad, lost, connected, sent, spent, gone;
	struct conn_text why; /* of bad */
	/* What the owner does. */
	void (*on_text)(struct talk *);	  /* NULL: nothing */
	void (*on_secure)(struct talk *); /* NULL: nothing */
	struct io_done *hoard;		  /* not NULL: buffers are not given back but put here */
	size_t hoard_len;
};

/* A talk in clear text. */
struct talk *talk_new(void);
/* With TLS to come: `direct` from the first byte; otherwise when the owner calls talk_start_tls(). */
struct talk *talk_new_tls(enum record_version, enum record_cipher, bool direct);
/* With TLS from the first byte, over TCP: what the kernel's record engine needs. */
struct talk *talk_new_tcp(enum record_version, enum record_cipher);
/* As talk_new_tls with TLS done and nothing queued. */
struct talk *talk_new_secure(enum record_version, enum record_cipher);
void talk_start_tls(struct talk *);
/* Ends the conn if it has not, checks that it came back exactly once and that nothing of it is left. */
void talk_free(struct talk *);

/* One turn of the loop. True: something was completed. */
bool talk_tick(struct talk *);
/* Until nothing more happens. */
void talk_settle(struct talk *);
/* Until the condition holds; fails after a while. */
#define talk_until(t, condition)                                                                                       \
	do {                                                                                                           \
		uint64_t until_us_ = io_now_us() + TALK_PATIENCE_US;                                                   \
		while (!(condition)) {                                                                                 \
			cr_assert_lt(io_now_us(), until_us_, "never: " #condition);                                    \
			talk_tick(t);                                                                                  \
		}                                                                                                      \
	} while (0)

/* The peer's bytes to the socket, `chunk` at a time, with the loop settled in between. */
void talk_put(struct talk *, const void *bytes, size_t len, size_t chunk);
/* The same in parts of 1 to part_max bytes, as random_next(x) has it. */
void talk_put_parts(struct talk *, const uint8_t *bytes, size_t len, size_t part_max, uint64_t *x);
/* What the client has to say on the wire; takes it out. */
size_t talk_wire(struct talk *, uint8_t *to, size_t cap);
/* Moves what came on the socket to the client. False: the end came. */
bool talk_pull(struct talk *);
/* Lets both sides go on until the client's handshake is done. */
void talk_shake(struct talk *, size_t chunk);
/* The client writes application data and puts it on the socket. */
void talk_say(struct talk *, const void *text, size_t len, size_t chunk);
/* Reads exactly so much application data at the client. */
void talk_hear(struct talk *, void *to, size_t len);
/* Bytes on the socket for the peer until the end, or until nothing is being sent; answers how many. *ret_end: FIN came.
 */
size_t talk_drain(struct talk *, uint8_t *to, size_t cap, bool *ret_end);

#endif
