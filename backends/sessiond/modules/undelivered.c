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
	const struct stanza_undelivered *given;
	char *account;
	const struct element *stanza;
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

/* A message that was for the account went to all its sessions of the same priority; what was for one of them, as a
 * copy. */
static bool had_it(const struct undelivered *u, const struct session *session)
{
	const char *to = element_attribute(u->stanza, "to");
	bool was_for_all = to == NULL || strchr(to, '/') == NULL;

	return session->since_ms < u->given->at_ms && ((session->carbons && !(traits_of(u->stanza) & TRAIT_NO_COPY)) ||
						       (was_for_all && session->priority == u->given->priority));
}

/* With the time at which it was said, if it has none. */
static void put_delayed(const struct undelivered *u, struct text *to)
{
	char stamp[UTC_MS_BYTES];

	utc_write(u->given->at_ms, stamp);
	if (element_child(u->stanza, "delay", "urn:xmpp:delay") != NULL)
		text_put(to, "%b", (const void *)u->given->xml, u->given->len);
	else
		stanza_delay(u->given->xml, u->given->len, u->account, stamp, to);
}

static void message_again(const struct undelivered *u)
{
	struct session *best = best_of(user_find(u->server, u->account));
	struct text xml = {0};

	if (!is_worth_it(u) || !store_account_exists(sessiond_store(u->server), u->account))
		return;
	put_delayed(u, &xml);
	if (best == NULL)
		message_put(sessiond_store(u->server), u->account, xml.bytes, xml.len);
	else if (!had_it(u, best))
		session_send(best, xml.bytes, xml.len);
	text_free(&xml);
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
		 id, u->given->full_jid, from);
	session_send(asker, answer.bytes, answer.len);
	text_free(&answer);
}

void stanza_undelivered(struct sessiond *server, const struct stanza_undelivered *given)
{
	struct element *stanza = element_parse(given->xml, given->len);
	struct undelivered u = {.server = server,
				.given = given,
				.account = text_copy_len(given->full_jid, strcspn(given->full_jid, "/")),
				.stanza = stanza};

	if (stanza != NULL && element_is(stanza, "message", "jabber:client"))
		message_again(&u);
	else if (stanza != NULL && element_is(stanza, "iq", "jabber:client"))
		request_again(&u);
	element_free(stanza);
	free(u.account);
}
