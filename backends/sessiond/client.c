#include "client.h"
#include "bound.h"
#include "inactive.h"
#include "management.h"
#include "negotiation.h"
#include "outbox.h"
#include "peer.h"
#include "register.h"
#include "stanza.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct xml_limits element_limits = {
	.element_bytes_max = CLIENT_ELEMENT_BYTES_MAX,
	.elements_max = 1 << 16,
	.depth_max = XML_DEPTH_MAX,
	.attributes_max = XML_ATTRIBUTES_MAX,
	.name_bytes_max = 1024,
	.namespaces_max = XML_NAMESPACES_MAX,
};

struct client *client_make(struct sessiond *server, struct backend_session *at)
{
	struct client *client = calloc(1, sizeof *client);
	if (!client)
		abort();
	client->session.server = server;
	client->at = at;
	if (at)
		at->user = client;
	return client;
}

static char *field_copy(const struct frame *frame, enum frame_field field)
{
	struct frame_value value;
	if (!frame_find(frame, field, &value))
		return NULL;
	return server_copy((const char *)value.at, value.len);
}

static void client_sasl_begin(struct client *client, const struct frame *open)
{
	struct frame_value exporter;
	char *addresses = field_copy(open, FIELD_CLIENT_CERT_XMPP_ADDR);
	client->encrypted = frame_find_int(open, FIELD_TLS_VERSION, 0) != 0;
	client->exporter = client->encrypted && !client->session.server->settings.no_channel_binding &&
			   frame_find(open, FIELD_TLS_EXPORTER, &exporter) && exporter.len == SASL_EXPORTER_BYTES;
	struct sasl_client facts = {
		.domain = client->session.domain,
		.encrypted = client->encrypted,
		.exporter = client->exporter ? exporter.at : NULL,
		.addresses = addresses,
	};
	client->sasl = sasl_new(client->session.server->sasl, &facts);
	free(addresses);
}

void client_open(struct backend_session *at, const struct frame *open)
{
	struct sessiond *server = peer_of(at->link)->server;
	struct client *client = client_make(server, at);
	struct frame_value address;
	client->session.domain = field_copy(open, FIELD_DOMAIN);
	client->session.lang = field_copy(open, FIELD_LANG);
	if (frame_find(open, FIELD_ADDRESS, &address) && address.len < sizeof client->address)
		memcpy(client->address, address.at, address.len);
	if (server->stopping)
		client_shut(client, "system-shutdown", NULL);
	else if (!sessiond_serves(server, client->session.domain))
		client_shut(client, "host-unknown", NULL);
	else
		client_sasl_begin(client, open);
}

static bool ns_is_client(const struct xml_event *event, const uint8_t *bytes)
{
	return event->prefix.at == 0 && (event->ns.at == 0 || xml_is_equal(bytes, event->ns, "jabber:client"));
}

static bool is_stanza(const struct xml_event *event, const uint8_t *bytes)
{
	return ns_is_client(event, bytes) &&
	       (xml_is_equal(bytes, event->name, "message") || xml_is_equal(bytes, event->name, "presence") ||
		xml_is_equal(bytes, event->name, "iq"));
}

static bool client_management(struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	struct element *element = element_parse(bytes + event->begin, event->end - event->begin);
	bool taken = element && (management_take_bound(client, element) || inactive_take(client, element));
	element_free(element);
	return taken;
}

static void client_stanza(struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	bool stanza = is_stanza(event, bytes);
	client->progress.managed_in += stanza && client->managed;
	if (!stanza && !client_management(client, event, bytes))
		client_shut(client, "unsupported-stanza-type", NULL);
	else if (stanza && !negotiation_take_bound(client, event, bytes) && !register_take_bound(client, event, bytes))
		stanza_handle(&client->session, event, bytes);
}

void client_element(struct client *client, const uint8_t *bytes, uint32_t len)
{
	struct xml state;
	struct xml_event event;
	xml_enter(&state);
	xml_next(&state, client->session.server->xml_work, &element_limits, bytes, len, &event);
	bool bound = client->session.stage == SESSION_BOUND;
	if (bound) {
		client->progress.received++;
		bound_changed(client, CLIENT_CHANGED_PROGRESS);
	}
	if (event.is == XML_BAD)
		client_shut(client, xml_error_condition(event.error), xml_error_text(event.error));
	else if (event.is == XML_MORE)
		client_shut(client, "not-well-formed", "an element that does not end");
	else if (event.is != XML_ELEMENT || event.begin != 0 || event.used != len)
		client_shut(client, "bad-format", "not one element");
	else if (!bound && len > CLIENT_NEGOTIATION_BYTES_MAX)
		client_shut(client, "policy-violation", "too long before a resource is bound");
	else if (!bound)
		negotiation_element(client, bytes, len);
	else
		client_stanza(client, &event, bytes);
}

static void client_mark_link(const struct client *client)
{
	if (client->at->link)
		peer_mark(peer_of(client->at->link));
}

bool client_pass(struct client *client, const char *xml, size_t len)
{
	client_mark_link(client);
	return backend_send_element(client->at, xml, len);
}

bool client_is_open(const struct client *client)
{
	return !client->closed && client->at && backend_is_open(client->at);
}

void clients_pass(struct client *const *clients, size_t count, const char *xml, size_t len)
{
	struct backend_session *at[CLIENT_RESOURCES_MAX];
	assert(count > 0 && count <= CLIENT_RESOURCES_MAX);
	for (size_t i = 0; i < count; i++) {
		client_mark_link(clients[i]);
		at[i] = clients[i]->at;
	}
	bool passed = backend_fanout(&clients[0]->session.server->backend, at, count, xml, len);
	assert(passed);
}

void session_send(struct session *session, const char *xml, size_t len)
{
	struct client *client = client_of(session);
	assert(len > 0);
	if (client->closed)
		return;
	if (len > FRAME_PAYLOAD_MAX)
		client_shut(client, "internal-server-error", "an element too long for the link");
	else if (session->stage == SESSION_BOUND)
		outbox_send(client, xml, len);
	else if (!client_pass(client, xml, len))
		client_shut(client, "resource-constraint", "too much has piled up that is not read");
}

/* Those that can take it now are sent it together, each of the others by itself. */
void sessions_send(struct session *const *sessions, size_t count, const char *xml, size_t len)
{
	struct client *open[CLIENT_RESOURCES_MAX];
	size_t open_count = 0;
	for (size_t i = 0; i < count; i++) {
		struct client *client = client_of(sessions[i]);
		if (open_count < CLIENT_RESOURCES_MAX && len <= FRAME_PAYLOAD_MAX && outbox_is_open(client))
			open[open_count++] = client;
		else
			session_send(sessions[i], xml, len);
	}
	outbox_send_together(open, open_count, xml, len);
}

void client_send(struct client *client, const char *xml)
{
	session_send(&client->session, xml, strlen(xml));
}

static void client_mark_closed(struct client *client)
{
	struct sessiond *server = client->session.server;
	assert(!client->closed);
	client->closed = true;
	client->at = NULL;
	client->dying_next = server->dying;
	server->dying = client;
}

static void say_close(struct client *client, const struct client_close *why)
{
	uint8_t room[FRAME_HEAD_BYTES + 2048];
	struct frame_builder close;
	frame_begin(&close, room, sizeof room, FRAME_CLOSE, client->at->number);
	if (why->condition)
		frame_put_text(&close, FIELD_CONDITION, why->condition);
	if (why->reason)
		frame_put_text(&close, FIELD_REASON, why->reason);
	if (why->element)
		frame_put_text(&close, FIELD_ELEMENT, why->element);
	size_t len = frame_end(&close);
	assert(len > 0);
	backend_send(client->at, room, len);
	client_mark_link(client);
}

void client_say_close(struct client *client, const char *condition, const char *reason)
{
	say_close(client, &(struct client_close){.condition = condition, .reason = reason});
}

void client_shut_for(struct client *client, const struct client_close *why)
{
	if (client->closed)
		return;
	if (client->at)
		say_close(client, why);
	else if (why->condition)
		snprintf(client->condition, sizeof client->condition, "%s", why->condition);
	client_mark_closed(client);
}

void client_shut(struct client *client, const char *condition, const char *reason)
{
	client_shut_for(client, &(struct client_close){.condition = condition, .reason = reason});
}

void session_close(struct session *session, const char *condition, const char *reason)
{
	client_shut(client_of(session), condition, reason);
}

void client_leave(struct client *client)
{
	client_mark_closed(client);
}

void client_closed_by_gate(struct client *client, bool clean)
{
	if (clean || !management_hibernate(client))
		client_mark_closed(client);
}

void client_lost(struct client *client)
{
	if (management_hibernate(client))
		return;
	client->lost = true;
	client_mark_closed(client);
}

void clients_lose(struct sessiond *server)
{
	void *user;
	while (backend_over(&server->backend, server->now_ms, &user)) {
		client_lost(user);
		clients_reap(server);
	}
}

void client_state(struct client *client, enum frame_stage stage, const char *jid, const char *features)
{
	uint8_t room[FRAME_HEAD_BYTES + 32768];
	struct frame_builder state;
	frame_begin(&state, room, sizeof room, FRAME_STATE, client->at->number);
	frame_put_int(&state, FIELD_STAGE, stage);
	frame_put_text(&state, FIELD_JID, jid);
	if (features)
		frame_put_text(&state, FIELD_FEATURES, features);
	size_t len = frame_end(&state);
	assert(len > 0);
	backend_send(client->at, room, len);
	client_mark_link(client);
}

static void client_free(struct client *client)
{
	struct session *session = &client->session;
	negotiation_forget(client);
	sasl_free(client->sasl);
	free(session->full_jid);
	free(session->bare_jid);
	free(session->domain);
	free(session->lang);
	free(client);
}

void clients_reap(struct sessiond *server)
{
	while (server->dying) {
		struct client *client = server->dying;
		server->dying = client->dying_next;
		if (client->session.stage == SESSION_BOUND) {
			client->priority = client->session.priority;
			stanza_session_ended(&client->session);
			client_unregister(client);
			bound_end(client);
		}
		client_free(client);
	}
}

void client_drop(struct client *client)
{
	bound_forget(client);
	if (client->session.stage == SESSION_BOUND)
		client_unregister(client);
	client_free(client);
}
