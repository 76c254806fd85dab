#include "held_clock.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

static atomic_bool held;
static struct timespec held_at[2]; /* CLOCK_REALTIME and CLOCK_MONOTONIC */
static _Atomic(uint64_t) passed_ms;

/* The names that the linker's --wrap gives to the one that the program calls, and to the library's. */
int __real_clock_gettime(clockid_t which, struct timespec *ret);
int __wrap_clock_gettime(clockid_t which, struct timespec *ret);

int __wrap_clock_gettime(clockid_t which, struct timespec *ret)
{
	uint64_t ns;

	if ((which != CLOCK_REALTIME && which != CLOCK_MONOTONIC) || !atomic_load(&held))
		return __real_clock_gettime(which, ret);
	ns = (uint64_t)held_at[which].tv_nsec + atomic_load(&passed_ms) * 1000000;
	*ret = (struct timespec){.tv_sec = held_at[which].tv_sec + (time_t)(ns / 1000000000),
				 .tv_nsec = (long)(ns % 1000000000)};
	return 0;
}

void clock_hold(void)
{
	assert(!atomic_load(&held));
	__real_clock_gettime(CLOCK_REALTIME, &held_at[CLOCK_REALTIME]);
	__real_clock_gettime(CLOCK_MONOTONIC, &held_at[CLOCK_MONOTONIC]);
	atomic_store(&held, true);
}

void clock_pass_ms(uint64_t ms)
{
	assert(atomic_load(&held));
	atomic_fetch_add(&passed_ms, ms);
}

uint64_t clock_machine_us(void)
{
	struct timespec now;

	__real_clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
