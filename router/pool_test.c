#include "pool.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct pool pool;
static struct pool_domain domains[256];
static char text[4096];

static struct pool_text text_of(const char *s)
{
	return (struct pool_text){s, strlen(s)};
}

static const struct pool_text absent = {NULL, 0};

static void pool_begin(int backends)
{
	pool_init(&pool, domains, sizeof domains / sizeof *domains, text, sizeof text);
	for (int i = 0; i < backends; i++) {
		char name[16];
		snprintf(name, sizeof name, "b%d", i);
		cr_assert(pool_backend_add(&pool, name, 100 + i, 1, 0) == i);
	}
}

static void backend_up(int backend)
{
	pool_dialling(&pool, backend);
	pool_up(&pool, backend, NULL, 0);
}

static bool serve(int backend, const char *domain, const char *features)
{
	return pool_domain_put(&pool, backend, text_of(domain), (struct pool_text[]){text_of(features), absent, absent},
			       true);
}

static void features_are(const char *domain, enum pool_client client, const char *expected)
{
	struct pool_text got;
	if (!expected) {
		cr_assert(!pool_features(&pool, text_of(domain), client, &got), "%s", domain);
		return;
	}
	cr_assert(pool_features(&pool, text_of(domain), client, &got), "%s", domain);
	cr_assert(got.len == strlen(expected), "%s", domain);
	cr_assert(memcmp(got.at, expected, got.len) == 0, "%s", domain);
}

Test(pool, new_ones_are_dialled_at_once_and_in_turn)
{
	uint64_t wait = 1;
	pool_begin(0);
	cr_assert(pool_dial_next(&pool, 5, &wait) == POOL_NONE && wait == UINT64_MAX);
	cr_assert(pool_backend_add(&pool, "b", 7, 3, 10) == 0);
	cr_assert(pool.backends[0].state == POOL_DOWN && pool.backends[0].address == 7 && pool.backends[0].weight == 3);
	cr_assert(pool_dial_next(&pool, 5, &wait) == POOL_NONE && wait == 5);
	cr_assert(pool_backend_add(&pool, "a", 8, 1, 9) == 1);
	cr_assert(pool_dial_next(&pool, 10, &wait) == 1 && wait == 0, "the one that waits longest");
	pool_dialling(&pool, 1);
	cr_assert(pool_dial_next(&pool, 10, &wait) == 0 && wait == 0);
	pool_dialling(&pool, 0);
	cr_assert(pool_dial_next(&pool, 10, &wait) == POOL_NONE && wait == UINT64_MAX);
}

Test(pool, no_more_backends_than_fit)
{
	pool_begin(POOL_BACKENDS_MAX);
	cr_assert(pool_backend_add(&pool, "one more", 0, 1, 0) == POOL_NONE);
	cr_assert(pool.count == POOL_BACKENDS_MAX);
}

static uint64_t wait_after_failure(uint64_t now_ms, uint64_t random)
{
	pool_dialling(&pool, 0);
	pool_down(&pool, 0, now_ms, random);
	cr_assert(pool.backends[0].state == POOL_DOWN);
	return pool.backends[0].dial_at_ms - now_ms;
}

Test(pool, back_off_doubles_up_to_its_end)
{
	static const uint64_t ceilings[] = {500, 1000, 2000, 4000, 8000, 10000, 10000, 10000};
	for (int which = 0; which < 3; which++) {
		pool_begin(1);
		for (size_t i = 0; i < sizeof ceilings / sizeof *ceilings; i++) {
			uint64_t half = ceilings[i] / 2;
			uint64_t random[] = {0, half, UINT64_MAX}, expected[] = {0, half, UINT64_MAX % (half + 1)};
			uint64_t wait = wait_after_failure(i * 1000000, random[which]);
			cr_assert(wait == half + expected[which], "%zu", i);
			cr_assert(wait >= POOL_WAIT_MS_MIN && wait <= POOL_WAIT_MS_MAX);
		}
	}
}

Test(pool, a_thousand_failures_still_wait_no_longer)
{
	pool_begin(1);
	for (int i = 1; i <= 1000; i++) {
		uint64_t wait = wait_after_failure(0, 0);
		cr_assert(wait == (i < 6 ? (uint64_t)POOL_WAIT_MS_MIN << (i - 1) : POOL_WAIT_MS_MAX / 2), "%d", i);
	}
	cr_assert(pool.backends[0].failures == 1000);
}

static uint64_t wait_after_uptime(uint64_t uptime_ms)
{
	pool_begin(1);
	for (int i = 0; i < 3; i++)
		wait_after_failure(0, 0);
	pool_dialling(&pool, 0);
	pool_up(&pool, 0, NULL, 1000);
	pool_down(&pool, 0, 1000 + uptime_ms, 0);
	return pool.backends[0].dial_at_ms - 1000 - uptime_ms;
}

/* Who makes faults gets nobody, as long as there is one who does not. */
Test(pool, who_is_avoided_is_the_last_choice)
{
	pool_begin(2);
	for (int b = 0; b < 2; b++) {
		backend_up(b);
		cr_assert(serve(b, "example.org", "<f/>"));
	}
	for (int u = 0; u < 50; u++) {
		char user[32];
		snprintf(user, sizeof user, "u%d@example.org", u);
		struct pool_text domain = text_of("example.org"), whom = text_of(user);
		int own = pool_choose(&pool, domain, whom);
		pool_avoid(&pool, own, true);
		cr_assert_eq(pool_choose(&pool, domain, whom), 1 - own);
		pool_group_set(&pool, 0, (struct pool_group){POOL_BY_USER, true});
		cr_assert_eq(pool_choose(&pool, domain, whom), own, "the data of its users are its own");
		pool_group_set(&pool, 0, (struct pool_group){POOL_BY_USER, false});
		pool_avoid(&pool, 1 - own, true);
		cr_assert_eq(pool_choose(&pool, domain, whom), own, "nobody is better");
		pool_avoid(&pool, 0, false);
		pool_avoid(&pool, 1, false);
	}
}

Test(pool, only_a_stable_link_ends_the_row_of_failures)
{
	cr_assert(wait_after_uptime(0) == 2000);
	cr_assert(wait_after_uptime(POOL_STABLE_MS - 1) == 2000);
	cr_assert(wait_after_uptime(POOL_STABLE_MS) == 250);
	cr_assert(wait_after_uptime(-1) == 2000, "a clock that steps back proves nothing");
}

Test(pool, one_that_is_up_waits_for_nothing)
{
	uint64_t wait;
	pool_begin(2);
	backend_up(0);
	cr_assert(pool_dial_next(&pool, 0, &wait) == 1);
	backend_up(1);
	cr_assert(pool_dial_next(&pool, 0, &wait) == POOL_NONE && wait == UINT64_MAX);
	pool_drain(&pool, 0);
	pool_drain(&pool, 0);
	cr_assert(pool_dial_next(&pool, 0, &wait) == POOL_NONE && wait == UINT64_MAX);
	pool_down(&pool, 0, 100, 0);
	cr_assert(pool_dial_next(&pool, 100, &wait) == POOL_NONE && wait == 250);
	cr_assert(pool_dial_next(&pool, 350, &wait) == 0 && wait == 0);
	cr_assert_str_eq(pool_state_name(pool.backends[1].state), "up");
	cr_assert_str_eq(pool_state_name(pool.backends[0].state), "down");
}

Test(pool, features_of_a_domain)
{
	pool_begin(2);
	features_are("example.org", POOL_PLAIN, NULL);
	backend_up(1);
	cr_assert(pool_domain_put(&pool, 1, text_of("example.org"),
				  (struct pool_text[]){text_of("<plain/>"), text_of("<plus/>"), absent}, true));
	cr_assert(serve(1, "example.net", "<other/>"));
	cr_assert(serve(1, "empty.example", ""));
	features_are("example.org", POOL_PLAIN, "<plain/>");
	features_are("example.org", POOL_BINDING, "<plus/>");
	features_are("example.net", POOL_BINDING, "<other/>");
	features_are("empty.example", POOL_PLAIN, "");
	features_are("example.or", POOL_PLAIN, NULL);
	features_are("example.orga", POOL_PLAIN, NULL);
	features_are("EXAMPLE.ORG", POOL_PLAIN, NULL);
	features_are("", POOL_PLAIN, NULL);
	cr_assert(pool.backends[1].domains == 3);
}

Test(pool, an_empty_list_for_binding_is_one)
{
	pool_begin(1);
	backend_up(0);
	cr_assert(pool_domain_put(&pool, 0, text_of("d"),
				  (struct pool_text[]){text_of("<plain/>"), text_of(""), absent}, true));
	features_are("d", POOL_BINDING, "");
	features_are("d", POOL_PLAIN, "<plain/>");
}

/* A kind that is not there gets what the one before it gets, whatever stands behind it. */
Test(pool, each_kind_of_client_has_its_own)
{
	static const char *const expected[8][POOL_CLIENTS] = {{"a", "a", "a"},	  {"a", "bb", "bb"}, {"a", "a", "ccc"},
							      {"a", "bb", "ccc"}, {"", "", ""},	     {"", "bb", "bb"},
							      {"", "", "ccc"},	  {"", "bb", "ccc"}};
	pool_begin(1);
	backend_up(0);
	for (int which = 0; which < 8; which++) {
		struct pool_text features[] = {text_of(which & 4 ? "" : "a"), which & 1 ? text_of("bb") : absent,
					       which & 2 ? text_of("ccc") : absent};
		cr_assert(pool_domain_put(&pool, 0, text_of("d"), features, true));
		cr_assert(pool_domain_put(&pool, 0, text_of("e"), features, true));
		for (int client = 0; client < POOL_CLIENTS; client++) {
			features_are("d", (enum pool_client)client, expected[which][client]);
			features_are("e", (enum pool_client)client, expected[which][client]);
		}
	}
}

Test(pool, the_first_that_is_up_speaks_for_the_domain)
{
	pool_begin(3);
	backend_up(2);
	backend_up(1);
	cr_assert(serve(2, "d", "two"));
	cr_assert(serve(1, "d", "one"));
	features_are("d", POOL_PLAIN, "one");
	pool_drain(&pool, 1);
	features_are("d", POOL_PLAIN, "two");
	pool_down(&pool, 2, 0, 0);
	features_are("d", POOL_PLAIN, NULL);
	backend_up(2);
	features_are("d", POOL_PLAIN, NULL);
	cr_assert(serve(2, "d", "two again"));
	features_are("d", POOL_PLAIN, "two again");
}

Test(pool, a_domain_told_again_has_the_new_features)
{
	pool_begin(2);
	backend_up(0);
	backend_up(1);
	cr_assert(serve(0, "a", "old of a"));
	cr_assert(serve(1, "a", "of another"));
	cr_assert(serve(0, "b", "of b"));
	cr_assert(pool_domain_put(&pool, 0, text_of("a"),
				  (struct pool_text[]){text_of("new and longer"), text_of("x"), absent}, true));
	features_are("a", POOL_PLAIN, "new and longer");
	features_are("a", POOL_BINDING, "x");
	features_are("b", POOL_PLAIN, "of b");
	cr_assert(pool.backends[0].domains == 2 && pool.backends[1].domains == 1 && pool.domains_count == 3);
	pool_down(&pool, 0, 0, 0);
	features_are("a", POOL_PLAIN, "of another");
	features_are("b", POOL_PLAIN, NULL);
	cr_assert(pool.domains_count == 1 && pool.text_len == strlen("a"
								     "of another"));
	pool_down(&pool, 1, 0, 0);
	cr_assert(pool.domains_count == 0 && pool.text_len == 0);
}

Test(pool, no_more_domains_than_fit)
{
	pool_begin(1);
	backend_up(0);
	for (int i = 0; i < POOL_DOMAINS_MAX; i++) {
		char name[16];
		snprintf(name, sizeof name, "d%d", i);
		cr_assert(serve(0, name, "f"));
	}
	cr_assert(!serve(0, "one more", "f"));
	cr_assert(serve(0, "d5", "g"), "one it serves already");
	features_are("d5", POOL_PLAIN, "g");
	features_are("one more", POOL_PLAIN, NULL);
}

Test(pool, no_more_of_all_domains_than_fit)
{
	pool_begin(2);
	pool.domains_max = 3;
	backend_up(0);
	backend_up(1);
	cr_assert(serve(0, "a", "") && serve(0, "b", "") && serve(1, "c", ""));
	cr_assert(!serve(1, "d", ""));
	pool_down(&pool, 0, 0, 0);
	cr_assert(serve(1, "d", "") && serve(1, "e", "") && !serve(1, "f", ""));
}

Test(pool, no_more_text_than_fits)
{
	pool_begin(1);
	pool.text_max = 10;
	text[10] = '!';
	backend_up(0);
	cr_assert(!serve(0, "a", "0123456789"));
	cr_assert(serve(0, "a", "012345678"));
	cr_assert(text[10] == '!' && pool.text_len == 10);
	cr_assert(!serve(0, "b", ""));
	cr_assert(!serve(0, "a", "0123456789"), "and the old features are gone");
	features_are("a", POOL_PLAIN, NULL);
	cr_assert(pool.text_len == 0 && pool.domains_count == 0 && pool.backends[0].domains == 0);
}

static int chosen(const char *domain, unsigned user)
{
	char jid[64];
	snprintf(jid, sizeof jid, "user%u@%s", user, domain);
	return pool_choose(&pool, text_of(domain), text_of(jid));
}

Test(pool, users_go_to_backends_that_are_up_and_serve_them)
{
	pool_begin(4);
	for (int i = 0; i < 4; i++) {
		cr_assert(chosen("d", 1) == POOL_NONE);
		backend_up(i);
	}
	cr_assert(serve(0, "d", "") && serve(1, "d", "") && serve(2, "d", "") && serve(3, "other", ""));
	pool_drain(&pool, 1);
	int got[4] = {0};
	for (unsigned user = 0; user < 1000; user++)
		got[chosen("d", user)]++;
	cr_assert(got[0] > 400 && got[2] > 400 && got[1] == 0 && got[3] == 0);
	for (unsigned user = 0; user < 100; user++)
		cr_assert(chosen("other", user) == 3);
	cr_assert(chosen("nowhere", 1) == POOL_NONE);
	pool.backends[3].weight = 0;
	cr_assert(chosen("other", 1) == POOL_NONE);
	features_are("other", POOL_PLAIN, NULL);
}

Test(pool, the_name_in_hello_decides)
{
	int as_configured[200];
	pool_begin(2);
	for (int i = 0; i < 2; i++) {
		backend_up(i);
		cr_assert(serve(i, "d", ""));
	}
	for (unsigned user = 0; user < 200; user++)
		as_configured[user] = chosen("d", user);
	pool_begin(2);
	for (int i = 0; i < 2; i++) {
		pool_dialling(&pool, i);
		pool_up(&pool, i, i == 0 ? "b1" : "b0", 0);
		cr_assert(serve(i, "d", ""));
	}
	cr_assert_str_eq(pool.backends[0].name, "b1");
	for (unsigned user = 0; user < 200; user++)
		cr_assert(chosen("d", user) == 1 - as_configured[user]);
	pool_begin(1);
	pool_dialling(&pool, 0);
	pool_up(&pool, 0, "", 0);
	cr_assert_str_eq(pool.backends[0].name, "b0");
}

Test(pool, down_twice, .signal = SIGABRT)
{
	pool_begin(1);
	pool_down(&pool, 0, 0, 0);
}

Test(pool, up_without_dialling, .signal = SIGABRT)
{
	pool_begin(1);
	pool_up(&pool, 0, NULL, 0);
}

Test(pool, dialled_while_up, .signal = SIGABRT)
{
	pool_begin(1);
	backend_up(0);
	pool_dialling(&pool, 0);
}

Test(pool, drained_while_down, .signal = SIGABRT)
{
	pool_begin(1);
	pool_drain(&pool, 0);
}

Test(pool, domain_while_down, .signal = SIGABRT)
{
	pool_begin(1);
	serve(0, "d", "");
}

Test(pool, nobody_at_this_index, .signal = SIGABRT)
{
	pool_begin(1);
	pool_dialling(&pool, 1);
}

/* ---- groups and orders */

static void all_up(int backends)
{
	pool_begin(backends);
	for (int i = 0; i < backends; i++) {
		backend_up(i);
		cr_assert(serve(i, "example.org", ""));
	}
}

static int user_at(int number)
{
	char user[32];
	snprintf(user, sizeof user, "user%d@example.org", number);
	return pool_choose(&pool, text_of("example.org"), text_of(user));
}

Test(pool, by_domain_all_users_are_on_one)
{
	all_up(5);
	pool_group_set(&pool, 0, (struct pool_group){.policy = POOL_BY_DOMAIN});
	int one = user_at(0), moved = 0;
	for (int i = 1; i < 100; i++)
		cr_assert_eq(user_at(i), one);
	for (int d = 0; d < 100; d++) {
		char domain[32];
		snprintf(domain, sizeof domain, "d%d.example", d);
		for (int i = 0; i < 5; i++)
			cr_assert(serve(i, domain, ""));
		moved += pool_choose(&pool, text_of(domain), text_of("u")) != one;
		for (int i = 0; i < 5; i++) {
			pool.domains_count--;
			pool.backends[i].domains--;
			pool.text_len -= strlen(domain);
		}
	}
	cr_assert(moved > 60 && moved < 95, "%d", moved);
}

Test(pool, a_closed_one_keeps_what_it_has_and_gets_nothing_new)
{
	struct pool_text got;
	all_up(2);
	pool_backend_set(&pool, 0, 0, 1, true);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(user_at(i), 1);
	cr_assert_eq(pool.backends[0].state, POOL_UP);
	pool_backend_set(&pool, 1, 0, 1, true);
	cr_assert_eq(user_at(0), POOL_NONE);
	cr_assert(!pool_features(&pool, text_of("example.org"), POOL_PLAIN, &got));
	pool_backend_set(&pool, 0, 0, 1, false);
	cr_assert_eq(user_at(0), 0);
}

Test(pool, who_waits_for_his_own_gets_no_other)
{
	int own[100];
	all_up(3);
	pool_group_set(&pool, 0, (struct pool_group){.waits = true});
	for (int i = 0; i < 100; i++)
		own[i] = user_at(i);
	pool_down(&pool, 1, 0, 0);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(user_at(i), own[i] == 1 ? POOL_NONE : own[i]);
	pool_group_set(&pool, 0, (struct pool_group){.waits = false});
	for (int i = 0; i < 100; i++)
		cr_assert(own[i] == 1 ? user_at(i) != POOL_NONE : user_at(i) == own[i]);
	pool_group_set(&pool, 0, (struct pool_group){.waits = true});
	pool_backend_remove(&pool, 1);
	for (int i = 0; i < 100; i++)
		cr_assert_neq(user_at(i), POOL_NONE, "one that is no more is nobody's");
}

Test(pool, the_least_loaded_of_two)
{
	int own[100], moved = 0;
	all_up(4);
	for (int i = 0; i < 100; i++)
		own[i] = user_at(i);
	pool_group_set(&pool, 0, (struct pool_group){.policy = POOL_LEAST_LOADED});
	for (int i = 0; i < 100; i++)
		cr_assert_eq(user_at(i), own[i], "as by user, when all have as much to do");
	for (int n = 0; n < POOL_SESSIONS_MARGIN * 5 / 4; n++)
		pool_session_count(&pool, 2, 1);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(user_at(i), own[i], "a little more is nothing");
	pool_session_count(&pool, 2, 1);
	for (int i = 0; i < 100; i++) {
		cr_assert(own[i] == 2 ? user_at(i) != 2 : user_at(i) == own[i]);
		moved += user_at(i) != own[i];
	}
	cr_assert_gt(moved, 10);
	for (int i = 0; i < 4; i++)
		pool_load(&pool, i, 1000, i == 3 ? POOL_LOAD_MARGIN : 0);
	for (int i = 0; i < 100; i++)
		cr_assert(own[i] == 3 ? user_at(i) != 3 : user_at(i) == own[i], "what they tell counts more");
	pool_load(&pool, 3, 1000, POOL_LOAD_MARGIN - 1);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(user_at(i), own[i]);
}

Test(pool, a_domain_that_is_not_believed_counts_for_nothing)
{
	struct pool_text got;
	pool_begin(1);
	backend_up(0);
	cr_assert(pool_domain_put(&pool, 0, text_of("bank.example"), (struct pool_text[POOL_CLIENTS]){text_of("<f/>")},
				  false));
	cr_assert(!pool_features(&pool, text_of("bank.example"), POOL_PLAIN, &got));
	cr_assert_eq(pool_choose(&pool, text_of("bank.example"), text_of("u")), POOL_NONE);
}

static bool judge(const void *believed, int backend, struct pool_text domain)
{
	return domain.len == strlen(believed) && memcmp(domain.at, believed, domain.len) == 0;
}

Test(pool, domains_are_judged_again)
{
	pool_begin(1);
	backend_up(0);
	cr_assert(serve(0, "a.example", ""));
	cr_assert(
		pool_domain_put(&pool, 0, text_of("b.example"), (struct pool_text[POOL_CLIENTS]){text_of("")}, false));
	pool_domains_judge(&pool, judge, "b.example");
	cr_assert_eq(pool_choose(&pool, text_of("a.example"), text_of("u")), POOL_NONE);
	cr_assert_eq(pool_choose(&pool, text_of("b.example"), text_of("u")), 0);
}

Test(pool, a_place_that_is_vacant_is_given_again)
{
	uint64_t wait;
	pool_begin(3);
	pool_backend_remove(&pool, 1);
	pool_dialling(&pool, 0);
	pool_dialling(&pool, 2);
	cr_assert(pool_dial_next(&pool, 0, &wait) == POOL_NONE && wait == UINT64_MAX);
	cr_assert_eq(pool_backend_add(&pool, "new", 9, 2, 5), 1);
	cr_assert_eq(pool_dial_next(&pool, 5, &wait), 1);
	cr_assert_eq(pool_backend_add(&pool, "newer", 9, 2, 5), 3);
}
