#include "management.h"

#include "login.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANAGEMENT_NS "urn:xmpp:sm:3"
enum { TEXT_BYTES = 1024 };

struct management {
	uint32_t heard; /* stanzas since the stream was made one that can be resumed */
	char id[];	/* raw, for an attribute in apostrophes */
};

bool management_is_on(const struct load *load, const struct client *client)
{
	return load->options->resume_streams && number_returns(load, client->number);
}

void management_free(struct management *management)
{
	free(management);
}

static void say(struct load *load, struct client *client, const char *text)
{
	client_say(load, client, text, strlen(text));
}

bool management_resume(struct load *load, struct client *client)
{
	char text[TEXT_BYTES];

	if (!client->management)
		return false;
	snprintf(text, sizeof text, "<resume xmlns='" MANAGEMENT_NS "' previd='%s' h='%u'/>", client->management->id,
		 client->management->heard);
	say(load, client, text);
	client->state = CLIENT_RESUME;
	return true;
}

void management_enable(struct load *load, struct client *client)
{
	say(load, client, "<enable xmlns='" MANAGEMENT_NS "' resume='true'/>");
	client->state = CLIENT_ENABLE;
}

/* A name that is too long, or that could end the attribute, is none. */
static void id_keep(struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	size_t len = event->id.at ? event->id.len : 0;

	if (!len || len > TEXT_BYTES / 2 || memchr(bytes + event->id.at, '\'', len))
		return;
	client->management = calloc(1, sizeof *client->management + len + 1);
	assert(client->management);
	memcpy(client->management->id, bytes + event->id.at, len);
}

static void enable_answer(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	if (xml_is_equal(bytes, event->name, "enabled")) {
		id_keep(client, event, bytes);
		login_online(load, client);
	} else if (xml_is_equal(bytes, event->name, "failed")) {
		client_fail(load, client, FAULT_LOGIN, "stream management is refused");
	}
}

/* Whose stream is not there any more is a client like any that logs in. */
static void resume_answer(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	if (xml_is_equal(bytes, event->name, "resumed")) {
		load->tally->counts.streams_resumed++;
		client->state = CLIENT_ONLINE;
		load_client_online(load, client);
		return;
	}
	management_free(client->management);
	client->management = NULL;
	load->tally->counts.streams_refused++;
	login_bind_ask(load, client);
}

void management_answer(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	if (client->state == CLIENT_ENABLE)
		enable_answer(load, client, event, bytes);
	else
		resume_answer(load, client, event, bytes);
}

bool management_hear(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	char text[TEXT_BYTES];

	if (!client->management)
		return false;
	if (xml_is_equal(bytes, event->name, "r")) {
		snprintf(text, sizeof text, "<a xmlns='" MANAGEMENT_NS "' h='%u'/>", client->management->heard);
		say(load, client, text);
		return true;
	}
	if (xml_is_equal(bytes, event->name, "a"))
		return true;
	client->management->heard++;
	return false;
}
