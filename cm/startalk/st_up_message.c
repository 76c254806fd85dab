#include "st_client_type.h"
#include "st_up_own.h"

#include <string.h>

/* What stands beside, for clients of XMPP: XEP-0085; XEP-0184 and XEP-0333; XEP-0424. */
enum beside { NONE, TYPING, READMARK, REVOKE };

static const struct {
	int32_t signal;
	const char *type;
	bool body;
	enum beside beside;
} messages[] = {
#define MESSAGE(signal, type, body, beside) {ST_SIGNAL_##signal, type, body, beside},
#include "st_message.def"
#undef MESSAGE
};

static bool is_consult_id(const char *text)
{
	return text != NULL && (strcmp(text, "4") == 0 || strcmp(text, "5") == 0);
}

/* Of the message itself in native XML, of our own element otherwise. */
static void put_marks(struct st_text *t, const struct st_packet *packet)
{
	const Startalk__MessageBody *body = packet->message->body;
	const char *consult = st_header_find(body, "qchatid");

	st_put_attribute(t, "qchatid", is_consult_id(consult) ? consult : NULL);
	st_put_attribute(t, "channelid", st_nonempty(st_header_find(body, "channelid")));
	st_put_attribute(t, "read_type", st_nonempty(st_header_find(body, "read_type")));
}

static void put_client(struct st_text *t, const Startalk__XmppMessage *message)
{
	st_put_attribute(t, "client_type", st_client_type_name(message->clienttype));
	st_put_number(t, "client_ver", message->clientversion);
}

static void put_infos(struct st_text *t, const Startalk__MessageBody *body)
{
	st_put_attribute(t, "backupinfo", st_nonempty(st_header_find(body, "backupinfo")));
	st_put_attribute(t, "extendInfo", st_nonempty(st_header_find(body, "extendInfo")));
}

static bool put_native(struct st_text *t, const struct st_packet *packet)
{
	const Startalk__XmppMessage *message = packet->message;
	const Startalk__ProtoMessage *outer = packet->outer;

	st_put(t, "<message");
	st_put_attribute(t, "auto_reply", st_nonempty(st_header_find(message->body, "auto_reply")));
	st_put_attribute(t, "realto", outer->realto);
	st_put_attribute(t, "realfrom", outer->realfrom);
	put_marks(t, packet);
	st_put_attribute(t, "from", st_nonempty(outer->from));
	st_put_attribute(t, "to", outer->to);
	st_put_attribute(t, "type", st_signal_type(packet->signal));
	put_client(t, message);
	st_put(t, "><body");
	put_infos(t, message->body);
	st_put_attribute(t, "id", message->messageid);
	st_put_number(t, "msgType", message->messagetype);
	st_put(t, ">");
	st_put_value(t, message->body->value);
	st_put(t, "</body></message>");
	return true;
}

/* ---- what any XMPP client understands */

/* The value of the last "id" in a list like [{"id":"a"},{"id":"b"}], as far as it needs no unescaping. */
static const char *last_id(const char *json, size_t *ret_len)
{
	const char *found = NULL;

	*ret_len = 0;
	while ((json = strstr(json, "\"id\"")) != NULL) {
		json += strlen("\"id\"");
		json += strspn(json, " :");
		if (*json == '"') {
			found = json + 1;
			*ret_len = strcspn(found, "\"\\");
			json = found + *ret_len;
		}
	}
	return found;
}

static void put_read(struct st_text *t, const Startalk__MessageBody *body)
{
	const char *how = st_header_find(body, "read_type");
	size_t len;
	const char *id = last_id(body->value, &len);

	if (id == NULL || len == 0 || how == NULL || how[0] == '\0' || how[1] != '\0')
		return;
	if (how[0] == '3')
		st_put(t, "<received xmlns='urn:xmpp:receipts' id='");
	else if (how[0] == '4' || how[0] == '7')
		st_put(t, "<displayed xmlns='urn:xmpp:chat-markers:0' id='");
	else
		return;
	st_put_value_len(t, id, len);
	st_put(t, "'/>");
}

static void put_beside(struct st_text *t, enum beside beside, const Startalk__XmppMessage *message)
{
	if (beside == TYPING)
		st_put(t, "<composing xmlns='http://jabber.org/protocol/chatstates'/>");
	else if (beside == READMARK)
		put_read(t, message->body);
	else if (beside == REVOKE && st_nonempty(message->messageid) != NULL) {
		st_put(t, "<retract xmlns='urn:xmpp:message-retract:1'");
		st_put_attribute(t, "id", message->messageid);
		st_put(t, "/>");
	}
}

static void put_own(struct st_text *t, const struct st_packet *packet, bool body)
{
	const Startalk__XmppMessage *message = packet->message;

	st_put(t, "<startalk xmlns='" ST_NS "'");
	st_put_number(t, "signal", packet->signal);
	st_put_attribute(t, "auto_reply", st_nonempty(st_header_find(message->body, "auto_reply")));
	put_marks(t, packet);
	put_client(t, message);
	put_infos(t, message->body);
	st_put_number(t, "msgType", message->messagetype);
	if (body) {
		st_put(t, "/>");
		return;
	}
	st_put(t, ">");
	st_put_value(t, message->body->value);
	st_put(t, "</startalk>");
}

static bool put_standard(struct st_text *t, const struct st_packet *packet)
{
	const Startalk__XmppMessage *message = packet->message;
	size_t row = 0;

	while (row < sizeof messages / sizeof messages[0] && messages[row].signal != packet->signal)
		row++;
	if (row == sizeof messages / sizeof messages[0])
		return false;
	st_put(t, "<message");
	st_put_attribute(t, "to", st_nonempty(packet->outer->to));
	st_put_attribute(t, "type", messages[row].type);
	st_put_attribute(t, "id", st_nonempty(message->messageid));
	st_put(t, ">");
	if (messages[row].body) {
		st_put(t, "<body>");
		st_put_value(t, message->body->value);
		st_put(t, "</body>");
	}
	put_beside(t, messages[row].beside, message);
	put_own(t, packet, messages[row].body);
	st_put(t, "</message>");
	return true;
}

bool st_up_message(struct st_text *t, const struct st_view *view, const struct st_packet *packet)
{
	const Startalk__XmppMessage *message = packet->message;

	if (message->body == NULL || message->body->value == NULL || message->messageid == NULL)
		return false;
	return view->native ? put_native(t, packet) : put_standard(t, packet);
}
