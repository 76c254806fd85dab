#include "presence.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "directed.h"
#include "message.h"
#include "privacy_rule.h"
#include "probe.h"
#include "store_roster.h"
#include "subscription.h"
#include "utc.h"

enum { PRIORITY_MIN = -128, PRIORITY_MAX = 127 };

void presence_deliver(struct sessiond *server, const char *account, const char *from, const char *xml, size_t len)
{
	struct user *user = user_find(server, account);
	struct session **to;
	size_t count = 0;

	if (user == NULL)
		return;
	to = text_memory(user->session_count, sizeof *to);
	for (struct session *s = user->sessions; s != NULL; s = s->user_next)
		if (s->available && privacy_allows(s, from, PRIVACY_PRESENCE_IN))
			to[count++] = s;
	sessions_send(to, count, xml, len);
	free(to);
}

/* The stanza has no `to` yet. */
static void deliver_to(const struct session *session, const char *account, const char *xml, size_t len)
{
	struct text addressing = {0}, stanza = {0};

	text_put(&addressing, " to='%s'", account);
	stanza_address(xml, len, addressing.bytes, &stanza);
	presence_deliver(session->server, account, session->full_jid, stanza.bytes, stanza.len);
	text_free(&addressing);
	text_free(&stanza);
}

/* To all subscribers, and to the account's own available sessions (4.2.2, 4.4.2, 4.5.2). False: the database failed. */
static bool broadcast(const struct session *session, const char *xml, size_t len)
{
	struct privacy_rule rule = privacy_rule_of(session);
	struct roster roster = {0};
	bool done = roster_load(sessiond_store(session->server), session->bare_jid, SUBSCRIPTION_FROM, &roster);

	for (size_t i = 0; i < roster.count; i++)
		if (privacy_rule_allows(&rule, roster.items[i].contact, PRIVACY_PRESENCE_OUT))
			deliver_to(session, roster.items[i].contact, xml, len);
	deliver_to(session, session->bare_jid, xml, len);
	roster_free(&roster);
	privacy_rule_free(&rule);
	return done;
}

void presence_show(struct user *user, const char *contact)
{
	for (struct session *s = user->sessions; s != NULL; s = s->user_next)
		if (s->available && privacy_allows(s, contact, PRIVACY_PRESENCE_OUT))
			deliver_to(s, contact, s->presence, s->presence_len);
}

static void put_unavailable(const struct session *session, struct text *to)
{
	text_put(to, "<presence from='%s' type='unavailable'/>", session->full_jid);
}

void presence_hide(struct user *user, const char *contact)
{
	for (struct session *s = user->sessions; s != NULL; s = s->user_next) {
		struct text xml = {0};

		if (!s->available)
			continue;
		put_unavailable(s, &xml);
		deliver_to(s, contact, xml.bytes, xml.len);
		text_free(&xml);
	}
}

static bool priority_parse(const char *text, int8_t *ret)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	end += strspn(end, " \t\r\n");
	if (end == text || *end != '\0' || errno != 0 || value < PRIORITY_MIN || value > PRIORITY_MAX)
		return false;
	*ret = (int8_t)value;
	return true;
}

/* 0 when it is not given (4.7.2.3). False: given and not a number from -128 to 127. */
static bool priority_read(const struct incoming *in, int8_t *ret)
{
	struct element *presence, *priority;
	bool good = true;

	*ret = 0;
	if (in->event->child.at == 0)
		return true;
	presence = element_parse(in->bytes + in->event->begin, in->event->end - in->event->begin);
	if (presence == NULL)
		return false;
	priority = element_child(presence, "priority", "jabber:client");
	if (priority != NULL) {
		char *text = element_text(priority);

		good = priority_parse(text, ret);
		free(text);
	}
	element_free(presence);
	return good;
}

static void presence_keep(struct session *session, struct text *xml, int8_t priority)
{
	free(session->presence);
	session->presence = xml->bytes;
	session->presence_len = xml->len;
	if (!session->available || session->priority != priority)
		session->since_ms = utc_now_ms();
	session->priority = priority;
	session->available = true;
	session_changed(session);
	*xml = (struct text){0};
}

static void become_available(const struct incoming *in)
{
	struct session *session = in->session;
	bool initial = !session->available, received = session->available && session->priority >= 0;
	struct text xml = {0};
	int8_t priority;

	if (!priority_read(in, &priority)) {
		incoming_refuse(in, ERROR_BAD_REQUEST);
		return;
	}
	incoming_forward(in, NULL, &xml);
	presence_keep(session, &xml, priority);
	if (!broadcast(session, session->presence, session->presence_len))
		incoming_refuse(in, ERROR_INTERNAL_SERVER_ERROR);
	if (initial) {
		probe_contacts(session);
		subscription_remind(session);
	}
	if (priority >= 0 && !received)
		message_deliver_kept(session);
}

static void become_unavailable(struct session *session, bool was_available, const char *xml, size_t len)
{
	if (was_available)
		broadcast(session, xml, len);
	directed_end(session, was_available, xml, len);
	session->available = false;
	session->priority = 0;
	free(session->presence);
	session->presence = NULL;
	session->presence_len = 0;
	session_changed(session);
}

void presence_end(struct session *session)
{
	bool was_available = session->available;
	struct text xml = {0};

	session->available = false; /* it can not be told itself any more */
	put_unavailable(session, &xml);
	become_unavailable(session, was_available, xml.bytes, xml.len);
	text_free(&xml);
}

static void handle_available(const struct incoming *in)
{
	if (in->addressee == ADDRESSEE_NONE)
		become_available(in);
	else
		directed_handle(in, true);
}

static void handle_unavailable(const struct incoming *in)
{
	struct text xml = {0};

	if (in->addressee != ADDRESSEE_NONE) {
		directed_handle(in, false);
		return;
	}
	incoming_forward(in, NULL, &xml);
	become_unavailable(in->session, in->session->available, xml.bytes, xml.len);
	text_free(&xml);
}

static void handle_error(const struct incoming *in)
{
	struct session *to = in->addressee == ADDRESSEE_FULL ? session_find(in->session->server, in->to.text) : NULL;
	struct text xml = {0};

	if (to == NULL || !privacy_allows(to, in->session->full_jid, PRIVACY_OTHER))
		return;
	incoming_forward(in, NULL, &xml);
	session_send(to, xml.bytes, xml.len);
	text_free(&xml);
}

static void handle_subscribe(const struct incoming *in)
{
	subscription_handle(in, KIND_SUBSCRIBE);
}

static void handle_subscribed(const struct incoming *in)
{
	subscription_handle(in, KIND_SUBSCRIBED);
}

static void handle_unsubscribe(const struct incoming *in)
{
	subscription_handle(in, KIND_UNSUBSCRIBE);
}

static void handle_unsubscribed(const struct incoming *in)
{
	subscription_handle(in, KIND_UNSUBSCRIBED);
}

static const struct {
	const char *type;
	void (*handle)(const struct incoming *);
} types[] = {
	{"", handle_available},
	{"unavailable", handle_unavailable},
	{"subscribe", handle_subscribe},
	{"subscribed", handle_subscribed},
	{"unsubscribe", handle_unsubscribe},
	{"unsubscribed", handle_unsubscribed},
	{"probe", probe_handle},
	{"error", handle_error},
};

void presence_handle(const struct incoming *in)
{
	if (in->addressee == ADDRESSEE_MALFORMED) {
		incoming_refuse(in, ERROR_JID_MALFORMED);
		return;
	}
	if (in->addressee == ADDRESSEE_REMOTE) {
		incoming_refuse(in, ERROR_REMOTE_SERVER_NOT_FOUND);
		return;
	}
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (incoming_type_is(in, types[i].type)) {
			types[i].handle(in);
			return;
		}
	incoming_refuse(in, ERROR_BAD_REQUEST);
}
