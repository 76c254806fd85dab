#include "st_down.h"

#include <string.h>

static bool say(struct st_arena *a, int32_t signal, const char *from, const char *to, const ProtobufCMessage *payload,
		struct st_bytes *ret)
{
	Startalk__ProtoMessage outer = STARTALK__PROTO_MESSAGE__INIT;

	outer.signaltype = signal;
	outer.from = st_as_field(from);
	outer.to = st_as_field(to);
	return st_packet_write(a, &outer, payload, ret);
}

bool st_say_welcome(struct st_arena *a, const char *domain, const char *user, bool tls, struct st_bytes *ret)
{
	Startalk__WelcomeMessage welcome = STARTALK__WELCOME_MESSAGE__INIT;
	size_t user_len = strlen(user), domain_len = strlen(domain);
	char *bare = st_arena_take(a, user_len + domain_len + 2), *at = bare;

	if (bare == NULL)
		return false;
	if (user_len > 0)
		at = mempcpy(mempcpy(at, user, user_len), "@", 1);
	memcpy(at, domain, domain_len + 1);
	welcome.domain = st_as_field(domain);
	welcome.version = st_as_field("1.0");
	welcome.user = st_as_field(user);
	welcome.sockmod = st_as_field(tls ? "TLS" : "");
	return say(a, ST_SIGNAL_WELCOME, bare, bare, &welcome.base, ret);
}

bool st_say_proceed(struct st_arena *a, const char *domain, struct st_bytes *ret)
{
	/* a message without fields; this one has none that are set */
	Startalk__StreamEnd nothing = STARTALK__STREAM_END__INIT;

	return say(a, ST_SIGNAL_PROCEED, domain, domain, &nothing.base, ret);
}

bool st_say_succeeded(struct st_arena *a, const struct st_view *view, struct st_bytes *ret)
{
	Startalk__ResponseSucceeded succeeded = STARTALK__RESPONSE_SUCCEEDED__INIT;
	Startalk__MessageBody body = STARTALK__MESSAGE_BODY__INIT;

	body.value = st_as_field("login sucess");
	succeeded.has_code = true;
	succeeded.msgid = st_as_field(view->auth_id);
	succeeded.info = st_as_field("");
	succeeded.body = &body;
	return say(a, ST_SIGNAL_SUCCEEDED, view->bare, view->bare, &succeeded.base, ret);
}

bool st_say_failure(struct st_arena *a, const char *domain, const char *reason, struct st_bytes *ret)
{
	Startalk__ResponseFailure failure = STARTALK__RESPONSE_FAILURE__INIT;
	Startalk__MessageBody body = STARTALK__MESSAGE_BODY__INIT;

	body.value = st_as_field("login failed");
	failure.has_code = true;
	failure.error = st_as_field(reason);
	failure.body = &body;
	return say(a, ST_SIGNAL_FAILURE, domain, domain, &failure.base, ret);
}

bool st_say_end(struct st_arena *a, int32_t code, const char *reason, struct st_bytes *ret)
{
	Startalk__StreamEnd end = STARTALK__STREAM_END__INIT;

	end.has_code = true;
	end.code = code;
	end.reason = st_as_field(reason);
	return say(a, ST_SIGNAL_STREAM_END, "", "", &end.base, ret);
}

static const struct {
	const char *condition;
	int32_t code;
	const char *reason;
} ends[] = {
#define FINISH(condition, code, reason) {condition, code, reason},
#include "st_end.def"
#undef FINISH
};

enum { CODE_OTHER = 102 };

bool st_say_error(struct st_arena *a, const char *condition, const char *text, struct st_bytes *ret)
{
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		if (strcmp(ends[i].condition, condition) == 0)
			return st_say_end(a, ends[i].code, ends[i].reason != NULL ? ends[i].reason : text, ret);
	return st_say_end(a, CODE_OTHER, text, ret);
}

bool st_say_notice(struct st_arena *a, const struct st_view *view, int32_t category, const char *data,
		   struct st_bytes *ret)
{
	Startalk__PresenceMessage notice = STARTALK__PRESENCE_MESSAGE__INIT;
	Startalk__MessageBody body = STARTALK__MESSAGE_BODY__INIT;
	Startalk__ProtoMessage outer = STARTALK__PROTO_MESSAGE__INIT;

	body.value = st_as_field(data);
	notice.key = st_as_field("result");
	notice.value = st_as_field("notify");
	notice.messageid = st_as_field("");
	notice.body = &body;
	notice.has_receivedtime = notice.has_definedkey = notice.has_categorytype = true;
	notice.receivedtime = (int64_t)(view->now_ms / 1000);
	notice.definedkey = 7;
	notice.categorytype = category;
	outer.has_options = true;
	outer.signaltype = ST_SIGNAL_PRESENCE;
	outer.from = st_as_field(view->bare);
	outer.to = st_as_field(view->full);
	return st_packet_write(a, &outer, &notice.base, ret);
}

bool st_say_taken(struct st_arena *a, const struct st_view *view, const char *id, struct st_bytes *ret)
{
	Startalk__XmppMessage taken = STARTALK__XMPP_MESSAGE__INIT;
	Startalk__MessageBody body = STARTALK__MESSAGE_BODY__INIT;
	Startalk__StringHeader header = STARTALK__STRING_HEADER__INIT, *headers[] = {&header};
	Startalk__ProtoMessage outer = STARTALK__PROTO_MESSAGE__INIT;

	header.key = st_as_field("errcode");
	header.value = st_as_field("0");
	body.value = st_as_field("");
	body.n_headers = 1;
	body.headers = headers;
	taken.messagetype = 1;
	taken.clienttype = 3;
	taken.messageid = st_as_field(id);
	taken.has_receivedtime = true;
	taken.receivedtime = (int64_t)view->now_ms;
	taken.body = &body;
	outer.has_options = true;
	outer.signaltype = ST_SIGNAL_MSTAT;
	outer.from = st_as_field(view->full);
	outer.to = st_as_field(view->bare);
	return st_packet_write(a, &outer, &taken.base, ret);
}

const char *st_platform(const char *resource, size_t *ret_len)
{
	const char *begin = strchr(resource, '_');

	if (begin == NULL)
		return NULL;
	*ret_len = strcspn(begin + 1, "_");
	return *ret_len > 0 ? begin + 1 : NULL;
}
