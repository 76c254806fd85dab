#include "st_up_own.h"

#include <assert.h>
#include <string.h>

bool st_put_headers(struct st_text *t, const Startalk__MessageBody *body)
{
	for (size_t i = 0; body != NULL && i < body->n_headers; i++) {
		const char *name = st_header_name(body->headers[i]);

		if (name == NULL || st_header_number(name) == 0)
			return false;
		for (size_t j = 0; j < i; j++)
			if (strcmp(st_header_name(body->headers[j]), name) == 0)
				return false;
		st_put_attribute(t, name, body->headers[i]->value);
	}
	return true;
}

/* ---- login */

static bool put_welcome(struct st_text *t, const Startalk__WelcomeMessage *welcome)
{
	if (welcome->domain == NULL || welcome->version == NULL || strcmp(welcome->version, "1.0") != 0)
		return false;
	st_put(t, "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'");
	st_put_attribute(t, "to", welcome->domain);
	if (welcome->user != NULL && welcome->user[0] != '\0') {
		st_put(t, " from='");
		st_put_value(t, welcome->user);
		st_put(t, "@");
		st_put_value(t, welcome->domain);
		st_put(t, "'");
	}
	st_put(t, " version='1.0'>");
	return true;
}

static bool put_auth(struct st_text *t, const Startalk__AuthMessage *auth)
{
	if (auth->authkey == NULL)
		return false;
	st_put(t, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'");
	st_put_attribute(t, "mechanism", auth->mechanism == NULL ? "PLAIN" : auth->mechanism);
	st_put(t, ">");
	st_put_value(t, auth->authkey);
	st_put(t, "</auth>");
	return true;
}

/* ---- all */

/* A message with a body is acknowledged, but for headlines and subscriptions. */
static const char *ack_of(const struct st_packet *packet)
{
	if (packet->is != ST_PAYLOAD_MESSAGE || packet->signal == ST_SIGNAL_HEADLINE ||
	    packet->signal == ST_SIGNAL_SUBSCRIBE || packet->message->body == NULL ||
	    st_nonempty(packet->message->body->value) == NULL)
		return NULL;
	return st_nonempty(packet->message->messageid);
}

static bool is_notice(const struct st_packet *packet)
{
	const Startalk__PresenceMessage *presence = packet->presence;

	if (packet->is != ST_PAYLOAD_PRESENCE)
		return false;
	return presence->has_definedkey ? presence->definedkey == 7
					: presence->key != NULL && strcmp(presence->key, "notify") == 0;
}

static enum st_up_is put(struct st_text *t, const struct st_view *view, const struct st_packet *packet,
			 const char **ret_why)
{
	switch (packet->is) {
	case ST_PAYLOAD_WELCOME:
		*ret_why = "a Welcome without a domain or of another version";
		return put_welcome(t, packet->welcome) ? ST_UP_ELEMENT : ST_UP_BAD;
	case ST_PAYLOAD_AUTH:
		*ret_why = "an Auth without authKey";
		return put_auth(t, packet->auth) ? ST_UP_ELEMENT : ST_UP_BAD;
	case ST_PAYLOAD_NOTHING:
		st_put(t, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
		return ST_UP_ELEMENT;
	case ST_PAYLOAD_STREAM_END:
		return ST_UP_END;
	case ST_PAYLOAD_IQ:
		return st_up_iq(t, view, packet) ? ST_UP_ELEMENT : ST_UP_NOTHING;
	case ST_PAYLOAD_PRESENCE:
		return st_up_presence(t, view, packet) ? ST_UP_ELEMENT : ST_UP_NOTHING;
	case ST_PAYLOAD_MESSAGE:
		return st_up_message(t, view, packet) ? ST_UP_ELEMENT : ST_UP_NOTHING;
	case ST_PAYLOAD_SUCCEEDED:
	case ST_PAYLOAD_FAILURE:
		break;
	}
	return ST_UP_NOTHING;
}

void st_up(struct st_arena *a, const struct st_view *view, const struct st_packet *packet, struct st_up *ret)
{
	struct st_text t;

	*ret = (struct st_up){.is = ST_UP_NOTHING};
	if (!st_signal_is_client_s(packet->signal))
		return;
	st_text_begin(&t, a, view->element_bytes_max);
	ret->is = put(&t, view, packet, &ret->why);
	if (ret->is != ST_UP_ELEMENT)
		return;
	if (!st_text_end(&t, &ret->xml, &ret->xml_len)) {
		ret->is = ST_UP_BAD;
		ret->why = "longer, as XML, than the limit";
		return;
	}
	if (packet->is == ST_PAYLOAD_MESSAGE || is_notice(packet))
		ret->from = st_nonempty(packet->outer->from);
	ret->ack_id = ack_of(packet);
	ret->is_presence = packet->is == ST_PAYLOAD_PRESENCE && strncmp((const char *)ret->xml, "<presence>", 10) == 0;
}
