/*
 * stage: a true worker on its thread, with listeners on loopback; session servers and clients that the test plays, step
 * by step, each wait with a deadline.
 */
#ifndef TEST_STAGE_H
#define TEST_STAGE_H

#include "held_clock.h"
#include "tls_peer.h"
#include "worker.h"

#include <criterion/criterion.h>
#include <pthread.h>

enum { STAGE_PATIENCE_MS = 60000, STAGE_SERVERS = 2 };

#define SASL			"xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
#define HEADER			"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'"
#define HEADER_			HEADER " to='example.org'>"
#define AUTH			"<auth " SASL " mechanism='PLAIN'>AGp1bGlldABy</auth>"
#define SUCCESS			"<success " SASL "/>"
#define BIND			"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
#define BOUND			"<iq type='result' id='b'/>"
#define MECHANISMS		"<mechanisms " SASL "><mechanism>PLAIN</mechanism></mechanisms>"
#define BINDING			"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
#define FEATURES(of)		"<stream:features>" of "</stream:features>"
#define STREAM_ERROR(condition) "<stream:error><" condition " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"

struct stage {
	struct config config;
	struct tls_files files;
	struct worker *worker;
	pthread_t thread;
	bool good; /* worker_run's answer */
	char error[WORKER_ERROR_BYTES];
	char directory[64];
	int server_fds[STAGE_SERVERS]; /* listening */
	uint16_t port_starttls, port_direct;
};

/* Usual limits, short times where nobody waits for them; one server. The test changes what it likes before stage_begin.
 */
void stage_init(struct stage *);
void stage_begin(struct stage *);
/* Makes the worker without running it; stage_begin does that too if it was not done. */
void stage_make(struct stage *);
/* Drains and checks that every gauge is back at 0. */
void stage_end(struct stage *);
/* Drains, and waits until the worker has ended; stage_end does it if it was not done. */
void stage_drain(struct stage *);
void stage_join(struct stage *);

uint64_t stage_counter(const struct stage *, enum counter);
uint64_t stage_closes(const struct stage *, enum reason);
/* Waits until the worker has done all that it can do now, without anything from outside. */
void stage_settle(const struct stage *);
/* The held clock goes on by so much, and the worker has acted upon it. */
void stage_pass_ms(const struct stage *, uint64_t ms);
#define stage_until(condition)                                                                                         \
	do {                                                                                                           \
		uint64_t until_us_ = clock_machine_us() + STAGE_PATIENCE_MS * 1000ull;                                 \
		while (!(condition)) {                                                                                 \
			cr_assert_lt(clock_machine_us(), until_us_, "never: " #condition);                             \
			sched_yield();                                                                                 \
		}                                                                                                      \
	} while (0)

/* ---- a session server */

struct server {
	int fd;
	struct link link;
	uint8_t *in;
	size_t at, len, cap;
};

/* Takes the worker's call, and says hello and that it serves example.org. */
void server_accept(struct stage *, size_t which, struct server *);
/* The same, by this name and with this epoch. */
void server_accept_as(struct stage *, size_t which, struct server *, const char *name, uint64_t epoch);
/* Takes the call and says hello, but serves nothing. */
void server_accept_mute(struct stage *, size_t which, struct server *);
void server_free(struct server *);
/* Acknowledges what was taken. */
void server_ack(struct server *);
/* The next frame that is no ACK; its bytes are good until the next call. Now and then what is numbered is acknowledged.
 */
void server_next(struct server *, struct frame *ret);
/* Whether a frame that is no ACK is there, or the end, or comes within so long. */
bool server_hears(struct server *, int wait_ms);
/* The next frame, which must be of this type, and of this session unless that is 0. */
void server_expect(struct server *, enum frame_type, frame_session, struct frame *ret);
/* The next frame, which must be this element. Answers its session. */
frame_session server_expect_element(struct server *, frame_session, const char *text);
/* Whether no frame is there now. */
bool server_is_quiet(struct server *);
/* The gate ends the link. */
void server_expect_end(struct server *);
void server_send(struct server *, const void *bytes, size_t len);
void server_put(struct server *, frame_session, const char *element);
void server_put_bytes(struct server *, frame_session, const void *element, size_t len);
void server_bare(struct server *, enum frame_type, frame_session); /* a frame without payload */
void server_state(struct server *, frame_session, enum frame_stage, const char *jid, const char *features);
void server_close(struct server *, frame_session, const char *condition, const char *text); /* NULL: left out */

/* ---- a client */

enum client_way { WAY_PLAIN, WAY_STARTTLS, WAY_DIRECT };
/* What a client's socket holds unread, whatever is usual on the machine: the kernel doubles it for what it needs
 * itself. */
enum { ACTOR_ROOM_BYTES = 128 << 10 };
struct actor {
	struct stage *stage;
	int fd;
	struct tls_peer peer;
	bool tls;
	uint8_t *heard;
	size_t heard_len, heard_cap;
	frame_session session;
};

/* Connects, and makes TLS if the way says so; the header has not been sent. */
void actor_connect(struct stage *, struct actor *, enum client_way);
void actor_connect_as(struct stage *, struct actor *, enum client_way, enum record_version);
/* Only the socket: to the port of direct TLS or the other. */
void actor_dial(struct stage *, struct actor *, bool direct);
/* TLS from here on. */
void actor_secure(struct actor *, enum record_version);
void actor_free(struct actor *);
/* Closes the socket with RST. */
void actor_reset(struct actor *);
void actor_send(struct actor *, const void *bytes, size_t len); /* on the wire as they are */
void actor_say(struct actor *, const char *text);
void actor_say_bytes(struct actor *, const void *text, size_t len);
/* Reads on until the text comes, and drops everything up to its end. */
void actor_until(struct actor *, const char *text);
/* What comes next is exactly this. */
void actor_expect(struct actor *, const char *text);
/* Nothing more comes: the end. */
void actor_expect_end(struct actor *);
/* Takes so many bytes. */
void actor_take(struct actor *, size_t len);
/* One read into `heard`. False: the end. */
bool actor_hear(struct actor *);

/* Header, AUTH, and the session server's answers, until the stage is reached. */
void actor_open(struct actor *);		  /* header answered */
void actor_auth(struct actor *, struct server *); /* AUTH is at the server; actor->session is set */
void actor_login(struct actor *, struct server *, const char *resource); /* bound */
/* The same, with this header for the stream in which stanzas come. */
void actor_login_with(struct actor *, struct server *, const char *resource, const char *header);

#endif
