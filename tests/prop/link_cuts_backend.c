/* Backends on backend.h, with a store that they share, or without one. */
#include "link_cuts.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS = 4096, WAITING_MAX = 200000 };

/* A session in a backend's memory. */
struct app {
	struct app *next;
	struct backend_session *session; /* NULL: fenced, or over */
	struct record *record;
	uint32_t in, out;
	bool dirty;
};

struct server {
	uint64_t epoch;
	struct backend backend;
	struct app *apps;
	bool busy; /* takes no events for a while */
};

bool has_store;
uint64_t events[BACKEND_DEAD + 1];
unsigned fanouts, refused;
static struct server servers[BACKENDS];
static struct record records[RECORDS];
static size_t record_count;
static uint64_t epochs;

static uint32_t index_of(const struct server *v)
{
	return (uint32_t)(v - servers);
}

static void server_begin(struct server *v)
{
	*v = (struct server){.epoch = ++epochs};
	backend_init(&v->backend, &memory, WAITING_MAX);
}

void backends_begin(void)
{
	record_count = 0;
	for (uint32_t i = 0; i < BACKENDS; i++)
		server_begin(&servers[i]);
}

static void server_end(struct server *v)
{
	backend_free(&v->backend);
	while (v->apps) {
		struct app *app = v->apps;
		v->apps = app->next;
		free(app);
	}
}

void backends_end(void)
{
	for (uint32_t i = 0; i < BACKENDS; i++)
		server_end(&servers[i]);
}

uint64_t backend_epoch(uint32_t backend)
{
	return servers[backend].epoch;
}

static void wire_check(struct wire *wire)
{
	if (!wire->gate_has && !wire->backend_has) {
		bytes_free(&wire->up);
		bytes_free(&wire->down);
		wire->used = false;
	}
}

void backend_wire(struct wire *wire)
{
	struct server *v = &servers[wire->backend];
	struct link_self self = {.name = "b", .epoch = v->epoch, .window = WINDOW};
	backend_begin(&v->backend, &wire->link, &self, 0);
	wire->link.user = wire;
}

/* ---- records */

static struct record *record_of(uint32_t gate, frame_session number)
{
	for (size_t i = 0; i < record_count; i++)
		if (records[i].gate == gate && records[i].number == number)
			return &records[i];
	cr_assert(record_count < RECORDS);
	records[record_count] = (struct record){.gate = gate, .number = number};
	return &records[record_count++];
}

static bool is_mine(const struct server *v, const struct app *app)
{
	return app->record->owner == index_of(v);
}

/* What this turn has come to is kept; what another has taken over meanwhile is not ours to keep. */
static void commit(struct server *v)
{
	for (struct app *app = v->apps; app; app = app->next) {
		if (!app->dirty || !app->session || !is_mine(v, app))
			continue;
		app->record->received = app->session->received;
		app->record->in = app->in;
		app->record->out = app->out;
		app->dirty = false;
	}
}

/* ---- what a session does */

static struct app *app_new(struct server *v, struct backend_session *session)
{
	struct app *app = calloc(1, sizeof *app);
	app->session = session;
	app->record = record_of((uint32_t)(session->epoch - 1000), session->number);
	app->record->owner = index_of(v);
	app->record->used = true;
	app->next = v->apps;
	app->dirty = true;
	v->apps = app;
	session->user = app;
	return app;
}

static void state_send(struct backend_session *session, enum frame_stage stage)
{
	uint8_t bytes[128];
	struct frame_builder b;
	frame_begin(&b, bytes, sizeof bytes, FRAME_STATE, session->number);
	frame_put_int(&b, FIELD_STAGE, stage);
	frame_put_text(&b, FIELD_JID, "a@example.org/b");
	size_t len = frame_end(&b);
	cr_assert(backend_send(session, bytes, len));
}

static void keep_send(const struct app *app)
{
	uint8_t bytes[FRAME_HEAD_BYTES + 8] = {0};
	frame_head(bytes, FRAME_KEEP, app->session->number, 8);
	bytes[FRAME_HEAD_BYTES] = (uint8_t)app->record->gate;
	memcpy(bytes + FRAME_HEAD_BYTES + 1, &app->session->number, 7);
	cr_assert(backend_send(app->session, bytes, sizeof bytes));
}

static struct place place_next(const struct app *app)
{
	return (struct place){app->record->gate, (uint32_t)app->record->number, app->out + 1};
}

static bool element_send(struct app *app)
{
	static uint8_t element[LARGE];
	struct place place = place_next(app);
	if (!backend_send_element(app->session, element, element_make(element, &place, 1)))
		return false;
	app->out++;
	app->dirty = true;
	return true;
}

static void app_close(struct app *app)
{
	uint8_t close[FRAME_HEAD_BYTES];
	frame_head(close, FRAME_CLOSE, app->session->number, 0);
	cr_assert(backend_send(app->session, close, sizeof close));
	app->record->used = false;
	app->session = NULL;
}

static void on_element(struct server *v, struct app *app, const struct frame *frame)
{
	if (has_store && !is_mine(v, app)) {
		app_close(app); /* fenced: this link is dead, and we have not noticed */
		app->record->used = true;
		return;
	}
	uint32_t n = element_n(frame->payload, frame->payload_len, app->record->gate, app->record->number);
	cr_assert(n == app->in + 1, "seed %zu, gate %u, session %zu: %u after %u", (size_t)seed_now, app->record->gate,
		  (size_t)app->record->number, n, app->in);
	app->in = n;
	app->dirty = true;
	if (draw(20) == 0)
		keep_send(app);
}

static void on_adopt(struct server *v, struct backend_session *session, const struct frame *frame)
{
	struct record *record = record_of((uint32_t)(session->epoch - 1000), session->number);
	struct frame_value keep;
	if (session->serial <= record->serial || (has_store && !record->used)) {
		backend_refuse(session, "it has gone elsewhere since, or was closed");
		refused++;
		return;
	}
	record->serial = session->serial;
	struct app *app = app_new(v, session);
	uint32_t acked = (uint32_t)frame_find_int(frame, FIELD_ACKED, 0);
	uint32_t in = (uint32_t)frame_find_int(frame, FIELD_STANZAS_IN, 0);
	uint32_t out = (uint32_t)frame_find_int(frame, FIELD_STANZAS_OUT, 0),
		 until = has_store ? app->record->out : out;
	if (frame_find(frame, FIELD_KEEP, &keep))
		cr_assert(keep.len == 8 && keep.at[0] == app->record->gate &&
			  memcmp(keep.at + 1, &session->number, 7) == 0);
	app->in = has_store ? app->record->in : in;
	app->out = out;
	cr_assert(app->in >= in && until >= out, "more was acknowledged than stored");
	backend_adopt(session, has_store ? app->record->received : acked);
	while (app->out < until)
		cr_assert(element_send(app));
}

static void on_auth(struct backend_session *session)
{
	state_send(session, FRAME_STAGE_AUTHENTICATED);
	state_send(session, FRAME_STAGE_BOUND);
}

static void app_over(struct app *app)
{
	app->session = NULL;
}

static void on_event(struct server *v, struct backend_event *event)
{
	struct app *app = event->user;
	switch (event->is) {
	case BACKEND_OPENED:
		app_new(v, event->session);
		break;
	case BACKEND_ELEMENT:
		if (event->session->bound)
			on_element(v, app, &event->frame);
		else
			on_auth(event->session);
		break;
	case BACKEND_ADOPT:
		on_adopt(v, event->session, &event->frame);
		break;
	case BACKEND_CLOSED:
		app->record->used = false;
		app_over(app);
		break;
	case BACKEND_OVER:
		app_over(app);
		break;
	case BACKEND_REATTACHED:
		app->dirty = true;
		break;
	default:
		break;
	}
}

static void wire_drop(struct wire *wire, uint64_t now_ms)
{
	backend_cut(&wire->link, now_ms);
	wire->cut = true;
	wire->backend_has = false;
	wire_check(wire);
}

/* Takes events as long as it likes to. */
static void wire_take(struct server *v, struct wire *wire, uint64_t now_ms)
{
	struct backend_event event;
	unsigned patience = v->busy ? (unsigned)draw(3) : UINT32_MAX;
	while (patience-- > 0 && wire->backend_has) {
		backend_next(&wire->link, &event);
		events[event.is]++;
		if (event.is == BACKEND_NOTHING)
			return;
		cr_assert(event.error == FRAME_ERROR_NONE, "%s", frame_error_text(event.error));
		if (event.is == BACKEND_DEAD)
			wire_drop(event.link->user, now_ms);
		else
			on_event(v, &event);
	}
}

static void wire_read(struct server *v, struct wire *wire, uint64_t now_ms)
{
	size_t len = draw(bytes_len(&wire->up) + 1);
	memcpy(backend_room(&wire->link, len + 1), bytes_len(&wire->up) ? bytes_first(&wire->up) : (uint8_t *)"", len);
	bytes_drop(&wire->up, len);
	backend_heard(&wire->link, len, now_ms);
	wire_take(v, wire, now_ms);
}

static void wire_write(struct wire *wire)
{
	const uint8_t *bytes;
	backend_ack(&wire->link);
	size_t len = backend_out(&wire->link, &bytes);
	if (!wire->cut && len > 0)
		bytes_add(&wire->down, bytes, len);
	backend_written(&wire->link, len);
}

static bool is_of(const struct wire *wire, uint32_t backend)
{
	return wire->used && wire->backend_has && wire->backend == backend;
}

void backend_turn(uint32_t backend, uint64_t now_ms)
{
	struct server *v = &servers[backend];
	void *user;
	v->busy = draw(4) == 0;
	for (size_t i = 0; i < WIRES; i++)
		if (is_of(&wires[i], backend))
			wire_read(v, &wires[i], now_ms);
	while (backend_over(&v->backend, now_ms, &user))
		app_over(user);
	commit(v);
	for (size_t i = 0; i < WIRES; i++) {
		if (!is_of(&wires[i], backend))
			continue;
		wire_write(&wires[i]);
		if (wires[i].cut && bytes_len(&wires[i].up) == 0 && draw(3) == 0)
			wire_drop(&wires[i], now_ms);
	}
}

/* ---- things that happen */

static struct app *some(struct server *v)
{
	struct app *found = NULL;
	uint64_t count = 0;
	for (struct app *app = v->apps; app; app = app->next)
		if (app->session && is_mine(v, app) && app->session->bound && draw(++count) == 0)
			found = app;
	return found;
}

static bool has_room(const struct app *app)
{
	return !app->session->link || backend_waiting(app->session->link) < WINDOW;
}

static void fanout_send(struct server *v)
{
	static uint8_t element[LARGE];
	struct backend_session *sessions[PLACES];
	struct app *apps[PLACES];
	struct place places[PLACES];
	uint32_t count = 0;
	for (struct app *app = v->apps; app && count < PLACES; app = app->next) {
		if (!app->session || !is_mine(v, app) || !app->session->bound || app->session->paused ||
		    !app->session->link || app->session->adopting || !has_room(app) || draw(3) == 0)
			continue;
		apps[count] = app;
		places[count] = place_next(app);
		sessions[count++] = app->session;
	}
	if (count == 0)
		return;
	cr_assert(backend_fanout(&v->backend, sessions, count, element, element_make(element, places, count)));
	for (uint32_t i = 0; i < count; i++) {
		apps[i]->out++;
		apps[i]->dirty = true;
	}
	fanouts++;
}

void backend_act(uint32_t backend)
{
	struct server *v = &servers[backend];
	struct app *app = some(v);
	if (!app)
		return;
	uint64_t what = draw(60);
	if (what < 40 && has_room(app))
		element_send(app);
	else if (what >= 40 && what < 52)
		fanout_send(v);
	else if (what == 52)
		backend_hold(app->session, draw(2));
	else if (what == 53)
		app_close(app);
	else if (what == 54)
		keep_send(app);
}

void backend_restart(uint32_t backend, bool in_the_middle, uint64_t now_ms)
{
	struct server *v = &servers[backend];
	if (!in_the_middle)
		commit(v);
	for (size_t i = 0; i < WIRES; i++)
		if (is_of(&wires[i], backend))
			wire_drop(&wires[i], now_ms);
	server_end(v);
	server_begin(v);
}

void backend_calm(uint32_t backend)
{
	for (struct app *app = servers[backend].apps; app; app = app->next)
		if (app->session)
			backend_hold(app->session, false);
}

bool backend_has_closed(uint32_t gate, frame_session number)
{
	return !record_of(gate, number)->used;
}

bool backend_counts(uint32_t gate, frame_session number, uint32_t *ret_in, uint32_t *ret_out)
{
	for (uint32_t i = 0; i < BACKENDS; i++)
		for (struct app *app = servers[i].apps; app; app = app->next)
			if (app->session && app->record->gate == gate && app->record->number == number &&
			    is_mine(&servers[i], app)) {
				*ret_in = app->in;
				*ret_out = app->out;
				return true;
			}
	return false;
}
