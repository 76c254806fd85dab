/*
 * server: what the core's files share of a running session server. The modules see core.h instead.
 *
 *     sessiond ──► listener, peer (one link) ──► client (one session's way through it) ──► negotiation, register
 *                                                    │                                      sasl, password
 *                                                    └──► stanza.h                          store
 *
 * One loop turn: read what the links have sent; check one password if nothing else is to be done, or if it is time;
 * tick; then the turn's work, which is one transaction: learn what other nodes have changed, handle the frames that
 * were read, each one whole, end the links that have ended, and the sessions that nobody comes back for; commit; then
 * acknowledge, and write once for each link. So nothing is said that is not stored. When others hold the store for too
 * long, the work waits for the next turn, and heartbeats go on. When the store fails, all that we have in memory is
 * forgotten, as if we had been started anew.
 *
 *     node (who else is there) ──► share (what they have changed) ──► client
 *     bound (ours in the store), attended (by the tick), outbox, adopt, management, inactive
 */
#ifndef SESSIOND_SERVER_H
#define SESSIOND_SERVER_H

#include "backend.h"
#include "core.h"
#include "link_secret.h"
#include "sasl.h"
#include "table.h"
#include "xml.h"
#include <stdarg.h>

enum {
	SERVER_PEERS_MAX = 1024,
	SERVER_FEATURES_BYTES = 4096,
	SERVER_REGISTRATIONS_MAX = 20, /* new accounts a minute */
	SERVER_NODES_MAX = 16,	       /* besides us */
	SERVER_PATH_BYTES = 108,
};

struct checkpoint;
struct client;
struct listener;
struct peer;
struct tls;

/* What an epoll event leads to: the first member of whatever registers a descriptor. */
enum source_kind { SOURCE_WAKE, SOURCE_LISTENER, SOURCE_PEER, SOURCE_NODE };
struct source {
	enum source_kind kind;
	int fd;
};

/* Another process that serves the same store. */
struct node {
	int64_t id;
	char path[SERVER_PATH_BYTES]; /* of its socket */
	bool wake;		      /* at the end of this turn */
};

struct sessiond {
	struct sessiond_settings settings; /* its strings are copies */
	uint64_t epoch;
	uint64_t now_ms; /* monotonic, of this turn */
	uint64_t tick_ms;
	int epoll;
	struct source wake; /* an eventfd: sessiond_stop */
	struct listener *listeners[SESSIOND_LISTEN_MAX];
	struct tls *tls;	    /* NULL: no link has it */
	struct link_secret *secret; /* NULL: no key is shared */
	bool stopping;

	struct store *store;
	struct checkpoint *checkpoint; /* NULL: the database is in memory */
	struct passwords *passwords;
	struct sasl_server *sasl;
	struct xml_work *xml_work;
	char features[SERVER_FEATURES_BYTES], features_binding[SERVER_FEATURES_BYTES],
		features_certificate[SERVER_FEATURES_BYTES];

	bool store_failed; /* in this turn */
	bool joined;	   /* we are in the store, and know what is there */
	int64_t node;	   /* we, there, or who we were there; 0: nobody yet */
	struct source node_source;
	char node_path[SERVER_PATH_BYTES];
	struct node others[SERVER_NODES_MAX];
	size_t other_count;
	int64_t change; /* the last one that we know of */
	unsigned long read_mark;

	struct table by_full, by_bare, by_id; /* bound clients, users; bound clients by their ids in the store */
	struct client *changed;
	struct client *attended; /* by the tick */
	struct client *dying;	 /* closed, to be reaped after the stanza at hand */

	struct backend backend;
	struct peer *peers;
	size_t peer_count;
	struct peer *reading; /* whose frame is at hand */
	struct peer *dirty;   /* with bytes to write */
	bool tick_due;	      /* what the turn's work does about once a second */
	bool has_work;	      /* frames may be there, or links that have ended */

	struct client *verify_first, *verify_last; /* waiting for their password to be checked */
	uint64_t verify_after_us;		   /* not before, if others wait */

	unsigned registrations; /* in this minute */
	uint64_t registrations_since_ms;
};

bool server_watch(struct sessiond *, struct source *, uint32_t events);
void server_rewatch(struct sessiond *, struct source *, uint32_t events);
/* One line for the operator. */
void server_log(struct sessiond *, enum sessiond_level, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Of a client, whose JID ("": not known) and address go beside the line for whoever looks for them. */
void server_log_client(struct sessiond *, const char *jid, const char *address, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* strdup, or abort. */
char *server_copy(const char *text, size_t len);
uint64_t server_clock_us(void);
/* A call of the store has failed within the turn's work: nothing of it counts. */
void server_store_failed(struct sessiond *);

#endif
