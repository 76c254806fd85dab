#include "negotiation.h"
#include "bound.h"
#include "element.h"
#include "inactive.h"
#include "jid.h"
#include "management.h"
#include "register.h"
#include "stanza.h"
#include "text.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SASL_NS	   "urn:ietf:params:xml:ns:xmpp-sasl"
#define BIND_NS	   "urn:ietf:params:xml:ns:xmpp-bind"
#define SESSION_NS "urn:ietf:params:xml:ns:xmpp-session"
#define STANZAS_NS "urn:ietf:params:xml:ns:xmpp-stanzas"

enum { CHECK_SHARE = 4 }; /* one part of so many of the time may go into checking passwords while others wait */

/* SASL */

static void client_put(struct client *client, struct text *text)
{
	session_send(&client->session, text->bytes, text->len);
	text_free(text);
}

/* After too many of them the stream ends (RFC 6120, 6.4.5). */
static void failure_count(struct client *client)
{
	if (++client->failures >= CLIENT_FAILURES_MAX)
		client_shut(client, "policy-violation", "too many failed attempts");
}

static void login_failed(struct client *client, const char *condition)
{
	struct text text = {0};
	server_log_client(client->session.server, "", client->address, "login at %s from %s failed: %s",
			  client->session.domain, client->address, condition);
	text_put(&text, "<failure xmlns='" SASL_NS "'><%r/></failure>", condition);
	client_put(client, &text);
	failure_count(client);
}

/* The gate must know before the client does: the next thing the client sends is a new stream header. */
static void login_succeeded(struct client *client, const char *data)
{
	struct session *session = &client->session;
	struct text features = {0}, success = {0};
	const char *jid = sasl_jid(client->sasl);
	session->bare_jid = server_copy(jid, strlen(jid));
	session->stage = SESSION_AUTHENTICATED;
	client->failures = 0;
	text_put(&features,
		 "<bind xmlns='" BIND_NS "'/><session xmlns='" SESSION_NS
		 "'><optional/></session>" MANAGEMENT_FEATURE INACTIVE_FEATURE "%r",
		 stanza_stream_features());
	client_state(client, FRAME_STAGE_AUTHENTICATED, jid, features.bytes);
	text_free(&features);
	if (data)
		text_put(&success, "<success xmlns='" SASL_NS "'>%r</success>", data);
	else
		text_put(&success, "<success xmlns='" SASL_NS "'/>");
	client_put(client, &success);
	server_log_client(session->server, jid, client->address, "%s has logged in from %s", jid, client->address);
	sasl_free(client->sasl);
	client->sasl = NULL;
}

static void verify_later(struct client *client)
{
	struct sessiond *server = client->session.server;
	assert(!client->verifying);
	client->verifying = true;
	client->verify_next = NULL;
	if (server->verify_first)
		server->verify_last->verify_next = client;
	else
		server->verify_first = client;
	server->verify_last = client;
}

void negotiation_forget(struct client *client)
{
	struct sessiond *server = client->session.server;
	struct client *before = NULL;
	if (!client->verifying)
		return;
	for (struct client *at = server->verify_first; at != client; at = at->verify_next)
		before = at;
	if (before)
		before->verify_next = client->verify_next;
	else
		server->verify_first = client->verify_next;
	if (server->verify_last == client)
		server->verify_last = before;
	client->verifying = false;
}

static void login_answer(struct client *client, const struct sasl_answer *answer)
{
	struct text text = {0};
	switch (answer->is) {
	case SASL_CHALLENGE:
		text_put(&text, "<challenge xmlns='" SASL_NS "'>%r</challenge>", answer->text);
		client_put(client, &text);
		break;
	case SASL_SUCCESS:
		login_succeeded(client, answer->text);
		break;
	case SASL_FAILURE:
		login_failed(client, answer->condition);
		break;
	case SASL_VERIFY:
		verify_later(client);
		break;
	}
}

bool negotiation_waits(const struct sessiond *server)
{
	return server->verify_first;
}

void negotiation_run(struct sessiond *server, bool idle)
{
	struct client *client = server->verify_first;
	uint64_t begin_us = server_clock_us();
	if (!client || (!idle && begin_us < server->verify_after_us))
		return;
	struct sasl_answer answer;
	negotiation_forget(client);
	sasl_verify(client->sasl, &answer);
	login_answer(client, &answer);
	clients_reap(server);
	uint64_t end_us = server_clock_us();
	server->verify_after_us = end_us + (CHECK_SHARE - 1) * (end_us - begin_us);
}

static void login_begin(struct client *client, const struct element *auth, const char *text)
{
	struct sasl_answer answer;
	if (sasl_is_going(client->sasl))
		failure_count(client);
	if (client->closed)
		return;
	sasl_begin(client->sasl, element_attribute(auth, "mechanism"), text, &answer);
	login_answer(client, &answer);
}

static void login_element(struct client *client, const struct element *element)
{
	struct sasl_answer answer;
	char *text = element_text(element);
	negotiation_forget(client);
	if (strcmp(element_name(element), "auth") == 0) {
		login_begin(client, element, text);
	} else if (strcmp(element_name(element), "response") == 0) {
		sasl_respond(client->sasl, text, &answer);
		login_answer(client, &answer);
	} else if (strcmp(element_name(element), "abort") == 0) {
		sasl_abort(client->sasl, &answer);
		login_answer(client, &answer);
	} else {
		client_shut(client, "unsupported-stanza-type", NULL);
	}
	explicit_bzero(text, strlen(text));
	free(text);
}

/* Binding a resource */

static const char *iq_id(const struct element *iq)
{
	const char *id = element_attribute(iq, "id");
	return id ? id : "";
}

static bool iq_is_set(const struct element *iq)
{
	const char *type = element_attribute(iq, "type");
	return type && strcmp(type, "set") == 0;
}

static void iq_error(struct client *client, const struct element *iq, const char *type, const char *condition)
{
	struct text text = {0};
	text_put(&text, "<iq type='error' id='%s'><error type='%r'><%r xmlns='" STANZAS_NS "'/></error></iq>",
		 iq_id(iq), type, condition);
	client_put(client, &text);
}

static void bind_failed(struct client *client, const struct element *iq, const char *type, const char *condition)
{
	iq_error(client, iq, type, condition);
	failure_count(client);
}

/* Eighty random bits: nobody guesses it, and full JIDs stay short. */
static void resource_make(char to[static JID_PART_BYTES_MAX + 1])
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint8_t random[16];
	if (getrandom(random, sizeof random, 0) != sizeof random)
		abort();
	for (size_t i = 0; i < sizeof random; i++)
		to[i] = digits[random[i] % 32];
	to[sizeof random] = '\0';
}

/* The resource the client asks for, or one of ours when it asks for none. False: it asks for what is none. */
static bool resource_choose(const struct element *bind, char to[static JID_PART_BYTES_MAX + 1])
{
	const struct element *resource = element_child(bind, "resource", BIND_NS);
	char *text = resource ? element_text(resource) : NULL;
	bool good = true;
	if (text && text[0] != '\0')
		good = jid_prepare_resource(text, strlen(text), to);
	else
		resource_make(to);
	free(text);
	return good;
}

/* The new session wins: what holds the name may be a ghost, of a client that has lost its network (RFC 6120, 7.7.2.2).
 */
static void bind_succeeded(struct client *client, const struct element *iq, const char *full_jid)
{
	struct session *session = &client->session, *old = session_find(session->server, full_jid);
	struct text text = {0};
	if (old) {
		session_close(old, "conflict", "replaced by a new session");
		clients_reap(session->server);
	}
	client_register(client, full_jid);
	if (!bound_begin(client))
		return;
	client_state(client, FRAME_STAGE_BOUND, full_jid, NULL);
	text_put(&text, "<iq type='result' id='%s'><bind xmlns='" BIND_NS "'><jid>%s</jid></bind></iq>", iq_id(iq),
		 full_jid);
	client_put(client, &text);
	stanza_session_began(session);
}

static void bind_take(struct client *client, const struct element *iq, const struct element *bind)
{
	struct session *session = &client->session;
	char resource[JID_PART_BYTES_MAX + 1], full_jid[JID_BYTES_MAX + 1];
	if (!resource_choose(bind, resource)) {
		bind_failed(client, iq, "modify", "bad-request");
		return;
	}
	snprintf(full_jid, sizeof full_jid, "%s/%s", session->bare_jid, resource);
	const struct user *user = user_find(session->server, session->bare_jid);
	if (user && user->session_count >= CLIENT_RESOURCES_MAX && !session_find(session->server, full_jid))
		bind_failed(client, iq, "wait", "resource-constraint");
	else
		bind_succeeded(client, iq, full_jid);
}

static void negotiation_authenticated(struct client *client, const struct element *element)
{
	const struct element *bind = element_child(element, "bind", BIND_NS);
	if (element_is(element, "iq", "jabber:client") && iq_is_set(element) && bind)
		bind_take(client, element, bind);
	else if (!management_take(client, element))
		client_shut(client, "not-authorized", "no resource has been bound");
}

static void negotiation_opened(struct client *client, const struct element *element)
{
	if (strcmp(element_ns(element), SASL_NS) == 0)
		login_element(client, element);
	else if (!element_is(element, "iq", "jabber:client") || !register_take(client, element))
		client_shut(client, "not-authorized", NULL);
}

void negotiation_element(struct client *client, const uint8_t *bytes, size_t len)
{
	struct element *element = element_parse(bytes, len);
	if (!element)
		client_shut(client, "not-well-formed", NULL);
	else if (client->session.stage == SESSION_OPENED)
		negotiation_opened(client, element);
	else
		negotiation_authenticated(client, element);
	element_free(element);
}

/* After binding */

static bool is_late(const struct xml_event *event, const uint8_t *bytes)
{
	return event->to.at == 0 && xml_is_equal(bytes, event->name, "iq") && event->child_ns.at != 0 &&
	       (xml_is_equal(bytes, event->child_ns, BIND_NS) || xml_is_equal(bytes, event->child_ns, SESSION_NS));
}

bool negotiation_take_bound(struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	struct text text = {0};
	struct element *iq;
	if (!is_late(event, bytes) || !(iq = element_parse(bytes + event->begin, event->end - event->begin)))
		return false;
	bool taken = iq_is_set(iq);
	if (taken && element_child(iq, "session", SESSION_NS)) {
		text_put(&text, "<iq type='result' id='%s'/>", iq_id(iq));
		client_put(client, &text);
	} else if (taken) {
		iq_error(client, iq, "cancel", "not-allowed");
	}
	element_free(iq);
	return taken;
}

/* Features */

static void features_write(const struct sessiond *server, struct sasl_kind kind, char to[static SERVER_FEATURES_BYTES])
{
	const char *names[SASL_MECHANISMS_MAX + 1];
	struct text text = {0};
	sasl_offers(kind, names);
	text_put(&text, "<mechanisms xmlns='" SASL_NS "'>");
	for (const char **name = names; *name; name++)
		text_put(&text, "<mechanism>%r</mechanism>", *name);
	text_put(&text, "</mechanisms>");
	if (kind.binding)
		text_put(&text, "<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>"
				"<channel-binding type='tls-exporter'/></sasl-channel-binding>");
	if (server->settings.registration)
		text_put(&text, "<register xmlns='http://jabber.org/features/iq-register'/>");
	assert(text.len < SERVER_FEATURES_BYTES);
	memcpy(to, text.bytes, text.len + 1);
	text_free(&text);
}

void negotiation_features(struct sessiond *server)
{
	struct sasl_kind kind = {.encrypted = true};
	features_write(server, kind, server->features);
	kind.binding = !server->settings.no_channel_binding;
	features_write(server, kind, server->features_binding);
	kind.certificate = true;
	features_write(server, kind, server->features_certificate);
}
