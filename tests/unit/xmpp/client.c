#include "client.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const struct xml_limits limits = {1 << 20, 1000, 100, 100, 1000, 100};

void event_read(struct xml *xml, const struct xml_scope *scope, const char *text, struct xml_event *ret)
{
	static struct xml_work *work;

	if (!work) {
		cr_assert(xml_kernel_choose(NULL));
		work = aligned_alloc(64, (xml_work_bytes() + 63) & ~(size_t)63);
	}
	xml_next_within(xml, work, &limits, scope, (const uint8_t *)text, strlen(text), ret);
	cr_assert(ret->is == XML_HEADER || ret->is == XML_ELEMENT || ret->is == XML_FOOTER, "no item: %s (%s)", text,
		  ret->is == XML_BAD ? xml_error_text(ret->error) : "");
	cr_assert_eq(ret->used, strlen(text), "more than one item: %s", text);
}

void event_read_element(const char *text, struct xml_event *ret)
{
	struct xml xml;

	xml_enter(&xml);
	event_read(&xml, NULL, text, ret);
}

static void scope_keep(struct client *client, const char *text, const struct xml_event *header)
{
	size_t size = 0;

	cr_assert_eq(xml_scope_measure((const uint8_t *)text, header, &size), XML_ERROR_NONE);
	cr_assert_leq(size, sizeof client->scope);
	xml_scope_keep((struct xml_scope *)client->scope, (const uint8_t *)text, header);
}

struct stream_verdict client_say(struct client *client, const char *text)
{
	struct stream_login *login = client->stream.state == STREAM_BOUND ? NULL : &client->login;
	struct stream_verdict verdict = {.act = (enum stream_act)99};
	struct xml_event event;

	if (client->stream.header_due)
		xml_restart(&client->xml);
	event_read(&client->xml, (struct xml_scope *)client->scope, text, &event);
	if (event.is == XML_HEADER)
		scope_keep(client, text, &event);
	stream_read(&client->stream, login, &event, (const uint8_t *)text, &verdict);
	return verdict;
}

void client_begin(struct client *client, enum stream_state state)
{
	memset(client, 0, sizeof *client);
	client->login.bytes_max = client->login.elements_max = 1 << 20;
	stream_init(&client->stream, state != STREAM_PLAIN);
	if (state != STREAM_PLAIN)
		stream_on_tls(&client->stream);
	cr_assert_eq(client_say(client, HEADER_WIDE).act, STREAM_ACT_HEADER);
	if (state >= STREAM_NEGOTIATING)
		cr_assert_eq(client_say(client, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>").act,
			     STREAM_ACT_OPEN);
	if (state < STREAM_AUTHENTICATED)
		return;
	cr_assert(stream_on_authenticated(&client->stream, false));
	strcpy(client->login.from, "juliet@example.org");
	cr_assert_eq(client_say(client, HEADER_WIDE).act, STREAM_ACT_HEADER);
	if (state == STREAM_BOUND)
		cr_assert(stream_on_bound(&client->stream));
}
