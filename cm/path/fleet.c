#include "fleet.h"

#include "address.h"
#include "log.h"
#include "worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- the list */

static char *copy(const char *text)
{
	char *new = text == NULL ? NULL : strdup(text);

	assert(text == NULL || new != NULL);
	return new;
}

static void pools_add(struct fleet *f, const struct config *config)
{
	static const enum pool_policy policies[] = {POOL_BY_USER, POOL_BY_DOMAIN, POOL_LEAST_LOADED};

	for (size_t i = 0; i < config->pool_count; i++) {
		const struct config_pool *p = &config->pools[i];

		f->pools[i] = (struct fleet_pool){copy(p->name), {policies[p->policy], !p->failover}, copy(p->domains)};
	}
	f->pool_count = config->pool_count;
}

/* The configuration has been checked: a pool that it does not name is the only one. */
static uint8_t pool_find(const struct fleet *f, const char *name)
{
	for (size_t i = 0; i < f->pool_count; i++)
		if (name != NULL && strcmp(f->pools[i].name, name) == 0)
			return (uint8_t)i;
	return 0;
}

bool fleet_add(struct fleet *f, const struct config_backend *b, const char *name, const char *address, uint32_t weight)
{
	if (f->backend_count == POOL_BACKENDS_MAX)
		return false;
	f->backends[f->backend_count++] = (struct fleet_backend){
		.name = copy(name),
		.address = copy(address),
		.certificate_names = copy(b->certificate_names != NULL ? b->certificate_names : b->name),
		.weight = weight,
		.pool = pool_find(f, b->pool),
		.drain = b->drain};
	return true;
}

struct fleet *fleet_new(const struct config *config)
{
	struct fleet *f = calloc(1, sizeof *f);
	struct address address;

	assert(f != NULL);
	pools_add(f, config);
	for (size_t i = 0; i < config->backend_count; i++) {
		const struct config_backend *b = &config->backends[i];

		if (address_parse_link(b->address, &address))
			fleet_add(f, b, b->name, b->address, b->weight);
	}
	return f;
}

bool fleet_drain(struct fleet *f, const char *name, bool drain)
{
	bool found = false;

	for (size_t i = 0; i < f->backend_count; i++)
		if (strcmp(f->backends[i].name, name) == 0) {
			f->backends[i].drain = drain;
			found = true;
		}
	return found;
}

struct fleet *fleet_copy(const struct fleet *from)
{
	struct fleet *f = malloc(sizeof *f);

	assert(f != NULL);
	*f = *from;
	for (size_t i = 0; i < f->pool_count; i++) {
		f->pools[i].name = copy(f->pools[i].name);
		f->pools[i].domains = copy(f->pools[i].domains);
	}
	for (size_t i = 0; i < f->backend_count; i++) {
		f->backends[i].name = copy(f->backends[i].name);
		f->backends[i].address = copy(f->backends[i].address);
		f->backends[i].certificate_names = copy(f->backends[i].certificate_names);
	}
	return f;
}

void fleet_free(struct fleet *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->pool_count; i++) {
		free(f->pools[i].name);
		free(f->pools[i].domains);
	}
	for (size_t i = 0; i < f->backend_count; i++) {
		free(f->backends[i].name);
		free(f->backends[i].address);
		free(f->backends[i].certificate_names);
	}
	free(f);
}

static bool names_have(const char *names, struct pool_text name)
{
	for (size_t len; *names != '\0'; names += len + (names[len] == ' ')) {
		len = strcspn(names, " ");
		if (len == name.len && memcmp(names, name.at, len) == 0)
			return true;
	}
	return false;
}

int fleet_pool_of(const struct fleet *f, struct pool_text domain)
{
	int any = -1;

	for (size_t i = 0; i < f->pool_count; i++) {
		if (f->pools[i].domains == NULL)
			any = (int)i;
		else if (names_have(f->pools[i].domains, domain))
			return (int)i;
	}
	return any;
}

/* ---- a worker's */

bool fleet_believes(const struct worker *w, int backend, struct pool_text domain)
{
	return fleet_pool_of(w->fleet, domain) == w->pool.backends[backend].group;
}

static bool believes(const void *worker, int backend, struct pool_text domain)
{
	return fleet_believes(worker, backend, domain);
}

bool fleet_may_serve(const struct worker *w, struct pool_text domain)
{
	int group = fleet_pool_of(w->fleet, domain);

	for (size_t i = 0; i < w->pool.count; i++) {
		const struct pool_backend *b = &w->pool.backends[i];

		if (!b->vacant && !w->uplinks[i].retired && b->group == group &&
		    (b->state != POOL_UP || b->closed || b->domains == 0))
			return true;
	}
	return false;
}

static void uplink_begin(struct worker *w, const struct fleet_backend *b)
{
	int index = pool_backend_add(&w->pool, b->name, 0, b->weight, worker_now_ms(w));
	struct uplink *u;
	bool good;

	if (index == POOL_NONE) {
		log_event(CONFIG_LOG_ERROR, "link.too_many", log_text("backend", b->name));
		return;
	}
	u = &w->uplinks[index];
	*u = (struct uplink){.index = (uint8_t)index, .serial = u->serial, .tls = address_link_is_tls(b->address)};
	u->in_cap = UPLINK_READ_BYTES;
	u->in = malloc(u->in_cap);
	u->name = copy(b->name);
	u->address_text = copy(b->address);
	u->certificate_names = copy(b->certificate_names);
	good = address_parse_link(b->address, &u->address);
	assert(good && u->in != NULL); /* addresses were checked before */
	pool_backend_set(&w->pool, index, b->pool, b->weight, b->drain);
}

void fleet_forget(struct uplink *u)
{
	orphans_forget(u);
	free(u->in);
	free(u->name);
	free(u->address_text);
	free(u->certificate_names);
	*u = (struct uplink){.serial = u->serial};
}

static void uplink_keep(struct worker *w, struct uplink *u, const struct fleet_backend *b)
{
	free(u->certificate_names);
	u->certificate_names = copy(b->certificate_names);
	u->retired = false;
	pool_backend_set(&w->pool, u->index, b->pool, b->weight, b->drain);
}

static const struct fleet_backend *entry_of(const struct fleet *f, const struct uplink *u)
{
	for (size_t i = 0; i < f->backend_count; i++)
		if (strcmp(f->backends[i].name, u->name) == 0 && strcmp(f->backends[i].address, u->address_text) == 0)
			return &f->backends[i];
	return NULL;
}

static struct uplink *uplink_of(struct worker *w, const struct fleet_backend *b)
{
	for (size_t i = 0; i < w->pool.count; i++)
		if (w->uplinks[i].name != NULL && strcmp(b->name, w->uplinks[i].name) == 0 &&
		    strcmp(b->address, w->uplinks[i].address_text) == 0)
			return &w->uplinks[i];
	return NULL;
}

static bool fleet_has_group(const struct fleet *f, uint8_t group)
{
	for (size_t i = 0; i < f->backend_count; i++)
		if (f->backends[i].pool == group)
			return true;
	return false;
}

/* Whether nobody misses it: new users have another one to go to, or had none here, or are not to have any. */
static bool uplink_is_replaced(const struct worker *w, const struct uplink *u)
{
	const struct pool_backend *all = w->pool.backends, *b = &all[u->index];

	if (b->state != POOL_UP || b->closed || !fleet_has_group(w->fleet, b->group))
		return true;
	for (size_t i = 0; i < w->pool.count; i++)
		if (w->uplinks[i].name != NULL && entry_of(w->fleet, &w->uplinks[i]) != NULL &&
		    all[i].group == b->group && all[i].state == POOL_UP && all[i].domains > 0)
			return true;
	return false;
}

static void uplink_retire(struct worker *w, struct uplink *u)
{
	log_event(CONFIG_LOG_INFO, "link.retired", log_text("backend", u->name),
		  log_count("sessions", w->pool.backends[u->index].sessions));
	u->retired = true;
	pool_backend_set(&w->pool, u->index, w->pool.backends[u->index].group, 0, true);
}

/* Its last session is over. */
static void uplink_end(struct worker *w, struct uplink *u)
{
	if (w->pool.backends[u->index].state != POOL_DOWN)
		uplink_fail(w, u, "it is no longer in the list, and has no session");
	if (!u->live) {
		pool_backend_remove(&w->pool, u->index);
		fleet_forget(u);
	}
}

void fleet_tick(struct worker *w)
{
	for (size_t i = 0; i < w->pool.count; i++) {
		struct uplink *u = &w->uplinks[i];

		if (u->name == NULL || entry_of(w->fleet, u) != NULL)
			continue;
		if (!u->retired && uplink_is_replaced(w, u))
			uplink_retire(w, u);
		if (u->retired && w->pool.backends[i].sessions == 0)
			uplink_end(w, u);
	}
}

void fleet_take(struct worker *w, struct fleet *f)
{
	struct fleet *before = w->fleet;

	w->fleet = f;
	for (size_t i = 0; i < w->pool.count; i++) {
		struct uplink *u = &w->uplinks[i];
		const struct fleet_backend *b = u->name == NULL ? NULL : entry_of(f, u);

		if (b != NULL)
			uplink_keep(w, u, b);
	}
	fleet_tick(w);
	for (size_t i = 0; i < f->pool_count; i++)
		pool_group_set(&w->pool, (uint8_t)i, f->pools[i].how);
	for (size_t i = 0; i < f->backend_count; i++)
		if (uplink_of(w, &f->backends[i]) == NULL)
			uplink_begin(w, &f->backends[i]);
	fleet_free(before);
	pool_domains_judge(&w->pool, believes, w);
	log_event(CONFIG_LOG_INFO, "fleet.taken", log_text("worker", w->name), log_count("backends", f->backend_count),
		  log_count("pools", f->pool_count));
}
