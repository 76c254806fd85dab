#include "register.h"
#include "jid.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REGISTER_NS "jabber:iq:register"
#define STANZAS_NS  "urn:ietf:params:xml:ns:xmpp-stanzas"

enum { MINUTE_MS = 60000 };

static void answer(struct client *client, const struct element *iq, const char *type, const char *inside)
{
	const char *id = element_attribute(iq, "id");
	struct text text = {0};
	text_put(&text, "<iq type='%r' id='%s'>%r</iq>", type, id ? id : "", inside);
	session_send(&client->session, text.bytes, text.len);
	text_free(&text);
}

static void answer_error(struct client *client, const struct element *iq, const char *type, const char *condition)
{
	struct text text = {0};
	text_put(&text, "<error type='%r'><%r xmlns='" STANZAS_NS "'/></error>", type, condition);
	answer(client, iq, "error", text.bytes);
	text_free(&text);
}

static void answer_form(struct client *client, const struct element *iq)
{
	struct text text = {0};
	const char *jid = client->session.bare_jid;
	char *name = jid ? text_copy_len(jid, strcspn(jid, "@")) : NULL;
	text_put(&text, "<query xmlns='" REGISTER_NS "'>");
	if (name)
		text_put(&text, "<registered/><username>%t</username><password/>", name);
	else
		text_put(&text, "<instructions>Choose a user name and a password.</instructions>"
				"<username/><password/>");
	text_put(&text, "</query>");
	answer(client, iq, "result", text.bytes);
	text_free(&text);
	free(name);
}

static char *field(const struct element *query, const char *name)
{
	const struct element *element = element_child(query, name, REGISTER_NS);
	return element ? element_text(element) : text_copy("");
}

/* False: the name is none. */
static bool field_jid(const struct client *client, const struct element *query, char to[static JID_BYTES_MAX + 1])
{
	char local[JID_PART_BYTES_MAX + 1], *name = field(query, "username");
	bool good = jid_prepare_local(name, strlen(name), local);
	if (good)
		snprintf(to, JID_BYTES_MAX + 1, "%s@%s", local, client->session.domain);
	free(name);
	return good;
}

static bool field_keys(const struct client *client, const struct element *query, struct store_account *ret)
{
	char *password = field(query, "password");
	bool good = password_keys(password, client->session.server->settings.iterations, ret);
	explicit_bzero(password, strlen(password));
	free(password);
	return good;
}

/* Making keys costs milliseconds, and accounts stay: strangers get a few a minute together. */
static bool may_make(struct sessiond *server)
{
	if (server->now_ms - server->registrations_since_ms >= MINUTE_MS) {
		server->registrations_since_ms = server->now_ms;
		server->registrations = 0;
	}
	return server->registrations++ < SERVER_REGISTRATIONS_MAX;
}

static void account_make(struct client *client, const struct element *iq, const struct element *query)
{
	struct sessiond *server = client->session.server;
	struct store_account account;
	char jid[JID_BYTES_MAX + 1];
	bool known;
	if (!field_jid(client, query, jid))
		answer_error(client, iq, "modify", "not-acceptable");
	else if (!may_make(server))
		answer_error(client, iq, "wait", "resource-constraint");
	else if (!store_account_get(server->store, jid, &account, &known))
		answer_error(client, iq, "wait", "internal-server-error");
	else if (known)
		answer_error(client, iq, "cancel", "conflict");
	else if (!field_keys(client, query, &account))
		answer_error(client, iq, "modify", "not-acceptable");
	else if (!store_account_put(server->store, jid, &account))
		answer_error(client, iq, "wait", "internal-server-error");
	else
		answer(client, iq, "result", "");
}

bool register_take(struct client *client, const struct element *iq)
{
	const struct element *query = element_child(iq, "query", REGISTER_NS);
	const char *type = element_attribute(iq, "type");
	if (!client->session.server->settings.registration || !query || !type)
		return false;
	if (!client->encrypted)
		answer_error(client, iq, "auth", "not-authorized");
	else if (strcmp(type, "get") == 0)
		answer_form(client, iq);
	else if (strcmp(type, "set") == 0)
		account_make(client, iq, query);
	else
		return false;
	/* Who only registers must not hold the stream for ever. */
	if (++client->registering > CLIENT_FAILURES_MAX)
		client_shut(client, "policy-violation", "too many attempts");
	return true;
}

/* All sessions of the account end first, so that their last presence still finds its roster. */
static void account_remove(struct client *client, const struct element *iq)
{
	struct sessiond *server = client->session.server;
	char *jid = text_copy(client->session.bare_jid);
	bool found;
	answer(client, iq, "result", "");
	for (struct session *session = client->session.user->sessions; session; session = session->user_next)
		session_close(session, "not-authorized", "the account has been removed");
	clients_reap(server);
	if (!store_account_delete(server->store, jid, &found))
		server_log(server, SESSIOND_ERROR, "cannot remove %s: %s", jid, store_error(server->store));
	free(jid);
}

static void password_change(struct client *client, const struct element *iq, const struct element *query)
{
	struct sessiond *server = client->session.server;
	struct store_account account;
	char jid[JID_BYTES_MAX + 1];
	if (!field_jid(client, query, jid) || strcmp(jid, client->session.bare_jid) != 0)
		answer_error(client, iq, "cancel", "not-allowed");
	else if (!may_make(server))
		answer_error(client, iq, "wait", "resource-constraint");
	else if (!field_keys(client, query, &account))
		answer_error(client, iq, "modify", "not-acceptable");
	else if (!store_account_put(server->store, jid, &account))
		answer_error(client, iq, "wait", "internal-server-error");
	else
		answer(client, iq, "result", "");
}

static void bound_take(struct client *client, const struct element *iq, const struct element *query, const char *type)
{
	if (strcmp(type, "get") == 0)
		answer_form(client, iq);
	else if (element_child(query, "remove", REGISTER_NS))
		account_remove(client, iq);
	else
		password_change(client, iq, query);
}

static bool is_for_us(const struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	return xml_is_equal(bytes, event->name, "iq") && event->child_ns.at != 0 &&
	       xml_is_equal(bytes, event->child_ns, REGISTER_NS) &&
	       (event->to.at == 0 || xml_is_equal(bytes, event->to, client->session.bare_jid) ||
		xml_is_equal(bytes, event->to, client->session.domain));
}

bool register_take_bound(struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	struct element *iq;
	if (!client->session.server->settings.registration || !is_for_us(client, event, bytes) ||
	    !(iq = element_parse(bytes + event->begin, event->end - event->begin)))
		return false;
	const struct element *query = element_child(iq, "query", REGISTER_NS);
	const char *type = element_attribute(iq, "type");
	bool taken = query && type && (strcmp(type, "get") == 0 || strcmp(type, "set") == 0);
	if (taken)
		bound_take(client, iq, query, type);
	element_free(iq);
	return taken;
}
