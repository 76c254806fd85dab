#include "inquiry.h"

#include "client.h"
#include "client_name.h"
#include "record.h"
#include "worker.h"

#include <assert.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS_FIRST = 16 };

/* ---- the asker's */

struct inquiry *inquiry_new(const struct inquiry_question *question)
{
	struct inquiry *q = calloc(1, sizeof *q);

	assert(q != NULL && question->rows_max <= INQUIRY_ROWS_MAX);
	q->question = *question;
	sem_init(&q->done, 0, 0);
	return q;
}

void inquiry_send(struct worker *w, struct inquiry *q)
{
	struct inquiry *first = atomic_load(&w->orders.inquiries);

	do
		q->next = first;
	while (!atomic_compare_exchange_weak(&w->orders.inquiries, &first, q));
	worker_wake(w);
}

bool inquiry_wait(struct inquiry *q, uint64_t until_us)
{
	struct timespec until = {.tv_sec = (time_t)(until_us / 1000000), .tv_nsec = (long)(until_us % 1000000) * 1000};
	enum inquiry_life asked = INQUIRY_ASKED;

	if (sem_clockwait(&q->done, CLOCK_MONOTONIC, &until) == 0)
		return true;
	if (atomic_compare_exchange_strong(&q->life, &asked, INQUIRY_ABANDONED))
		return false;
	while (sem_wait(&q->done) != 0) /* it is being answered just now, and the worker has still to do with it */
		;
	return true;
}

void inquiry_free(struct inquiry *q)
{
	for (size_t i = 0; q->sessions != NULL && i < q->count; i++) {
		free(q->sessions[i].jid);
		free(q->sessions[i].backend);
	}
	for (size_t i = 0; q->backends != NULL && i < q->count; i++) {
		free(q->backends[i].name);
		free(q->backends[i].address);
		free(q->backends[i].pool);
	}
	free(q->sessions);
	free(q->backends);
	sem_destroy(&q->done);
	free(q);
}

/* ---- sessions */

static char *copy(const char *text)
{
	char *new = strdup(text);

	assert(new != NULL);
	return new;
}

static const char *backend_name(const struct worker *w, const struct client *c)
{
	return c->uplink < 0 ? "" : w->uplinks[c->uplink].name;
}

static bool is_like(const char *pattern, const char *text)
{
	return fnmatch(pattern, text, 0) == 0;
}

static bool is_jid_like(const char *pattern, const char *jid)
{
	char bare[CLIENT_JID_BYTES];
	size_t len = strcspn(jid, "/");

	memcpy(bare, jid, len);
	bare[len] = '\0';
	return is_like(pattern, jid) || is_like(pattern, bare);
}

/* Whether it is meant; fills in whatever it had to look at, the address not before it is asked for. */
static bool is_meant(struct worker *w, const struct client *c, const struct inquiry_question *question,
		     struct inquiry_session *row, char jid[static CLIENT_JID_BYTES])
{
	if (question->state >= 0 && c->stream.state != question->state)
		return false;
	if (question->backend[0] != '\0' && strcmp(question->backend, backend_name(w, c)) != 0)
		return false;
	client_jid_write(c, jid);
	client_name_write(w, c, row->name);
	if (question->who[0] == '\0' || is_jid_like(question->who, jid) || is_like(question->who, row->name))
		return true;
	if (strchr(question->who, '@') != NULL)
		return false; /* no address has one, and to ask the kernel for it costs most of the look */
	client_address(w, c, row->address, &row->port);
	return is_like(question->who, row->address);
}

static void row_tls(const struct client *c, struct inquiry_session *row)
{
	row->cipher = "";
	row->engine = conn_engine(&c->conn);
	if (c->conn.tls != CONN_RECORDS)
		return;
	row->tls = c->conn.record->version;
	row->cipher = record_cipher_name((enum record_cipher)c->conn.record->cipher);
}

static void row_fill(struct worker *w, const struct client *c, const char *jid, struct inquiry_session *row)
{
	uint32_t now_s = worker_now_s(w);

	row->jid = copy(jid);
	row->backend = copy(backend_name(w, c));
	if (row->address[0] == '\0')
		client_address(w, c, row->address, &row->port);
	row->state = (enum stream_state)c->stream.state;
	row_tls(c, row);
	row->direct = c->direct;
	row->orphaned = c->orphaned;
	row->paused = c->paused;
	row->choked = c->choked;
	row->silent_s = now_s > c->heard_s ? now_s - c->heard_s : 0;
	row->sent = c->sent;
	row->received = c->received;
	row->unread_bytes = conn_unsent(&c->conn);
}

static void session_add(struct inquiry *q, const struct inquiry_session *row)
{
	bool is_power = (q->count & (q->count - 1)) == 0;

	if (q->count == 0 || (q->count >= ROWS_FIRST && is_power)) {
		q->sessions = realloc(q->sessions, (q->count == 0 ? ROWS_FIRST : 2 * q->count) * sizeof *row);
		assert(q->sessions != NULL);
	}
	q->sessions[q->count++] = *row;
}

static void session_look(struct worker *w, struct inquiry *q, struct client *c)
{
	struct inquiry_session row = {0};
	char jid[CLIENT_JID_BYTES];

	if (c->stream.state == STREAM_ENDED || !is_meant(w, c, &q->question, &row, jid))
		return;
	q->matched++;
	if (q->count < q->question.rows_max) {
		row_fill(w, c, jid, &row);
		session_add(q, &row);
	}
	if (q->question.kind == INQUIRY_KICK)
		client_close_for(w, c, REASON_KICKED);
}

/* True: every one was looked at. */
static bool sessions_look(struct worker *w, struct inquiry *q)
{
	struct slab_handle at = {q->place, q->generation};
	struct client *c = NULL;

	for (int i = 0; i < INQUIRY_TURN && (c = slab_next(&w->clients, &at)) != NULL; i++)
		session_look(w, q, c);
	q->place = at.index;
	q->generation = at.generation;
	return c == NULL;
}

/* ---- session servers */

static void backend_fill(const struct worker *w, const struct uplink *u, struct inquiry_backend *row)
{
	const struct pool_backend *b = &w->pool.backends[u->index];
	bool is_up = b->state == POOL_UP || b->state == POOL_DRAINING;
	const char *pool = b->group < w->fleet->pool_count ? w->fleet->pools[b->group].name : "";

	*row = (struct inquiry_backend){.name = copy(u->name),
					.address = copy(u->address_text),
					.pool = copy(pool),
					.state = b->state,
					.tls = u->tls,
					.closed = b->closed,
					.retired = u->retired,
					.told = is_up && b->told,
					.weight = b->weight,
					.failures = b->failures,
					.sessions = b->sessions,
					.told_sessions = b->told_sessions,
					.told_load = b->told_load,
					.domains = b->domains,
					.since_s = is_up ? (worker_now_ms(w) - b->up_at_ms) / 1000 : 0,
					.unread_bytes = u->live ? conn_unsent(&u->conn) : 0};
}

static void backends_look(const struct worker *w, struct inquiry *q)
{
	q->backends = calloc(POOL_BACKENDS_MAX, sizeof *q->backends);
	assert(q->backends != NULL);
	for (size_t i = 0; i < w->pool.count; i++)
		if (w->uplinks[i].name != NULL)
			backend_fill(w, &w->uplinks[i], &q->backends[q->count++]);
}

/* ---- the worker's */

bool inquiries_are_due(const struct worker *w)
{
	return w->inquiry != NULL || atomic_load_explicit(&w->orders.inquiries, memory_order_relaxed) != NULL;
}

static void answer(struct inquiry *q)
{
	enum inquiry_life asked = INQUIRY_ASKED;

	if (atomic_compare_exchange_strong(&q->life, &asked, INQUIRY_ANSWERED))
		sem_post(&q->done);
	else
		inquiry_free(q);
}

/* True: the whole of it was answered. Nobody looks further for one who has gone. */
static bool go_on(struct worker *w, struct inquiry *q)
{
	if (atomic_load(&q->life) == INQUIRY_ABANDONED)
		return true;
	if (q->question.kind != INQUIRY_BACKENDS)
		return sessions_look(w, q);
	backends_look(w, q);
	return true;
}

void inquiries_turn(struct worker *w)
{
	struct inquiry *q = w->inquiry;

	if (q == NULL)
		q = w->inquiry = atomic_exchange(&w->orders.inquiries, NULL);
	if (q == NULL || !go_on(w, q))
		return;
	w->inquiry = q->next; /* before it is the asker's */
	answer(q);
}

void inquiries_drop(struct worker *w)
{
	struct inquiry *next, *lists[] = {w->inquiry, atomic_exchange(&w->orders.inquiries, NULL)};

	for (int i = 0; i < 2; i++)
		for (struct inquiry *q = lists[i]; q != NULL; q = next) {
			next = q->next;
			inquiry_free(q);
		}
	w->inquiry = NULL;
}
