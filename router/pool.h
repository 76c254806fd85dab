/*
 * pool: the session servers that a worker knows, as data: which are up, which is to be dialled next and when, which
 * domains they serve, and who gets a user. The worker owns the sockets and tells the pool what became of them; the pool
 * answers questions. Pure: memory is the caller's, time and random numbers are given.
 *
 * An entry is one link of this worker to one backend, and in one state:
 *
 *              pool_dialling           pool_up                pool_drain
 *      DOWN ────────────────► DIALLING ───────► UP ──────────────────────► DRAINING
 *       ▲                        │               │                             │
 *       └────────────────────────┴───────────────┴─────────────────────────────┘  pool_down
 *
 * DIALLING lasts until the backend's HELLO. New sessions go to entries that are UP and serve the domain. DRAINING keeps
 * the sessions it has and gets no new ones. Any other transition is the caller's fault, and is asserted.
 *
 * Dialling. A new entry is to be dialled at once. When it goes down, it waits: between half and all of a ceiling that
 * starts at 500 ms, doubles with each failure in a row, and ends at POOL_WAIT_MS_MAX; so 250 ms at least, 10 s at most.
 * The caller's random number chooses within, so that gates do not come back all at once. Having been up (or draining)
 * for POOL_STABLE_MS ends the row of failures.
 *
 * Groups. Backends that can stand for each other are in one group (a "pool" of the configuration), and each domain is
 * served by the backends of one group, which the caller sees to. A group says how its users are spread:
 *
 *   POOL_BY_USER       By the bare JID, over those that are up: route.h. All resources of a user come to one backend.
 *   POOL_BY_DOMAIN     By the domain: all its users come to one backend.
 *   POOL_LEAST_LOADED  By the bare JID, unless that backend is much more loaded than the user's second one: then there.
 *                      For backends that are a cluster of their own: a user's resources may be on two of them.
 *
 * and what becomes of those whose backend is down: they go to the next, or, when the group `waits`, to nobody until it
 * is back: for backends each of which keeps the data of its own users. One that is avoided is as good as down where
 * there is a next one that is not, and no worse than others where there is none, or the group waits.
 *
 * Domains. What a backend says in its DOMAIN frames is kept while its link lives, and forgotten by pool_down. Domains
 * are compared byte by byte: both ends prepare them (RFC 7622, section 3.2). Whether a backend may serve a domain at
 * all is the caller's to judge; one that is not believed counts for nothing, but is remembered, since the caller's mind
 * may change.
 */
#ifndef ROUTER_POOL_H
#define ROUTER_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	POOL_NONE = -1,
	POOL_BACKENDS_MAX = 64,
	POOL_DOMAINS_MAX = 64, /* of one backend */
	POOL_NAME_BYTES = 256, /* the NUL included */
	POOL_WAIT_MS_MIN = 250,
	POOL_WAIT_MS_MAX = 10000,
	POOL_STABLE_MS = 10000,
	POOL_GROUPS_MAX = 64,
	POOL_LOAD_MAX = 1000,
	POOL_LOAD_MARGIN = 100,	   /* much more loaded: by so much of POOL_LOAD_MAX, where both have told their load */
	POOL_SESSIONS_MARGIN = 16, /* where not: by a quarter of the sessions, and by so many */
};

enum pool_policy { POOL_BY_USER, POOL_BY_DOMAIN, POOL_LEAST_LOADED };
struct pool_group {
	enum pool_policy policy;
	bool waits;
};

enum pool_state { POOL_DOWN, POOL_DIALLING, POOL_UP, POOL_DRAINING };
const char *pool_state_name(enum pool_state); /* for logs and the status page: "down", ... */

/* To be read by the caller, and changed by the functions below only. */
struct pool_backend {
	char name[POOL_NAME_BYTES]; /* as configured; once up, as its HELLO says */
	uint64_t name_hash;	    /* route_hash of the name */
	uint64_t dial_at_ms;	    /* while DOWN: when to dial */
	uint64_t up_at_ms;	    /* while UP or DRAINING: since when */
	uint32_t failures;	    /* in a row */
	uint32_t weight;	    /* share of users, beside the others'; 0: none, and nothing is offered for it */
	uint32_t sessions;	    /* of the caller's on its link */
	uint32_t told_sessions;	    /* of all gates, as it told */
	uint16_t told_load;	    /* the same: 0 to POOL_LOAD_MAX */
	uint16_t address;	    /* the caller's: index of its address */
	uint16_t domains;	    /* served now */
	uint8_t group;
	bool told;    /* its load, since it is up */
	bool closed;  /* by order: it keeps its sessions and gets no new ones */
	bool avoided; /* it makes too many faults (blame.h): others are better */
	bool vacant;  /* removed: nothing else holds, and the next one may have the place */
	enum pool_state state;
};

/* Bytes of somebody else. */
struct pool_text {
	const char *at; /* NULL: absent */
	size_t len;
};

/* Whom features are for. Who is of a kind that a backend says nothing for gets those of the kind before it. */
enum pool_client {
	POOL_PLAIN,	  /* everybody */
	POOL_BINDING,	  /* a client whose TLS has a channel binding of type tls-exporter */
	POOL_CERTIFICATE, /* and who showed a certificate that names a user of the domain */
	POOL_CLIENTS
};

/* One domain of one backend. Its texts lie in the pool's text room, one after the other. */
struct pool_domain {
	uint64_t hash;
	size_t at; /* of the name, in the text room */
	uint32_t name_len, features_len[POOL_CLIENTS];
	bool has[POOL_CLIENTS];
	uint8_t backend;
	bool believed; /* the backend may serve it */
};

struct pool {
	struct pool_backend backends[POOL_BACKENDS_MAX];
	size_t count; /* places, vacant ones among them */
	struct pool_group groups[POOL_GROUPS_MAX];
	struct pool_domain *domains; /* in the order of their texts */
	size_t domains_max, domains_count;
	char *text;
	size_t text_max, text_len;
};

/*
 * An empty pool, with room for so many domains (of all backends together) and their texts, name and features. Both
 * rooms stay the caller's, and must live, untouched, as long as the pool. A pool with 4 backends of 4 domains and 1 KiB
 * of features each needs 16 domains and some 17 KiB.
 */
void pool_init(struct pool *, struct pool_domain *domains, size_t domains_max, char *text, size_t text_max);

/* How a group does it, from now on; a group that was never set is {POOL_BY_USER, false}. */
void pool_group_set(struct pool *, uint8_t group, struct pool_group);

/*
 * A new backend, of group 0, DOWN and to be dialled at now_ms. The name is of 1 to POOL_NAME_BYTES - 1 bytes. Answers
 * its index, which stays until it is removed, or POOL_NONE: there are POOL_BACKENDS_MAX.
 */
int pool_backend_add(struct pool *, const char *name, uint16_t address, uint32_t weight, uint64_t now_ms);
/* Another group or weight, or whether it is closed. Its sessions stay where they are. */
void pool_backend_set(struct pool *, int backend, uint8_t group, uint32_t weight, bool closed);
/* One that is DOWN is forgotten; its index may be another's from now on. */
void pool_backend_remove(struct pool *, int backend);
/* Others of its group get its new users, as long as there are any that are not avoided themselves. Links do not matter.
 */
void pool_avoid(struct pool *, int backend, bool avoided);
/* The caller has a session more (1) there, or one less (-1). */
void pool_session_count(struct pool *, int backend, int change);
/* The backend, UP or DRAINING, tells its load (a LOAD frame): all its sessions, and 0 to POOL_LOAD_MAX. */
void pool_load(struct pool *, int backend, uint32_t sessions, uint16_t load);

/*
 * Whom to dial now: the entry that has waited longest for its turn, POOL_NONE when none has to be dialled now. Then
 * *ret_wait_ms is how long nobody will have to (UINT64_MAX: until something goes down); it is 0 when there is one.
 */
int pool_dial_next(const struct pool *, uint64_t now_ms, uint64_t *ret_wait_ms);

void pool_dialling(struct pool *, int backend);
/*
 * HELLO was taken. The name in it decides from now on which users are this backend's: gates may have other words for it
 * in their configurations, and must agree. An empty name or NULL keeps the configured one.
 */
void pool_up(struct pool *, int backend, const char *name, uint64_t now_ms);
void pool_drain(struct pool *, int backend); /* from UP; DRAINING stays so */
/* The link is gone, or could not be had. Its domains are forgotten. `random` is any number, another one each time. */
void pool_down(struct pool *, int backend, uint64_t now_ms, uint64_t random);

/*
 * The backend, UP or DRAINING, serves a domain (a DOMAIN frame): with these features, of which only those for
 * POOL_PLAIN must be there (`at` is NULL in the others that are not). The texts are copied. A domain it serves already
 * gets the new features. False: no room, or POOL_DOMAINS_MAX reached; then the backend does not serve this domain, or
 * no longer.
 */
bool pool_domain_put(struct pool *, int backend, struct pool_text domain,
		     const struct pool_text features[static POOL_CLIENTS], bool believed);
/* Asks again which domains each backend may serve. */
void pool_domains_judge(struct pool *, bool (*believes)(const void *context, int backend, struct pool_text domain),
			const void *context);

/*
 * Features to offer on a new stream for this domain: of the first backend that is UP and serves it, for a client of
 * this kind. False: nobody serves the domain now. The text lives until the pool is
 * changed.
 */
bool pool_features(const struct pool *, struct pool_text domain, enum pool_client, struct pool_text *ret);

/* The backend for a user of this domain, who is named by a bare JID (or, if anonymous, by anything); POOL_NONE: none
 * now. */
int pool_choose(const struct pool *, struct pool_text domain, struct pool_text user);

#endif
