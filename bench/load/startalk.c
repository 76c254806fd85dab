#include "startalk.h"

#include "login.h"
#include "startalk_frame.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum signal {
	SIGNAL_PRESENCE = 1,
	SIGNAL_IQ = 2,
	SIGNAL_SUCCEEDED = 4,
	SIGNAL_FAILURE = 5,
	SIGNAL_CHAT = 6,
	SIGNAL_ERROR = 9,
	SIGNAL_MSTAT = 16,
	SIGNAL_AUTH = 45,
	SIGNAL_STREAM_END = 51,
	SIGNAL_WELCOME = 100,
	SIGNAL_STARTTLS = 106,
	SIGNAL_PROCEED = 108
};
enum { IQ_ID = 4, MESSAGE_ID = 7, FAILURE_ERROR = 3, END_REASON = 1, PING_WORD = 50 };

bool startalk_is(const struct load *load)
{
	return strcmp(load->options->protocol, "startalk") == 0;
}

/* ---- what is said */

static void say(struct load *load, struct client *client, const struct startalk_letter *letter)
{
	static struct sheet frame;

	frame.len = 0;
	startalk_seal(letter, &frame);
	client_say(load, client, (const char *)frame.bytes, frame.len);
}

/* A payload to be filled; each process has one thread, and one payload at a time. */
static struct sheet *payload_new(void)
{
	static struct sheet payload;

	payload.len = 0;
	return &payload;
}

static void say_plain(struct load *load, struct client *client, enum signal signal, const struct sheet *payload)
{
	say(load, client, &(struct startalk_letter){.signal = (int)signal, .payload = payload});
}

void startalk_connected(struct load *load, struct client *client)
{
	struct sheet *welcome = payload_new();
	char user[256];

	snprintf(user, sizeof user, "%s%u", load->options->user_prefix, number_user(load, client->number));
	sheet_text(welcome, 1, load->options->domain);
	sheet_text(welcome, 2, "1.0");
	sheet_text(welcome, 3, user);
	say_plain(load, client, SIGNAL_WELCOME, welcome);
	client->state = CLIENT_OFFER;
}

void startalk_secured(struct load *load, struct client *client)
{
	struct sheet *auth = payload_new();
	char *response = NULL;

	client->login = login_begin(load->accounts, number_user(load, client->number));
	if (!client->login || !login_step(client->login, NULL, &response)) {
		client_fail(load, client, FAULT_LOGIN, "SASL could not begin");
		return;
	}
	sheet_text(auth, 1, "PLAIN");
	sheet_text(auth, 4, response);
	gsasl_free(response);
	say_plain(load, client, SIGNAL_AUTH, auth);
	client->state = CLIENT_SASL;
}

static void say_bind(struct load *load, struct client *client)
{
	struct sheet *iq = payload_new();
	char resource[32];

	snprintf(resource, sizeof resource, "r%u", number_resource(load, client->number));
	sheet_text(iq, 2, "BIND");
	sheet_text(iq, 3, resource);
	sheet_text(iq, IQ_ID, "bind");
	say_plain(load, client, SIGNAL_IQ, iq);
	client->state = CLIENT_BIND;
}

static void say_presence(struct load *load, struct client *client)
{
	struct sheet *presence = payload_new();

	sheet_text(presence, 2, "priority");
	sheet_text(presence, 3, "5");
	sheet_number(presence, 11, 1);
	say_plain(load, client, SIGNAL_PRESENCE, presence);
}

void startalk_ping(struct load *load, struct client *client, const char *id)
{
	struct sheet *iq = payload_new();

	sheet_text(iq, IQ_ID, id);
	sheet_number(iq, 11, PING_WORD);
	say_plain(load, client, SIGNAL_IQ, iq);
}

void startalk_chat(struct load *load, struct client *client, const char *to, const char *id, const char *body,
		   size_t len)
{
	static struct sheet inner;
	struct sheet *message = payload_new();

	inner.len = 0;
	sheet_bytes(&inner, 2, body, len);
	sheet_number(message, 1, 1);
	sheet_number(message, 2, 3);
	sheet_number(message, 3, 200012);
	sheet_text(message, MESSAGE_ID, id);
	sheet_bytes(message, 9, inner.bytes, inner.len);
	say(load, client, &(struct startalk_letter){.signal = SIGNAL_CHAT, .to = to, .payload = message});
}

/* ---- what is heard */

struct heard {
	int signal;
	struct startalk_field payload;
};

static bool heard_read(const struct sheet *plain, struct heard *ret)
{
	const uint8_t *at = plain->bytes, *end = plain->bytes + plain->len;
	struct startalk_field field;

	*ret = (struct heard){0};
	while (startalk_field_next(&at, end, &field)) {
		if (field.number == 2)
			ret->signal = (int)field.value;
		else if (field.number == 5)
			ret->payload = field;
	}
	return at == end && ret->signal != 0;
}

/* A text of the payload; "" when there is none. */
static const char *text_of(const struct heard *heard, unsigned number, char to[static MARK_TEXT_BYTES])
{
	struct startalk_field field;

	to[0] = 0;
	if (startalk_field_find(heard->payload.bytes, heard->payload.len, number, &field) &&
	    field.len < MARK_TEXT_BYTES) {
		memcpy(to, field.bytes, field.len);
		to[field.len] = 0;
	}
	return to;
}

static void unexpected(struct load *load, struct client *client, const struct heard *heard)
{
	char detail[64];

	snprintf(detail, sizeof detail, "signal %d", heard->signal);
	client_fail(load, client, FAULT_LOGIN, detail);
}

static void on_bound(struct load *load, struct client *client)
{
	if (load->options->presence)
		say_presence(load, client);
	client->state = CLIENT_ONLINE;
	load_client_online(load, client);
}

static void on_succeeded(struct load *load, struct client *client)
{
	login_end(client->login);
	client->login = NULL;
	say_bind(load, client);
}

static void on_login(struct load *load, struct client *client, const struct heard *heard)
{
	static const struct {
		enum client_state state;
		enum signal signal;
		void (*then)(struct load *, struct client *);
	} steps[] = {{CLIENT_PROCEED, SIGNAL_PROCEED, client_start_tls},
		     {CLIENT_SASL, SIGNAL_SUCCEEDED, on_succeeded},
		     {CLIENT_BIND, SIGNAL_IQ, on_bound}};

	if (client->state == CLIENT_OFFER && heard->signal == SIGNAL_WELCOME) {
		say_plain(load, client, SIGNAL_STARTTLS, payload_new());
		client->state = CLIENT_PROCEED;
		return;
	}
	for (unsigned i = 0; i < sizeof steps / sizeof steps[0]; i++)
		if (client->state == steps[i].state && heard->signal == (int)steps[i].signal) {
			steps[i].then(load, client);
			return;
		}
	unexpected(load, client, heard);
}

static void on_stanza(struct load *load, struct client *client, const struct heard *heard)
{
	char id[MARK_TEXT_BYTES];
	bool message = heard->signal == SIGNAL_CHAT || heard->signal == SIGNAL_ERROR;

	load->tally->counts.stanzas++;
	if (heard->signal == SIGNAL_MSTAT)
		load->tally->counts.acknowledged++;
	else if (message || heard->signal == SIGNAL_IQ)
		traffic_take(load, client,
			     &(struct arrival){.id = text_of(heard, message ? MESSAGE_ID : IQ_ID, id),
					       .is_message = message,
					       .is_error = heard->signal == SIGNAL_ERROR,
					       .now_ns = clock_ns()});
}

static void on_frame(struct load *load, struct client *client, const struct sheet *plain, bool good)
{
	struct heard heard;
	char reason[MARK_TEXT_BYTES];

	if (!good || !heard_read(plain, &heard))
		client_fail(load, client, FAULT_XML, "a frame that cannot be opened");
	else if (heard.signal == SIGNAL_STREAM_END)
		client_fail(load, client, FAULT_STREAM_ERROR, text_of(&heard, END_REASON, reason));
	else if (heard.signal == SIGNAL_FAILURE)
		client_fail(load, client, FAULT_LOGIN, text_of(&heard, FAILURE_ERROR, reason));
	else if (client_is_online(client))
		on_stanza(load, client, &heard);
	else
		on_login(load, client, &heard);
}

size_t startalk_read(struct load *load, struct client *client, const uint8_t *bytes, size_t len)
{
	static struct sheet plain;
	size_t used = 0, one;
	bool good;

	while (client->state != CLIENT_TLS && client->state != CLIENT_ENDED &&
	       (one = startalk_open(bytes + used, len - used, &plain, &good)) > 0) {
		used += one;
		on_frame(load, client, &plain, good);
	}
	return used;
}
