/*
 * fleet: the session servers that there are, as one list: pools with their rules and domains, and backends with their
 * addresses. The main thread makes it from the configuration, and again when that changes or other addresses are found;
 * each worker gets one of its own and takes it up:
 *
 *   new in the list         it is dialled
 *   there before            it stays; weight, pool and drain are as the list says now
 *   no longer in the list   it gets no new sessions; when its last one has ended, its link ends. No session is dropped
 *
 * A backend is the same one when its name and its address are.
 */
#ifndef PATH_FLEET_H
#define PATH_FLEET_H

#include "config.h"
#include "pool.h"

struct worker;

struct fleet_pool {
	char *name;
	struct pool_group how;
	char *domains; /* separated by spaces; NULL: those that no other pool names */
};

struct fleet_backend {
	char *name, *address, *certificate_names;
	uint32_t weight;
	uint8_t pool;
	bool drain;
};

struct fleet {
	struct fleet_pool pools[CONFIG_LIST_MAX];
	size_t pool_count;
	struct fleet_backend backends[POOL_BACKENDS_MAX];
	size_t backend_count;
};

/* The pools of a configuration, and those of its backends whose address is one. Owned by the caller. */
struct fleet *fleet_new(const struct config *);
/* A backend at an address that was found for one of the configuration's. False: there are too many. */
bool fleet_add(struct fleet *, const struct config_backend *, const char *name, const char *address, uint32_t weight);
/* The backends of the name get no new sessions from now on, or some again. False: there is none. */
bool fleet_drain(struct fleet *, const char *name, bool drain);
struct fleet *fleet_copy(const struct fleet *);
void fleet_free(struct fleet *); /* NULL is fine */
/* The one pool whose backends may serve the domain; -1: none. */
int fleet_pool_of(const struct fleet *, struct pool_text domain);

/*
 * The worker takes it up, and owns it. Who is no longer in the list keeps its sessions, and gets new ones until another
 * one of its pool that is in the list serves: a list in which a server stands for another never leaves users without.
 */
void fleet_take(struct worker *, struct fleet *);
/* Once a second: those that are no longer in the list retire when they are replaced, and end with their last session.
 */
void fleet_tick(struct worker *);
/* What a worker keeps of a backend goes. */
struct uplink;
void fleet_forget(struct uplink *);
/* Whether the backend may serve the domain. */
bool fleet_believes(const struct worker *, int backend, struct pool_text domain);
/*
 * Whether a domain that no session server serves now may be served later: not each one of its pool is up, takes new
 * sessions and has told its domains.
 */
bool fleet_may_serve(const struct worker *, struct pool_text domain);

#endif
