/*
 * inquiry: what another thread wants to know of a worker's sessions and links, or that some sessions shall end. It is
 * left with the worker, which takes it up between its turns: no lock, and never more than INQUIRY_TURN sessions in one
 * turn of its loop, so that stanzas do not wait for an operator's curiosity. What it finds is copied, and is the
 * asker's; there is no key, password or stanza in it.
 *
 *     struct inquiry *q = inquiry_new(&question);
 *     inquiry_send(worker, q);
 *     if (inquiry_wait(q, until_us)) { read q->...; inquiry_free(q); }
 */
#ifndef PATH_INQUIRY_H
#define PATH_INQUIRY_H

#include "address.h"
#include "client_name.h"
#include "pool.h"
#include "stream.h"

#include <semaphore.h>
#include <stdatomic.h>

struct worker;

enum { INQUIRY_TURN = 64, INQUIRY_WHO_BYTES = 3072, INQUIRY_ROWS_MAX = 10000 };

enum inquiry_kind { INQUIRY_SESSIONS, INQUIRY_KICK, INQUIRY_BACKENDS };

/* Which sessions. Every one is meant that all of it holds for. */
struct inquiry_question {
	enum inquiry_kind kind;
	char who[INQUIRY_WHO_BYTES];   /* "": any; else as fnmatch(3) reads it, with the full JID, the bare one, the
					  address, or the session's name */
	char backend[POOL_NAME_BYTES]; /* its session server, as configured; "": any */
	int state;		       /* enum stream_state; -1: any */
	uint32_t rows_max;	       /* rows wanted, INQUIRY_ROWS_MAX at most; all are counted, and all are ended */
};

struct inquiry_session {
	char name[CLIENT_NAME_BYTES]; /* client_name_write() */
	char *jid;		      /* full; before it is bound what is known: bare, the domain, or "" */
	char *backend;		      /* "": none */
	char address[ADDRESS_TEXT_BYTES];
	uint16_t port;
	enum stream_state state;
	uint8_t tls;	    /* 12 or 13; 0: none */
	const char *cipher; /* "": none */
	const char *engine; /* who seals and opens its records: conn_engine() */
	bool direct, orphaned, paused, choked;
	uint32_t silent_s;	 /* since it last sent anything */
	uint32_t sent, received; /* frames of its session since it is bound, to and from the session server */
	uint64_t unread_bytes;	 /* that wait for it */
};

struct inquiry_backend {
	char *name, *address, *pool; /* as configured; the pool "": the only one */
	enum pool_state state;
	bool tls, closed, retired; /* closed: it gets no new sessions, by order; retired: it is in no list any more */
	bool told;		   /* its load is known */
	uint32_t weight, failures; /* failures in a row */
	uint32_t sessions, told_sessions; /* of this worker; of all gates */
	uint16_t told_load, domains;	  /* load: 0 to POOL_LOAD_MAX */
	uint64_t since_s;		  /* while up: for so long */
	uint64_t unread_bytes;		  /* that wait for it */
};

enum inquiry_life { INQUIRY_ASKED, INQUIRY_ANSWERED, INQUIRY_ABANDONED };

struct inquiry {
	struct inquiry *next;
	struct inquiry_question question;
	uint32_t place, generation; /* how far the worker has come */
	_Atomic(enum inquiry_life) life;
	sem_t done;
	struct inquiry_session *sessions;
	struct inquiry_backend *backends;
	size_t count;	  /* rows */
	uint64_t matched; /* sessions that are meant */
};

/* The question is copied. Owned by the caller until it is sent. */
struct inquiry *inquiry_new(const struct inquiry_question *);
/* From any thread. A worker that has ended or never began answers nothing. */
void inquiry_send(struct worker *, struct inquiry *);
/* Waits for the answer until io_now_us() is until_us. False: there was none, and the inquiry is the worker's now. */
bool inquiry_wait(struct inquiry *, uint64_t until_us);
void inquiry_free(struct inquiry *);

/* For the worker. */
bool inquiries_are_due(const struct worker *);
/* Goes on with what was asked: INQUIRY_TURN sessions at most. */
void inquiries_turn(struct worker *);
/* Frees what nobody waits for any more. The askers have given up, all of them. */
void inquiries_drop(struct worker *);

#endif
