/* What a running gate answers to probes. */
#include "watch.h"

#include <criterion/criterion.h>

static struct worker worker;
static struct worker *const workers[] = {&worker};
static struct watch watch = {.workers = workers, .count = 1};

static void turned(uint64_t at_us)
{
	atomic_store(&worker.orders.alive_us, at_us);
	atomic_store(&worker.orders.shaken_us, at_us);
}

static void expect_health(const char *why)
{
	const char *found = watch_health(&watch);

	cr_assert_str_eq(found == NULL ? "well" : found, why);
}

Test(watch, a_worker_that_turns_is_well)
{
	turned(io_now_us());
	expect_health("well");
	turned(io_now_us() - WATCH_STUCK_US / 2);
	expect_health("well");
}

/* It has turned after the clock was looked at, on another processor. */
Test(watch, a_worker_that_turns_just_now_is_well)
{
	turned(io_now_us() + 1000000);
	expect_health("well");
}

Test(watch, a_worker_that_is_stuck_or_has_ended_is_not)
{
	turned(io_now_us() - 2 * WATCH_STUCK_US);
	expect_health("a worker does not turn");
	atomic_store(&worker.orders.done, true);
	expect_health("a worker has ended");
}

Test(watch, a_worker_whose_handshakes_do_not_go_on_is_not_well)
{
	turned(io_now_us());
	atomic_store(&worker.orders.shaken_us, io_now_us() - WATCH_STUCK_US / 2);
	expect_health("well");
	atomic_store(&worker.orders.shaken_us, io_now_us() - 2 * WATCH_STUCK_US);
	expect_health("a worker's handshakes do not go on");
}

/* One is done with its clients before the others. */
Test(watch, a_worker_that_has_drained_is_well)
{
	turned(io_now_us() - 2 * WATCH_STUCK_US);
	atomic_store(&worker.orders.drain, true);
	expect_health("a worker does not turn");
	atomic_store(&worker.orders.done, true);
	expect_health("well");
}

static void expect_readiness(const char *why)
{
	const char *found = watch_readiness(&watch);

	cr_assert_str_eq(found == NULL ? "ready" : found, why);
}

Test(watch, new_clients_are_for_who_listens_has_a_session_server_and_stays)
{
	expect_readiness("a worker does not listen");
	atomic_store(&worker.orders.listening, true);
	expect_readiness("no session server is up");
	counter_add(&worker.counters, COUNTER_backends_up, 1);
	expect_readiness("no session server has told its domains");
	atomic_store(&worker.orders.serving, true);
	expect_readiness("ready");
	atomic_store(&watch.leaving, true);
	expect_readiness("the gate is leaving");
	atomic_store(&watch.leaving, false);
	atomic_store(&worker.orders.drain, true);
	expect_readiness("the gate is draining");
}
