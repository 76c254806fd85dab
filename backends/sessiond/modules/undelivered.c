/* What a session was sent that has ended before it was known to arrive. */
#include "stanza.h"

#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "element.h"
#include "incoming.h"
#include "store_message.h"
#include "trait.h"
#include "utc.h"

struct undelivered {
	struct sessiond *server;
	const char *full_jid;
	char *account;
	const struct element *stanza;
	const char *xml;
	size_t len;
};

static bool has_type(const struct element *stanza, const char *wanted)
{
	const char *type = element_attribute(stanza, "type");

	return strcmp(type != NULL ? type : "", wanted) == 0;
}

static bool is_talk(const struct element *message)
{
	return has_type(message, "") || has_type(message, "normal") || has_type(message, "chat");
}

/* Copies and answers of the archive: what they are of is elsewhere. */
static bool is_copy(const struct element *message)
{
	return element_child(message, "received", "urn:xmpp:carbons:2") != NULL ||
	       element_child(message, "sent", "urn:xmpp:carbons:2") != NULL ||
	       element_child(message, "result", "urn:xmpp:mam:2") != NULL;
}

static bool is_worth_it(const struct undelivered *u)
{
	unsigned traits = traits_of(u->stanza);

	return is_talk(u->stanza) && !is_copy(u->stanza) && (traits & (TRAIT_BODY | TRAIT_STORE)) &&
	       !(traits & TRAIT_NO_KEEP);
}

/* Who is there gets messages for the account: those of the highest priority. NULL: nobody. */
static struct session *best_of(struct user *user)
{
	struct session *best = NULL;

	for (struct session *s = user != NULL ? user->sessions : NULL; s != NULL; s = s->user_next)
		if (s->available && s->priority >= 0 && (best == NULL || s->priority > best->priority))
			best = s;
	return best;
}

/* A message that was for the account has gone to all its sessions of this priority already. */
static bool had_it(const struct undelivered *u)
{
	const char *to = element_attribute(u->stanza, "to");

	return to == NULL || strchr(to, '/') == NULL;
}

static void keep(const struct undelivered *u)
{
	struct text delay = {0}, whole = {0};
	char stamp[UTC_BYTES];

	utc_now(stamp);
	text_put(&delay, "<delay xmlns='urn:xmpp:delay' from='%s' stamp='%r'/>", strchr(u->account, '@') + 1, stamp);
	if (element_child(u->stanza, "delay", "urn:xmpp:delay") != NULL)
		text_put(&whole, "%b", (const void *)u->xml, u->len);
	else
		stanza_append(u->xml, u->len, delay.bytes, &whole);
	message_put(sessiond_store(u->server), u->account, whole.bytes, whole.len);
	text_free(&delay);
	text_free(&whole);
}

static void message_again(const struct undelivered *u)
{
	struct session *best = best_of(user_find(u->server, u->account));

	if (!is_worth_it(u) || !store_account_exists(sessiond_store(u->server), u->account))
		return;
	if (best == NULL)
		keep(u);
	else if (!had_it(u) && !best->carbons)
		session_send(best, u->xml, u->len);
}

static void request_again(const struct undelivered *u)
{
	const char *from = element_attribute(u->stanza, "from"), *id = element_attribute(u->stanza, "id");
	struct session *asker = from != NULL ? session_find(u->server, from) : NULL;
	struct text answer = {0};

	if (asker == NULL || id == NULL || (!has_type(u->stanza, "get") && !has_type(u->stanza, "set")))
		return;
	text_put(&answer,
		 "<iq type='error' id='%s' from='%s' to='%s'><error type='cancel'>"
		 "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
		 id, u->full_jid, from);
	session_send(asker, answer.bytes, answer.len);
	text_free(&answer);
}

void stanza_undelivered(struct sessiond *server, const char *full_jid, const char *xml, size_t len)
{
	struct element *stanza = element_parse(xml, len);
	struct undelivered u = {.server = server,
				.full_jid = full_jid,
				.account = text_copy_len(full_jid, strcspn(full_jid, "/")),
				.stanza = stanza,
				.xml = xml,
				.len = len};

	if (stanza != NULL && element_is(stanza, "message", "jabber:client"))
		message_again(&u);
	else if (stanza != NULL && element_is(stanza, "iq", "jabber:client"))
		request_again(&u);
	element_free(stanza);
	free(u.account);
}
