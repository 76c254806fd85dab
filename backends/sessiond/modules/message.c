#include "message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive.h"
#include "carbon.h"
#include "privacy_rule.h"
#include "store_archive.h"
#include "store_message.h"
#include "trait.h"
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
	struct text xml;	 /* as its recipients get it */
	struct element *message; /* the same as a tree, for messages that are copied or archived; else NULL */
	struct text forwarded;	 /* and as it is forwarded, once that was needed */
	unsigned traits;
	struct session **takers; /* who got it */
	size_t taker_count;
	bool refused;
};

static const char *const type_names[MESSAGE_TYPE_COUNT] = {
	[NORMAL] = "", [CHAT] = "chat", [GROUPCHAT] = "groupchat", [HEADLINE] = "headline", [MESSAGE_ERROR] = "error"};

static enum message_type type_of(const struct incoming *in)
{
	for (enum message_type t = CHAT; t < MESSAGE_TYPE_COUNT; t++)
		if (incoming_type_is(in, type_names[t]))
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

static void refuse(struct delivery *d)
{
	d->refused = true;
	incoming_refuse(d->in, ERROR_SERVICE_UNAVAILABLE);
}

static void drop(struct delivery *d)
{
	(void)d;
}

static void taker_add(struct delivery *d, struct session *session)
{
	size_t count = d->taker_count;

	if ((count & (count - 1)) == 0)
		d->takers = text_again(d->takers, count ? 2 * count : 1, sizeof *d->takers);
	d->takers[d->taker_count++] = session;
}

static void taker_find(struct delivery *d, struct session *session)
{
	if (privacy_allows(session, d->in->session->full_jid, PRIVACY_MESSAGE))
		taker_add(d, session);
}

/* All of them at once. */
static void to_takers(struct delivery *d)
{
	if (d->taker_count == 0)
		refuse(d);
	else
		sessions_send(d->takers, d->taker_count, d->xml.bytes, d->xml.len);
}

static void to_match(struct delivery *d)
{
	taker_find(d, d->match);
	to_takers(d);
}

static void to_priority(struct delivery *d, struct user *user, int priority_min)
{
	for (struct session *s = user->sessions; s != NULL; s = s->user_next)
		if (s->available && s->priority >= priority_min)
			taker_find(d, s);
	to_takers(d);
}

static void to_best(struct delivery *d)
{
	struct user *user = user_find(d->in->session->server, d->account);

	to_priority(d, user, highest_priority(user));
}

static void to_all(struct delivery *d)
{
	to_priority(d, user_find(d->in->session->server, d->account), PRIORITY_RECEIVES);
}

static bool may_keep(const struct delivery *d)
{
	struct sessiond *server = d->in->session->server;
	size_t count = 0;

	return privacy_default_allows(server, d->account, d->in->session->full_jid, PRIVACY_MESSAGE) &&
	       message_count(sessiond_store(server), d->account, &count) &&
	       count < sessiond_settings_of(server)->offline_messages_max;
}

static void keep(struct delivery *d)
{
	char stamp[UTC_BYTES];
	struct text xml = {0};

	if (!(d->traits & (TRAIT_BODY | TRAIT_STORE)) || (d->traits & TRAIT_NO_KEEP))
		return;
	if (!may_keep(d)) {
		refuse(d);
		return;
	}
	utc_now(stamp);
	stanza_delay(d->xml.bytes, d->xml.len, d->account, stamp, &xml);
	d->refused = !message_put(incoming_store(d->in), d->account, xml.bytes, xml.len);
	if (d->refused)
		incoming_refuse(d->in, ERROR_INTERNAL_SERVER_ERROR);
	text_free(&xml);
}

static void (*const actions[SITUATION_COUNT][MESSAGE_TYPE_COUNT])(struct delivery *) = {
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

/* XEP-0359, 4: nobody but us says what numbers messages have in our archives. */
static bool is_spoofed(const struct incoming *in, const struct element *child)
{
	const char *by = element_is(child, "stanza-id", "urn:xmpp:sid:0") ? element_attribute(child, "by") : NULL;
	char domain[JID_PART_BYTES_MAX + 1];
	struct jid jid;

	if (by == NULL || !jid_parse(by, strlen(by), &jid))
		return false;
	memcpy(domain, jid.text + jid.domain_at, jid.domain_len);
	domain[jid.domain_len] = '\0';
	return sessiond_serves(in->session->server, domain);
}

static void strip(struct delivery *d)
{
	bool stripped = false;

	for (struct element *e = element_first(d->message), *next; e != NULL; e = next) {
		next = element_next(e);
		if (!is_spoofed(d->in, e))
			continue;
		element_remove(e);
		stripped = true;
	}
	if (!stripped)
		return;
	text_free(&d->xml);
	element_write(d->message, "jabber:client", &d->xml);
}

static void delivery_begin(struct delivery *d, const struct incoming *in)
{
	*d = (struct delivery){.in = in, .type = type_of(in)};
	d->account = in->addressee == ADDRESSEE_NONE ? in->session->bare_jid : in->to_bare;
	if (in->addressee == ADDRESSEE_FULL)
		d->match = session_find(in->session->server, in->to.text);
	incoming_forward(in, NULL, &d->xml);
	d->message = element_parse(d->xml.bytes, d->xml.len);
	if (d->message == NULL)
		return;
	strip(d);
	d->traits = traits_of(d->message);
}

static void delivery_end(struct delivery *d)
{
	text_free(&d->xml);
	text_free(&d->forwarded);
	element_free(d->message);
	free(d->takers);
}

/* XEP-0280, 6.1. */
static bool is_for_carbons(const struct delivery *d)
{
	return d->message != NULL && !d->refused && !(d->traits & TRAIT_NO_COPY) &&
	       (d->type == CHAT || (d->type == NORMAL && (d->traits & (TRAIT_BODY | TRAIT_TALK))));
}

/* For the account's other sessions; one that a message from the same account has reached needs no second copy. */
static void copy_sent(struct delivery *d, const struct text *message)
{
	struct carbon carbon = {.direction = CARBON_SENT, .type = type_names[d->type], .message = message};

	taker_add(d, d->in->session);
	carbon.without = d->takers;
	carbon.without_count = d->taker_count;
	carbon_send(d->in->session->user, &carbon, NULL);
}

static void copy_received(const struct delivery *d, struct user *user, const struct text *message)
{
	struct carbon carbon = {.direction = CARBON_RECEIVED,
				.type = type_names[d->type],
				.message = message,
				.without = d->takers,
				.without_count = d->taker_count};

	carbon_send(user, &carbon, d->in->session->full_jid);
}

static bool is_own(const struct delivery *d)
{
	return strcmp(d->account, d->in->session->bare_jid) == 0;
}

/* XEP-0313, 5.1. */
static bool is_for_archive(const struct delivery *d)
{
	return d->message != NULL && (d->type == NORMAL || d->type == CHAT) && archive_is_on(d->in->session->server) &&
	       (d->traits & (TRAIT_BODY | TRAIT_STORE)) && !(d->traits & TRAIT_NO_ARCHIVE);
}

/* The number that a message has in an account's archive (XEP-0359) behind its last child. */
static void put_number(struct text *xml, const char *account, long long number)
{
	struct text element = {0}, whole = {0};
	char id[24];

	snprintf(id, sizeof id, "%lld", number);
	text_put(&element, "<stanza-id xmlns='urn:xmpp:sid:0' by='%s' id='%r'/>", account, id);
	stanza_append(xml->bytes, xml->len, element.bytes, &whole);
	text_free(&element);
	text_free(xml);
	*xml = whole;
}

/* As one account has it: the message in the form in which it is forwarded, and its number in the archive, or 0. */
struct side {
	const char *account;
	struct text xml;
	long long number;
};

static void side_write(struct delivery *d, struct side *side)
{
	if (d->forwarded.len == 0)
		element_write(d->message, "urn:xmpp:forward:0", &d->forwarded);
	text_put(&side->xml, "%b", (const void *)d->forwarded.bytes, d->forwarded.len);
}

static void side_keep(struct delivery *d, struct side *side, const char *peer)
{
	bool archived = is_for_archive(d);

	if (!archived && !carbon_wanted(user_find(d->in->session->server, side->account)))
		return;
	side_write(d, side);
	if (!archived)
		return;
	side->number = archive_keep(d->in->session->server, side->account, peer, &side->xml);
	if (side->number != 0)
		put_number(&side->xml, side->account, side->number);
}

static void deliver_recipient(struct delivery *d, enum situation situation)
{
	struct side side = {.account = d->account};
	struct sessiond *server = d->in->session->server;
	struct user *user = user_find(server, d->account);
	const char *sender = d->in->session->full_jid;

	if (d->message != NULL && situation != UNKNOWN_BARE && situation != UNKNOWN_FULL &&
	    privacy_default_allows(server, d->account, sender, PRIVACY_MESSAGE))
		side_keep(d, &side, sender);
	if (side.number != 0)
		put_number(&d->xml, d->account, side.number);
	actions[situation][d->type](d);
	if (d->refused && side.number != 0)
		archive_remove(incoming_store(d->in), d->account, side.number);
	if (user != NULL && side.xml.len > 0 && !is_own(d) && is_for_carbons(d))
		copy_received(d, user, &side.xml);
	text_free(&side.xml);
}

/* What was refused was not sent. One to oneself is in the archive already. */
static void keep_sent(struct delivery *d)
{
	struct side side = {.account = d->in->session->bare_jid};

	if (d->message == NULL || d->refused)
		return;
	if (is_own(d))
		side_write(d, &side);
	else
		side_keep(d, &side, d->in->to.text);
	if (side.xml.len > 0 && is_for_carbons(d))
		copy_sent(d, &side.xml);
	text_free(&side.xml);
}

static void account_message(const struct incoming *in)
{
	struct delivery d;

	delivery_begin(&d, in);
	deliver_recipient(&d, situation_of(&d));
	keep_sent(&d);
	delivery_end(&d);
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
