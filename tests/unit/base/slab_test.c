#include "sanitized.h"
#include "slab.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct thing {
	uint64_t number;
	char more[40];
};

Test(slab, gives_zeroed_objects_and_finds_them)
{
	struct slab slab;
	struct slab_handle a, b;
	slab_init(&slab, sizeof(struct thing), 10);
	cr_assert_eq(slab_bytes(&slab), 0);
	struct thing *first = slab_new(&slab, &a), *second = slab_new(&slab, &b);
	static const struct thing zero;
	cr_assert_eq(memcmp(first, &zero, sizeof zero), 0);
	cr_assert_neq(a.generation, 0);
	cr_assert_eq(a.index, 0);
	cr_assert_eq(b.index, 1);
	cr_assert_eq(slab_get(&slab, a), first);
	cr_assert_eq(slab_get(&slab, b), second);
	cr_assert_eq(slab.used, 2);
	slab_done(&slab);
}

Test(slab, stale_handles_find_nothing)
{
	struct slab slab;
	struct slab_handle old, new;
	slab_init(&slab, sizeof(struct thing), 10);
	cr_assert_null(slab_get(&slab, (struct slab_handle){0, 0}));
	cr_assert_null(slab_get(&slab, (struct slab_handle){0, 1}));
	struct thing *thing = slab_new(&slab, &old);
	thing->number = 7;
	slab_free(&slab, old);
	cr_assert_null(slab_get(&slab, old));
	struct thing *again = slab_new(&slab, &new);
	cr_assert_eq(again, thing, "a place is used again at once");
	cr_assert_eq(again->number, 0);
	cr_assert_eq(new.index, old.index);
	cr_assert_neq(new.generation, old.generation);
	cr_assert_null(slab_get(&slab, old));
	cr_assert_null(slab_get(&slab, (struct slab_handle){1, 0}));
	cr_assert_null(slab_get(&slab, (struct slab_handle){1, 1}), "a place that was never given");
	cr_assert_null(slab_get(&slab, (struct slab_handle){9, 1}));
	cr_assert_null(slab_get(&slab, (struct slab_handle){UINT32_MAX, 1}));
	slab_done(&slab);
}

/* Each generation is written into a place's bookkeeping, which stands at the front of its page. */
Test(slab, generations_begin_again_and_skip_zero)
{
	struct slab slab;
	struct slab_handle handle;
	slab_init(&slab, sizeof(struct thing), 1);
	slab_new(&slab, &handle);
	*(uint32_t *)slab.pages[0] = SLAB_GENERATION_MAX;
	handle.generation = SLAB_GENERATION_MAX;
	cr_assert_not_null(slab_get(&slab, handle));
	slab_free(&slab, handle);
	slab_new(&slab, &handle);
	cr_assert_eq(handle.generation, 1);
	slab_done(&slab);
}

Test(slab, holds_objects_max_and_no_more)
{
	static const uint32_t limits[] = {1, 2, 100, 1023, 1024, 1025, 5000};
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		struct slab slab;
		struct slab_handle handle, other;
		slab_init(&slab, sizeof(struct thing), limits[i]);
		for (uint32_t n = 0; n < limits[i]; n++) {
			cr_assert_not_null(slab_new(&slab, &handle));
			cr_assert_eq(handle.index, n);
		}
		cr_assert_null(slab_new(&slab, &other));
		slab_free(&slab, handle);
		cr_assert_not_null(slab_new(&slab, &other));
		cr_assert_null(slab_new(&slab, &handle));
		slab_done(&slab);
	}
}

Test(slab, whole_index_space)
{
	struct slab slab;
	struct slab_handle handle = {0};
	slab_init(&slab, 1, SLAB_OBJECTS_MAX);
	for (uint32_t n = 0; n < SLAB_OBJECTS_MAX; n++)
		if (!slab_new(&slab, &handle)) /* cr_assert on its own is slow for 16 million */
			cr_assert(false, "only %u", n);
	cr_assert_eq(handle.index, (1 << 24) - 2);
	cr_assert_null(slab_new(&slab, &handle));
	cr_assert_leq(slab_bytes(&slab), (size_t)SLAB_OBJECTS_MAX * 10);
	slab_done(&slab);
}

Test(slab, objects_never_move_and_are_aligned)
{
	static const size_t sizes[] = {1, 2, 24, 48, 64, 192, 600, 4096, 65536, 1 << 20};
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		enum { COUNT = 300 };
		struct slab slab;
		struct slab_handle handles[COUNT];
		unsigned char *objects[COUNT];
		size_t count = sizes[i] > 65536 ? 3 : COUNT;
		uintptr_t align = sizes[i] & -sizes[i];
		slab_init(&slab, sizes[i], COUNT);
		for (size_t n = 0; n < count; n++) {
			objects[n] = slab_new(&slab, &handles[n]);
			memset(objects[n], (int)n, sizes[i]);
			cr_assert_eq((uintptr_t)objects[n] % (align < 64 ? align : 64), 0);
		}
		for (size_t n = 0; n < count; n++) {
			cr_assert_eq(slab_get(&slab, handles[n]), objects[n]);
			cr_assert(objects[n][0] == (unsigned char)n && objects[n][sizes[i] - 1] == (unsigned char)n);
		}
		cr_assert_geq(slab_bytes(&slab), count * sizes[i]);
		slab_done(&slab);
	}
}

Test(slab, walks_over_what_lives)
{
	struct slab slab;
	struct slab_handle handles[3000], at = {0};
	slab_init(&slab, sizeof(struct thing), 3000);
	cr_assert_null(slab_next(&slab, &at));
	for (uint32_t n = 0; n < 3000; n++)
		((struct thing *)slab_new(&slab, &handles[n]))->number = n;
	for (uint32_t n = 0; n < 3000; n++)
		if (n % 7 != 3)
			slab_free(&slab, handles[n]);
	uint64_t expected = 3;
	for (struct thing *thing; (thing = slab_next(&slab, &at)) != NULL; expected += 7) {
		cr_assert_eq(thing->number, expected);
		cr_assert_eq(slab_get(&slab, at), thing);
		slab_free(&slab, at);
	}
	cr_assert_eq(expected, 3 + 7 * 429);
	cr_assert_eq(slab.used, 0);
	slab_done(&slab);
}

Test(slab, walks_from_the_first_place)
{
	struct slab slab;
	struct slab_handle first, second, at = {0};
	slab_init(&slab, sizeof(struct thing), 10);
	void *objects[] = {slab_new(&slab, &first), slab_new(&slab, &second)};
	cr_assert_eq(slab_next(&slab, &at), objects[0]);
	cr_assert_eq(slab_next(&slab, &at), objects[1]);
	cr_assert_null(slab_next(&slab, &at));
	slab_done(&slab);
}

/* Against the plainest model there is: an array of what should be alive. */
Test(slab, agrees_with_a_model)
{
	enum { COUNT = 500, STEPS = 200000 };
	struct slab slab;
	struct slab_handle live[COUNT], dead[COUNT];
	size_t live_count = 0, dead_count = 0;
	uint64_t seed = 88172645463325252u;
	slab_init(&slab, sizeof(struct thing), COUNT);
	for (int step = 0; step < STEPS; step++) {
		seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
		size_t pick = live_count ? seed / 8 % live_count : 0;
		if (seed % 8 < 4) {
			struct slab_handle handle;
			struct thing *thing = slab_new(&slab, &handle);
			cr_assert_eq(thing != NULL, live_count < COUNT);
			if (thing) {
				thing->number = (uint64_t)handle.generation << 32 | handle.index;
				live[live_count++] = handle;
			}
		} else if (live_count && seed % 8 < 7) {
			slab_free(&slab, live[pick]);
			dead[dead_count++ % COUNT] = live[pick];
			live[pick] = live[--live_count];
		} else if (live_count) {
			struct thing *thing = slab_get(&slab, live[pick]);
			cr_assert_eq(thing->number, (uint64_t)live[pick].generation << 32 | live[pick].index);
		}
		if (dead_count)
			cr_assert_null(slab_get(&slab, dead[seed / 64 % (dead_count < COUNT ? dead_count : COUNT)]));
		cr_assert_eq(slab.used, live_count);
	}
	slab_done(&slab);
}

#if SANITIZED
Test(slab, given_back_objects_are_poisoned)
{
	struct slab slab;
	struct slab_handle handle;
	slab_init(&slab, sizeof(struct thing), 10);
	char *thing = slab_new(&slab, &handle);
	cr_assert_not(__asan_address_is_poisoned(thing));
	cr_assert(__asan_address_is_poisoned(thing + sizeof(struct thing)));
	slab_free(&slab, handle);
	cr_assert(__asan_address_is_poisoned(thing));
	slab_done(&slab);
}
#endif
