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
	cr_assert(pool_domain_put(&pool, b, domain_of(d), (struct pool_text[POOL_CLIENTS]){text_of(features)}, true) ==
		  fits);
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

/* ---- one more, one less */

enum { USERS = 2000, MANY = 8 };

static void many_make(uint64_t seed, struct pool_group how)
{
	state = seed * 0x9e3779b97f4a7c15 + 1;
	pool_init(&pool, room, ROOM, text, TEXT_MAX);
	pool_group_set(&pool, 0, how);
	for (int b = 0; b < MANY; b++) {
		char name[16];
		snprintf(name, sizeof name, "backend-%d", b);
		pool_backend_add(&pool, name, b, 1 + draw(5), 0);
		pool_dialling(&pool, b);
		pool_up(&pool, b, NULL, 0);
		pool_domain_put(&pool, b, domain_of(0), (struct pool_text[POOL_CLIENTS]){text_of("")}, true);
	}
}

static int user_of(int number)
{
	char user[32];
	snprintf(user, sizeof user, "u%d@a", number);
	return pool_choose(&pool, domain_of(0), text_of(user));
}

/* One that is closed and opened again: its own users move, and nobody else does; how many is its share. */
static void only_its_share_moves(uint64_t seed)
{
	int before[USERS], moved = 0, one = (int)(seed % MANY);
	unsigned weights = 0;
	many_make(seed, (struct pool_group){.policy = POOL_BY_USER});
	for (int b = 0; b < MANY; b++)
		weights += pool.backends[b].weight;
	for (int i = 0; i < USERS; i++)
		before[i] = user_of(i);
	pool_backend_set(&pool, one, 0, pool.backends[one].weight, true);
	for (int i = 0; i < USERS; i++) {
		int now = user_of(i);
		cr_assert(before[i] == one ? now != one : now == before[i], "seed %zu", (size_t)seed);
		moved += now != before[i];
	}
	double share = (double)USERS * pool.backends[one].weight / weights;
	cr_assert(moved > share * 0.6 - 10 && moved < share * 1.4 + 10, "seed %zu: %d, not %f", (size_t)seed, moved,
		  share);
	pool_backend_set(&pool, one, 0, pool.backends[one].weight, false);
	for (int i = 0; i < USERS; i++)
		cr_assert_eq(user_of(i), before[i]);
}

/* Whatever the loads: a user is at one of two, and they are those of the policy without loads. */
static void least_loaded_knows_two(uint64_t seed)
{
	many_make(seed, (struct pool_group){.policy = POOL_LEAST_LOADED});
	for (int i = 0; i < 50; i++) {
		int seen[2] = {user_of(i), POOL_NONE};
		for (int turn = 0; turn < 50; turn++) {
			for (int b = 0; b < MANY; b++)
				pool_load(&pool, b, draw(100000), draw(POOL_LOAD_MAX + 1));
			int now = user_of(i);
			if (now != seen[0] && seen[1] == POOL_NONE)
				seen[1] = now;
			cr_assert(now == seen[0] || now == seen[1], "seed %zu user %d", (size_t)seed, i);
		}
		for (int b = 0; b < MANY; b++)
			pool_load(&pool, b, 7, 7);
	}
}

Test(pool_prop, a_backend_more_or_less_moves_its_own_share_alone)
{
	for (uint64_t seed = 1; seed <= 60; seed++)
		only_its_share_moves(seed);
}

Test(pool_prop, least_loaded_has_two_places_for_a_user)
{
	for (uint64_t seed = 1; seed <= 20; seed++)
		least_loaded_knows_two(seed);
}
