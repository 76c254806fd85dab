#include "service.h"

#include "utc.h"

void service_ping(const struct request *request)
{
	request_answer(request, "");
}

void service_version(const struct request *request)
{
	request_answer(request, "<query xmlns='jabber:iq:version'><name>stanzagate</name>"
				"<version>" STANZAGATE_VERSION "</version></query>");
}

void service_time(const struct request *request)
{
	char now[UTC_BYTES];
	struct text time = {0};

	utc_now(now);
	text_put(&time, "<time xmlns='urn:xmpp:time'><tzo>+00:00</tzo><utc>%r</utc></time>", now);
	request_answer(request, time.bytes);
	text_free(&time);
}
