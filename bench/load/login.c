#include "login.h"

#include "crowd.h"
#include "management.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 8192 };

static void say(struct load *load, struct client *client, const char *text)
{
	client_say(load, client, text, strlen(text));
}

static bool element_is(const struct xml_event *event, const uint8_t *bytes, const char *name)
{
	return xml_is_equal(bytes, event->name, name);
}

static bool element_has(const struct xml_event *event, const uint8_t *bytes, const char *text)
{
	return memmem(bytes + event->begin, event->end - event->begin, text, strlen(text)) != NULL;
}

/* The name of the first child, for a fault's detail. */
static void refused(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	char detail[64];

	snprintf(detail, sizeof detail, "<%.*s/> %.*s", (int)event->name.len, bytes + event->name.at,
		 (int)event->child.len, bytes + event->child.at);
	client_fail(load, client, FAULT_LOGIN, detail);
}

void login_stream_open(struct load *load, struct client *client)
{
	char text[2048];
	int len = snprintf(
		text, sizeof text,
		"<?xml version='1.0'?><stream:stream to='%s' version='1.0' xml:lang='en' xmlns='jabber:client' "
		"xmlns:stream='http://etherx.jabber.org/streams'>",
		load->options->domain);

	assert(len > 0 && (size_t)len < sizeof text);
	xml_restart(&client->xml);
	say(load, client, text);
}

static void on_offer(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	if (!element_has(event, bytes, "urn:ietf:params:xml:ns:xmpp-tls")) {
		client_fail(load, client, FAULT_LOGIN, "STARTTLS is not offered");
		return;
	}
	say(load, client, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	client->state = CLIENT_PROCEED;
}

static void on_proceed(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	if (element_is(event, bytes, "proceed"))
		client_start_tls(load, client);
	else
		refused(load, client, event, bytes);
}

/* Binds the exchange to the TLS connection that it runs in, when the mechanism asks for it. */
static bool binding_give(struct client *client)
{
	bool good = !client->exporter || login_bind(client->login, client->exporter);

	free(client->exporter);
	client->exporter = NULL;
	return good;
}

static void on_features(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	const char *mechanism = accounts_mechanism(load->accounts);
	char offered[64], text[TEXT_BYTES_MAX], *response;
	int len;

	snprintf(offered, sizeof offered, ">%s<", mechanism);
	if (!element_has(event, bytes, offered)) {
		client_fail(load, client, FAULT_LOGIN, "the mechanism is not offered");
		return;
	}
	client->login = login_begin(load->accounts, number_user(load, client->number));
	if (!client->login || !binding_give(client) || !login_step(client->login, NULL, &response)) {
		client_fail(load, client, FAULT_LOGIN, "SASL could not begin");
		return;
	}
	len = snprintf(text, sizeof text, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='%s'>%s</auth>",
		       mechanism, response);
	assert(len > 0 && (size_t)len < sizeof text);
	gsasl_free(response);
	say(load, client, text);
	client->state = CLIENT_SASL;
}

/* The element's text, for a step of SASL. False: too long. */
static bool text_copy(const struct xml_event *event, const uint8_t *bytes, char *to, size_t cap)
{
	if (event->text.len >= cap)
		return false;
	to[event->text.at ? xml_unescape_text(bytes, event->text, (uint8_t *)to) : 0] = 0;
	return true;
}

static void on_challenge(struct load *load, struct client *client, const char *challenge)
{
	char text[TEXT_BYTES_MAX], *response;
	int len;

	if (!login_step(client->login, challenge, &response)) {
		client_fail(load, client, FAULT_LOGIN, "a challenge that is not acceptable");
		return;
	}
	len = snprintf(text, sizeof text, "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%s</response>", response);
	assert(len > 0 && (size_t)len < sizeof text);
	gsasl_free(response);
	say(load, client, text);
}

/* What comes with success is the server's proof of itself, which SCRAM demands. */
static void on_success(struct load *load, struct client *client, const char *proof)
{
	char *response = NULL;

	if ((proof[0] || strcmp(accounts_mechanism(load->accounts), "PLAIN") != 0) &&
	    !login_step(client->login, proof, &response)) {
		client_fail(load, client, FAULT_LOGIN, "the server did not prove itself");
		return;
	}
	if (response)
		gsasl_free(response);
	login_end(client->login);
	client->login = NULL;
	client->state = CLIENT_BINDABLE;
	login_stream_open(load, client);
}

static void on_sasl(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	char text[TEXT_BYTES_MAX];

	if (!text_copy(event, bytes, text, sizeof text))
		client_fail(load, client, FAULT_LOGIN, "an answer that is too long");
	else if (element_is(event, bytes, "challenge"))
		on_challenge(load, client, text);
	else if (element_is(event, bytes, "success"))
		on_success(load, client, text);
	else
		refused(load, client, event, bytes);
}

void login_bind_ask(struct load *load, struct client *client)
{
	char text[256];

	snprintf(text, sizeof text,
		 "<iq type='set' id='bind'><bind "
		 "xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r%u</resource></bind></iq>",
		 number_resource(load, client->number));
	say(load, client, text);
	client->state = CLIENT_BIND;
}

static void on_bindable(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	if (!element_has(event, bytes, "urn:ietf:params:xml:ns:xmpp-bind"))
		client_fail(load, client, FAULT_LOGIN, "bind is not offered");
	else if (management_is_on(load, client) && !element_has(event, bytes, "urn:xmpp:sm:3"))
		client_fail(load, client, FAULT_LOGIN, "stream management is not offered");
	else if (!management_resume(load, client))
		login_bind_ask(load, client);
}

/* Between <jid> and </jid>, as it stands: escaped enough for an attribute, but for the apostrophe. */
static char *jid_copy(const struct xml_event *event, const uint8_t *bytes)
{
	const char *begin = memmem(bytes + event->begin, event->end - event->begin, "<jid>", 5), *end;

	if (!begin)
		return NULL;
	begin += 5;
	end = memchr(begin, '<', (size_t)((const char *)bytes + event->end - begin));
	return end && !memchr(begin, '\'', (size_t)(end - begin)) ? strndup(begin, (size_t)(end - begin)) : NULL;
}

static void bind_refused(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	char detail[256];

	snprintf(detail, sizeof detail, "bind: %.*s", (int)(event->end - event->begin), bytes + event->begin);
	client_fail(load, client, FAULT_LOGIN, detail);
}

/* Kept only if it is another than was asked for: most are not. */
static void jid_keep(const struct load *load, struct client *client, char *jid)
{
	char asked[LOAD_JID_BYTES];

	client->jid = NULL;
	load_jid(load, client, asked);
	if (strcmp(jid, asked) == 0)
		free(jid);
	else
		client->jid = jid;
}

void login_online(struct load *load, struct client *client)
{
	if (load->options->presence)
		say(load, client, "<presence/>");
	client->state = CLIENT_ONLINE;
	load_client_online(load, client);
}

static void on_bind(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	bool good = element_is(event, bytes, "iq") && event->type.at && xml_is_equal(bytes, event->type, "result");
	char *jid = good ? jid_copy(event, bytes) : NULL;

	if (!jid) {
		bind_refused(load, client, event, bytes);
		return;
	}
	jid_keep(load, client, jid);
	if (management_is_on(load, client))
		management_enable(load, client);
	else
		login_online(load, client);
}

/* Servers ask whether a client is alive (XEP-0199); a client that does not answer is cut off. */
static void ping_answer(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	char text[4096];
	int len = snprintf(text, sizeof text, "<iq type='result' id='%.*s' to='%.*s'/>", (int)event->id.len,
			   bytes + event->id.at, (int)event->from.len, bytes + event->from.at);

	if (len > 0 && (size_t)len < sizeof text && !strchr(text + strlen("<iq type='result' id='"), '"'))
		say(load, client, text);
}

static void on_stanza(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	bool is_iq = element_is(event, bytes, "iq");

	if (management_hear(load, client, event, bytes))
		return;
	load->tally->counts.stanzas++;
	if (is_iq && event->child_ns.at && xml_is_equal(bytes, event->child_ns, "urn:xmpp:ping") && event->type.at &&
	    xml_is_equal(bytes, event->type, "get"))
		ping_answer(load, client, event, bytes);
	else if (!crowd_hear(load, client, event, bytes))
		traffic_receive(load, client, event, bytes, clock_ns());
}

void login_element(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	static void (*const handlers[CLIENT_ENDED])(struct load *, struct client *, const struct xml_event *,
						    const uint8_t *) = {
		[CLIENT_OFFER] = on_offer,	     [CLIENT_PROCEED] = on_proceed,
		[CLIENT_FEATURES] = on_features,     [CLIENT_SASL] = on_sasl,
		[CLIENT_BINDABLE] = on_bindable,     [CLIENT_BIND] = on_bind,
		[CLIENT_ENABLE] = management_answer, [CLIENT_RESUME] = management_answer,
		[CLIENT_ONLINE] = on_stanza,
	};

	assert(handlers[client->state]);
	handlers[client->state](load, client, event, bytes);
}
