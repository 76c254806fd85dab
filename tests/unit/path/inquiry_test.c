/* Questions to a worker, between the threads. */
#include "inquiry.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <time.h>

/* A worker that has answered, and has not yet said so. */
struct late {
	struct inquiry *inquiry;
	atomic_bool said;
};

static void *say(void *context)
{
	struct late *late = context;
	struct timespec pause = {.tv_nsec = 20000000};

	nanosleep(&pause, NULL);
	atomic_store(&late->said, true);
	sem_post(&late->inquiry->done);
	return NULL;
}

Test(inquiry, an_answer_of_the_last_moment_is_had_when_the_worker_is_done_with_it)
{
	struct inquiry_question question = {.kind = INQUIRY_BACKENDS};
	struct late late = {.inquiry = inquiry_new(&question)};
	pthread_t worker;

	atomic_store(&late.inquiry->life, INQUIRY_ANSWERED);
	cr_assert_eq(pthread_create(&worker, NULL, say, &late), 0);
	cr_assert(inquiry_wait(late.inquiry, 0));
	cr_assert(atomic_load(&late.said), "who frees it now takes it from under the worker");
	cr_assert_eq(pthread_join(worker, NULL), 0);
	inquiry_free(late.inquiry);
}

Test(inquiry, who_is_not_answered_in_time_leaves_it_to_the_worker)
{
	struct inquiry_question question = {.kind = INQUIRY_BACKENDS};
	struct inquiry *q = inquiry_new(&question);

	cr_assert(!inquiry_wait(q, 0));
	cr_assert_eq(atomic_load(&q->life), INQUIRY_ABANDONED);
	inquiry_free(q);
}
