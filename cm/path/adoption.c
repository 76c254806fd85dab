#include "adoption.h"

#include "client.h"
#include "client_name.h"
#include "egress.h"
#include "keepsake.h"
#include "uplink.h"
#include "worker.h"

#include <assert.h>
#include <string.h>

enum {
	ADOPT_BYTES_MAX = FRAME_HEAD_BYTES + FRAME_FIELDS_MAX,
	PRESENCE_BYTES_MAX = 16384, /* of the field */
	OFFERS_A_TURN = 128,
	WAITS_A_TURN = 32, /* whose session servers have no time now: others may have */
	LOOKS_A_TURN = 1024,
	LOOK_AGAIN_MS = 100, /* nobody was there for those that were looked at */
	GO_ON_MS = 5,	     /* there are more, but not in this turn */
};

void adoption_await(struct worker *w, struct orphan *o)
{
	assert(o->client != NULL);
	orphan_leave(o);
	o->state = ORPHAN_HOMELESS;
	orphan_join(&w->homeless, o);
}

/* ---- who it is */

/* A session's user. */
struct identity {
	char jid[CLIENT_JID_BYTES];
	struct pool_text bare, domain;
};

static void identity_read(const struct client *c, struct identity *ret)
{
	const char *at;

	client_jid_write(c, ret->jid);
	ret->bare = (struct pool_text){ret->jid, strcspn(ret->jid, "/")};
	at = memchr(ret->bare.at, '@', ret->bare.len);
	ret->domain.at = at == NULL ? ret->jid : at + 1;
	ret->domain.len = ret->bare.len - (size_t)(ret->domain.at - ret->jid);
}

/* ---- what is known of it */

/* Stanzas among the frames that were not acknowledged or have not gone. */
static uint32_t stanzas_waiting(struct worker *w, const struct orphan *o)
{
	struct xml_event event;
	struct frame frame;
	uint32_t count = 0;

	for (size_t at = 0; backlog_walk(&o->backlog, &at, &frame);)
		count += frame.type == FRAME_ELEMENT && egress_element(w, frame.payload, frame.payload_len, &event) &&
			 worker_is_stanza(&event, frame.payload);
	return count;
}

static void put_lang(struct frame_builder *b, const struct client *c)
{
	static const size_t before = sizeof " xml:lang='" - 1;

	if (c->stamp_len > c->stamp_from_len)
		frame_put(b, FIELD_LANG, c->stamp + c->stamp_from_len + before,
			  c->stamp_len - c->stamp_from_len - before - 1);
}

static void put_counts(struct worker *w, struct frame_builder *b, const struct orphan *o)
{
	const struct client *c = o->client;

	frame_put_int(b, FIELD_RECEIVED, c->received);
	frame_put_int(b, FIELD_ACKED, o->sent - o->backlog.again_count);
	frame_put_int(b, FIELD_STANZAS_IN, c->stanzas_in - stanzas_waiting(w, o));
	frame_put_int(b, FIELD_STANZAS_OUT, c->stanzas_out);
	frame_put_int(b, FIELD_SERIAL, ++w->attach_serial);
}

static void put_keepsakes(struct worker *w, struct frame_builder *b, const struct client *c)
{
	const struct keepsake *keep = c->aside == NULL ? NULL : c->aside->keep;
	uint8_t presence[PRESENCE_BYTES_MAX];
	size_t len = keepsake_presence_write(w, c, presence, sizeof presence);

	if (keep != NULL)
		frame_put(b, FIELD_KEEP, keep->bytes, keep->len);
	if (len > 0)
		frame_put(b, FIELD_PRESENCE, presence, len);
}

static void offer(struct worker *w, struct uplink *to, struct orphan *o, const struct identity *who)
{
	uint8_t bytes[ADOPT_BYTES_MAX];
	struct frame_builder b;
	size_t len;

	frame_begin(&b, bytes, sizeof bytes, FRAME_ADOPT, o->session);
	frame_put(&b, FIELD_DOMAIN, who->domain.at, who->domain.len);
	frame_put_text(&b, FIELD_JID, who->jid);
	uplink_put_connection(w, &b, o->client);
	put_lang(&b, o->client);
	put_counts(w, &b, o);
	put_keepsakes(w, &b, o->client);
	len = frame_end(&b);
	assert(len > 0);
	conn_write(&w->net, &to->conn, bytes, len);
	counter_add(&w->counters, COUNTER_link_frames_out, 1);
}

/* ---- turns */

/* It is the other session server's from now on: there it is asked for, should that link be cut. */
static void move(struct worker *w, struct uplink *to, struct orphan *o)
{
	pool_session_count(&w->pool, o->client->uplink, -1);
	pool_session_count(&w->pool, to->index, 1);
	o->client->uplink = (int8_t)to->index;
	o->forgotten = false;
	orphan_leave(o);
	orphan_asked(w, o, ORPHAN_ADOPTING);
	orphan_join(&to->orphans, o);
}

enum served { SERVED, NOBODY_IS_THERE, NO_TIME };

static enum served serve(struct worker *w, struct orphan *o)
{
	struct pace_settings pace = {w->config->link_adopt_per_s, 0};
	struct identity who;
	struct uplink *to;
	int chosen;

	identity_read(o->client, &who);
	chosen = pool_choose(&w->pool, who.domain, who.bare);
	if (chosen == POOL_NONE)
		return NOBODY_IS_THERE;
	to = &w->uplinks[chosen];
	if (uplink_is_full(to) || !pace_take(&to->adopt_pace, &pace, worker_now_ms(w)))
		return NO_TIME;
	offer(w, to, o, &who);
	move(w, to, o);
	return SERVED;
}

void adoptions_look(struct worker *w)
{
	uint32_t looks = w->homeless.count < LOOKS_A_TURN ? w->homeless.count : LOOKS_A_TURN, offers = 0, waits = 0;

	if (looks == 0 || worker_now_ms(w) < w->adopt_next_ms)
		return;
	for (; looks > 0 && offers < OFFERS_A_TURN && waits < WAITS_A_TURN; looks--) {
		struct orphan *o = w->homeless.first;
		enum served served = serve(w, o);

		offers += served == SERVED;
		waits += served == NO_TIME;
		if (served != SERVED) {
			orphan_leave(o);
			orphan_join(&w->homeless, o);
		}
	}
	w->adopt_next_ms = worker_now_ms(w) + (offers + waits > 0 ? GO_ON_MS : LOOK_AGAIN_MS);
}

uint64_t adoptions_wait_ms(const struct worker *w, uint64_t wait_ms)
{
	uint64_t now_ms = worker_now_ms(w), due_ms = w->adopt_next_ms > now_ms ? w->adopt_next_ms - now_ms : 0;

	return w->homeless.count == 0 || due_ms > wait_ms ? wait_ms : due_ms;
}
