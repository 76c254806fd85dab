#include "orphan.h"

#include "adoption.h"
#include "client.h"
#include "dialect.h"
#include "log.h"
#include "uplink.h"
#include "worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists */

void orphan_join(struct orphan_list *list, struct orphan *o)
{
	o->list = list;
	o->place = list->first == NULL ? &list->first : list->end;
	o->next = NULL;
	*o->place = o;
	list->end = &o->next;
	list->count++;
}

void orphan_leave(struct orphan *o)
{
	*o->place = o->next;
	if (o->next != NULL)
		o->next->place = o->place;
	else
		o->list->end = o->place;
	o->list->count--;
}

static struct orphan_list *ghosts_of(struct uplink *u, frame_session session)
{
	return &u->ghosts[(session >> WORKER_INDEX_SHIFT) % ORPHAN_GHOSTS];
}

static struct orphan *orphan_new(const struct worker *w, frame_session session)
{
	struct orphan *o = calloc(1, sizeof *o);

	assert(o != NULL);
	o->session = session;
	o->until_ms = worker_now_ms(w) + w->config->link_patience_ms;
	backlog_init(&o->backlog, &uplink_memory);
	return o;
}

static void orphan_free(struct orphan *o)
{
	orphan_leave(o);
	backlog_free(&o->backlog);
	free(o);
}

/* ---- ghosts: they count as sessions, so that their session server is not given up before them */

static void ghost_add(struct worker *w, struct uplink *u, struct orphan *o)
{
	orphan_join(ghosts_of(u, o->session), o);
	pool_session_count(&w->pool, u->index, 1);
}

static void ghost_free(struct worker *w, struct uplink *u, struct orphan *o)
{
	orphan_free(o);
	pool_session_count(&w->pool, u->index, -1);
}

static struct orphan *ghost_find(struct uplink *u, frame_session session)
{
	struct orphan *o = ghosts_of(u, session)->first;

	while (o != NULL && o->session != session)
		o = o->next;
	return o;
}

void orphans_forget(struct uplink *u)
{
	assert(u->orphans.count == 0);
	for (size_t i = 0; i < ORPHAN_GHOSTS; i++)
		while (u->ghosts[i].first != NULL)
			orphan_free(u->ghosts[i].first);
}

/* ---- the cut */

static void client_orphan(struct worker *w, struct uplink *u, struct client *c)
{
	struct orphan *o = orphan_new(w, client_session(c));

	assert(!c->choked);
	if (c->paused)
		counter_add(&w->counters, COUNTER_paused, -1);
	c->paused = c->held = false;
	c->orphaned = true;
	c->orphan = o;
	o->client = c;
	o->sent = c->sent;
	orphan_join(&u->orphans, o);
	counter_add(&w->counters, COUNTER_orphans, 1);
	client_steer_reading(w, c);
}

/* Whoever was on the way to be attached or adopted begins again. */
static void again(const struct orphan_list *list)
{
	for (struct orphan *o = list->first; o != NULL; o = o->next)
		o->state = ORPHAN_WAITING;
}

static struct orphan *owner_of(struct worker *w, struct uplink *u, frame_session session)
{
	struct client *c = client_find(w, session);
	struct orphan *o;

	if (c != NULL && c->orphaned)
		return c->orphan;
	o = ghost_find(u, session);
	if (o != NULL)
		return o;
	o = orphan_new(w, session);
	ghost_add(w, u, o);
	return o;
}

/* What was not acknowledged goes back to those whose it is. */
static void take_back(struct worker *w, struct uplink *u)
{
	struct frame frame;
	int64_t number;

	for (size_t at = 0; retained_walk(&u->retained, &at, &frame, &number);) {
		struct orphan *o;

		if (number == RETAINED_NO_NUMBER)
			continue;
		o = owner_of(w, u, frame.session);
		o->sent = (uint32_t)number;
		backlog_take_back(&o->backlog, frame.type, frame.session, frame.payload, frame.payload_len);
	}
}

/* They wait to be adopted. */
static void send_away(struct worker *w, struct uplink *u, bool forgotten)
{
	for (struct orphan *o = u->orphans.first, *next; o != NULL; o = next) {
		next = o->next;
		o->forgotten = forgotten;
		adoption_await(w, o);
	}
}

void orphans_begin(struct worker *w, struct uplink *u, enum pool_state was)
{
	struct slab_handle at = {0};
	struct client *c;

	again(&u->orphans);
	for (size_t i = 0; i < ORPHAN_GHOSTS; i++)
		again(&u->ghosts[i]);
	if (was < POOL_UP || w->config->link_patience_ms == 0 || w->drain_by_ms != 0)
		return;
	if (u->orphans.count == 0) /* who comes and goes is given no more time for that */
		u->adopt_at_ms = worker_now_ms(w) + w->config->link_adopt_after_ms;
	while ((c = slab_next(&w->clients, &at)) != NULL)
		if (c->uplink == (int8_t)u->index && client_was_bound(c) && !c->orphaned)
			client_orphan(w, u, c);
	take_back(w, u);
	if (was == POOL_DRAINING) /* it has said that it leaves, and has given up who is left */
		send_away(w, u, true);
}

/* ---- attaching */

/* Patience may be nearly over; who was away does not lose the link for it at once. */
void orphan_asked(struct worker *w, struct orphan *o, enum orphan_state state)
{
	uint64_t answer_by_ms = worker_now_ms(w) + ORPHAN_ANSWER_MS;

	o->state = state;
	if (o->until_ms < answer_by_ms)
		o->until_ms = answer_by_ms;
}

static void ask(struct worker *w, struct uplink *u, struct orphan *o)
{
	uint8_t bytes[64];
	struct frame_builder b;

	frame_begin(&b, bytes, sizeof bytes, FRAME_REATTACH, o->session);
	if (o->client != NULL)
		frame_put_int(&b, FIELD_RECEIVED, o->client->received);
	frame_put_int(&b, FIELD_SERIAL, ++w->attach_serial);
	conn_write(&w->net, &u->conn, bytes, frame_end(&b));
	counter_add(&w->counters, COUNTER_link_frames_out, 1);
	orphan_asked(w, o, ORPHAN_ATTACHING);
}

/* Nothing can be done for it any more. A client is told so when it is its turn. */
static void lose(struct worker *w, struct uplink *u, struct orphan *o)
{
	counter_add(&w->counters, COUNTER_sessions_lost, 1);
	if (o->client == NULL) {
		ghost_free(w, u, o);
		return;
	}
	o->state = ORPHAN_LOST;
	orphan_leave(o);
	orphan_join(&w->lost, o);
}

/* Its session server does not know it: another one may take it. What a client has left is for the old one alone. */
static void forget(struct worker *w, struct uplink *u, struct orphan *o)
{
	if (o->client == NULL) {
		lose(w, u, o);
		return;
	}
	o->forgotten = true;
	adoption_await(w, o);
}

/* Those that waited to be adopted, and were not yet. */
static void call_back(struct worker *w, struct uplink *u)
{
	for (struct orphan *o = w->homeless.first, *next; o != NULL; o = next) {
		next = o->next;
		if (o->client->uplink != (int8_t)u->index || o->forgotten)
			continue;
		orphan_leave(o);
		orphan_join(&u->orphans, o);
	}
}

void orphans_attach(struct worker *w, struct uplink *u)
{
	bool same = u->sessions_epoch == u->link.epoch;
	void (*act)(struct worker *, struct uplink *, struct orphan *) = same ? ask : forget;

	u->sessions_epoch = u->link.epoch;
	call_back(w, u);
	for (struct orphan *o = u->orphans.first, *next; o != NULL; o = next) {
		next = o->next;
		act(w, u, o);
	}
	for (size_t i = 0; i < ORPHAN_GHOSTS; i++)
		for (struct orphan *o = u->ghosts[i].first, *next; o != NULL; o = next) {
			next = o->next;
			act(w, u, o);
		}
}

/* The client's session is at home again. */
static void client_adopt_back(struct worker *w, struct client *c)
{
	c->sent = c->orphan->sent;
	c->orphaned = false;
	c->orphan = NULL;
	counter_add(&w->counters, COUNTER_orphans, -1);
	client_steer_reading(w, c);
	if (conn_unsent(&c->conn) > w->config->unread_bytes_high)
		uplink_pause(w, c, true);
}

static void attached(struct worker *w, struct uplink *u, struct orphan *o, uint32_t received)
{
	const uint8_t *bytes;
	size_t len;

	if (!backlog_resume(&o->backlog, received, &o->sent)) {
		uplink_blame(w, u, BLAME_FOR_LINK, "it attaches sessions with numbers that cannot be");
		uplink_fail(w, u, "a session was attached with a number that cannot be");
		return;
	}
	for (; backlog_next(&o->backlog, &bytes, &len); backlog_drop(&o->backlog))
		memcpy(retained_put(&u->retained, len, ++o->sent), bytes, len);
	counter_add(&w->counters, o->state == ORPHAN_ADOPTING ? COUNTER_adopted : COUNTER_reattached, 1);
	if (o->client != NULL) {
		client_adopt_back(w, o->client);
		client_dialect(o->client)->taken(w, o->client, received);
		orphan_free(o);
	} else {
		ghost_free(w, u, o);
	}
	uplink_release(w, u);
}

/* Nobody has started it anew, and still it has lost a session. */
static void forgotten(struct worker *w, struct uplink *u, struct orphan *o)
{
	uplink_blame(w, u, BLAME_FOR_SESSION, "it loses sessions");
	forget(w, u, o);
}

bool orphans_answer(struct worker *w, struct uplink *u, const struct frame *frame)
{
	struct client *c = client_find(w, frame->session);
	struct orphan *o = c != NULL && c->orphaned ? c->orphan : ghost_find(u, frame->session);

	if (o == NULL || (o->state != ORPHAN_ATTACHING && o->state != ORPHAN_ADOPTING) ||
	    (o->client != NULL && c->uplink != (int8_t)u->index))
		return false;
	if (frame->type == FRAME_ATTACHED)
		attached(w, u, o, (uint32_t)frame_find_int(frame, FIELD_RECEIVED, 0));
	else if (o->state == ORPHAN_ATTACHING)
		forgotten(w, u, o);
	else
		lose(w, u, o);
	return true;
}

/* ---- time */

/* Their session server has been away for too long: whoever can have them may. */
static void give_up_waiting(struct worker *w, struct uplink *u)
{
	enum pool_state state = w->pool.backends[u->index].state;

	if (u->orphans.count > 0 && state < POOL_UP && worker_now_ms(w) >= u->adopt_at_ms)
		send_away(w, u, false);
}

void orphans_look(struct worker *w)
{
	struct pace_settings pace = {w->config->link_resets_per_s, 0};

	for (struct orphan *o = w->lost.first, *next; o != NULL && pace_take(&w->reset_pace, &pace, worker_now_ms(w));
	     o = next) {
		next = o->next;
		client_close_for(w, o->client, REASON_SESSION_LOST);
	}
	for (size_t i = 0; i < w->pool.count; i++)
		give_up_waiting(w, &w->uplinks[i]);
	adoptions_look(w);
}

/* True: one of them has asked, and was not answered in all that time. */
static bool look_through(struct worker *w, struct uplink *u, const struct orphan_list *list)
{
	for (struct orphan *o = list->first, *next; o != NULL; o = next) {
		next = o->next;
		if (worker_now_ms(w) < o->until_ms)
			continue;
		if (o->state == ORPHAN_ATTACHING || o->state == ORPHAN_ADOPTING)
			return true;
		lose(w, u, o);
	}
	return false;
}

static bool look_through_all(struct worker *w, struct uplink *u)
{
	bool stuck = look_through(w, u, &u->orphans);

	for (size_t i = 0; i < ORPHAN_GHOSTS; i++)
		stuck |= look_through(w, u, &u->ghosts[i]);
	return stuck;
}

/* What has become of them in the last second, if anything. */
static void report(struct worker *w)
{
	const uint64_t *now = w->counters.value;
	uint64_t back = now[COUNTER_reattached] + now[COUNTER_adopted] + now[COUNTER_sessions_lost];

	if (back == w->orphans_told)
		return;
	w->orphans_told = back;
	log_event(CONFIG_LOG_INFO, "sessions.back", log_text("worker", w->name),
		  log_count("waiting", now[COUNTER_orphans]), log_count("reattached", now[COUNTER_reattached]),
		  log_count("adopted", now[COUNTER_adopted]), log_count("lost", now[COUNTER_sessions_lost]));
}

/*
 * A session server that keeps one waiting may have taken it: it loses the link, so that it forgets what it has. Whoever
 * waited is lost at once, since the next link may be there before the next second.
 */
void orphans_tick(struct worker *w)
{
	report(w);
	for (size_t i = 0; i < w->pool.count; i++) {
		struct uplink *u = &w->uplinks[i];

		if (!look_through_all(w, u))
			continue;
		uplink_fail(w, u, "sessions were asked for, and no answer came");
		look_through_all(w, u);
	}
	look_through(w, NULL, &w->homeless);
}

/* ---- a client's */

uint8_t *orphan_room(struct orphan *o, size_t len)
{
	return backlog_room(&o->backlog, len);
}

void orphan_abandon(struct worker *w, struct client *c)
{
	struct orphan *o = c->orphan;
	struct uplink *u = &w->uplinks[c->uplink];

	c->orphaned = false;
	c->orphan = NULL;
	counter_add(&w->counters, COUNTER_orphans, -1);
	if (o->state == ORPHAN_LOST || o->forgotten) {
		orphan_free(o);
		return;
	}
	o->client = NULL;
	o->state = o->state == ORPHAN_HOMELESS ? ORPHAN_WAITING : o->state;
	orphan_leave(o);
	ghost_add(w, u, o);
}
