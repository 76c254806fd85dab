#include "message.h"

#include <stdlib.h>
#include <string.h>

#include "privacy_rule.h"
#include "store_message.h"
#include "utc.h"

enum situation {
#define DELIVERY(situation, normal, chat, groupchat, headline, error) situation,
#include "delivery.def"
#undef DELIVERY
	SITUATION_COUNT
};

enum message_type { NORMAL, CHAT, GROUPCHAT, HEADLINE, MESSAGE_ERROR, MESSAGE_TYPE_COUNT };

enum { PRIORITY_RECEIVES = 0 }; /* the lowest at which a session gets what is for the bare JID */

struct delivery {
	const struct incoming *in;
	const char *account;   /* bare */
	struct session *match; /* of the full JID, or NULL */
	enum message_type type;
};

static enum message_type type_of(const struct incoming *in)
{
	static const char *const names[MESSAGE_TYPE_COUNT] = {
		[CHAT] = "chat", [GROUPCHAT] = "groupchat", [HEADLINE] = "headline", [MESSAGE_ERROR] = "error"};

	for (enum message_type t = CHAT; t < MESSAGE_TYPE_COUNT; t++)
		if (incoming_type_is(in, names[t]))
			return t;
	return NORMAL; /* also what is none of the five (5.2.2) */
}

static int highest_priority(const struct user *user)
{
	int highest = PRIORITY_RECEIVES - 1;

	for (struct session *s = user != NULL ? user->sessions : NULL; s != NULL; s = s->user_next)
		if (s->available && s->priority > highest)
			highest = s->priority;
	return highest;
}

static enum situation situation_of(const struct delivery *d)
{
	bool full = d->in->addressee == ADDRESSEE_FULL;

	if (d->match != NULL)
		return MATCHED;
	if (!store_account_exists(incoming_store(d->in), d->account))
		return full ? UNKNOWN_FULL : UNKNOWN_BARE;
	if (highest_priority(user_find(d->in->session->server, d->account)) < PRIORITY_RECEIVES)
		return full ? AWAY_FULL : AWAY_BARE;
	return full ? PRESENT_FULL : PRESENT_BARE;
}

static void refuse(const struct delivery *d)
{
	incoming_refuse(d->in, ERROR_SERVICE_UNAVAILABLE);
}

static void drop(const struct delivery *d)
{
	(void)d;
}

static bool session_takes(struct session *session, const struct delivery *d)
{
	struct text xml = {0};

	if (!privacy_allows(session, d->in->session->full_jid, PRIVACY_MESSAGE))
		return false;
	incoming_forward(d->in, NULL, &xml);
	session_send(session, xml.bytes, xml.len);
	text_free(&xml);
	return true;
}

static void to_match(const struct delivery *d)
{
	if (!session_takes(d->match, d))
		refuse(d);
}

static void to_priority(const struct delivery *d, struct user *user, int priority_min)
{
	bool taken = false;

	for (struct session *s = user->sessions; s != NULL; s = s->user_next)
		if (s->available && s->priority >= priority_min)
			taken |= session_takes(s, d);
	if (!taken)
		refuse(d);
}

static void to_best(const struct delivery *d)
{
	struct user *user = user_find(d->in->session->server, d->account);

	to_priority(d, user, highest_priority(user));
}

static void to_all(const struct delivery *d)
{
	to_priority(d, user_find(d->in->session->server, d->account), PRIORITY_RECEIVES);
}

static bool has_body(const struct incoming *in)
{
	struct element *message;
	bool has;

	if (in->event->child.at == 0)
		return false;
	message = element_parse(in->bytes + in->event->begin, in->event->end - in->event->begin);
	has = message != NULL && element_child(message, "body", "jabber:client") != NULL;
	element_free(message);
	return has;
}

/* The message with the time of its arrival (XEP-0203) behind its last child. */
static void put_delayed(const struct delivery *d, struct text *to)
{
	char stamp[UTC_BYTES];
	struct text whole = {0};
	size_t end;

	utc_now(stamp);
	incoming_forward(d->in, NULL, &whole);
	end = whole.len;
	while (whole.bytes[end] != '<')
		end--;
	text_put(to, "%b<delay xmlns='urn:xmpp:delay' from='%s' stamp='%r'/>%r", (const void *)whole.bytes, end,
		 d->account + strcspn(d->account, "@") + 1, stamp, whole.bytes + end);
	text_free(&whole);
}

static void keep(const struct delivery *d)
{
	struct sessiond *server = d->in->session->server;
	struct store *store = sessiond_store(server);
	struct text xml = {0};
	size_t count = 0;

	if (!has_body(d->in))
		return;
	if (!privacy_default_allows(server, d->account, d->in->session->full_jid, PRIVACY_MESSAGE) ||
	    !message_count(store, d->account, &count) || count >= sessiond_settings_of(server)->offline_messages_max) {
		refuse(d);
		return;
	}
	put_delayed(d, &xml);
	if (!message_put(store, d->account, xml.bytes, xml.len))
		incoming_refuse(d->in, ERROR_INTERNAL_SERVER_ERROR);
	text_free(&xml);
}

static void (*const actions[SITUATION_COUNT][MESSAGE_TYPE_COUNT])(const struct delivery *) = {
#define MATCH  to_match
#define BEST   to_best
#define ALL    to_all
#define KEEP   keep
#define REFUSE refuse
#define DROP   drop
#define DELIVERY(situation, normal, chat, groupchat, headline, error)                                                  \
	[situation] = {normal, chat, groupchat, headline, error},
#include "delivery.def"
#undef DELIVERY
};

static void account_message(const struct incoming *in)
{
	struct delivery d = {.in = in, .type = type_of(in)};

	d.account = in->addressee == ADDRESSEE_NONE ? in->session->bare_jid : in->to_bare;
	if (in->addressee == ADDRESSEE_FULL)
		d.match = session_find(in->session->server, in->to.text);
	actions[situation_of(&d)][d.type](&d);
}

void message_handle(const struct incoming *in)
{
	if (in->addressee == ADDRESSEE_MALFORMED)
		incoming_refuse(in, ERROR_JID_MALFORMED);
	else if (in->addressee == ADDRESSEE_REMOTE)
		incoming_refuse(in, ERROR_REMOTE_SERVER_NOT_FOUND);
	else if (in->addressee == ADDRESSEE_SERVER)
		incoming_refuse(in, ERROR_SERVICE_UNAVAILABLE);
	else if (in->addressee != ADDRESSEE_NONE && !privacy_allows(in->session, in->to.text, PRIVACY_OTHER))
		incoming_refuse(in, ERROR_NOT_ACCEPTABLE);
	else
		account_message(in);
}

static void send_kept(void *context, const char *xml, size_t len)
{
	session_send(context, xml, len);
}

void message_deliver_kept(struct session *session)
{
	message_take(sessiond_store(session->server), session->bare_jid, send_kept, session);
}
