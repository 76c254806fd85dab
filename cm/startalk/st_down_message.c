#include "st_client_type.h"
#include "st_down_own.h"
#include "st_json.h"
#include "st_time.h"

#include <string.h>

enum { KIND_REVOKED = -1, KIND_TEXT = 1 };

struct message {
	struct st_making *m;
	const char *type;
	const struct st_node *body, *own; /* own: our element, NULL when there is none */
	int32_t signal;
	const char *text;
	const char *read;    /* a read mark's kind, of one that was made of a standard */
	const char *revoked; /* the id of what its sender takes back; NULL: nothing */
	Startalk__XmppMessage out;
};

static const char *attribute(const struct message *g, const struct st_node *node, const char *name)
{
	return st_node_attribute(g->m->arena, node, name);
}

/* What a client of this dialect said of its message: on our element, or on the message or its body in native XML. */
static const char *said(const struct message *g, const struct st_node *native, const char *name)
{
	return attribute(g, g->m->view->native ? native : g->own, name);
}

static bool number_read(const char *text, int64_t *ret)
{
	bool minus = text != NULL && text[0] == '-';
	int64_t value = 0;

	if (text == NULL || text[minus] == '\0')
		return false;
	for (text += minus; *text >= '0' && *text <= '9' && value < INT64_MAX / 10 - 9; text++)
		value = 10 * value + *text - '0';
	*ret = minus ? -value : value;
	return *text == '\0';
}

static int64_t number(const char *text, int64_t otherwise)
{
	int64_t value;

	return number_read(text, &value) ? value : otherwise;
}

static int32_t small(const char *text, int32_t otherwise)
{
	int64_t value = number(text, otherwise);

	return value >= INT32_MIN && value <= INT32_MAX ? (int32_t)value : otherwise;
}

/* ---- which message it is */

/* The type that a message of this signal has for XMPP clients; NULL: clients send no such message. */
static const char *type_of(int32_t signal)
{
	switch (signal) {
#define MESSAGE(signal, type, body, beside)                                                                            \
	case ST_SIGNAL_##signal:                                                                                       \
		return type;
#include "st_message.def"
#undef MESSAGE
	}
	return NULL;
}

static bool is_error(const struct message *g)
{
	return strcmp(g->type, "error") == 0;
}

/*
 * Our element, where it is said: it counts when the message went the way that such messages go, so that nothing of a
 * room is taken for a word between two people. An error has that of the message that it is about.
 */
static const struct st_node *own_of(const struct message *g)
{
	const struct st_node *own = st_node_child(g->m->node, "startalk", ST_NS);
	const char *type = type_of(small(attribute(g, own, "signal"), -1));

	return is_error(g) || (type != NULL && strcmp(g->type, type) == 0) ? own : NULL;
}

static int32_t signal_of(const struct message *g)
{
	int32_t by_type = st_signal_of_type(g->type);

	if (g->own != NULL && !is_error(g))
		return small(attribute(g, g->own, "signal"), ST_SIGNAL_CHAT);
	if (by_type < 0 || (!g->m->view->native && by_type != ST_SIGNAL_GROUPCHAT && by_type != ST_SIGNAL_HEADLINE &&
			    by_type != ST_SIGNAL_ERROR))
		return ST_SIGNAL_CHAT;
	return by_type;
}

/* A read mark of the standards (XEP-0184, XEP-0333). */
static bool take_mark(struct message *g)
{
	static const struct {
		const char *name, *ns, *read;
	} marks[] = {{"received", "urn:xmpp:receipts", "3"}, {"displayed", "urn:xmpp:chat-markers:0", "4"}};
	struct st_arena *a = g->m->arena;

	for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
		const struct st_node *found = st_node_child(g->m->node, marks[i].name, marks[i].ns);
		const char *id = attribute(g, found, "id");

		if (id == NULL || strpbrk(id, "\"\\\t\n\r") != NULL)
			continue;
		g->signal = ST_SIGNAL_READMARK;
		g->read = marks[i].read;
		g->text = st_joined(a, (const char *const[]){"[{\"id\":\"", id, "\"}]", NULL});
		return true;
	}
	return false;
}

/* {"messageId":"9b2c","message":"","fromId":"bob@example.org"} */
static const char *revocation(const struct message *g)
{
	const char *from = g->m->outer.from;
	struct st_json json;

	st_json_begin(&json, g->m->arena);
	st_json_put(&json, "{\"messageId\":");
	st_json_put_string(&json, g->revoked, strlen(g->revoked));
	st_json_put(&json, ",\"message\":\"\",\"fromId\":");
	st_json_put_string(&json, from, strcspn(from, "/"));
	st_json_put(&json, "}");
	return st_json_end(&json);
}

/* A message is taken back (XEP-0424). Its body is for others; in a room ids are the room's own. */
static bool take_retraction(struct message *g)
{
	const char *id = attribute(g, st_node_child(g->m->node, "retract", "urn:xmpp:message-retract:1"), "id");

	if (id == NULL || id[0] == '\0' || g->signal != ST_SIGNAL_CHAT || g->own != NULL || g->m->view->native)
		return false;
	g->signal = ST_SIGNAL_REVOKE;
	g->revoked = id;
	g->text = revocation(g);
	return true;
}

static bool take_standard(struct message *g)
{
	if (take_mark(g))
		return true;
	if (st_node_child(g->m->node, "composing", "http://jabber.org/protocol/chatstates") == NULL)
		return false;
	g->signal = ST_SIGNAL_TYPING;
	g->text = "";
	return true;
}

/* False: it says nothing that a client would understand. */
static bool take_text(struct message *g)
{
	struct st_arena *a = g->m->arena;

	if (take_retraction(g))
		return true;
	if (g->body != NULL)
		g->text = st_node_text(a, g->body);
	else if (g->own != NULL)
		g->text = st_node_text(a, g->own);
	else if (g->m->view->native)
		g->text = g->signal == ST_SIGNAL_TYPING ? "" : NULL;
	else if (g->signal == ST_SIGNAL_ERROR)
		g->text = ""; /* servers need not send back what it was about */
	else
		return take_standard(g);
	return g->text != NULL;
}

/* ---- what it becomes */

static const char *made_id(const struct message *g)
{
	struct st_arena *a = g->m->arena;

	return st_joined(a, (const char *const[]){"http_", st_digits(a, g->m->view->random & UINT32_MAX),
						  st_digits(a, g->m->view->now_ms), NULL});
}

static const char *id_of(const struct message *g)
{
	const char *id = attribute(g, g->m->view->native ? g->body : g->m->node, "id");

	if (g->revoked != NULL)
		return g->revoked;
	if (id != NULL && (id[0] != '\0' || g->m->view->native))
		return id;
	return g->own != NULL ? "" : made_id(g);
}

static int32_t client_of(const struct message *g)
{
	int32_t type = st_client_type_number(said(g, g->m->node, "client_type"));

	if (type == 0)
		type = st_client_type_of_ma(said(g, g->body, "maType"));
	return type == 0 ? ST_CLIENT_TYPE_USUAL : type;
}

static const char *error_code(const struct message *g)
{
	const char *code = NULL;

	if (g->signal == ST_SIGNAL_ERROR)
		code = st_error_code(g->m->arena, st_node_child(g->m->node, "error", NULL));
	return code == NULL ? "0" : code;
}

/* Clients keep no message whose body has no headers: errcode is always there. */
static void headers(struct message *g)
{
	static const struct {
		const char *name;
		bool of_body;
	} names[] = {{"qchatid", false},   {"channelid", true},	 {"extendInfo", true},
		     {"backupinfo", true}, {"read_type", false}, {"auto_reply", false}};
	struct st_arena *a = g->m->arena;
	Startalk__MessageBody *body = g->out.body;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const char *value = said(g, names[i].of_body ? g->body : g->m->node, names[i].name);

		if (value == NULL && strcmp(names[i].name, "read_type") == 0)
			value = g->read;
		st_body_header(a, body, names[i].name, value);
	}
	st_body_header(a, body, "errcode", error_code(g));
	if (g->m->view->native)
		st_body_header(a, body, "carbon_message", attribute(g, g->m->node, "carbon_message"));
}

/* Clients take the sender from these. Nobody but Startalk's own server may say who it is. */
static void senders(struct message *g)
{
	Startalk__ProtoMessage *outer = &g->m->outer;

	if (g->m->view->native) {
		outer->realfrom = st_as_field(attribute(g, g->m->node, "realfrom"));
		outer->realto = st_as_field(attribute(g, g->m->node, "realto"));
		outer->originfrom = st_as_field(attribute(g, g->m->node, "originfrom"));
		outer->originto = st_as_field(attribute(g, g->m->node, "originto"));
		outer->origintype = st_as_field(attribute(g, g->m->node, "origintype"));
		outer->sendjid = st_as_field(attribute(g, g->m->node, "sendjid"));
	} else if (g->signal == ST_SIGNAL_GROUPCHAT) {
		outer->realfrom = outer->sendjid = outer->from;
	}
}

/* When it was said: what was kept for the client says so (XEP-0203), if it is the client's own domain that says it. */
static int64_t received_ms(const struct message *g)
{
	int64_t now_ms = (int64_t)g->m->view->now_ms;
	const struct st_node *delay = st_node_child(g->m->node, "delay", "urn:xmpp:delay");
	const char *stamp = attribute(g, delay, "stamp"), *by = attribute(g, delay, "from");
	const char *domain = strchr(g->m->view->bare, '@');
	uint64_t then_ms;

	if (g->m->view->native)
		return number(attribute(g, g->m->node, "msec_times"), now_ms);
	if (stamp == NULL || by == NULL || domain == NULL || strcmp(by, domain + 1) != 0 ||
	    !st_time_read(stamp, &then_ms) || then_ms > g->m->view->now_ms)
		return now_ms;
	return (int64_t)then_ms;
}

static void fill(struct message *g)
{
	g->out.messagetype = small(said(g, g->body, "msgType"), g->revoked != NULL ? KIND_REVOKED : KIND_TEXT);
	g->out.clienttype = client_of(g);
	g->out.clientversion = number(said(g, g->m->node, "client_ver"), 0);
	g->out.messageid = st_as_field(id_of(g));
	g->out.has_receivedtime = true;
	g->out.receivedtime = received_ms(g);
	g->out.body = st_body_new(g->m->arena, g->text);
	headers(g);
	senders(g);
}

bool st_down_message(struct st_making *m, struct st_down *ret)
{
	struct message g = {.m = m, .type = st_node_attribute(m->arena, m->node, "type")};

	if (g.type == NULL && m->view->native)
		return false;
	g.type = g.type == NULL ? "normal" : g.type;
	g.body = st_node_child(m->node, "body", NULL);
	g.own = m->view->native ? NULL : own_of(&g);
	g.signal = signal_of(&g);
	if (!take_text(&g))
		return false;
	startalk__xmpp_message__init(&g.out);
	fill(&g);
	st_finish(m, g.signal, &g.out.base, ret);
	return true;
}
