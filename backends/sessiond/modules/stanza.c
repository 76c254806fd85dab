#include "stanza.h"

#include <stdlib.h>

#include "incoming.h"
#include "iq.h"
#include "message.h"
#include "presence.h"

static const struct {
	const char *name;
	void (*handle)(const struct incoming *);
} kinds[] = {
	{"message", message_handle},
	{"presence", presence_handle},
	{"iq", iq_handle},
};

void stanza_handle(struct session *session, const struct xml_event *event, const uint8_t *bytes)
{
	struct incoming in;

	incoming_read(session, event, bytes, &in);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (xml_is_equal(bytes, event->name, kinds[i].name)) {
			kinds[i].handle(&in);
			return;
		}
}

/* A session is nothing to anybody until it speaks. */
void stanza_session_began(struct session *session)
{
	(void)session;
}

void stanza_session_ended(struct session *session)
{
	presence_end(session);
	session->interested = false;
	session->carbons = false;
	session->blocklist = false;
	free(session->active_privacy_list);
	session->active_privacy_list = NULL;
}

/* Neither roster versions (RFC 6121, 2.6) nor pre-approval (3.4) is offered. */
const char *stanza_stream_features(void)
{
	return "";
}
