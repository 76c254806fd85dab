#include "backend_inside.h"

#include <assert.h>
#include <string.h>

enum { BUCKETS_MIN = 64 };

static size_t bucket_of(const struct backend *backend, uint64_t epoch, frame_session number)
{
	uint64_t hash = (epoch ^ number * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
	return (hash ^ hash >> 32) & (backend->bucket_count - 1);
}

struct backend_session *backend_find(const struct backend *backend, uint64_t epoch, frame_session number)
{
	if (backend->bucket_count == 0)
		return NULL;
	struct backend_session *session = backend->buckets[bucket_of(backend, epoch, number)];
	while (session && (session->number != number || session->epoch != epoch))
		session = session->chain;
	return session;
}

static void chain_in(struct backend *backend, struct backend_session *session)
{
	struct backend_session **bucket = &backend->buckets[bucket_of(backend, session->epoch, session->number)];
	session->chain = *bucket;
	*bucket = session;
}

static void table_resize(struct backend *backend, size_t count)
{
	struct backend_session **old = backend->buckets;
	size_t old_count = backend->bucket_count;
	backend->buckets = backend->memory.resize(backend->memory.context, NULL, count * sizeof *old);
	backend->bucket_count = count;
	memset(backend->buckets, 0, count * sizeof *old);
	for (size_t i = 0; i < old_count; i++) {
		for (struct backend_session *session = old[i], *next; session; session = next) {
			next = session->chain;
			chain_in(backend, session);
		}
	}
	if (old)
		backend->memory.resize(backend->memory.context, old, 0);
}

struct backend_session *backend_session_add(struct backend *backend, uint64_t epoch, frame_session number)
{
	struct backend_session *session = backend->memory.resize(backend->memory.context, NULL, sizeof *session);
	*session = (struct backend_session){.backend = backend, .epoch = epoch, .number = number};
	backlog_init(&session->backlog, &backend->memory);
	if (backend->session_count == backend->bucket_count)
		table_resize(backend, backend->bucket_count ? 2 * backend->bucket_count : BUCKETS_MIN);
	chain_in(backend, session);
	backend->session_count++;
	return session;
}

static void list_leave(struct backend_session *session)
{
	if (!session->place)
		return;
	*session->place = session->next;
	if (session->next)
		session->next->place = session->place;
}

void backend_session_move(struct backend_session *session, struct backend_session **list)
{
	list_leave(session);
	session->next = *list;
	if (session->next)
		session->next->place = &session->next;
	session->place = list;
	*list = session;
}

void *backend_session_end(struct backend_session *session)
{
	struct backend *backend = session->backend;
	struct backend_session **at = &backend->buckets[bucket_of(backend, session->epoch, session->number)];
	void *user = session->user;
	while (*at != session)
		at = &(*at)->chain;
	*at = session->chain;
	backend->session_count--;
	backend_session_depart(session);
	list_leave(session);
	backlog_free(&session->backlog);
	backend->memory.resize(backend->memory.context, session, 0);
	return user;
}

void backend_sessions_free(struct backend *backend)
{
	for (size_t i = 0; i < backend->bucket_count; i++)
		while (backend->buckets[i])
			backend_session_end(backend->buckets[i]);
	if (backend->buckets)
		backend->memory.resize(backend->memory.context, backend->buckets, 0);
	backend->buckets = NULL;
	backend->bucket_count = 0;
}
