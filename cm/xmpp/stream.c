#include "stream.h"
#include "stream_header.h"
#include "xml_scope.h"

#include <assert.h>

enum kind {
#define KIND(name, ...) KIND_##name,
#include "kind.def"
#undef KIND
	KIND_COUNT
};

static const struct {
	const char *ns, *name;
	enum kind kind;
} elements[] = {
#define ELEMENT(ns, name, kind) {ns, name, KIND_##kind},
#include "element.def"
#undef ELEMENT
};

enum answer {
#define ANSWER(name, act, reason, text) ANSWER_##name,
#include "answer.def"
#undef ANSWER
	ANSWER_COUNT
};

#define FAILURE(condition) "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><" condition "/></failure>"
#define FAILURE2(condition)                                                                                            \
	"<failure xmlns='urn:xmpp:sasl:2'><" condition " xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>"

static const struct stream_verdict verdicts[ANSWER_COUNT] = {
#define ANSWER(name, act, reason, text) [ANSWER_##name] = {STREAM_ACT_##act, REASON_##reason, text},
#include "answer.def"
#undef ANSWER
};

/* HANDSHAKE reads no XML. */
static const uint8_t answers[KIND_COUNT][STREAM_ENDED] = {
#define KIND(name, plain, secure, negotiating, authenticated, bound)                                                   \
	[KIND_##name] = {[STREAM_PLAIN] = ANSWER_##plain,                                                              \
			 [STREAM_SECURE] = ANSWER_##secure,                                                            \
			 [STREAM_NEGOTIATING] = ANSWER_##negotiating,                                                  \
			 [STREAM_AUTHENTICATED] = ANSWER_##authenticated,                                              \
			 [STREAM_BOUND] = ANSWER_##bound},
#include "kind.def"
#undef KIND
};

static bool kind_is_stanza(enum kind kind)
{
	return kind == KIND_MESSAGE || kind == KIND_PRESENCE || kind == KIND_IQ;
}

/* By name and namespace; by the name of a stanza alone it is FOREIGN. */
static enum kind kind_find(const struct xml_event *event, const uint8_t *bytes)
{
	struct xml_namespace ns = xml_element_namespace(bytes, event);
	enum kind found = KIND_OTHER;

	for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++) {
		if (!xml_is_equal(bytes, event->name, elements[i].name))
			continue;
		if (ns.name.at ? xml_namespace_is(ns, elements[i].ns) : kind_is_stanza(elements[i].kind))
			return elements[i].kind;
		if (kind_is_stanza(elements[i].kind))
			found = KIND_FOREIGN;
	}
	return found;
}

static bool iq_is_register(const struct xml_event *event, const uint8_t *bytes)
{
	return event->child.at && xml_namespace_is(xml_child_namespace(bytes, event), "jabber:iq:register") &&
	       event->type.at && (xml_is_equal(bytes, event->type, "get") || xml_is_equal(bytes, event->type, "set"));
}

static enum kind kind_of(const struct stream_login *login, const struct xml_event *event, const uint8_t *bytes)
{
	enum kind kind;

	if (event->stream_prefix)
		return xml_is_equal(bytes, event->name, "error") ? KIND_STREAM_ERROR : KIND_OTHER;
	kind = kind_find(event, bytes);
	if (kind_is_stanza(kind) && event->prefix.at)
		return KIND_PREFIXED;
	return kind == KIND_IQ && login && login->registration && iq_is_register(event, bytes) ? KIND_REGISTER : kind;
}

static void verdict_close(struct stream_verdict *ret, enum reason reason)
{
	*ret = (struct stream_verdict){STREAM_ACT_CLOSE, reason, NULL};
}

static void header_read(struct stream *stream, struct stream_login *login, const struct xml_event *event,
			const uint8_t *bytes, struct stream_verdict *ret)
{
	enum reason reason;

	assert(stream->header_due && login);
	reason = stream_header_read(login, stream->state == STREAM_AUTHENTICATED, event, bytes);
	if (reason) {
		verdict_close(ret, reason);
		return;
	}
	stream->header_due = false;
	stream->header_sent = true;
	*ret = (struct stream_verdict){STREAM_ACT_HEADER, REASON_NONE, NULL};
}

/* Until the client is bound, all that it sends is counted; white space between elements costs no memory and is not. */
static bool login_count(struct stream_login *login, const struct xml_event *event)
{
	bool element = event->is == XML_ELEMENT;

	if (event->used > login->bytes_max - login->bytes || (element && login->elements == login->elements_max))
		return false;
	login->bytes += event->used;
	login->elements += element;
	return true;
}

static void event_read(struct stream *stream, struct stream_login *login, const struct xml_event *event,
		       const uint8_t *bytes, struct stream_verdict *ret)
{
	if (event->is == XML_FOOTER) {
		*ret = (struct stream_verdict){STREAM_ACT_END, REASON_CLIENT_END, NULL};
	} else if (login && !login_count(login, event)) {
		verdict_close(ret, REASON_LOGIN_LIMIT);
	} else if (event->is == XML_HEADER) {
		header_read(stream, login, event, bytes, ret);
	} else {
		assert(!stream->header_due);
		*ret = verdicts[answers[kind_of(login, event, bytes)][stream->state]];
	}
}

static void stream_act(struct stream *stream, enum stream_act act)
{
	if (act == STREAM_ACT_STARTTLS)
		stream->state = STREAM_HANDSHAKE;
	else if (act == STREAM_ACT_OPEN)
		stream->state = STREAM_NEGOTIATING;
	else if (act == STREAM_ACT_END || act == STREAM_ACT_CLOSE)
		stream->state = STREAM_ENDED;
}

void stream_read(struct stream *stream, struct stream_login *login, const struct xml_event *event, const uint8_t *bytes,
		 struct stream_verdict *ret)
{
	assert(stream->state != STREAM_HANDSHAKE && stream->state != STREAM_ENDED);
	assert(event->is == XML_HEADER || event->is == XML_ELEMENT || event->is == XML_FOOTER);
	assert(!login == (stream->state == STREAM_BOUND));
	assert(!login || login->bytes <= login->bytes_max);
	event_read(stream, login, event, bytes, ret);
	stream_act(stream, ret->act);
}

void stream_init(struct stream *stream, bool direct)
{
	*stream = (struct stream){.state = direct ? STREAM_HANDSHAKE : STREAM_PLAIN, .header_due = !direct};
}

void stream_on_tls(struct stream *stream)
{
	assert(stream->state == STREAM_HANDSHAKE);
	*stream = (struct stream){.state = STREAM_SECURE, .header_due = true};
}

void stream_on_refused(struct stream *stream)
{
	assert(stream->state == STREAM_NEGOTIATING);
	stream->state = STREAM_SECURE;
}

bool stream_on_authenticated(struct stream *stream, bool no_restart)
{
	if (stream->state != STREAM_NEGOTIATING)
		return false;
	stream->state = STREAM_AUTHENTICATED;
	stream->header_due = !no_restart;
	stream->header_sent = no_restart;
	return true;
}

bool stream_on_bound(struct stream *stream)
{
	if (stream->state != STREAM_AUTHENTICATED || stream->header_due)
		return false;
	stream->state = STREAM_BOUND;
	return true;
}
