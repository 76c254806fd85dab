#include "siphash.h"
#include "st_json.h"
#include "startalk.h"
#include "worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SESSION_ID "gate-session"
#define SESSION	   "<iq type='set' id='" SESSION_ID "'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>"

enum {
	NOTICE_NAVIGATION = 3,
	NOTICE_ONLINE = 9,
	OTHERS_MAX = 32 /* of one user */
};

/* ---- who of the user is there */

static void put_platform(struct st_json *json, const char *resource)
{
	size_t len;
	const char *platform = st_platform(resource, &len);

	if (platform != NULL)
		st_json_string(json, platform, len);
}

static void say_who_is_here(struct worker *w, struct client *c)
{
	struct st_view view = startalk_view(w, c);
	const char *resource = strchr(view.full, '/'), *list;
	struct st_arena *a = &w->startalk.arena;
	struct st_bytes frame;
	struct st_json json;

	st_json_begin(&json, a);
	st_json_put(&json, "[");
	if (c->frames->here && resource != NULL)
		put_platform(&json, resource);
	for (const struct startalk_other *at = c->frames->others; at != NULL; at = at->next)
		st_json_string(&json, at->platform, strlen(at->platform));
	st_json_put(&json, "]");
	list = st_json_end(&json);
	startalk_send(w, c, list != NULL && st_say_notice(a, &view, NOTICE_ONLINE, list, &frame), &frame);
}

void startalk_is_here(struct worker *w, struct client *c)
{
	if (c->frames->here)
		return;
	c->frames->here = true;
	say_who_is_here(w, c);
}

void startalk_others_free(struct startalk *s)
{
	for (struct startalk_other *at = s->others, *next; at != NULL; at = next) {
		next = at->next;
		free(at);
	}
	s->others = NULL;
}

static struct startalk_other **other_find(struct startalk *s, uint64_t resource, size_t *ret_count)
{
	struct startalk_other **at = &s->others;

	for (*ret_count = 0; *at != NULL && (*at)->resource != resource; at = &(*at)->next)
		++*ret_count;
	return at;
}

/* Whether it is another than before. */
static bool other_put(struct startalk *s, const char *resource, bool here)
{
	static const uint8_t key[SIPHASH_KEY_BYTES]; /* they are all of one user */
	uint64_t hash = siphash(key, resource, strlen(resource));
	size_t count, len;
	struct startalk_other **at = other_find(s, hash, &count), *old = *at;
	const char *platform = st_platform(resource, &len);

	if (here == (old != NULL) || (here && (platform == NULL || count == OTHERS_MAX)))
		return false;
	if (here) {
		*at = malloc(sizeof **at + len + 1);
		assert(*at != NULL);
		**at = (struct startalk_other){.resource = hash};
		memcpy((*at)->platform, platform, len);
		(*at)->platform[len] = '\0';
	} else {
		*at = old->next;
		free(old);
	}
	return true;
}

/* A presence of the user's own account says which of its resources are there. */
static void look_at_own(struct worker *w, struct client *c, const struct st_down *down)
{
	size_t len = strlen(w->startalk.bare);

	if (down->presence_from == NULL || strncmp(down->presence_from, w->startalk.bare, len) != 0 ||
	    down->presence_from[len] != '/' || strcmp(down->presence_from, w->startalk.full) == 0)
		return;
	if (other_put(c->frames, down->presence_from + len, down->presence_is_available))
		say_who_is_here(w, c);
}

/* ---- all */

static void say_bound(struct worker *w, struct client *c)
{
	struct st_view view = startalk_view(w, c);
	struct st_bytes frame;
	bool made = st_say_notice(&w->startalk.arena, &view, NOTICE_NAVIGATION, "{\"navversion\":\"10000\"}", &frame);

	startalk_send(w, c, made, &frame);
	free(c->frames->session_key);
	c->frames->session_key = NULL;
	if (c->frames->wants_session)
		startalk_pass(w, c, (const uint8_t *)SESSION, sizeof SESSION - 1);
}

/* The answer to what the gate asked for itself. */
static bool is_for_the_gate(struct client *c, const struct st_down *down)
{
	if (!c->frames->wants_session || down->iq_id == NULL || strcmp(down->iq_id, SESSION_ID) != 0)
		return false;
	c->frames->wants_session = false;
	return true;
}

void startalk_write(struct worker *w, struct client *c, const uint8_t *xml, size_t len)
{
	struct st_view view = startalk_view(w, c);
	struct st_down down;

	st_down(&w->startalk.arena, &view, xml, len, &down);
	if (is_for_the_gate(c, &down))
		return;
	if (down.is == ST_DOWN_FRAME || down.is == ST_DOWN_BOUND)
		startalk_send(w, c, true, &down.frame);
	else
		counter_add(&w->counters, COUNTER_startalk_ignored_out, 1);
	if (down.answer.len > 0 && c->stream.state == STREAM_BOUND)
		startalk_pass(w, c, down.answer.at, down.answer.len);
	if (down.is == ST_DOWN_BOUND)
		say_bound(w, c);
	else
		look_at_own(w, c, &down);
}
