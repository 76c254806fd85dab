#include "privacy_rule.h"

#include <stdlib.h>
#include <string.h>

#include "jid.h"
#include "store_roster.h"
#include "text.h"

/* What an item may ask about a peer. */
struct peer {
	struct jid jid;
	char bare[JID_BYTES_MAX + 1];
	const char *domain; /* with the resource, if there is one */
	struct roster_item item;
};

static struct privacy_rule rule_load(struct sessiond *server, const char *account, const char *name)
{
	struct privacy_rule rule = {.server = server, .account = account};

	if (name != NULL)
		rule.failed = !privacy_list_get(sessiond_store(server), account, name, &rule.list);
	return rule;
}

struct privacy_rule privacy_rule_default(struct sessiond *server, const char *account)
{
	char *name = NULL;
	bool failed = !privacy_default_get(sessiond_store(server), account, &name);
	struct privacy_rule rule = rule_load(server, account, name);

	rule.failed |= failed;
	free(name);
	return rule;
}

struct privacy_rule privacy_rule_of(const struct session *session)
{
	if (session->active_privacy_list == NULL)
		return privacy_rule_default(session->server, session->bare_jid);
	return rule_load(session->server, session->bare_jid, session->active_privacy_list);
}

void privacy_rule_free(struct privacy_rule *rule)
{
	privacy_list_free(&rule->list);
}

static bool peer_read(const struct privacy_rule *rule, const char *text, struct peer *ret)
{
	size_t bare_len;

	if (!jid_parse(text, strlen(text), &ret->jid))
		return false;
	bare_len = jid_bare_len(&ret->jid);
	memcpy(ret->bare, ret->jid.text, bare_len);
	ret->bare[bare_len] = '\0';
	ret->domain = ret->jid.text + ret->jid.domain_at;
	return roster_item_get(sessiond_store(rule->server), rule->account, ret->bare, &ret->item);
}

/* A full JID, a bare JID, a domain with a resource, a domain: each is about all that it is a part of (XEP-0016, 2.2).
 */
static bool jid_covers(const char *value, const struct peer *peer)
{
	return strcmp(value, peer->jid.text) == 0 || strcmp(value, peer->bare) == 0 ||
	       strcmp(value, peer->domain) == 0 ||
	       (strlen(value) == peer->jid.domain_len && strncmp(value, peer->domain, peer->jid.domain_len) == 0);
}

static bool subscription_covers(const char *value, enum subscription_state state)
{
	static const char *const words[] = {"none", "to", "from", "both"};

	return strcmp(value, words[state & STATE_BOTH]) == 0;
}

static bool item_covers(const struct privacy_item *item, const struct peer *peer)
{
	switch (item->match) {
	case PRIVACY_JID:
		return jid_covers(item->value, peer);
	case PRIVACY_GROUP:
		return roster_item_in_group(&peer->item, item->value);
	case PRIVACY_SUBSCRIPTION:
		return subscription_covers(item->value, peer->item.state);
	case PRIVACY_EVERYBODY:
		break;
	}
	return true;
}

static bool list_allows(const struct privacy_list *list, const struct peer *peer, enum privacy_kind kind)
{
	for (size_t i = 0; i < list->count; i++)
		if ((list->items[i].kinds & kind) && item_covers(&list->items[i], peer))
			return list->items[i].allow;
	return true;
}

bool privacy_rule_allows(const struct privacy_rule *rule, const char *text, enum privacy_kind kind)
{
	struct peer peer;
	bool allowed;

	if (rule->failed)
		return false;
	if (rule->list.count == 0)
		return true;
	if (!peer_read(rule, text, &peer))
		return false;
	allowed = strcmp(peer.bare, rule->account) == 0 ||
		  (peer.jid.local_len == 0 && sessiond_serves(rule->server, peer.bare)) ||
		  list_allows(&rule->list, &peer, kind);
	roster_item_free(&peer.item);
	return allowed;
}

bool privacy_allows(const struct session *session, const char *peer, enum privacy_kind kind)
{
	struct privacy_rule rule = privacy_rule_of(session);
	bool allowed = privacy_rule_allows(&rule, peer, kind);

	privacy_rule_free(&rule);
	return allowed;
}

bool privacy_default_allows(struct sessiond *server, const char *account, const char *peer, enum privacy_kind kind)
{
	struct privacy_rule rule = privacy_rule_default(server, account);
	bool allowed = privacy_rule_allows(&rule, peer, kind);

	privacy_rule_free(&rule);
	return allowed;
}
