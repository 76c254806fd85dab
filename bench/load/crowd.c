#include "crowd.h"

#include "load.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_BYTES = 4096 };

bool crowd_is(const struct load *load)
{
	return load->options->room_size || load->options->resources;
}

static unsigned group_begin(const struct load *load, unsigned number)
{
	return number - number % load_unit(load->options);
}

/* One above the last place of a group that begins at this place. */
static unsigned group_end(const struct load *load, unsigned place)
{
	unsigned end = place + load_unit(load->options);

	return end < load->count ? end : load->count;
}

static void room_name(const struct load *load, unsigned number, char *to, size_t cap)
{
	const char *host = load->options->room_host;

	snprintf(to, cap, "%s%u@%s%s", load->options->room_prefix, number / load_unit(load->options),
		 host[0] ? host : "conference.", host[0] ? "" : load->options->domain);
}

/* ---- to enter */

static void room_enter(struct load *load, struct client *client)
{
	char room[LOAD_JID_BYTES], text[TEXT_BYTES];
	int len;

	room_name(load, client->number, room, sizeof room);
	len = snprintf(text, sizeof text,
		       "<presence to='%s/n%u'><x xmlns='http://jabber.org/protocol/muc'><history "
		       "maxstanzas='0'/></x></presence>",
		       room, client->number);
	client_say(load, client, text, (size_t)len);
}

void crowd_join(struct load *load)
{
	for (unsigned i = 0; i < load->count && load->options->room_size; i += load_unit(load->options))
		if (client_is_online(&load->clients[i]))
			room_enter(load, &load->clients[i]);
}

static void entered(struct load *load, struct client *client)
{
	unsigned begin = client->number - load->first;

	if (client->joined)
		return;
	client->joined = true;
	load->tally->counts.joined++;
	if (client->number != group_begin(load, client->number))
		return;
	for (unsigned i = begin + 1; i < group_end(load, begin); i++)
		if (client_is_online(&load->clients[i]))
			room_enter(load, &load->clients[i]);
}

/* A new room is locked until its owner has said what it shall be (XEP-0045, 10.1.2). */
static void room_unlock(struct load *load, struct client *client)
{
	char room[LOAD_JID_BYTES], text[TEXT_BYTES];
	int len;

	room_name(load, client->number, room, sizeof room);
	len = snprintf(text, sizeof text,
		       "<iq type='set' to='%s' id='unlock'><query xmlns='http://jabber.org/protocol/muc#owner'>"
		       "<x xmlns='jabber:x:data' type='submit'/></query></iq>",
		       room);
	client_say(load, client, text, (size_t)len);
}

static bool has(const struct xml_event *event, const uint8_t *bytes, const char *text)
{
	return memmem(bytes + event->begin, event->end - event->begin, text, strlen(text)) != NULL;
}

static bool has_status(const struct xml_event *event, const uint8_t *bytes, const char *code)
{
	char one[32], other[32];

	snprintf(one, sizeof one, "code='%s'", code);
	snprintf(other, sizeof other, "code=\"%s\"", code);
	return has(event, bytes, one) || has(event, bytes, other);
}

static void presence_hear(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	if (has_status(event, bytes, "201"))
		room_unlock(load, client);
	else if (has_status(event, bytes, "110"))
		entered(load, client);
	else if (event->type.at && xml_is_equal(bytes, event->type, "error"))
		load_fault(load, FAULT_JOIN, client->number, "refused");
}

bool crowd_hear(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	if (load->phase != PHASE_JOIN)
		return false;
	if (xml_is_equal(bytes, event->name, "presence"))
		presence_hear(load, client, event, bytes);
	else if (event->id.at && xml_is_equal(bytes, event->id, "unlock"))
		entered(load, client);
	return true;
}

/* ---- to send */

static unsigned others_count(const struct load *load, const struct client *client)
{
	unsigned begin = group_begin(load, client->number) - load->first, others = 0;

	for (unsigned i = begin; i < group_end(load, begin); i++)
		others += &load->clients[i] != client && client_is_online(&load->clients[i]) &&
			  (load->clients[i].joined || !load->options->room_size);
	return others;
}

static void room_say(struct load *load, struct client *client, const char *id)
{
	char room[LOAD_JID_BYTES], head[TEXT_BYTES];
	int len;

	room_name(load, client->number, room, sizeof room);
	len = snprintf(head, sizeof head, "<message to='%s' type='groupchat' id='%s'><body>", room, id);
	assert(len > 0 && (size_t)len < sizeof head);
	client_say(load, client, head, (size_t)len);
	client_say(load, client, load->traffic.body, traffic_size(load, NULL));
	client_say(load, client, "</body></message>", strlen("</body></message>"));
}

void crowd_send(struct load *load, struct client *client, uint64_t due_ns)
{
	struct mark mark = {MARK_GROUP, client->number, client->flow.sent++, due_ns};
	char id[MARK_TEXT_BYTES], text[TEXT_BYTES];
	int len;

	traffic_mark(load, &mark, id);
	load->tally->counts.sent++;
	load->tally->counts.expected += others_count(load, client);
	if (load->options->room_size) {
		room_say(load, client, id);
		return;
	}
	len = snprintf(text, sizeof text, "<presence id='%s'><show>%s</show></presence>", id,
		       mark.number & 1 ? "away" : "dnd");
	client_say(load, client, text, (size_t)len);
}

struct flow *crowd_flow(struct load *load, const struct client *client, unsigned sender)
{
	unsigned unit = load_unit(load->options), begin = group_begin(load, client->number);

	if (!load->flows || sender < begin || sender >= begin + unit)
		return NULL;
	return &load->flows[(size_t)(client->number - load->first) * unit + (sender - begin)];
}
