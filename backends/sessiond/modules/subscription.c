#include "subscription.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "presence.h"
#include "privacy_rule.h"
#include "roster.h"

enum {
	REQUESTS_MAX = 1000,	  /* kept for one account: more are dropped in silence (RFC 6121, 3.1.3) */
	REQUEST_BYTES_MAX = 4096, /* of a stanza kept as it came; of a longer one only the fact is kept */
};

static const char *const kind_names[KIND_COUNT] = {
	[KIND_SUBSCRIBE] = "subscribe",
	[KIND_SUBSCRIBED] = "subscribed",
	[KIND_UNSUBSCRIBE] = "unsubscribe",
	[KIND_UNSUBSCRIBED] = "unsubscribed",
};

static void put_plain(const char *from, const char *to, enum subscription_kind kind, struct text *ret)
{
	text_put(ret, "<presence from='%s' to='%s' type='%r'/>", from, to, kind_names[kind]);
}

/* A contact with whom there is any relation but a request not yet answered is part of the roster (RFC 6121, A.1). */
static void side_move(struct subscription_side *side, enum subscription_state next)
{
	side->item.state = next;
	side->item.listed |= (next & (SUBSCRIPTION_TO | SUBSCRIPTION_FROM | SUBSCRIPTION_OUT)) != 0;
}

static bool side_read(struct store *store, const char *account, const char *contact, struct subscription_side *ret)
{
	if (!roster_item_get(store, account, contact, &ret->item))
		return false;
	ret->before = ret->item.state;
	return true;
}

static bool side_write(struct store *store, const char *account, const struct subscription_side *side)
{
	return side->item.state == side->before || roster_item_put(store, account, &side->item);
}

static bool request_keep(struct store *store, const struct subscription_change *change)
{
	struct text plain = {0};
	bool kept;

	if (change->xml_len <= REQUEST_BYTES_MAX)
		return roster_request_put(store, change->contact, change->user, change->xml, change->xml_len);
	put_plain(change->user, change->contact, change->kind, &plain);
	kept = roster_request_put(store, change->contact, change->user, plain.bytes, plain.len);
	text_free(&plain);
	return kept;
}

static bool contact_hears(struct subscription_change *change)
{
	struct store *store = sessiond_store(change->server);
	size_t waiting = 0;

	return store_account_exists(store, change->contact) &&
	       privacy_default_allows(change->server, change->contact, change->user, PRIVACY_OTHER) &&
	       (change->kind != KIND_SUBSCRIBE ||
		(roster_request_count(store, change->contact, &waiting) && waiting < REQUESTS_MAX));
}

/*
 * The `unsubscribed` that could answer an unsubscribe is not made: the sender's side has neither TO nor OUT any more,
 * and would ignore it.
 */
static bool other_side(struct subscription_change *change)
{
	struct store *store = sessiond_store(change->server);
	struct subscription_side *other = &change->other, *own = &change->own;
	enum subscription_state next;

	if (!side_read(store, change->contact, change->user, other))
		return false;
	change->reaches = true;
	other->delivered = subscription_inbound(change->kind, other->before, &next);
	side_move(other, next);
	change->replies = change->kind == KIND_SUBSCRIBE && (other->before & SUBSCRIPTION_FROM);
	if (change->replies) {
		own->delivered = subscription_inbound(KIND_SUBSCRIBED, own->item.state, &next);
		side_move(own, next);
	}
	return side_write(store, change->contact, other) &&
	       (change->kind != KIND_SUBSCRIBE || !other->delivered || request_keep(store, change));
}

static bool change_do(struct subscription_change *change)
{
	struct store *store = sessiond_store(change->server);
	enum subscription_state next;
	bool routed;

	if (!side_read(store, change->user, change->contact, &change->own))
		return false;
	routed = subscription_outbound(change->kind, change->own.before, &next);
	side_move(&change->own, next);
	if (routed && contact_hears(change) && !other_side(change))
		return false;
	return side_write(store, change->user, &change->own);
}

bool subscription_change_make(struct sessiond *server, const char *user, const char *contact,
			      enum subscription_kind kind, const struct text *xml, struct subscription_change *ret)
{
	struct subscription_change change = {
		.server = server, .user = text_copy(user), .contact = text_copy(contact), .kind = kind};
	struct text stanza = {0};

	if (xml != NULL)
		text_put(&stanza, "%b", (const void *)xml->bytes, xml->len);
	else
		put_plain(user, contact, kind, &stanza);
	change.xml = stanza.bytes;
	change.xml_len = stanza.len;
	if (!change_do(&change)) {
		subscription_change_free(&change);
		return false;
	}
	*ret = change;
	return true;
}

void subscription_change_free(struct subscription_change *change)
{
	roster_item_free(&change->own.item);
	roster_item_free(&change->other.item);
	free(change->user);
	free(change->contact);
	free(change->xml);
	*change = (struct subscription_change){0};
}

/* A request goes to who is available, all else to who has the roster on screen (RFC 6121, 3.1.3, 3.1.6, 3.2.3, 3.3.3).
 */
static void stanza_show(struct sessiond *server, const char *account, const char *from, enum subscription_kind kind,
			const char *xml, size_t len)
{
	struct user *user = user_find(server, account);

	for (struct session *s = user != NULL ? user->sessions : NULL; s != NULL; s = s->user_next)
		if ((kind == KIND_SUBSCRIBE ? s->available : s->interested) && privacy_allows(s, from, PRIVACY_OTHER))
			session_send(s, xml, len);
}

static void side_push(struct sessiond *server, const char *account, const struct subscription_side *side)
{
	const int seen = ~SUBSCRIPTION_IN;

	if ((side->item.state & seen) != (side->before & seen))
		roster_push(server, account, &side->item);
}

static void other_tell(const struct subscription_change *change)
{
	const struct subscription_side *other = &change->other;
	struct user *contact = user_find(change->server, change->contact);

	if (other->delivered)
		stanza_show(change->server, change->contact, change->user, change->kind, change->xml, change->xml_len);
	side_push(change->server, change->contact, other);
	if (contact != NULL && (other->before & SUBSCRIPTION_FROM) && !(other->item.state & SUBSCRIPTION_FROM))
		presence_hide(contact, change->user);
}

static void reply_tell(const struct subscription_change *change)
{
	struct text reply = {0};

	put_plain(change->contact, change->user, KIND_SUBSCRIBED, &reply);
	stanza_show(change->server, change->user, change->contact, KIND_SUBSCRIBED, reply.bytes, reply.len);
	text_free(&reply);
}

/* In the order of the RFC: presence ends before a subscription does, and begins after it. */
void subscription_change_tell(const struct subscription_change *change)
{
	enum subscription_state before = change->own.before, after = change->own.item.state;
	struct user *user = user_find(change->server, change->user), *contact;

	if (user != NULL && (before & SUBSCRIPTION_FROM) && !(after & SUBSCRIPTION_FROM))
		presence_hide(user, change->contact);
	if (change->reaches)
		other_tell(change);
	if (change->own.delivered)
		reply_tell(change);
	side_push(change->server, change->user, &change->own);
	if (user != NULL && !(before & SUBSCRIPTION_FROM) && (after & SUBSCRIPTION_FROM))
		presence_show(user, change->contact);
	contact = user_find(change->server, change->contact);
	if (contact != NULL && change->own.delivered)
		presence_show(contact, change->user);
}

static void change_and_tell(const struct incoming *in, enum subscription_kind kind, const struct text *xml)
{
	struct store *store = incoming_store(in);
	struct sessiond *server = in->session->server;
	struct subscription_change change;

	if (!store_begin(store)) {
		incoming_refuse(in, ERROR_INTERNAL_SERVER_ERROR);
		return;
	}
	if (!subscription_change_make(server, in->session->bare_jid, in->to_bare, kind, xml, &change)) {
		store_rollback(store);
		incoming_refuse(in, ERROR_INTERNAL_SERVER_ERROR);
		return;
	}
	if (store_commit(store)) {
		subscription_change_tell(&change);
	} else {
		store_rollback(store);
		incoming_refuse(in, ERROR_INTERNAL_SERVER_ERROR);
	}
	subscription_change_free(&change);
}

void subscription_handle(const struct incoming *in, enum subscription_kind kind)
{
	struct text addressing = {0}, xml = {0};

	if (in->addressee == ADDRESSEE_NONE || in->addressee == ADDRESSEE_SERVER) {
		incoming_refuse(in, ERROR_BAD_REQUEST);
		return;
	}
	if (strcmp(in->to_bare, in->session->bare_jid) == 0) {
		incoming_refuse(in, ERROR_NOT_ALLOWED);
		return;
	}
	if (!privacy_allows(in->session, in->to_bare, PRIVACY_OTHER))
		return;
	text_put(&addressing, " from='%s' to='%s'", in->session->bare_jid, in->to_bare);
	incoming_forward(in, addressing.bytes, &xml);
	change_and_tell(in, kind, &xml);
	text_free(&addressing);
	text_free(&xml);
}

static void remind_of(void *context, const char *contact, const char *xml, size_t len)
{
	struct session *session = context;

	if (privacy_allows(session, contact, PRIVACY_OTHER))
		session_send(session, xml, len);
}

void subscription_remind(struct session *session)
{
	roster_requests(sessiond_store(session->server), session->bare_jid, remind_of, session);
}
