/*
 * server: what the core's files share of a running session server. The modules see core.h instead.
 *
 *     sessiond ──► listener, peer (one link) ──► client (one session's way through it) ──► negotiation, register
 *                                                    │                                      sasl, password
 *                                                    └──► stanza.h                          store
 *
 * One loop turn: read what the links have sent; check one password if it is time; tick; then the turn's work: handle
 * the frames that were read, each one whole, end the links that have ended, and the sessions that nobody comes back
 * for; acknowledge; write once for each link.
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
};

struct client;
struct listener;
struct peer;
struct tls;

/* What an epoll event leads to: the first member of whatever registers a descriptor. */
enum source_kind { SOURCE_WAKE, SOURCE_LISTENER, SOURCE_PEER };
struct source {
	enum source_kind kind;
	int fd;
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
	struct passwords *passwords;
	struct sasl_server *sasl;
	struct xml_work *xml_work;
	char features[SERVER_FEATURES_BYTES], features_binding[SERVER_FEATURES_BYTES],
		features_certificate[SERVER_FEATURES_BYTES];

	struct table by_full, by_bare; /* bound clients, users */
	struct client *dying;	       /* closed, to be reaped after the stanza at hand */

	struct backend backend;
	struct peer *peers;
	size_t peer_count;
	struct peer *reading; /* whose frame is at hand */
	struct peer *dirty;   /* with bytes to write */
	bool has_work;	      /* frames may be there, or links that have ended */

	struct client *verify_first, *verify_last; /* waiting for their password to be checked */
	uint64_t verify_after_us;		   /* not before */

	unsigned registrations; /* in this minute */
	uint64_t registrations_since_ms;
};

bool server_watch(struct sessiond *, struct source *, uint32_t events);
void server_rewatch(struct sessiond *, struct source *, uint32_t events);
/* One line for the operator. */
void server_log(struct sessiond *, enum sessiond_level, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* strdup, or abort. */
char *server_copy(const char *text, size_t len);
uint64_t server_clock_us(void);

#endif
