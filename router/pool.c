#include "pool.h"

#include "route.h"

#include <assert.h>
#include <string.h>

const char *pool_state_name(enum pool_state state)
{
	static const char *const names[] = {
		[POOL_DOWN] = "down", [POOL_DIALLING] = "dialling", [POOL_UP] = "up", [POOL_DRAINING] = "draining"};
	assert((size_t)state < sizeof names / sizeof *names);
	return names[state];
}

void pool_init(struct pool *pool, struct pool_domain *domains, size_t domains_max, char *text, size_t text_max)
{
	*pool = (struct pool){.domains = domains, .domains_max = domains_max, .text = text, .text_max = text_max};
}

static struct pool_backend *backend_at(struct pool *pool, int backend)
{
	assert(backend >= 0);
	assert((size_t)backend < pool->count);
	assert(!pool->backends[backend].vacant);
	return &pool->backends[backend];
}

static void name_set(struct pool_backend *b, const char *name)
{
	size_t len = strlen(name);
	assert(len > 0);
	assert(len < POOL_NAME_BYTES);
	memmove(b->name, name, len + 1);
	b->name_hash = route_hash(name, len);
}

int pool_backend_add(struct pool *pool, const char *name, uint16_t address, uint32_t weight, uint64_t now_ms)
{
	size_t place = 0;
	while (place < pool->count && !pool->backends[place].vacant)
		place++;
	if (place == POOL_BACKENDS_MAX)
		return POOL_NONE;
	struct pool_backend *b = &pool->backends[place];
	*b = (struct pool_backend){.address = address, .weight = weight, .dial_at_ms = now_ms, .state = POOL_DOWN};
	name_set(b, name);
	pool->count += place == pool->count;
	return place;
}

void pool_group_set(struct pool *pool, uint8_t group, struct pool_group how)
{
	assert(group < POOL_GROUPS_MAX);
	pool->groups[group] = how;
}

void pool_backend_set(struct pool *pool, int backend, uint8_t group, uint32_t weight, bool closed)
{
	struct pool_backend *b = backend_at(pool, backend);
	assert(group < POOL_GROUPS_MAX);
	b->group = group;
	b->weight = weight;
	b->closed = closed;
}

void pool_backend_remove(struct pool *pool, int backend)
{
	struct pool_backend *b = backend_at(pool, backend);
	assert(b->state == POOL_DOWN && b->sessions == 0);
	b->vacant = true;
}

void pool_avoid(struct pool *pool, int backend, bool avoided)
{
	backend_at(pool, backend)->avoided = avoided;
}

void pool_session_count(struct pool *pool, int backend, int change)
{
	struct pool_backend *b = backend_at(pool, backend);
	assert(change == 1 || (change == -1 && b->sessions > 0));
	b->sessions += (uint32_t)change;
}

void pool_load(struct pool *pool, int backend, uint32_t sessions, uint16_t load)
{
	struct pool_backend *b = backend_at(pool, backend);
	assert(b->state == POOL_UP || b->state == POOL_DRAINING);
	assert(load <= POOL_LOAD_MAX);
	b->told = true;
	b->told_sessions = sessions;
	b->told_load = load;
}

int pool_dial_next(const struct pool *pool, uint64_t now_ms, uint64_t *ret_wait_ms)
{
	int next = POOL_NONE;
	for (size_t i = 0; i < pool->count; i++) {
		const struct pool_backend *b = &pool->backends[i];
		if (b->state == POOL_DOWN && !b->vacant &&
		    (next == POOL_NONE || b->dial_at_ms < pool->backends[next].dial_at_ms))
			next = i;
	}
	if (next == POOL_NONE) {
		*ret_wait_ms = UINT64_MAX;
		return POOL_NONE;
	}
	uint64_t dial_at_ms = pool->backends[next].dial_at_ms;
	*ret_wait_ms = dial_at_ms > now_ms ? dial_at_ms - now_ms : 0;
	return *ret_wait_ms > 0 ? POOL_NONE : next;
}

void pool_dialling(struct pool *pool, int backend)
{
	struct pool_backend *b = backend_at(pool, backend);
	assert(b->state == POOL_DOWN);
	b->state = POOL_DIALLING;
}

void pool_up(struct pool *pool, int backend, const char *name, uint64_t now_ms)
{
	struct pool_backend *b = backend_at(pool, backend);
	assert(b->state == POOL_DIALLING);
	b->state = POOL_UP;
	b->up_at_ms = now_ms;
	if (name && *name)
		name_set(b, name);
}

void pool_drain(struct pool *pool, int backend)
{
	struct pool_backend *b = backend_at(pool, backend);
	assert(b->state == POOL_UP || b->state == POOL_DRAINING);
	b->state = POOL_DRAINING;
}

static uint64_t wait_ms(uint32_t failures, uint64_t random)
{
	uint64_t ceiling = POOL_WAIT_MS_MAX;
	if (failures < 16 && ((uint64_t)POOL_WAIT_MS_MIN << failures) < ceiling)
		ceiling = (uint64_t)POOL_WAIT_MS_MIN << failures;
	return ceiling / 2 + random % (ceiling / 2 + 1);
}

static size_t domain_bytes(const struct pool_domain *d)
{
	size_t bytes = d->name_len;
	for (int i = 0; i < POOL_CLIENTS; i++)
		bytes += d->features_len[i];
	return bytes;
}

static struct pool_text domain_name(const struct pool *pool, const struct pool_domain *d)
{
	return (struct pool_text){pool->text + d->at, d->name_len};
}

/* Takes out one domain; those behind it move up, and their texts. */
static void domain_drop(struct pool *pool, size_t index)
{
	struct pool_domain gone = pool->domains[index];
	size_t bytes = domain_bytes(&gone), behind = gone.at + bytes;
	memmove(pool->text + gone.at, pool->text + behind, pool->text_len - behind);
	pool->text_len -= bytes;
	pool->domains_count--;
	for (size_t i = index; i < pool->domains_count; i++) {
		pool->domains[i] = pool->domains[i + 1];
		pool->domains[i].at -= bytes;
	}
	pool->backends[gone.backend].domains--;
}

static void domains_forget(struct pool *pool, int backend)
{
	for (size_t i = pool->domains_count; i-- > 0;)
		if (pool->domains[i].backend == backend)
			domain_drop(pool, i);
}

void pool_down(struct pool *pool, int backend, uint64_t now_ms, uint64_t random)
{
	struct pool_backend *b = backend_at(pool, backend);
	assert(b->state != POOL_DOWN);
	if (b->state != POOL_DIALLING && now_ms >= b->up_at_ms && now_ms - b->up_at_ms >= POOL_STABLE_MS)
		b->failures = 0;
	b->failures += b->failures < UINT32_MAX;
	b->dial_at_ms = now_ms + wait_ms(b->failures, random);
	b->state = POOL_DOWN;
	b->told = false;
	domains_forget(pool, backend);
}

static bool domain_is(const struct pool *pool, const struct pool_domain *d, struct pool_text domain, uint64_t hash)
{
	return d->hash == hash && d->name_len == domain.len &&
	       (domain.len == 0 || memcmp(domain_name(pool, d).at, domain.at, domain.len) == 0);
}

static void text_append(struct pool *pool, struct pool_text text)
{
	if (text.len > 0)
		memcpy(pool->text + pool->text_len, text.at, text.len);
	pool->text_len += text.len;
}

static bool domain_fits(const struct pool *pool, const struct pool_backend *b, size_t bytes)
{
	return b->domains < POOL_DOMAINS_MAX && pool->domains_count < pool->domains_max &&
	       bytes <= pool->text_max - pool->text_len;
}

bool pool_domain_put(struct pool *pool, int backend, struct pool_text domain,
		     const struct pool_text features[static POOL_CLIENTS], bool believed)
{
	struct pool_backend *b = backend_at(pool, backend);
	assert(b->state == POOL_UP || b->state == POOL_DRAINING);
	struct pool_domain new = {.hash = route_hash(domain.at, domain.len),
				  .name_len = domain.len,
				  .backend = backend,
				  .believed = believed};
	for (int i = 0; i < POOL_CLIENTS; i++) {
		new.has[i] = i == POOL_PLAIN || features[i].at != NULL;
		new.features_len[i] = features[i].len;
	}
	for (size_t i = 0; i < pool->domains_count; i++) {
		if (pool->domains[i].backend == backend && domain_is(pool, &pool->domains[i], domain, new.hash)) {
			domain_drop(pool, i);
			break;
		}
	}
	if (!domain_fits(pool, b, domain_bytes(&new)))
		return false;
	new.at = pool->text_len;
	text_append(pool, domain);
	for (int i = 0; i < POOL_CLIENTS; i++)
		text_append(pool, features[i]);
	pool->domains[pool->domains_count++] = new;
	b->domains++;
	return true;
}

void pool_domains_judge(struct pool *pool, bool (*believes)(const void *, int, struct pool_text), const void *context)
{
	for (size_t i = 0; i < pool->domains_count; i++) {
		struct pool_domain *d = &pool->domains[i];
		d->believed = believes(context, d->backend, domain_name(pool, d));
	}
}

static bool domain_is_open(const struct pool *pool, const struct pool_domain *d, struct pool_text domain, uint64_t hash)
{
	const struct pool_backend *b = &pool->backends[d->backend];
	return d->believed && b->state == POOL_UP && b->weight > 0 && !b->closed && domain_is(pool, d, domain, hash);
}

bool pool_features(const struct pool *pool, struct pool_text domain, enum pool_client client, struct pool_text *ret)
{
	uint64_t hash = route_hash(domain.at, domain.len);
	const struct pool_domain *first = NULL;
	for (size_t i = 0; i < pool->domains_count; i++) {
		const struct pool_domain *d = &pool->domains[i];
		if (domain_is_open(pool, d, domain, hash) && (!first || d->backend < first->backend))
			first = d;
	}
	if (!first)
		return false;
	while (!first->has[client])
		client--;
	const char *features = pool->text + first->at + first->name_len;
	for (int i = 0; i < (int)client; i++)
		features += first->features_len[i];
	*ret = (struct pool_text){features, first->features_len[client]};
	return true;
}

/* Those that may get a user of the domain now, and their group. */
struct choice {
	struct route_candidate open[POOL_BACKENDS_MAX];
	uint8_t group;
	bool any;
};

static struct route_candidate candidate_of(const struct pool_backend *b)
{
	return (struct route_candidate){b->name_hash, b->weight};
}

static void choice_make(const struct pool *pool, struct pool_text domain, uint64_t hash, struct choice *ret)
{
	*ret = (struct choice){.any = false};
	for (size_t i = 0; i < pool->domains_count; i++) {
		const struct pool_domain *d = &pool->domains[i];
		const struct pool_backend *b = &pool->backends[d->backend];
		if (!domain_is_open(pool, d, domain, hash))
			continue;
		ret->open[d->backend] = candidate_of(b);
		ret->group = b->group;
		ret->any = true;
	}
}

/* Without those that are avoided, if anybody is left then. */
static void choice_avoid(const struct pool *pool, struct choice *choice)
{
	bool any = false;
	for (size_t i = 0; i < pool->count; i++)
		any |= choice->open[i].weight > 0 && !pool->backends[i].avoided;
	for (size_t i = 0; any && i < pool->count; i++)
		if (pool->backends[i].avoided)
			choice->open[i].weight = 0;
}

/* Down or not, it is the user's own or nobody is. */
static int choose_own(const struct pool *pool, const struct choice *choice, uint64_t hash)
{
	struct route_candidate all[POOL_BACKENDS_MAX] = {0};
	for (size_t i = 0; i < pool->count; i++) {
		const struct pool_backend *b = &pool->backends[i];
		if (!b->vacant && b->group == choice->group)
			all[i] = candidate_of(b);
	}
	int own = route_choose(all, pool->count, hash);
	return own != ROUTE_NONE && choice->open[own].weight > 0 ? own : POOL_NONE;
}

static bool is_much_more_loaded(const struct pool_backend *one, const struct pool_backend *other)
{
	bool told = one->told && other->told;
	if (told && (one->told_load > 0 || other->told_load > 0))
		return one->told_load >= other->told_load + POOL_LOAD_MARGIN;
	uint64_t ones = told ? one->told_sessions : one->sessions;
	uint64_t others = told ? other->told_sessions : other->sessions;
	return ones * other->weight * 4 > (others + POOL_SESSIONS_MARGIN) * one->weight * 5;
}

/* The user's own, or the one that would be it without that. */
static int choose_lighter(const struct pool *pool, struct choice *choice, uint64_t hash)
{
	int own = route_choose(choice->open, pool->count, hash);
	choice->open[own].weight = 0;
	int second = route_choose(choice->open, pool->count, hash);
	if (second == ROUTE_NONE || !is_much_more_loaded(&pool->backends[own], &pool->backends[second]))
		return own;
	return second;
}

int pool_choose(const struct pool *pool, struct pool_text domain, struct pool_text user)
{
	uint64_t domain_hash = route_hash(domain.at, domain.len);
	struct choice choice;
	choice_make(pool, domain, domain_hash, &choice);
	if (!choice.any)
		return POOL_NONE;
	struct pool_group group = pool->groups[choice.group];
	uint64_t hash = group.policy == POOL_BY_DOMAIN ? domain_hash : route_hash(user.at, user.len);
	if (group.waits)
		return choose_own(pool, &choice, hash);
	choice_avoid(pool, &choice);
	if (group.policy == POOL_LEAST_LOADED)
		return choose_lighter(pool, &choice, hash);
	return route_choose(choice.open, pool->count, hash);
}
