#include "wheel.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { TURN_MS = WHEEL_STEP_MS * WHEEL_SLOTS, NODES = 400 };

/* The model: a node is due at a step, that of its deadline rounded up, or the first that was not looked at yet. */
struct timer {
	struct wheel_node node;
	uint64_t due_step;
	bool set;
};

static uint64_t random_next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static bool timer_is_due(const struct timer *t, uint64_t now_ms)
{
	return t->set && t->due_step <= now_ms / WHEEL_STEP_MS;
}

static uint64_t step_after(uint64_t deadline_ms, uint64_t looked_ms)
{
	uint64_t step = (deadline_ms + WHEEL_STEP_MS - 1) / WHEEL_STEP_MS, next = looked_ms / WHEEL_STEP_MS + 1;

	return step > next ? step : next;
}

static struct timer *timer_of(struct wheel_node *node)
{
	return (struct timer *)node;
}

static size_t due_count(struct wheel *w, uint64_t now_ms)
{
	size_t count = 0;

	while (wheel_due(w, now_ms) != NULL)
		count++;
	return count;
}

Test(wheel, is_due_at_its_step_and_not_before)
{
	struct wheel w;

	for (uint64_t deadline_ms = 1000; deadline_ms < 1000 + 2 * WHEEL_STEP_MS; deadline_ms++) {
		struct timer t = {0};
		uint64_t came_ms = 0;

		wheel_init(&w, 900);
		wheel_set(&w, &t.node, deadline_ms);
		for (uint64_t now_ms = 900; now_ms < 1300 && came_ms == 0; now_ms++)
			if (wheel_due(&w, now_ms) == &t.node)
				came_ms = now_ms;
		cr_assert_geq(came_ms, deadline_ms);
		cr_assert_lt(came_ms, deadline_ms + WHEEL_STEP_MS);
	}
}

Test(wheel, a_deadline_that_has_passed_is_due_at_the_next_look)
{
	struct timer t = {0};
	struct wheel w;

	wheel_init(&w, 100000);
	cr_assert_null(wheel_due(&w, 100000));
	wheel_set(&w, &t.node, 5);
	cr_assert_eq(wheel_due(&w, 100000 + WHEEL_STEP_MS), &t.node);
	cr_assert_null(wheel_due(&w, 100000 + WHEEL_STEP_MS));
}

Test(wheel, a_node_that_is_taken_is_idle)
{
	struct timer t = {0};
	struct wheel w;

	wheel_init(&w, 0);
	wheel_set(&w, &t.node, 10);
	cr_assert_eq(wheel_due(&w, 1000), &t.node);
	cr_assert_null(t.node.next);
	cr_assert_null(t.node.prev);
	wheel_clear(&t.node);
	wheel_clear(&t.node);
	cr_assert_null(wheel_due(&w, 100000));
}

Test(wheel, a_cleared_node_never_comes)
{
	struct timer t = {0};
	struct wheel w;

	wheel_init(&w, 0);
	wheel_set(&w, &t.node, 10);
	wheel_clear(&t.node);
	cr_assert_eq(due_count(&w, 10 * TURN_MS), 0);
}

Test(wheel, moving_a_deadline_forgets_the_earlier_one)
{
	struct timer t = {0};
	struct wheel w;

	wheel_init(&w, 0);
	wheel_set(&w, &t.node, 100);
	wheel_set(&w, &t.node, 5000);
	cr_assert_null(wheel_due(&w, 4900));
	cr_assert_eq(wheel_due(&w, 5056), &t.node);
	wheel_set(&w, &t.node, 90000);
	wheel_set(&w, &t.node, 6000);
	cr_assert_eq(wheel_due(&w, 6100), &t.node);
	cr_assert_eq(due_count(&w, 200000), 0);
}

Test(wheel, a_deadline_turns_ahead_waits_for_its_turn)
{
	struct timer near = {0}, far = {0};
	uint64_t deadline_ms = 3 * TURN_MS + 128;
	struct wheel w;

	wheel_init(&w, 0);
	wheel_set(&w, &far.node, deadline_ms);
	wheel_set(&w, &near.node, 128);
	cr_assert_eq(wheel_due(&w, 128), &near.node);
	for (uint64_t now_ms = 128; now_ms < deadline_ms; now_ms += WHEEL_STEP_MS / 2)
		cr_assert_null(wheel_due(&w, now_ms));
	cr_assert_eq(wheel_due(&w, deadline_ms), &far.node);
}

Test(wheel, a_long_sleep_brings_everything_that_was_due)
{
	static struct timer t[NODES];
	struct wheel w;

	wheel_init(&w, 0);
	for (size_t i = 0; i < NODES; i++)
		wheel_set(&w, &t[i].node, i * 1000);
	cr_assert_eq(due_count(&w, NODES * 1000), NODES);
}

struct play {
	struct wheel wheel;
	struct timer timers[NODES];
	uint64_t x, now_ms, looked_ms;
};

/* Sets a random node to a random deadline, clears one, or lets time pass; near and far ones, some in the past. */
static void play(struct play *p)
{
	static const uint64_t spans[] = {50, 500, TURN_MS, 5 * TURN_MS};
	struct timer *one = &p->timers[random_next(&p->x) % NODES];
	uint64_t what = random_next(&p->x) % 10;

	if (what < 5) {
		uint64_t deadline_ms = p->now_ms + random_next(&p->x) % spans[random_next(&p->x) % 4];

		deadline_ms -= random_next(&p->x) % 200;
		one->due_step = step_after(deadline_ms, p->looked_ms);
		one->set = true;
		wheel_set(&p->wheel, &one->node, deadline_ms);
	} else if (what < 7) {
		one->set = false;
		wheel_clear(&one->node);
	} else {
		p->now_ms += random_next(&p->x) % spans[random_next(&p->x) % 20 == 0 ? 2 : 0];
	}
}

/* What the wheel gives now is what the model says. */
static void compare(struct play *p)
{
	struct wheel_node *node;

	while ((node = wheel_due(&p->wheel, p->now_ms)) != NULL) {
		cr_assert(timer_is_due(timer_of(node), p->now_ms), "too early");
		timer_of(node)->set = false;
	}
	for (size_t i = 0; i < NODES; i++) {
		cr_assert_not(timer_is_due(&p->timers[i], p->now_ms), "too late");
		cr_assert_eq(p->timers[i].set, p->timers[i].node.next != NULL);
	}
	p->looked_ms = p->now_ms;
}

Test(wheel, behaves_like_the_model)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct play *p = calloc(1, sizeof *p);

		p->x = seed * 0x9e3779b97f4a7c15;
		p->now_ms = p->looked_ms = random_next(&p->x) % (3 * TURN_MS) + 1000;
		wheel_init(&p->wheel, p->now_ms);
		compare(p);
		for (int turn = 0; turn < 5000; turn++) {
			play(p);
			if (random_next(&p->x) % 3 == 0)
				compare(p);
		}
		p->now_ms += 10 * TURN_MS;
		compare(p);
		for (size_t i = 0; i < NODES; i++)
			cr_assert_not(p->timers[i].set, "never came");
		free(p);
	}
}
