#include "directed.h"

#include <stdlib.h>
#include <string.h>

#include "presence.h"
#include "privacy_rule.h"
#include "store_roster.h"

enum { DIRECTED_MAX = 512 }; /* remembered for one session */

static void full_deliver(struct sessiond *server, const char *full, const char *from, const char *xml, size_t len)
{
	struct session *to = session_find(server, full);

	if (to != NULL && privacy_allows(to, from, PRIVACY_PRESENCE_IN))
		session_send(to, xml, len);
}

static void deliver(struct sessiond *server, const char *jid, const char *from, const char *xml, size_t len)
{
	if (strchr(jid, '/') != NULL)
		full_deliver(server, jid, from, xml, len);
	else
		presence_deliver(server, jid, from, xml, len);
}

static size_t directed_find(const struct session *session, const char *jid)
{
	size_t i = 0;

	while (i < session->directed_count && strcmp(session->directed[i], jid) != 0)
		i++;
	return i;
}

bool directed_reached(const struct session *session, const char *jid)
{
	return directed_find(session, jid) < session->directed_count;
}

static void directed_remove(struct session *session, const char *jid)
{
	size_t at = directed_find(session, jid);

	if (at == session->directed_count)
		return;
	free(session->directed[at]);
	session->directed[at] = session->directed[--session->directed_count];
	session_changed(session);
}

static bool directed_add(struct session *session, const char *jid)
{
	size_t count = session->directed_count;

	if (directed_reached(session, jid))
		return true;
	if (count == DIRECTED_MAX)
		return false;
	if ((count & (count - 1)) == 0)
		session->directed = text_again(session->directed, count ? 2 * count : 1, sizeof *session->directed);
	session->directed[session->directed_count++] = text_copy(jid);
	session_changed(session);
	return true;
}

static bool is_subscriber(const struct session *session, const char *jid)
{
	char *bare = text_copy_len(jid, strcspn(jid, "/"));
	struct roster_item item;
	bool found = strcmp(bare, session->bare_jid) == 0;

	if (!found && roster_item_get(sessiond_store(session->server), session->bare_jid, bare, &item)) {
		found = item.state & SUBSCRIPTION_FROM;
		roster_item_free(&item);
	}
	free(bare);
	return found;
}

/* Subscribers of an available session get the broadcast that ends it; all others are remembered (4.6.3). */
static bool directed_note(struct session *session, const char *jid, bool available)
{
	if (!available)
		directed_remove(session, jid);
	else if (!session->available || !is_subscriber(session, jid))
		return directed_add(session, jid);
	return true;
}

void directed_handle(const struct incoming *in, bool available)
{
	struct text xml = {0};

	if (in->addressee == ADDRESSEE_SERVER || !privacy_allows(in->session, in->to.text, PRIVACY_PRESENCE_OUT))
		return;
	if (!directed_note(in->session, in->to.text, available)) {
		incoming_refuse(in, ERROR_RESOURCE_CONSTRAINT);
		return;
	}
	incoming_forward(in, NULL, &xml);
	deliver(in->session->server, in->to.text, in->session->full_jid, xml.bytes, xml.len);
	text_free(&xml);
}

static void end_for(struct session *session, const char *jid, const char *xml, size_t len)
{
	struct text addressing = {0}, stanza = {0};

	text_put(&addressing, " to='%s'", jid);
	stanza_address(xml, len, addressing.bytes, &stanza);
	deliver(session->server, jid, session->full_jid, stanza.bytes, stanza.len);
	text_free(&addressing);
	text_free(&stanza);
}

void directed_end(struct session *session, bool subscribers_told, const char *xml, size_t len)
{
	for (size_t i = 0; i < session->directed_count; i++) {
		if (!subscribers_told || !is_subscriber(session, session->directed[i]))
			end_for(session, session->directed[i], xml, len);
		free(session->directed[i]);
	}
	free(session->directed);
	session->directed = NULL;
	session->directed_count = 0;
	session_changed(session);
}
