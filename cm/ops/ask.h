/*
 * ask: questions to all workers at once (path/inquiry.h), and their answers as JSON.
 */
#ifndef OPS_ASK_H
#define OPS_ASK_H

#include "allowed.h"
#include "inquiry.h"

#include <jansson.h>

struct worker;

enum { ASK_PATIENCE_US = 5000000, ASK_WORKERS_MAX = 256 };

/* Whom to ask; the workers live as long as somebody asks. */
struct ask {
	struct worker *const *workers;
	size_t count;
	uint64_t patience_us; /* with all of them together */
};

/*
 * Sessions that are meant, and ended with INQUIRY_KICK. A new reference; from any thread but a worker's:
 *
 *     {"matched": 2, "workers_silent": 0, "sessions": [{"session", "jid", "address", "port", "state", "backend",
 *      "direct", "tls", "cipher", "engine", "silent_s", "to_server", "to_client", "unread_bytes", "orphaned",
 *      "paused", "choked"}]}
 *
 * workers_silent: workers that did not answer in time.
 */
json_t *ask_sessions(const struct ask *, const struct inquiry_question *);

/*
 * Every session server, once for all workers:
 *
 *     [{"name", "address", "pool", "tls", "state", "links_up", "links", "sessions", "drained", "retired", "weight",
 *       "domains", "failures", "up_s", "told_sessions", "told_load", "unread_bytes"}]
 *
 * state: of its best link. drained: by all workers that have answered. up_s: of its youngest link that is up.
 * told_...: null when it has not told.
 */
json_t *ask_backends(const struct ask *);

/* "bound", and so on; NULL behind the last. */
const char *ask_state_name(int state);
/* Of that name. -1: there is none, and `allowed` has the names of all. */
int ask_state_find(const char *name, char allowed[static ALLOWED_BYTES]);

#endif
