#include "handshaker.h"

#include "registers.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { NICER = 10 };

/*
 * A ring of places: [taken, made) are ready, [made, handed) wait or are being made. Each count is written by one side;
 * who reads it sees what was written to the places before.
 */
struct handshaker {
	struct handshake_step steps[HANDSHAKER_STEPS];
	atomic_bool forgotten[HANDSHAKER_STEPS];
	atomic_uint handed, made;
	unsigned taken; /* the owner's alone */
	sem_t work;	/* as often as there is a step, and once for the end */
	sem_t settled;	/* the thread is as it is to be */
	atomic_bool ending;
	void (*wake)(void *of);
	void *of;
	pthread_t thread;
};
static_assert((HANDSHAKER_STEPS & (HANDSHAKER_STEPS - 1)) == 0, "counts may wrap around");

/* ---- the thread */

/* The calls are those of this thread alone, on Linux. Where they are refused, it works all the same. */
static void give_way(void)
{
	struct sched_param none = {0};

	setpriority(PRIO_PROCESS, (id_t)gettid(), getpriority(PRIO_PROCESS, (id_t)gettid()) + NICER);
	sched_setscheduler(0, SCHED_BATCH, &none);
}

static void await(sem_t *sem)
{
	while (sem_wait(sem) != 0)
		assert(errno == EINTR);
}

static bool is_forgotten(const struct handshaker *h, unsigned count)
{
	return atomic_load_explicit(&h->forgotten[count % HANDSHAKER_STEPS], memory_order_relaxed);
}

/* What is forgotten only after this the owner frees. */
static void make_next(struct handshaker *h)
{
	unsigned made = atomic_load_explicit(&h->made, memory_order_relaxed);
	struct handshake_step *s = &h->steps[made % HANDSHAKER_STEPS];

	if (!is_forgotten(h, made))
		handshake_step_make(s);
	registers_wipe(); /* the next may be long in coming */
	if (is_forgotten(h, made)) {
		handshake_free(s->handshake);
		s->handshake = NULL;
	}
	atomic_store_explicit(&h->made, made + 1, memory_order_release);
	h->wake(h->of);
}

static void *work(void *handshaker)
{
	struct handshaker *h = handshaker;

	give_way();
	sem_post(&h->settled);
	for (;;) {
		await(&h->work);
		if (atomic_load(&h->ending))
			return NULL;
		make_next(h);
	}
}

/* ---- the owner */

struct handshaker *handshaker_new(void (*wake)(void *of), void *of)
{
	struct handshaker *h = calloc(1, sizeof *h);

	assert(h != NULL && sem_init(&h->work, 0, 0) == 0 && sem_init(&h->settled, 0, 0) == 0);
	h->wake = wake;
	h->of = of;
	if (pthread_create(&h->thread, NULL, work, h) != 0) {
		free(h);
		return NULL;
	}
	await(&h->settled);
	return h;
}

void handshaker_free(struct handshaker *h)
{
	if (h == NULL)
		return;
	atomic_store(&h->ending, true);
	sem_post(&h->work);
	pthread_join(h->thread, NULL);
	for (size_t i = 0; i < HANDSHAKER_STEPS; i++)
		handshake_step_done(&h->steps[i]);
	sem_destroy(&h->work);
	sem_destroy(&h->settled);
	free(h);
}

static unsigned handed(const struct handshaker *h)
{
	return atomic_load_explicit(&h->handed, memory_order_relaxed);
}

struct handshake_step *handshaker_place(struct handshaker *h)
{
	return handed(h) - h->taken == HANDSHAKER_STEPS ? NULL : &h->steps[handed(h) % HANDSHAKER_STEPS];
}

void handshaker_hand_out(struct handshaker *h)
{
	assert(handed(h) - h->taken < HANDSHAKER_STEPS);
	atomic_store_explicit(&h->forgotten[handed(h) % HANDSHAKER_STEPS], false, memory_order_relaxed);
	atomic_store_explicit(&h->handed, handed(h) + 1, memory_order_release);
	sem_post(&h->work);
}

struct handshake_step *handshaker_next(struct handshaker *h)
{
	while (h->taken != atomic_load_explicit(&h->made, memory_order_acquire)) {
		if (!is_forgotten(h, h->taken))
			return &h->steps[h->taken % HANDSHAKER_STEPS];
		handshaker_give_back(h);
	}
	return NULL;
}

void handshaker_give_back(struct handshaker *h)
{
	handshake_step_clear(&h->steps[h->taken % HANDSHAKER_STEPS]);
	h->taken++;
}

/* The name does not change while a step is under way: both sides may read it. */
bool handshaker_forget(struct handshaker *h, uint64_t of)
{
	for (unsigned i = h->taken; i != handed(h); i++)
		if (h->steps[i % HANDSHAKER_STEPS].of == of && !is_forgotten(h, i)) {
			atomic_store_explicit(&h->forgotten[i % HANDSHAKER_STEPS], true, memory_order_relaxed);
			return true;
		}
	return false;
}

bool handshaker_is_idle(const struct handshaker *h)
{
	return h->taken == handed(h);
}
