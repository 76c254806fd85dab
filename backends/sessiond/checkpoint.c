#include "checkpoint.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	LOCK_STEP_US = 200,
	LOCK_STEPS = 150, /* also for those who read what is old, while those who write wait */
};

/* Of what is to be told. */
enum { GOOD, FAILED, TOLD };

struct checkpoint {
	struct store *store;
	sqlite3 *db;	    /* the thread's */
	atomic_uint logged; /* pages of the log, by the last commit */
	atomic_uint seen;   /* the same, when the thread began to copy */
	atomic_bool ending;
	sem_t work; /* as often as there may be some, and once for the end */
	pthread_t thread;
	atomic_int failure;
	char error[STORE_ERROR_BYTES]; /* the thread's, until FAILED */
};

/* A log that has not become longer has begun anew. */
static bool is_due(const struct checkpoint *c)
{
	unsigned logged = atomic_load(&c->logged), seen = atomic_load(&c->seen);
	return logged >= CHECKPOINT_PAGES + (seen < logged ? seen : 0);
}

/* ---- the thread */

static int on_busy(void *nothing, int times)
{
	if (times >= LOCK_STEPS)
		return 0;
	usleep(LOCK_STEP_US);
	return 1;
}

static void note_failure(struct checkpoint *c)
{
	if (atomic_load(&c->failure) != GOOD)
		return;
	snprintf(c->error, sizeof c->error, "%s", sqlite3_errmsg(c->db));
	atomic_store(&c->failure, FAILED);
}

/* BUSY: another process is at it, or somebody reads what is old. Also without a failure not all may be copied. */
static void copy(struct checkpoint *c, int how)
{
	int logged, copied, told = TOLD;
	int result = sqlite3_wal_checkpoint_v2(c->db, "main", how, &logged, &copied);
	if (result == SQLITE_OK && copied == logged)
		atomic_compare_exchange_strong(&c->failure, &told, GOOD);
	else if (result != SQLITE_OK && (result & 0xff) != SQLITE_BUSY)
		note_failure(c);
}

static void copy_all(struct checkpoint *c)
{
	atomic_store(&c->seen, atomic_load(&c->logged));
	copy(c, SQLITE_CHECKPOINT_PASSIVE);
	if (atomic_load(&c->logged) >= CHECKPOINT_LONG_PAGES) {
		copy(c, SQLITE_CHECKPOINT_PASSIVE);
		copy(c, SQLITE_CHECKPOINT_RESTART);
	}
}

static void await(sem_t *sem)
{
	while (sem_wait(sem) != 0)
		assert(errno == EINTR);
}

static void *work(void *context)
{
	struct checkpoint *c = context;
	for (await(&c->work); !atomic_load(&c->ending); await(&c->work)) {
		if (is_due(c))
			copy_all(c);
	}
	return NULL;
}

/* ---- who writes */

static int on_commit(void *context, sqlite3 *db, const char *name, int pages)
{
	struct checkpoint *c = context;
	atomic_store(&c->logged, (unsigned)pages);
	if (pages >= CHECKPOINT_PAGES_MAX)
		sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	if (is_due(c))
		sem_post(&c->work);
	return SQLITE_OK;
}

bool checkpoint_has_failed(struct checkpoint *c, char ret[static STORE_ERROR_BYTES])
{
	if (!c || atomic_load(&c->failure) != FAILED)
		return false;
	snprintf(ret, STORE_ERROR_BYTES, "%s", c->error);
	atomic_store(&c->failure, TOLD);
	return true;
}

/* ---- beginning and end */

/* A connection knows of the log when it has read something. */
static bool database_open(struct checkpoint *c, const char *file)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	return sqlite3_open_v2(file, &c->db, flags, NULL) == SQLITE_OK &&
	       sqlite3_busy_handler(c->db, on_busy, NULL) == SQLITE_OK &&
	       sqlite3_exec(c->db, "PRAGMA user_version", NULL, NULL, NULL) == SQLITE_OK;
}

/* Signals are others' to take. */
static bool thread_begin(struct checkpoint *c)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool begun = pthread_create(&c->thread, NULL, work, c) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return begun;
}

static void checkpoint_free(struct checkpoint *c)
{
	sqlite3_close(c->db);
	sem_destroy(&c->work);
	free(c);
}

struct checkpoint *checkpoint_begin(struct store *store, const char *file, char error[static STORE_ERROR_BYTES])
{
	struct checkpoint *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	c->store = store;
	sem_init(&c->work, 0, 0);
	if (!database_open(c, file))
		snprintf(error, STORE_ERROR_BYTES, "%.160s: %.80s", file, sqlite3_errmsg(c->db));
	else if (!thread_begin(c))
		snprintf(error, STORE_ERROR_BYTES, "no thread can be made");
	else {
		store_hook_commits(store, on_commit, c);
		return c;
	}
	checkpoint_free(c);
	return NULL;
}

void checkpoint_end(struct checkpoint *c)
{
	if (!c)
		return;
	store_hook_commits(c->store, NULL, NULL);
	atomic_store(&c->ending, true);
	sem_post(&c->work);
	pthread_join(c->thread, NULL);
	checkpoint_free(c);
}
