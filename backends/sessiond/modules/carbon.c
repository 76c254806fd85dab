#include "carbon.h"

#include "privacy_rule.h"
#include "utc.h"

void carbon_enable(const struct request *request)
{
	if (!request->in->session->carbons)
		request->in->session->since_ms = utc_now_ms();
	request->in->session->carbons = true;
	session_changed(request->in->session);
	request_answer(request, "");
}

void carbon_disable(const struct request *request)
{
	request->in->session->carbons = false;
	session_changed(request->in->session);
	request_answer(request, "");
}

bool carbon_wanted(const struct user *user)
{
	for (struct session *s = user != NULL ? user->sessions : NULL; s != NULL; s = s->user_next)
		if (s->carbons)
			return true;
	return false;
}

static bool has_it(const struct carbon *carbon, const struct session *session)
{
	for (size_t i = 0; i < carbon->without_count; i++)
		if (carbon->without[i] == session)
			return true;
	return false;
}

static void copy_to(struct session *session, const struct carbon *carbon)
{
	const char *word = carbon->direction == CARBON_SENT ? "sent" : "received";
	struct text xml = {0};

	text_put(&xml, "<message from='%s' to='%s'", session->bare_jid, session->full_jid);
	if (*carbon->type != '\0')
		text_put(&xml, " type='%r'", carbon->type);
	text_put(&xml,
		 "><%r xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>%b</forwarded></%r></message>",
		 word, (const void *)carbon->message->bytes, carbon->message->len, word);
	session_send(session, xml.bytes, xml.len);
	text_free(&xml);
}

void carbon_send(struct user *user, const struct carbon *carbon, const char *peer)
{
	for (struct session *s = user->sessions; s != NULL; s = s->user_next)
		if (s->carbons && !has_it(carbon, s) && (peer == NULL || privacy_allows(s, peer, PRIVACY_MESSAGE)))
			copy_to(s, carbon);
}
