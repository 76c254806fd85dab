/*
 * From frames to a client's bytes.
 *
 *   link ─► link_next ─► client_find ─► xml_next ────────► conn_write ─► socket
 *           one frame    whose it is    is it one element?  sealed at the end of the tick
 *
 * Example: the session server has a message for bob. link_next answers FRAME_ELEMENT for session 0x2a00000007: the
 * client in place 42, its seventh tenant. If an eighth lives there by now, client_find finds nobody and the frame is
 * counted as stale. The payload must be exactly one element: a session server that sends anything else loses the
 * session, and the client gets an error and never a byte of it. Then the bytes go to the client's outbox as they are.
 */
#include "egress.h"

#include "client.h"
#include "condition.h"
#include "dialect.h"
#include "guard.h"
#include "ingress.h"
#include "keepsake.h"
#include "log.h"
#include "worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- frames of a session */

bool egress_element(struct worker *w, const uint8_t *bytes, size_t len, struct xml_event *ret)
{
	static const struct xml_limits limits = {.element_bytes_max = FRAME_PAYLOAD_MAX - 1,
						 .elements_max = 1 << 20,
						 .depth_max = XML_DEPTH_MAX,
						 .attributes_max = XML_ATTRIBUTES_MAX,
						 .name_bytes_max = UINT16_MAX,
						 .namespaces_max = XML_NAMESPACES_MAX};

	xml_enter(&w->frame_xml);
	xml_next(&w->frame_xml, w->frame_work, &limits, bytes, len, ret);
	return ret->is == XML_ELEMENT && !ret->stream_prefix;
}

/* Whether the payload is one element, and which. */
static bool element_check(struct worker *w, const uint8_t *bytes, size_t len, struct xml_event *ret)
{
	return egress_element(w, bytes, len, ret) && ret->used == len;
}

/* Whether the features of a frame, if there are any, are elements and nothing else. */
static bool features_check(struct worker *w, const struct frame *frame, enum frame_field field)
{
	struct frame_value features = {0};
	struct xml_event event;

	frame_find(frame, field, &features);
	for (uint32_t at = 0; at < features.len; at += event.used)
		if (!egress_element(w, features.at + at, features.len - at, &event))
			return false;
	return true;
}

/* A client that does not read: first its session is paused, then it is closed. */
static void check_unread(struct worker *w, struct client *c)
{
	size_t unread = conn_unsent(&c->conn);

	if (unread > w->config->unread_bytes_max)
		client_close_for(w, c, REASON_TOO_SLOW);
	else if (unread > w->config->unread_bytes_high)
		uplink_pause(w, c, true);
}

/* Its session server has sent what nobody can use. */
static void misbehaved(struct worker *w, struct client *c)
{
	uplink_blame(w, &w->uplinks[c->uplink], BLAME_FOR_SESSION, "it sends what is not one element");
	client_close_for(w, c, REASON_SERVER_XML);
}

/* An element that was checked; NULL: what came was none. */
static void deliver(struct worker *w, struct client *c, const struct xml_event *event, const uint8_t *bytes)
{
	if (event == NULL) {
		misbehaved(w, c);
		return;
	}
	c->stanzas_out += worker_count_stanza(w, COUNTER_messages_out, event, bytes) && client_was_bound(c);
	w->stanzas_down++;
	turns_hear(w, c);
	client_dialect(c)->write(w, c, bytes, event->used);
	check_unread(w, c);
	if (c->awaiting)
		ingress_go_on(w, c);
}

static void on_element(struct worker *w, struct client *c, const struct frame *frame)
{
	struct xml_event event;
	bool good = element_check(w, frame->payload, frame->payload_len, &event);

	deliver(w, c, good ? &event : NULL, frame->payload);
}

static void on_state(struct worker *w, struct client *c, const struct frame *frame)
{
	bool good = false;

	if (!features_check(w, frame, FIELD_FEATURES)) {
		misbehaved(w, c);
		return;
	}
	switch (frame_find_int(frame, FIELD_STAGE, 0)) {
	case FRAME_STAGE_AUTHENTICATED:
		good = client_on_authenticated(w, c, frame);
		break;
	case FRAME_STAGE_BOUND:
		good = client_on_bound(w, c, frame);
		break;
	}
	if (!good)
		misbehaved(w, c);
}

/* Whether a text for humans has no control characters, which XML would not take. */
static bool is_plain(struct frame_value text)
{
	for (uint32_t i = 0; i < text.len; i++)
		if (text.at[i] < ' ' ||
		    (text.at[i] == 0xef && i + 2 < text.len && text.at[i + 1] == 0xbf && text.at[i + 2] >= 0xbe))
			return false;
	return true;
}

static void on_close(struct worker *w, struct client *c, const struct frame *frame)
{
	char condition[65] = "", text[1025] = "", element[513] = "";
	struct client_end end = {
		.reason = REASON_SERVER_SAID, .condition = condition, .text = text, .element = element};
	struct frame_value value;
	struct xml_event event;

	if (frame_find(frame, FIELD_CONDITION, &value))
		memcpy(condition, value.at, value.len);
	if (condition[0] != '\0' && condition_find(condition) == CONDITION_NONE)
		end.condition = "undefined-condition";
	if (frame_find(frame, FIELD_REASON, &value) && is_plain(value))
		memcpy(text, value.at, value.len);
	if (frame_find(frame, FIELD_ELEMENT, &value) && element_check(w, value.at, value.len, &event))
		memcpy(element, value.at, value.len);
	if (strcmp(condition, "internal-server-error") == 0)
		uplink_blame(w, &w->uplinks[c->uplink], BLAME_FOR_SESSION, "it ends sessions for errors of its own");
	client_close(w, c, &end);
}

static void on_hold(struct worker *w, struct client *c, bool hold)
{
	c->held = hold;
	client_steer_reading(w, c);
}

/* Whose session it is on this link; NULL: nobody's any more. */
static struct client *session_client(struct worker *w, const struct uplink *u, frame_session session,
				     enum frame_type type)
{
	struct client *c = client_find(w, session);

	if (c != NULL && c->uplink == (int8_t)u->index && !c->orphaned)
		return c;
	if (type != FRAME_CLOSE)
		counter_add(&w->counters, COUNTER_link_frames_stale, 1);
	return NULL;
}

/* Frames of a session are numbered from its being bound. */
static void count_received(struct client *c)
{
	c->received += client_was_bound(c);
}

/* One element for many; it is looked at once. */
static void on_fanout(struct worker *w, struct uplink *u, const struct frame *frame)
{
	struct frame_fanout fanout = frame_fanout(frame);
	struct xml_event event;
	bool good = element_check(w, fanout.element, fanout.element_len, &event);

	for (uint32_t i = 0; i < fanout.count; i++) {
		struct client *c = session_client(w, u, frame_fanout_session(&fanout, i), frame->type);

		if (c == NULL)
			continue;
		count_received(c);
		deliver(w, c, good ? &event : NULL, fanout.element);
	}
}

static void on_session_frame(struct worker *w, struct uplink *u, const struct frame *frame)
{
	struct client *c = session_client(w, u, frame->session, frame->type);

	if (c == NULL)
		return;
	if (frame->type != FRAME_PAUSE && frame->type != FRAME_RESUME)
		count_received(c);
	if (frame->type == FRAME_ELEMENT)
		on_element(w, c, frame);
	else if (frame->type == FRAME_STATE)
		on_state(w, c, frame);
	else if (frame->type == FRAME_CLOSE)
		on_close(w, c, frame);
	else if (frame->type == FRAME_KEEP && client_was_bound(c))
		keepsake_put(w, c, frame);
	else if (frame->type == FRAME_PAUSE || frame->type == FRAME_RESUME)
		on_hold(w, c, frame->type == FRAME_PAUSE);
}

/* ---- frames of the link */

static struct pool_text field_text(const struct frame *frame, enum frame_field field)
{
	struct frame_value value = {0};

	if (!frame_find(frame, field, &value))
		return (struct pool_text){0};
	return (struct pool_text){(const char *)value.at, value.len};
}

/* Whom the configuration does not name for it is not believed; said once for each link. */
static void claim_refuse(struct worker *w, struct uplink *u, struct pool_text domain)
{
	counter_add(&w->counters, COUNTER_link_domains_refused, 1);
	if (!u->foreign)
		log_event(CONFIG_LOG_WARNING, "link.domain_not_its", log_text("backend", u->link.name),
			  log_bytes("domain", domain.at, domain.len),
			  log_text("why", "its pool does not serve this domain"));
	u->foreign = true;
}

static void on_domain(struct worker *w, struct uplink *u, const struct frame *frame)
{
	static const enum frame_field fields[POOL_CLIENTS] = {[POOL_PLAIN] = FIELD_FEATURES,
							      [POOL_BINDING] = FIELD_FEATURES_BINDING,
							      [POOL_CERTIFICATE] = FIELD_FEATURES_CERTIFICATE};
	struct pool_text domain = field_text(frame, FIELD_DOMAIN), features[POOL_CLIENTS];
	bool good = true, believed = fleet_believes(w, u->index, domain);

	if (!believed)
		claim_refuse(w, u, domain);
	for (int i = 0; i < POOL_CLIENTS; i++) {
		good = good && features_check(w, frame, fields[i]);
		features[i] = field_text(frame, fields[i]);
	}
	if (!good || !pool_domain_put(&w->pool, u->index, domain, features, believed))
		log_event(CONFIG_LOG_WARNING, "link.domain_refused", log_text("backend", u->link.name),
			  log_bytes("domain", domain.at, domain.len));
}

static void on_load(struct worker *w, const struct uplink *u, const struct frame *frame)
{
	uint64_t load = frame_find_int(frame, FIELD_LOAD, 0);

	pool_load(&w->pool, u->index, (uint32_t)frame_find_int(frame, FIELD_SESSIONS, 0),
		  (uint16_t)(load < POOL_LOAD_MAX ? load : POOL_LOAD_MAX));
}

static void on_answer(struct worker *w, struct uplink *u, const struct frame *frame)
{
	if (!orphans_answer(w, u, frame))
		counter_add(&w->counters, COUNTER_link_frames_stale, 1);
}

static void on_frame(struct worker *w, struct uplink *u, const struct frame *frame)
{
	if (frame->type == FRAME_ATTACHED || frame->type == FRAME_LOST)
		on_answer(w, u, frame);
	else if (frame->session != 0)
		on_session_frame(w, u, frame);
	else if (frame->type == FRAME_DOMAIN)
		on_domain(w, u, frame);
	else if (frame->type == FRAME_FANOUT)
		on_fanout(w, u, frame);
	else if (frame->type == FRAME_ACK)
		uplink_on_ack(w, u, frame_ack_count(frame));
	else if (frame->type == FRAME_LOAD)
		on_load(w, u, frame);
	else if (frame->type == FRAME_DRAIN)
		pool_drain(&w->pool, u->index);
}

/* Users are spread by the names of session servers: with two of one name, one gets them all. */
static void warn_of_namesake(struct worker *w, const struct uplink *u)
{
	for (size_t i = 0; i < w->pool.count; i++)
		if (i != u->index && w->pool.backends[i].state == POOL_UP &&
		    w->pool.backends[i].name_hash == w->pool.backends[u->index].name_hash)
			log_event(
				CONFIG_LOG_WARNING, "link.namesake", log_text("backend", u->link.name),
				log_text("why", "another session server that is up has this name, and gets its users"));
}

static void on_up(struct worker *w, struct uplink *u)
{
	uplink_on_up(w, u);
	log_event(CONFIG_LOG_INFO, "link.up", log_text("backend", u->link.name), log_count("version", u->link.version),
		  log_text("security", guard_text(u)));
	if (strcmp(guard_text(u), "none") == 0)
		log_event(CONFIG_LOG_WARNING, "link.unauthenticated", log_text("backend", u->link.name),
			  log_text("why", "whoever may listen on this machine's loopback is believed"));
	warn_of_namesake(w, u);
	if (w->pool.backends[u->index].failures > 0)
		pace_begin(&u->pace, worker_now_ms(w)); /* it comes back, and may be slow yet */
}

static void on_bad(struct worker *w, struct uplink *u, enum frame_error error)
{
	if (u->link.up)
		uplink_blame(w, u, BLAME_FOR_LINK, frame_error_text(error));
	uplink_fail(w, u, frame_error_text(error));
}

static void on_found(struct worker *w, struct uplink *u, const struct link_found *found)
{
	if (found->is != LINK_BAD && found->send.len > 0)
		conn_write(&w->net, &u->conn, found->send.bytes, found->send.len);
	if (found->is != LINK_MORE && found->is != LINK_BAD)
		counter_add(&w->counters, COUNTER_link_frames_in, 1);
	if (found->is == LINK_BAD)
		on_bad(w, u, found->error);
	else if (found->is == LINK_UP)
		on_up(w, u);
	else if (found->is == LINK_FRAME)
		on_frame(w, u, &found->frame);
}

/* ---- the way */

/* Room for a whole frame, now that its length is known; back to the usual room when there is nothing large. */
static void fit_room(struct uplink *u)
{
	size_t need = UPLINK_READ_BYTES;

	if (u->in_len >= FRAME_LENGTH_BYTES)
		need = frame_len(u->in);
	if (need < UPLINK_READ_BYTES)
		need = UPLINK_READ_BYTES;
	if (need > u->in_cap || (u->in_cap > UPLINK_READ_BYTES && need == UPLINK_READ_BYTES && u->in_len <= need)) {
		u->in = realloc(u->in, need);
		assert(u->in != NULL);
		u->in_cap = need;
	}
}

void egress(struct worker *w, struct uplink *u)
{
	size_t taken = 0;
	struct link_found found;

	do {
		link_next(&u->link, u->in + taken, u->in_len - taken, worker_now_ms(w), &found);
		taken += found.used;
		on_found(w, u, &found);
	} while (found.is != LINK_MORE && u->conn.life == CONN_OPEN);
	if (u->conn.life != CONN_OPEN)
		return;
	uplink_ack(w, u, false);
	memmove(u->in, u->in + taken, u->in_len - taken);
	u->in_len -= taken;
	fit_room(u);
}
