#include "ask.h"

#include "io.h"
#include "worker.h"

#include <assert.h>
#include <string.h>

static const char *const states[] = {"plain", "handshake", "secure", "negotiating", "authenticated", "bound", "ended"};

const char *ask_state_name(int state)
{
	return state >= 0 && (size_t)state < sizeof states / sizeof *states ? states[state] : NULL;
}

int ask_state_find(const char *name, char allowed[static ALLOWED_BYTES])
{
	allowed[0] = '\0';
	for (int state = 0; (size_t)state < sizeof states / sizeof *states; state++) {
		if (strcmp(name, states[state]) == 0)
			return state;
		allowed_add(allowed, states[state], strlen(states[state]));
	}
	return -1;
}

/* Asks all, and waits for all together; NULL in the place of those who do not answer. Answers how many those are. */
static size_t ask_all(const struct ask *ask, const struct inquiry_question *question, struct inquiry **answers)
{
	uint64_t until_us = io_now_us() + ask->patience_us;
	size_t silent = 0;

	assert(ask->count <= ASK_WORKERS_MAX);
	for (size_t i = 0; i < ask->count; i++) {
		answers[i] = NULL;
		if (atomic_load(&ask->workers[i]->orders.io) == NULL || atomic_load(&ask->workers[i]->orders.done))
			continue;
		answers[i] = inquiry_new(question);
		inquiry_send(ask->workers[i], answers[i]);
	}
	for (size_t i = 0; i < ask->count; i++) {
		if (answers[i] != NULL && !inquiry_wait(answers[i], until_us))
			answers[i] = NULL;
		silent += answers[i] == NULL;
	}
	return silent;
}

/* Bytes of peers that are text are UTF-8, as they were checked before; whatever is not is left out. */
static json_t *text_json(const char *text)
{
	json_t *value = json_string(text);

	return value != NULL ? value : json_string("");
}

static json_t *version_json(uint8_t tls)
{
	return tls == 0 ? json_null() : json_string(tls == RECORD_TLS13 ? "1.3" : "1.2");
}

static json_t *session_json(const struct inquiry_session *s)
{
	return json_pack("{s:s, s:o, s:s, s:i, s:s, s:o, s:b, s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:b, s:b, s:b}",
			 "session", s->name, "jid", text_json(s->jid), "address", s->address, "port", s->port, "state",
			 ask_state_name(s->state), "backend", text_json(s->backend), "direct", s->direct, "tls",
			 version_json(s->tls), "cipher", s->cipher, "engine", s->engine, "silent_s",
			 (json_int_t)s->silent_s, "to_server", (json_int_t)s->sent, "to_client",
			 (json_int_t)s->received, "unread_bytes", (json_int_t)s->unread_bytes, "orphaned", s->orphaned,
			 "paused", s->paused, "choked", s->choked);
}

json_t *ask_sessions(const struct ask *ask, const struct inquiry_question *question)
{
	struct inquiry *answers[ASK_WORKERS_MAX];
	size_t silent = ask_all(ask, question, answers);
	json_t *rows = json_array();
	uint64_t matched = 0;

	for (size_t i = 0; i < ask->count; i++) {
		struct inquiry *q = answers[i];

		if (q == NULL)
			continue;
		matched += q->matched;
		for (size_t n = 0; n < q->count && json_array_size(rows) < question->rows_max; n++)
			json_array_append_new(rows, session_json(&q->sessions[n]));
		inquiry_free(q);
	}
	return json_pack("{s:I, s:I, s:o}", "matched", (json_int_t)matched, "workers_silent", (json_int_t)silent,
			 "sessions", rows);
}

/* ---- session servers */

static json_t *backend_find(json_t *rows, const struct inquiry_backend *b)
{
	json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		if (strcmp(json_string_value(json_object_get(row, "name")), b->name) == 0 &&
		    strcmp(json_string_value(json_object_get(row, "address")), b->address) == 0)
			return row;
	}
	row = json_pack("{s:s, s:s, s:s, s:b, s:s, s:i, s:i, s:i, s:b, s:b, s:i, s:i, s:i, s:i, s:n, s:n, s:i}", "name",
			b->name, "address", b->address, "pool", b->pool, "tls", b->tls, "state", "down", "links_up", 0,
			"links", 0, "sessions", 0, "drained", b->closed, "retired", b->retired, "weight",
			(int)b->weight, "domains", 0, "failures", 0, "up_s", 0, "told_sessions", "told_load",
			"unread_bytes", 0);
	json_array_append_new(rows, row);
	return row;
}

static void add(json_t *row, const char *key, uint64_t more)
{
	json_int_t before = json_integer_value(json_object_get(row, key));

	json_object_set_new(row, key, json_integer(before + (json_int_t)more));
}

static void raise_to(json_t *row, const char *key, uint64_t value)
{
	if (json_integer_value(json_object_get(row, key)) < (json_int_t)value)
		json_object_set_new(row, key, json_integer((json_int_t)value));
}

/* Of two states the one that serves more. */
static int rank(const char *state)
{
	static const enum pool_state by_rank[] = {POOL_DOWN, POOL_DIALLING, POOL_DRAINING, POOL_UP};
	int i = 3;

	while (i > 0 && strcmp(pool_state_name(by_rank[i]), state) != 0)
		i--;
	return i;
}

static void backend_merge(json_t *row, const struct inquiry_backend *b)
{
	const char *state = pool_state_name(b->state);
	json_int_t up_s = json_integer_value(json_object_get(row, "up_s"));

	if (rank(state) > rank(json_string_value(json_object_get(row, "state"))))
		json_object_set_new(row, "state", json_string(state));
	if (!b->closed)
		json_object_set_new(row, "drained", json_false());
	add(row, "links", 1);
	add(row, "links_up", b->state == POOL_UP || b->state == POOL_DRAINING);
	add(row, "sessions", b->sessions);
	add(row, "unread_bytes", b->unread_bytes);
	raise_to(row, "domains", b->domains);
	raise_to(row, "failures", b->failures);
	if (b->since_s > 0 && (up_s == 0 || (json_int_t)b->since_s < up_s))
		json_object_set_new(row, "up_s", json_integer((json_int_t)b->since_s));
	if (b->told) {
		json_object_set_new(row, "told_sessions", json_integer(b->told_sessions));
		json_object_set_new(row, "told_load", json_real((double)b->told_load / POOL_LOAD_MAX));
	}
}

json_t *ask_backends(const struct ask *ask)
{
	struct inquiry_question question = {.kind = INQUIRY_BACKENDS};
	struct inquiry *answers[ASK_WORKERS_MAX];
	json_t *rows = json_array();

	ask_all(ask, &question, answers);
	for (size_t i = 0; i < ask->count; i++) {
		if (answers[i] == NULL)
			continue;
		for (size_t n = 0; n < answers[i]->count; n++)
			backend_merge(backend_find(rows, &answers[i]->backends[n]), &answers[i]->backends[n]);
		inquiry_free(answers[i]);
	}
	return rows;
}
