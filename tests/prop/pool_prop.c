/*
 * Random lives of a pool, from a seed each, beside a model that keeps every domain in memory of its own: both must give
 * the same answers, also when the pool's room is small and often full.
 */
#include "pool.h"
#include "route.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { SEEDS = 300, STEPS = 400, BACKENDS = 5, DOMAINS = 6, FEATURES_MAX = 60, TEXT_MAX = 600, ROOM = 12 };

struct model {
	bool served[BACKENDS][DOMAINS];
	char features[BACKENDS][DOMAINS][FEATURES_MAX + 1];
};

static uint64_t state;
static struct pool pool;
static struct pool_domain room[ROOM];
static char text[TEXT_MAX + 1];
static struct model model;

static uint64_t draw(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1d % below;
}

static struct pool_text text_of(const char *s)
{
	return (struct pool_text){s, strlen(s)};
}

static struct pool_text domain_of(int domain)
{
	static const char *const names[DOMAINS] = {"a", "ab", "b.example", "c.example", "xn--d", "e"};
	return text_of(names[domain]);
}

static size_t model_text(void)
{
	size_t len = 0;
	for (int b = 0; b < BACKENDS; b++)
		for (int d = 0; d < DOMAINS; d++)
			if (model.served[b][d])
				len += domain_of(d).len + strlen(model.features[b][d]);
	return len;
}

static size_t model_count(void)
{
	size_t count = 0;
	for (int b = 0; b < BACKENDS; b++)
		for (int d = 0; d < DOMAINS; d++)
			count += model.served[b][d];
	return count;
}

static void domain_put(int b, int d)
{
	char features[FEATURES_MAX + 1] = "";
	for (size_t len = draw(FEATURES_MAX), i = 0; i < len; i++)
		features[i] = 'a' + draw(26);
	model.served[b][d] = false;
	bool fits = model_count() < ROOM && model_text() + domain_of(d).len + strlen(features) <= TEXT_MAX;
	cr_assert(pool_domain_put(&pool, b, domain_of(d), (struct pool_text[POOL_CLIENTS]){text_of(features)}) == fits);
	model.served[b][d] = fits;
	memcpy(model.features[b][d], features, sizeof features);
}

static void step_make(uint64_t now_ms)
{
	int b = draw(BACKENDS);
	enum pool_state is = pool.backends[b].state;
	unsigned dice = draw(10);
	if (is == POOL_DOWN) {
		pool_dialling(&pool, b);
	} else if (is == POOL_DIALLING && dice < 7) {
		pool_up(&pool, b, NULL, now_ms);
	} else if (is == POOL_DIALLING || dice == 0) {
		pool_down(&pool, b, now_ms, draw(UINT64_MAX));
		memset(model.served[b], 0, sizeof model.served[b]);
	} else if (dice == 1) {
		pool_drain(&pool, b);
	} else {
		domain_put(b, draw(DOMAINS));
	}
}

static bool is_open(int b, int d)
{
	return model.served[b][d] && pool.backends[b].state == POOL_UP;
}

static void answers_are_right(int d)
{
	struct route_candidate candidates[BACKENDS] = {0};
	struct pool_text got;
	const char *expected = NULL;
	char user[32];
	snprintf(user, sizeof user, "user%u", (unsigned)draw(1000));
	for (int b = BACKENDS - 1; b >= 0; b--) {
		if (!is_open(b, d))
			continue;
		expected = model.features[b][d];
		candidates[b] = (struct route_candidate){pool.backends[b].name_hash, pool.backends[b].weight};
	}
	cr_assert(pool_features(&pool, domain_of(d), draw(POOL_CLIENTS), &got) == (expected != NULL));
	cr_assert(!expected || (got.len == strlen(expected) && memcmp(got.at, expected, got.len) == 0));
	int chosen = route_choose(candidates, BACKENDS, route_hash(user, strlen(user)));
	cr_assert(pool_choose(&pool, domain_of(d), text_of(user)) == chosen);
	cr_assert((chosen != POOL_NONE) == (expected != NULL));
}

static void life_lead(uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15 + 1;
	memset(&model, 0, sizeof model);
	pool_init(&pool, room, ROOM, text, TEXT_MAX);
	text[TEXT_MAX] = '!';
	for (int b = 0; b < BACKENDS; b++) {
		char name[16];
		snprintf(name, sizeof name, "backend-%d", b);
		pool_backend_add(&pool, name, b, 1 + draw(3), 0);
	}
	for (int step = 0; step < STEPS; step++) {
		step_make(step * 1000);
		for (int d = 0; d < DOMAINS; d++)
			answers_are_right(d);
		cr_assert(pool.text_len == model_text() && pool.domains_count == model_count(), "seed %zu",
			  (size_t)seed);
		cr_assert(text[TEXT_MAX] == '!');
	}
}

Test(pool_prop, agrees_with_a_simple_model)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		life_lead(seed);
}
