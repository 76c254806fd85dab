#include "request.h"

#include <stdlib.h>

void request_answer(const struct request *request, const char *xml)
{
	const struct incoming *in = request->in;
	struct text answer = {0};
	char *id = incoming_value(in, in->event->id), *to = incoming_value(in, in->event->to);

	text_put(&answer, "<iq type='result' id='%s' to='%s'", id, in->session->full_jid);
	if (to != NULL)
		text_put(&answer, " from='%s'", to);
	if (*xml != '\0')
		text_put(&answer, ">%r</iq>", xml);
	else
		text_put(&answer, "/>");
	session_send(in->session, answer.bytes, answer.len);
	text_free(&answer);
	free(id);
	free(to);
}

void request_answer_done(const struct request *request, bool done)
{
	if (done)
		request_answer(request, "");
	else
		request_refuse(request, ERROR_INTERNAL_SERVER_ERROR);
}

void request_refuse(const struct request *request, enum error_condition error)
{
	incoming_refuse(request->in, error);
}

void request_push(struct session *session, const char *xml)
{
	static unsigned number; /* ids need only differ within one stream */
	struct text push = {0};

	text_put(&push, "<iq type='set' id='push-%u' to='%s'>%r</iq>", ++number, session->full_jid, xml);
	session_send(session, push.bytes, push.len);
	text_free(&push);
}
