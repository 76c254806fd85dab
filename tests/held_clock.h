/*
 * held_clock: the clock of a program of tests. It is the machine's until it is held; from then on time passes as the
 * test says, and not while a machine is slow or has other things to do. It is what clock_gettime() tells of the time of
 * day and of CLOCK_MONOTONIC, in all that is linked into the program by held_clock_dep; libraries that it shares with
 * others, and whatever waits in the kernel, go by the machine's.
 */
#ifndef TEST_HELD_CLOCK_H
#define TEST_HELD_CLOCK_H

#include <stdint.h>

/* Once, and before there are other threads. */
void clock_hold(void);
/* Held: so much passes at once. Whoever sleeps must be woken to see it. */
void clock_pass_ms(uint64_t ms);
/* The machine's monotonic time all the same. */
uint64_t clock_machine_us(void);

#endif
