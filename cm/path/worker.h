/*
 * worker: one loop, one thread, one io_uring; its clients, its links. Nothing is shared between workers on the way of a
 * stanza. The rest of the process talks to a worker through `struct orders` alone.
 *
 * A tick, in fixed order: wait; reap completions (client bytes go through ingress.c, frames through egress.c); timers;
 * handshakes, whose steps another thread makes (turns.h); flush what was queued, each connection once; sweep what has
 * ended.
 */
#ifndef PATH_WORKER_H
#define PATH_WORKER_H

#include "address_limit.h"
#include "commons.h"
#include "config.h"
#include "conn.h"
#include "fleet.h"
#include "inquiry.h"
#include "link_secret.h"
#include "listener.h"
#include "lobby.h"
#include "network.h"
#include "pool.h"
#include "proxy.h"
#include "shelf.h"
#include "slab.h"
#include "startalk.h"
#include "turns.h"
#include "uplink.h"
#include "wheel.h"
#include "xml.h"

#include <stdatomic.h>

enum {
	WORKER_SPARE_WORKS = 16,
	WORKER_DOMAINS = 256,
	WORKER_TEXT_BYTES = 1 << 20,
	WORKER_ERROR_BYTES = IO_ERROR_BYTES
};

/* What the main thread tells a worker, and what it may read of it. Set, then worker_wake(). */
struct orders {
	_Atomic(struct config *) config;	    /* a new snapshot; both live until the worker has ended */
	_Atomic(struct tls_context *) context;	    /* a new certificate: a reference that the worker takes over */
	_Atomic(struct tls_context *) link_context; /* the same for links */
	_Atomic(struct link_secret *) link_secret;  /* another key, of length 0 for none; the worker takes it over */
	_Atomic(struct fleet *) fleet;		    /* other session servers; the worker takes it over */
	_Atomic(struct inquiry *) inquiries;	    /* to be answered (inquiry_send) */
	atomic_bool drain;			    /* end: no new clients, system-shutdown for the others */
	atomic_bool done;			    /* the worker has ended, or could not begin */
	_Atomic(struct io *) io;		    /* to wake; NULL before the loop begins */
	_Atomic(uint64_t) alive_us;		    /* when its loop last turned */
	_Atomic(uint64_t) shaken_us;		    /* when a step of a handshake last came, or none was under way */
	atomic_bool listening;
	atomic_bool serving; /* a session server is up that has told a domain */
};

/* Names the tags of completions; see conn.h for the other bits. */
enum worker_kind { WORKER_CLIENT = 1, WORKER_UPLINK, WORKER_LISTENER };
enum { WORKER_KIND_SHIFT = 60, WORKER_INDEX_SHIFT = 32 };

struct worker {
	struct net net;
	struct orders orders;
	struct counters counters;
	const struct config *config;
	struct tls_context *context;
	struct tls_context *link_context;	/* for links that are dialled from now on; NULL: none has TLS */
	struct xml_limits login_limits, limits; /* before and after login */
	struct slab clients;
	struct shelf texts;				  /* what clients keep of text: stamps, keepsakes */
	struct commons presences;			  /* clients' last ones, for who adopts them */
	struct xml_work *work;				  /* for whoever is not in the middle of an element */
	struct xml_work *spare_works[WORKER_SPARE_WORKS]; /* for the next ones who are */
	size_t spare_count;
	struct xml frame_xml; /* for elements in frames */
	struct xml_work *frame_work;
	struct wheel wheel;
	struct pool pool;
	struct pool_domain *pool_domains;
	char *pool_text;
	struct link_secret *link_secret; /* for links that begin from now on; NULL: none */
	struct fleet *fleet;
	struct lobby lobby;
	struct uplink uplinks[POOL_BACKENDS_MAX];
	struct orphan_list homeless; /* that are to be adopted */
	struct orphan_list lost;     /* whose clients are to be told */
	struct pace reset_pace;
	uint64_t orphans_told;	/* how many had ended being one, when that was logged */
	uint64_t adopt_next_ms; /* when to look at the homeless again */
	uint64_t attach_serial; /* of the last REATTACH or ADOPT */
	struct listener listeners[CONFIG_LIST_MAX];
	size_t listener_count;
	struct network trusted[CONFIG_LIST_MAX]; /* who may send PROXY headers */
	size_t trusted_count;
	uint32_t direct_wanted; /* direct descriptors; 0: none. For whoever made the worker to set */
	uint64_t spent_said_ms; /* when it was last said that no descriptor is left */
	struct address_limit address_limit;
	struct turns turns;
	struct startalk_desk startalk;
	struct inquiry *inquiry;	   /* being answered, and those behind it */
	bool crowded;			   /* nobody is let in: turns_are_many() */
	uint64_t epoch;			   /* of this worker; its sessions' names are its own */
	uint64_t now_us;		   /* when this tick began */
	uint64_t second_ms;		   /* when the next once-a-second work is due */
	uint64_t drain_by_ms;		   /* 0: not draining */
	uint64_t stanzas_up, stanzas_down; /* in this tick, for the latency */
	uint32_t handshakes;		   /* running now */
	uint64_t trimmed_at;		   /* logins counted when memory was last given back */
	uint64_t logins_seen;		   /* a second ago */
	int64_t chunks_most;		   /* bytes of them that there were at once since then */
	uint64_t random;		   /* state of a generator that is good enough for jitter */
	char name[64];			   /* as a gate, in HELLO */
};

/*
 * Makes a worker. `listeners` are its own listening sockets, which it takes over; config lives as long as the worker;
 * context is a reference that it takes over. The ring is made by worker_run, in its own thread.
 */
struct worker *worker_new(const struct config *, struct tls_context *, const struct listener *, size_t count,
			  uint64_t epoch, const char *name);
void worker_free(struct worker *);
/* Works until told to end; on the thread that will be its own. False: it could not begin, `error` says why. */
bool worker_run(struct worker *, char error[static WORKER_ERROR_BYTES]);
/* The orders have changed. From any thread, while worker_run runs. */
void worker_wake(struct worker *);

/* For the other files of path/. */
uint64_t worker_descriptor_limit(void); /* of the process */
uint64_t worker_now_ms(const struct worker *);
uint32_t worker_now_s(const struct worker *); /* rounded up */
uint64_t worker_random(struct worker *);
/* Counts an element by its name. `messages` is the first of four lines of counters.def: messages, presences, iqs,
 * nonzas. Answers what worker_is_stanza() does. */
bool worker_count_stanza(struct worker *, enum counter messages, const struct xml_event *, const uint8_t *bytes);
/* Whether it is a stanza by name and namespace. */
bool worker_is_stanza(const struct xml_event *, const uint8_t *bytes);

#endif
