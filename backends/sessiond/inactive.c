#include "inactive.h"
#include "bound.h"
#include "outbox.h"
#include "store_held.h"
#include <string.h>

#define CSI_NS	       "urn:xmpp:csi:0"
#define CHAT_STATES_NS "http://jabber.org/protocol/chatstates"

static void on_held(void *context, const char *xml, size_t len)
{
	outbox_say(context, xml, len);
}

static void release(struct client *client)
{
	struct store *store = client->session.server->store;
	if (!store_held_read(store, client->id, on_held, client) || !store_held_clear(store, client->id))
		server_store_failed(client->session.server);
}

/* What is held back */

static bool has_type(const struct element *stanza, const char *wanted)
{
	const char *type = element_attribute(stanza, "type");
	return type && strcmp(type, wanted) == 0;
}

static bool is_presence(const struct element *stanza)
{
	return element_is(stanza, "presence", "jabber:client") &&
	       (!element_attribute(stanza, "type") || has_type(stanza, "unavailable"));
}

/* Nothing to read, and nothing that anybody waits for: one state, and what says that it is not to be stored. */
static bool is_chat_state(const struct element *stanza)
{
	bool state = false;
	if (!element_is(stanza, "message", "jabber:client") || has_type(stanza, "error"))
		return false;
	for (const struct element *child = element_first(stanza); child; child = element_next(child)) {
		if (strcmp(element_ns(child), CHAT_STATES_NS) == 0)
			state = true;
		else if (strcmp(element_ns(child), "urn:xmpp:hints") != 0 &&
			 !element_is(child, "thread", "jabber:client"))
			return false;
	}
	return state;
}

/* 0: it cannot wait. Its own presence comes back to a client at once. */
static int kind_of(const struct client *client, const struct element *stanza)
{
	const char *from = element_attribute(stanza, "from");
	if (!from || strcmp(from, client->session.full_jid) == 0)
		return 0;
	return is_presence(stanza) ? HELD_PRESENCE : is_chat_state(stanza) ? HELD_CHAT_STATE : 0;
}

static void hold(struct client *client, const struct store_held *held)
{
	size_t count;
	if (!store_held_put(client->session.server->store, client->id, held, &count))
		server_store_failed(client->session.server);
	else if (count > INACTIVE_HELD_MAX)
		release(client);
}

static bool is_stanza(const struct element *element)
{
	return element && strcmp(element_ns(element), "jabber:client") == 0;
}

bool inactive_hold(struct client *client, const char *xml, size_t len)
{
	struct element *element = element_parse(xml, len);
	struct store_held held = {.xml = xml, .len = len};
	if (is_stanza(element) && len <= INACTIVE_STANZA_BYTES_MAX)
		held.kind = (enum store_held_kind)kind_of(client, element);
	if (held.kind != 0) {
		held.sender = element_attribute(element, "from");
		hold(client, &held);
	} else if (!element || is_stanza(element)) {
		release(client);
	}
	element_free(element);
	return held.kind != 0;
}

/* What the client says */

void inactive_end(struct client *client)
{
	if (!client->inactive)
		return;
	client->inactive = false;
	release(client);
	bound_changed(client, CLIENT_CHANGED_STATE);
}

static void begin(struct client *client)
{
	client->inactive = true;
	bound_changed(client, CLIENT_CHANGED_STATE);
}

bool inactive_take(struct client *client, const struct element *element)
{
	if (element_is(element, "inactive", CSI_NS))
		begin(client);
	else if (element_is(element, "active", CSI_NS))
		inactive_end(client);
	else
		return false;
	return true;
}
