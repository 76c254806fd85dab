#include "route.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { USERS = 200000 };

static uint64_t user_hash(unsigned user)
{
	char jid[64];
	return route_hash(jid, snprintf(jid, sizeof jid, "user%u@example.org", user));
}

static void candidates_make(struct route_candidate *c, size_t count, uint32_t weight)
{
	for (size_t i = 0; i < count; i++) {
		char name[32];
		c[i].name_hash = route_hash(name, snprintf(name, sizeof name, "server-%zu", i));
		c[i].weight = weight;
	}
}

/* What exact logarithms of sixty digits say: every gate must say the same, for ever. */
Test(route, known_answers)
{
	cr_assert(route_hash("", 0) == 0xf52a15e9a9b5e89b);
	cr_assert(route_hash("juliet@example.org", 18) == 0xfd7183c69a29074d);
	struct route_candidate c[5];
	candidates_make(c, 5, 1);
	c[4].weight = 3;
	static const int expected[] = {4, 0, 0, 2, 4, 4, 1, 0, 0, 2, 1, 4, 1, 1, 2, 2, 2, 2, 4, 1, 4, 4,
				       1, 4, 4, 4, 3, 4, 2, 2, 3, 2, 4, 4, 2, 4, 4, 4, 2, 0, 4, 4, 4, 0,
				       1, 1, 2, 0, 2, 0, 1, 4, 2, 3, 4, 1, 4, 0, 4, 1, 1, 4, 3, 4};
	for (unsigned user = 0; user < sizeof expected / sizeof *expected; user++)
		cr_assert(route_choose(c, 5, user_hash(user)) == expected[user], "user %u", user);
}

Test(route, nobody)
{
	struct route_candidate c[3];
	candidates_make(c, 3, 0);
	cr_assert(route_choose(c, 0, 1) == ROUTE_NONE);
	cr_assert(route_choose(c, 3, 1) == ROUTE_NONE);
	c[1].weight = 1;
	cr_assert(route_choose(c, 3, 1) == 1);
}

Test(route, order_does_not_matter)
{
	struct route_candidate c[7], turned[7];
	candidates_make(c, 7, 2);
	for (size_t i = 0; i < 7; i++)
		turned[6 - i] = c[i];
	for (unsigned user = 0; user < 1000; user++)
		cr_assert(route_choose(c, 7, user_hash(user)) == 6 - route_choose(turned, 7, user_hash(user)));
}

Test(route, twins_go_to_the_first)
{
	struct route_candidate c[2] = {{.name_hash = 5, .weight = 1}, {.name_hash = 5, .weight = 1}};
	for (unsigned user = 0; user < 100; user++)
		cr_assert(route_choose(c, 2, user_hash(user)) == 0);
}

/* The one random number without a logarithm, 0, is the worst there is: this user and this name come to it. */
Test(route, logarithm_of_nothing)
{
	struct route_candidate c[2] = {{.name_hash = 0, .weight = 1}, {.name_hash = 5, .weight = 1}};
	cr_assert(route_choose(c, 2, 0) == 1);
	cr_assert(route_choose(c, 1, 0) == 0);
}

/* Each gets weight / sum of weights, to within 2 % of its share. */
static void shares_are(const uint32_t *weights, size_t count)
{
	struct route_candidate c[16];
	unsigned got[16] = {0};
	uint64_t sum = 0;
	candidates_make(c, count, 0);
	for (size_t i = 0; i < count; i++)
		sum += c[i].weight = weights[i];
	for (unsigned user = 0; user < USERS; user++)
		got[route_choose(c, count, user_hash(user))]++;
	for (size_t i = 0; i < count; i++) {
		double share = (double)USERS * weights[i] / sum;
		cr_assert(got[i] > 0.98 * share && got[i] < 1.02 * share, "%zu: %u, not %f", i, got[i], share);
	}
}

Test(route, equal_weights)
{
	shares_are((uint32_t[]){1, 1, 1, 1}, 4);
}

Test(route, other_weights)
{
	shares_are((uint32_t[]){100, 200, 300, 400}, 4);
	shares_are((uint32_t[]){1, 9}, 2);
	shares_are((uint32_t[]){0xffffffff, 0x7fffffff}, 2);
}

Test(route, only_the_users_of_the_one_that_goes_move)
{
	struct route_candidate c[8], fewer[8];
	candidates_make(c, 8, 1);
	memcpy(fewer, c, sizeof c);
	fewer[3].weight = 0;
	unsigned moved = 0;
	for (unsigned user = 0; user < USERS; user++) {
		int before = route_choose(c, 8, user_hash(user)), after = route_choose(fewer, 8, user_hash(user));
		cr_assert(after != 3);
		cr_assert(before == after || before == 3);
		moved += before != after;
	}
	cr_assert(moved > 0.98 * USERS / 8 && moved < 1.02 * USERS / 8, "%u", moved);
}

/* More weight for one takes users from the others, and moves none between them. */
Test(route, weight_only_draws)
{
	struct route_candidate c[4], more[4];
	candidates_make(c, 4, 10);
	memcpy(more, c, sizeof c);
	more[2].weight = 25;
	for (unsigned user = 0; user < 20000; user++) {
		int before = route_choose(c, 4, user_hash(user)), after = route_choose(more, 4, user_hash(user));
		cr_assert(before == after || after == 2);
	}
}
