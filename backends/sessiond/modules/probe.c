#include "probe.h"

#include <string.h>

#include "directed.h"
#include "privacy_rule.h"
#include "store_roster.h"

static bool may_see(const struct session *asker, const struct session *seen)
{
	return seen->available && privacy_allows(seen, asker->bare_jid, PRIVACY_PRESENCE_OUT) &&
	       privacy_allows(asker, seen->full_jid, PRIVACY_PRESENCE_IN);
}

/* The last presence of the session as it was broadcast. */
static void show_whole(struct session *asker, const struct session *seen)
{
	struct text addressing = {0}, xml = {0};

	text_put(&addressing, " to='%s'", asker->bare_jid);
	stanza_address(seen->presence, seen->presence_len, addressing.bytes, &xml);
	session_send(asker, xml.bytes, xml.len);
	text_free(&addressing);
	text_free(&xml);
}

/* Only that the JID is available, or not, or that it is not for the asker to know. */
static void show_mere(struct session *asker, const char *jid, const char *type)
{
	struct text xml = {0};

	text_put(&xml, "<presence from='%s' to='%s'", jid, asker->bare_jid);
	if (*type != '\0')
		text_put(&xml, " type='%r'", type);
	text_put(&xml, "/>");
	session_send(asker, xml.bytes, xml.len);
	text_free(&xml);
}

/* Whether there was anything to show. */
static bool show_all(struct session *asker, const char *account)
{
	struct user *user = user_find(asker->server, account);
	bool shown = false;

	for (struct session *s = user != NULL ? user->sessions : NULL; s != NULL; s = s->user_next)
		if (s != asker && may_see(asker, s)) {
			show_whole(asker, s);
			shown = true;
		}
	return shown;
}

/* Whether the account has agreed that this user sees its presence. */
static bool has_agreed(struct session *asker, const char *account)
{
	struct roster_item item;
	bool agreed;

	if (strcmp(account, asker->bare_jid) == 0)
		return true;
	if (!roster_item_get(sessiond_store(asker->server), account, asker->bare_jid, &item))
		return false;
	agreed = item.state & SUBSCRIPTION_FROM;
	roster_item_free(&item);
	return agreed;
}

void probe_contacts(struct session *session)
{
	struct roster roster = {0};

	roster_load(sessiond_store(session->server), session->bare_jid, SUBSCRIPTION_TO, &roster);
	show_all(session, session->bare_jid);
	for (size_t i = 0; i < roster.count; i++)
		if (has_agreed(session, roster.items[i].contact))
			show_all(session, roster.items[i].contact);
	roster_free(&roster);
}

/* 4.3.2: a probe for a full JID learns no more than whether it is there. */
static void answer_agreed(const struct incoming *in)
{
	struct session *asker = in->session, *seen;

	if (in->addressee != ADDRESSEE_FULL) {
		if (!show_all(asker, in->to_bare) && in->addressee != ADDRESSEE_OWN)
			show_mere(asker, in->to_bare, "unavailable");
		return;
	}
	seen = session_find(asker->server, in->to.text);
	show_mere(asker, in->to.text, seen != NULL && may_see(asker, seen) ? "" : "unavailable");
}

/* 4.6.6: who got directed presence from a full JID may ask for that one. */
static bool has_shown_itself(const struct incoming *in)
{
	struct session *seen = NULL;

	if (in->addressee == ADDRESSEE_FULL)
		seen = session_find(in->session->server, in->to.text);
	return seen != NULL &&
	       (directed_reached(seen, in->session->full_jid) || directed_reached(seen, in->session->bare_jid));
}

void probe_handle(const struct incoming *in)
{
	if (in->addressee == ADDRESSEE_NONE || in->addressee == ADDRESSEE_SERVER)
		return;
	if (has_agreed(in->session, in->to_bare))
		answer_agreed(in);
	else if (has_shown_itself(in))
		show_mere(in->session, in->to.text, "");
	else
		show_mere(in->session, in->to_bare, "unsubscribed");
}
