#include "listener.h"

#include "client.h"
#include "log.h"
#include "worker.h"

#include <errno.h>
#include <string.h>

enum { ACCEPTS = 4, ACCEPT_AGAIN_MS = 100, SPENT_SAID_MS = 60000 };

static uint64_t listener_tag(size_t index, unsigned accept)
{
	return (uint64_t)WORKER_LISTENER << WORKER_KIND_SHIFT | (uint64_t)index << WORKER_INDEX_SHIFT | accept;
}

/* Accepts that are with the kernel already may still bring some. */
static bool is_crowded(struct worker *w)
{
	bool crowded = turns_are_many(w);

	counter_add(&w->counters, COUNTER_accept_pauses, crowded && !w->crowded);
	return w->crowded = crowded;
}

void listeners_accept(struct worker *w, uint64_t *wait_ms)
{
	if (is_crowded(w))
		return;
	for (size_t i = 0; i < w->listener_count; i++) {
		struct listener *l = &w->listeners[i];

		if (l->fd < 0)
			continue;
		if (worker_now_ms(w) < l->again_ms) {
			*wait_ms = *wait_ms < ACCEPT_AGAIN_MS ? *wait_ms : ACCEPT_AGAIN_MS;
			continue;
		}
		for (unsigned n = 0; n < ACCEPTS; n++)
			if (!(l->accepting & 1u << n))
				io_accept(w->net.io, l->fd, listener_tag(i, n));
		l->accepting = (1u << ACCEPTS) - 1;
	}
}

/* Clients wait at the door, since the kernel gives no descriptor more. Said once a minute. */
static void say_spent(struct worker *w, int error)
{
	if (worker_now_ms(w) < w->spent_said_ms + SPENT_SAID_MS && w->spent_said_ms != 0)
		return;
	w->spent_said_ms = worker_now_ms(w);
	log_event(CONFIG_LOG_WARNING, "worker.descriptors_spent", log_text("why", strerror(-error)),
		  log_count("limit", worker_descriptor_limit()), log_count("clients", w->clients.used),
		  log_text("advice", "raise the limit of open files (LimitNOFILE= or ulimit -n)"));
}

void listener_complete(struct worker *w, struct listener *l, const struct io_done *done)
{
	l->accepting &= (uint8_t) ~(1u << (unsigned)(done->tag & 7));
	if (done->result >= 0 && w->drain_by_ms == 0)
		client_new(w, done->result, l);
	else if (done->result >= 0)
		io_close(w->net.io, done->result);
	else if (done->result != -ECANCELED) {
		counter_add(&w->counters, COUNTER_accept_errors, 1);
		if (done->result == -EMFILE || done->result == -ENFILE)
			say_spent(w, done->result);
		l->again_ms = worker_now_ms(w) + ACCEPT_AGAIN_MS;
	}
}

void listeners_end(struct worker *w)
{
	for (size_t i = 0; i < w->listener_count; i++)
		for (unsigned n = 0; n < ACCEPTS; n++)
			if (w->listeners[i].accepting & 1u << n)
				io_cancel(w->net.io, listener_tag(i, n));
}

bool listeners_ended(const struct worker *w)
{
	for (size_t i = 0; i < w->listener_count; i++)
		if (w->listeners[i].accepting)
			return false;
	return true;
}
