#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "play.h"

TestSuite(iq, .init = play_begin, .fini = play_end);

#define ERROR_OF(attributes, type, condition)                                                                          \
	"<iq type='error' " attributes " to='alice@localhost/a'><error type='" type "'><" condition                    \
	" xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"

/* RFC 6120, 8.2.3 and 8.3.1. NULL: no answer at all. */
static const struct {
	const char *sent, *answer;
} cases[] = {
	{"<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>", ERROR_OF("", "modify", "bad-request")},
	{"<iq id='1'><ping xmlns='urn:xmpp:ping'/></iq>", ERROR_OF("id='1'", "modify", "bad-request")},
	{"<iq id='2' type='ask'><ping xmlns='urn:xmpp:ping'/></iq>", ERROR_OF("id='2'", "modify", "bad-request")},
	{"<iq id='3' type='get'/>", ERROR_OF("id='3'", "modify", "bad-request")},
	{"<iq id='4' type='set'>text</iq>", ERROR_OF("id='4'", "modify", "bad-request")},
	{"<iq id='5' type='get'><ping xmlns='urn:xmpp:ping'/><ping xmlns='urn:xmpp:ping'/></iq>",
	 ERROR_OF("id='5'", "modify", "bad-request")},
	{"<iq id='5' to='bob@localhost/b' type='get'><a xmlns='urn:a'/><b xmlns='urn:b'/></iq>",
	 ERROR_OF("id='5' from='bob@localhost/b'", "modify", "bad-request")},
	{"<iq id='6' type='get'>\n<ping xmlns='urn:xmpp:ping'/>\n</iq>",
	 "<iq id='6' type='result' to='alice@localhost/a'/>"},
	{"<iq id='&apos;&lt;' type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
	 "<iq id='&apos;&lt;' type='result' to='alice@localhost/a'/>"},
	{"<iq id='7' type='get'><p:ping xmlns:p='urn:xmpp:ping'/></iq>",
	 "<iq id='7' type='result' to='alice@localhost/a'/>"},
	{"<iq id='8' type='get' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>",
	 "<iq id='8' type='result' from='localhost' to='alice@localhost/a'/>"},
	{"<iq id='9' type='get' to='example.org/x'><ping xmlns='urn:xmpp:ping'/></iq>",
	 "<iq id='9' type='result' from='example.org/x' to='alice@localhost/a'/>"},
	{"<iq id='10' type='get'><query xmlns='urn:example:unknown'/></iq>",
	 ERROR_OF("id='10'", "cancel", "service-unavailable")},
	{"<iq id='11' type='set'><ping xmlns='urn:xmpp:ping'/></iq>",
	 ERROR_OF("id='11'", "cancel", "service-unavailable")},
	{"<iq id='12' type='get'><pong xmlns='urn:xmpp:ping'/></iq>",
	 ERROR_OF("id='12'", "cancel", "service-unavailable")},
	{"<iq id='13' type='get' to='localhost'><query xmlns='jabber:iq:roster'/></iq>",
	 ERROR_OF("id='13' from='localhost'", "cancel", "service-unavailable")},
	{"<iq id='14' type='get' to='bob@localhost'><ping xmlns='urn:xmpp:ping'/></iq>",
	 ERROR_OF("id='14' from='bob@localhost'", "cancel", "service-unavailable")},
	{"<iq id='15' type='get' to='nobody@localhost'><query xmlns='jabber:iq:roster'/></iq>",
	 ERROR_OF("id='15' from='nobody@localhost'", "cancel", "service-unavailable")},
	{"<iq id='16' type='get' to='bob@localhost/nowhere'><ping xmlns='urn:xmpp:ping'/></iq>",
	 ERROR_OF("id='16' from='bob@localhost/nowhere'", "cancel", "service-unavailable")},
	{"<iq id='17' type='get' to='bob@elsewhere.example'><ping xmlns='urn:xmpp:ping'/></iq>",
	 ERROR_OF("id='17' from='bob@elsewhere.example'", "cancel", "remote-server-not-found")},
	{"<iq id='18' type='get' to='@'><ping xmlns='urn:xmpp:ping'/></iq>",
	 ERROR_OF("id='18' from='localhost'", "modify", "jid-malformed")},
	{"<iq id='19' type='result'/>", NULL},
	{"<iq id='20' type='error'><error type='cancel'/></iq>", NULL},
	{"<iq id='21' type='result' to='bob@localhost'/>", NULL},
	{"<iq id='22' type='result' to='localhost'/>", NULL},
	{"<iq id='23' type='error' to='bob@elsewhere.example'/>", NULL},
	{"<iq id='24' type='result' to='@'/>", NULL},
	{"<iq id='25' type='result' to='bob@localhost/nowhere'/>", NULL},
	{"<iq type='error'/>", NULL},
};

Test(iq, rules)
{
	struct session *alice = play_login("alice@localhost/a");

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		play_send(alice, cases[i].sent);
		play_expect_at(alice, cases[i].answer, cases[i].sent, (int)i);
		play_silence(alice);
	}
}

Test(iq, between_clients)
{
	struct session *alice = play_login("alice@localhost/a"), *bob = play_login("bob@localhost/b");

	play_send(alice,
		  "<iq id='1' type='get' to='bob@localhost/b'><query xmlns='jabber:iq:version'><x/><y/></query></iq>");
	play_expect(bob, "<iq id='1' type='get' from='alice@localhost/a' to='bob@localhost/b'>"
			 "<query xmlns='jabber:iq:version'><x/><y/></query></iq>");
	play_send(bob, "<iq id='1' type='result' to='alice@localhost/a'/>");
	play_expect(alice, "<iq id='1' type='result' from='bob@localhost/b' to='alice@localhost/a'/>");
	play_send(bob, "<iq id='2' type='error' to='alice@localhost/a'><error type='cancel'/></iq>");
	play_expect(
		alice,
		"<iq id='2' type='error' from='bob@localhost/b' to='alice@localhost/a'><error type='cancel'/></iq>");
	play_silence(alice);
	play_silence(bob);
}

Test(iq, disco)
{
	struct session *alice = play_login("alice@localhost/a"), *bob = play_login("bob@localhost/b");
	const char *info =
		"<iq id='1' type='get' to='bob@localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>";

	play_send(alice,
		  "<iq id='0' type='get' to='localhost'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>");
	play_expect(alice, "<iq id='0' type='result' from='localhost' to='alice@localhost/a'>"
			   "<query xmlns='http://jabber.org/protocol/disco#items'/></iq>");
	play_send(alice, "<iq id='0' type='get' to='localhost'><query xmlns='http://jabber.org/protocol/disco#info' "
			 "node='n'/></iq>");
	play_expect(alice, ERROR_OF("id='0' from='localhost'", "cancel", "item-not-found"));
	play_send(alice, info);
	play_expect(alice, ERROR_OF("id='1' from='bob@localhost'", "cancel", "service-unavailable"));
	play_send(bob, "<presence/>");
	play_send(alice, "<presence to='bob@localhost' type='subscribe'/>");
	play_send(bob, "<presence to='alice@localhost' type='subscribed'/>");
	play_forget_all();
	play_send(alice, info);
	play_expect(
		alice,
		"<iq id='1' type='result' from='bob@localhost' to='alice@localhost/a'>"
		"<query xmlns='http://jabber.org/protocol/disco#info'><identity category='account' type='registered'/>"
		"<feature var='http://jabber.org/protocol/disco#info'/><feature "
		"var='http://jabber.org/protocol/disco#items'/>"
		"<feature var='vcard-temp'/></query></iq>");
	play_silence(bob);
}

Test(iq, disco_says_registration)
{
	struct session *alice = play_login("alice@localhost/a");

	play_settings()->registration = true;
	play_send(alice,
		  "<iq id='1' type='get' to='localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
	play_expect(
		alice,
		"<iq id='1' type='result' from='localhost' to='alice@localhost/a'>"
		"<query xmlns='http://jabber.org/protocol/disco#info'><identity category='server' type='im' "
		"name='stanzagate'/>"
		"<feature var='http://jabber.org/protocol/disco#info'/><feature "
		"var='http://jabber.org/protocol/disco#items'/>"
		"<feature var='jabber:iq:privacy'/><feature var='jabber:iq:private'/><feature var='jabber:iq:roster'/>"
		"<feature var='jabber:iq:version'/><feature var='msgoffline'/><feature "
		"var='urn:xmpp:blocking'/><feature var='urn:xmpp:carbons:2'/><feature var='urn:xmpp:ping'/>"
		"<feature var='urn:xmpp:time'/><feature var='vcard-temp'/><feature "
		"var='jabber:iq:register'/></query></iq>");
}

Test(iq, version_and_time)
{
	struct session *alice = play_login("alice@localhost/a");

	play_send(alice, "<iq id='1' type='get' to='localhost'><query xmlns='jabber:iq:version'/></iq>");
	play_expect(alice,
		    "<iq id='1' type='result' from='localhost' to='alice@localhost/a'><query xmlns='jabber:iq:version'>"
		    "<name>stanzagate</name><version>" STANZAGATE_VERSION "</version></query></iq>");
	play_send(alice, "<iq id='2' type='get' to='localhost'><time xmlns='urn:xmpp:time'/></iq>");
	play_expect(alice,
		    "<iq id='2' type='result' from='localhost' to='alice@localhost/a'><time xmlns='urn:xmpp:time'>"
		    "<tzo>+00:00</tzo><utc>*</utc></time></iq>");
}
