#include "bucket.h"

#include <criterion/criterion.h>
#include <string.h>

enum { SECOND = 1000000 };

static const uint8_t key[SIPHASH_KEY_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static struct buckets b;

static void named(uint32_t number, uint8_t to[static BUCKET_NAME_BYTES])
{
	memset(to, 0, BUCKET_NAME_BYTES);
	memcpy(to, &number, sizeof number);
}

static bool take(unsigned kind, uint32_t number, uint64_t now_us)
{
	uint8_t name[BUCKET_NAME_BYTES];

	named(number, name);
	return buckets_take(&b, kind, name, now_us);
}

static unsigned take_all(unsigned kind, uint32_t number, uint64_t now_us)
{
	unsigned taken = 0;

	while (taken < 100000 && take(kind, number, now_us))
		taken++;
	return taken;
}

static void end(void)
{
	buckets_done(&b);
}

TestSuite(bucket, .fini = end);

static void make(uint32_t places, uint64_t rate, uint64_t burst)
{
	buckets_init(&b, places, key);
	buckets_set_rate(&b, 0, rate, burst);
}

/* The vectors of the paper's authors: key 00 01 .. 0f, message 00 01 .. of the length. */
Test(bucket, siphash_is_the_one_of_the_paper)
{
	static const struct {
		size_t len;
		uint64_t hash;
	} vectors[] = {{0, 0x726fdb47dd0e0e31}, {1, 0x74f839c593dc67fd},  {7, 0xab0200f58b01d137},
		       {8, 0x93f5f5799a932462}, {15, 0xa129ca6149be45e5}, {16, 0x3f2acc7f57c29bdb}};
	uint8_t bytes[16];

	make(1, 1, 1);
	for (uint8_t i = 0; i < 16; i++)
		bytes[i] = i;
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
		cr_assert_eq(siphash(bytes, bytes, vectors[i].len), vectors[i].hash, "%zu bytes", vectors[i].len);
}

Test(bucket, a_burst_and_then_the_rate)
{
	make(64, 10, 25);
	cr_assert_eq(take_all(0, 1, 5 * SECOND), 25);
	cr_assert_not(take(0, 1, 5 * SECOND + SECOND / 10 - 1));
	cr_assert(take(0, 1, 5 * SECOND + SECOND / 10));
	cr_assert_not(take(0, 1, 5 * SECOND + SECOND / 10));
	cr_assert_eq(take_all(0, 1, 6 * SECOND), 9);
	cr_assert_eq(take_all(0, 1, 600 * SECOND), 25, "never more than the burst");
}

Test(bucket, refusals_cost_nothing)
{
	make(64, 1, 1);
	cr_assert(take(0, 1, SECOND));
	for (unsigned i = 1; i < 1000; i++)
		cr_assert_not(take(0, 1, SECOND + i));
	cr_assert(take(0, 1, 2 * SECOND));
}

Test(bucket, names_and_kinds_do_not_share)
{
	make(64, 1, 3);
	buckets_set_rate(&b, 1, 1, 2);
	cr_assert_eq(take_all(0, 1, 0), 3);
	cr_assert_eq(take_all(0, 2, 0), 3);
	cr_assert_eq(take_all(1, 1, 0), 2);
	cr_assert_eq(take_all(0, 1, 0), 0);
}

Test(bucket, no_rate_is_no_limit)
{
	make(64, 0, 0);
	cr_assert_eq(take_all(0, 1, 0), 100000);
	buckets_set_rate(&b, 0, 1, 0);
	cr_assert_eq(take_all(0, 1, 0), 1, "a burst of 0 counts as 1");
}

Test(bucket, a_clock_that_jumps)
{
	make(64, 10, 20);
	cr_assert_eq(take_all(0, 1, 1000000ull * SECOND), 20);
	cr_assert_not(take(0, 1, SECOND), "back: still empty");
	cr_assert_eq(take_all(0, 1, 2 * SECOND), 10, "but filled as ever from then on");
	cr_assert_eq(take_all(0, 1, UINT64_MAX / 2), 20, "ahead: full");
	cr_assert_eq(take_all(0, 2, 0), 20);
}

Test(bucket, a_rule_that_changes)
{
	make(64, 1, 1000);
	cr_assert_eq(take_all(0, 1, SECOND), 1000);
	buckets_set_rate(&b, 0, 100, 10);
	cr_assert_not(take(0, 1, SECOND));
	cr_assert_eq(take_all(0, 1, SECOND + SECOND / 10), 10, "nobody waits for the old debt");
}

Test(bucket, the_highest_numbers)
{
	make(64, BUCKET_RATE_MAX, BUCKET_RATE_MAX);
	for (unsigned i = 0; i < BUCKET_RATE_MAX; i++)
		cr_assert(take(0, 1, 77));
	cr_assert_not(take(0, 1, 77));
	cr_assert(take(0, 1, 78));
	buckets_set_rate(&b, 0, 1, BUCKET_RATE_MAX);
	cr_assert_eq(take_all(0, 2, UINT64_MAX / 2), 100000);
}

/* A table of one set: whoever took most is kept. */
Test(bucket, a_full_table_forgets_the_least_debt)
{
	make(BUCKET_WAYS, 1, 100);
	for (uint32_t n = 0; n < BUCKET_WAYS; n++)
		for (uint32_t i = 0; i <= n; i++)
			cr_assert(take(0, n, 0));
	for (uint32_t n = 100; n < 10100; n++) /* each once: they take the place of one another */
		cr_assert(take(0, n, 0));
	for (uint32_t n = 1; n < BUCKET_WAYS; n++)
		cr_assert_eq(take_all(0, n, 0), 100 - (n + 1), "name %u", n);
	cr_assert_eq(take_all(0, 0, 0), 100, "the one who took least is forgotten");
}

Test(bucket, full_buckets_make_room)
{
	make(BUCKET_WAYS, 1, 2);
	for (uint32_t n = 0; n < BUCKET_WAYS; n++)
		cr_assert_eq(take_all(0, n, 0), 2);
	for (uint32_t n = 100; n < 100 + BUCKET_WAYS; n++)
		cr_assert_eq(take_all(0, n, 3 * SECOND), 2);
	for (uint32_t n = 100; n < 100 + BUCKET_WAYS; n++)
		cr_assert_not(take(0, n, 3 * SECOND));
}

/*
 * Addresses that differ in few bits, as a network's do, fill the table evenly under any key: of 8 places for each of
 * as many names as a quarter of the places, hardly a name is pushed out.
 */
Test(bucket, neighbours_do_not_meet)
{
	enum { PLACES = 16384, NAMES = PLACES / 4 };
	unsigned forgotten = 0;

	make(PLACES, 1, 2);
	cr_assert_eq(buckets_bytes(&b), PLACES * sizeof(struct bucket));
	for (uint32_t step = 1; step <= 1u << 20; step <<= 10) {
		uint64_t now_us = (uint64_t)step * 10 * SECOND;

		for (uint32_t n = 0; n < NAMES; n++)
			cr_assert_eq(take_all(0, n * step, now_us), 2);
		for (uint32_t n = 0; n < NAMES; n++)
			forgotten += take(0, n * step, now_us);
	}
	cr_assert_leq(forgotten, 3 * NAMES / 500);
}

/* What an attacker finds out for one key says nothing about the next. */
Test(bucket, another_key_is_another_order)
{
	enum { SETS = 1024 };
	uint8_t name[BUCKET_NAME_BYTES], other[SIPHASH_KEY_BYTES] = {9};
	unsigned met = 0, found = 0;

	make(SETS * BUCKET_WAYS, 1, 1);
	for (uint32_t n = 0; found < 64 * BUCKET_WAYS; n++) { /* names of one set under the first key */
		named(n, name);
		if ((siphash(key, name, sizeof name) >> 32) * SETS >> 32 != 7)
			continue;
		found++;
		met += (siphash(other, name, sizeof name) >> 32) * SETS >> 32 == 7;
	}
	cr_assert_leq(met, 8, "%u of %u meet again", met, found);
}
