/* gate: a gate made for tests: one link, frames sent and awaited in turn. Whatever does not come in a minute is a
 * failure. */
#ifndef TEST_GATE_H
#define TEST_GATE_H

#include "link.h"

struct gate {
	int fd;
	uint8_t *in;
	size_t len, cap, used; /* bytes held; those of the last frame */
	uint64_t taken;	       /* numbered frames */
	uint64_t acked;	       /* of ours, by the server */
	uint64_t epoch;	       /* drawn by gate_dial */
	uint32_t patience_ms;  /* said in HELLO; 0 by gate_dial */
	bool acks_nothing;     /* as a gate for whom it is not time yet */
	bool counts_requests;  /* <r/> of stream management, which may come at any time, are counted and skipped */
	unsigned requests;
	struct frame_fanout fanout; /* of the last frame; what is left of it comes as so many elements */
	uint32_t fanned;
	unsigned fanouts;
};

/* Until somebody listens there. */
void gate_await_server(const char *socket);
/* Connects and sends nothing. */
void gate_dial(struct gate *, const char *socket);
/* Connects, says HELLO, and takes HELLO and as many DOMAINs. */
void gate_begin(struct gate *, const char *socket, unsigned domains);
/* The same, with the EPOCH of a gate whose link was cut; its sessions are waited for. */
void gate_begin_again(struct gate *, const char *socket, unsigned domains, uint64_t epoch);
/* The same, for a gate that says that it will come back. */
void gate_begin_patient(struct gate *, const char *socket, unsigned domains);
void gate_end(struct gate *);

void gate_send(struct gate *, const void *bytes, size_t len);
void gate_send_hello(struct gate *);
void gate_send_frame(struct gate *, enum frame_type, frame_session, const char *payload);
/* CLOSE of a client that has ended its stream itself, or (not clean) has got lost. */
void gate_close(struct gate *, frame_session, bool clean);
void gate_open(struct gate *, frame_session, const char *domain, const uint8_t *exporter);
/* With the XmppAddr names of a certificate, one in a line. */
void gate_open_certificate(struct gate *, frame_session, const char *domain, const char *addresses);
void gate_open_plain(struct gate *, frame_session, const char *domain);
/* REATTACH; each with a greater SERIAL. */
void gate_reattach(struct gate *, frame_session, uint32_t received);
/* ADOPT, the same way: `acked` of our frames were acknowledged by whoever had the session. */
void gate_adopt(struct gate *, frame_session, const char *full_jid, uint32_t received, uint32_t acked);
/* The answer must be ATTACHED. Answers its RECEIVED. */
uint32_t gate_expect_attached(struct gate *, frame_session);
/* An element from a format. */
void gate_put(struct gate *, frame_session, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Waits until the server has acknowledged so many of our numbered frames. Other frames that come are lost. */
void gate_await_ack(struct gate *, uint64_t count);
/* The next frame that is no ACK; its payload is good until the next call. What is numbered is acknowledged. False: the
 * server has closed the link. */
bool gate_next(struct gate *, struct frame *ret);
/* The next frame must be this one. */
void gate_expect(struct gate *, enum frame_type, frame_session, struct frame *ret);
/* The next frame must be an element with this in it. Answers its text, good until the next call. */
const char *gate_expect_element(struct gate *, frame_session, const char *part);
/* The next frame must be CLOSE with this condition (NULL: none). */
void gate_expect_close(struct gate *, frame_session, const char *condition);
void gate_expect_end(struct gate *);
/* Nothing is there now: what was sent before a PING has been handled when its PONG comes, and PONG must come next. */
void gate_expect_quiet(struct gate *);

/* A session from OPEN to BOUND, by PLAIN. */
void gate_login(struct gate *, frame_session, const char *name, const char *password);
void gate_bind(struct gate *, frame_session, const char *jid, const char *resource);
void gate_session(struct gate *, frame_session, const char *jid, const char *password, const char *resource);

#endif
