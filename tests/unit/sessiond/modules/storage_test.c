#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "play.h"

TestSuite(storage, .init = play_begin, .fini = play_end);

#define ERROR_OF(attributes, type, condition)                                                                          \
	"<iq type='error' " attributes " to='alice@localhost/a'><error type='" type "'><" condition                    \
	" xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"

Test(storage, vcard)
{
	struct session *alice = play_login("alice@localhost/a"), *bob = play_login("bob@localhost/b");
	const char *card = "<vCard xmlns='vcard-temp'><FN>Alice &amp; "
			   "\xc3\xa9</FN><PHOTO><BINVAL>QUJD\nREVG</BINVAL></PHOTO></vCard>";
	char xml[512];

	play_send(alice, "<iq id='1' type='get'><vCard xmlns='vcard-temp'/></iq>");
	play_expect(alice, "<iq id='1' type='result' to='alice@localhost/a'><vCard xmlns='vcard-temp'/></iq>");
	play_send(bob, "<iq id='2' type='get' to='alice@localhost'><vCard xmlns='vcard-temp'/></iq>");
	play_expect(bob, "<iq id='2' type='error' from='alice@localhost' to='bob@localhost/b'><error type='cancel'>"
			 "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
	snprintf(xml, sizeof xml, "<iq id='3' type='set'>%s</iq>", card);
	play_send(alice, xml);
	play_expect(alice, "<iq id='3' type='result' to='alice@localhost/a'/>");
	play_send(bob, "<iq id='4' type='get' to='Alice@localhost'><vCard xmlns='vcard-temp'/></iq>");
	snprintf(xml, sizeof xml, "<iq id='4' type='result' from='Alice@localhost' to='bob@localhost/b'>%s</iq>", card);
	play_expect(bob, xml);
	play_send(alice, "<iq id='5' type='set' to='bob@localhost'><vCard xmlns='vcard-temp'/></iq>");
	play_expect(alice, ERROR_OF("id='5' from='bob@localhost'", "auth", "forbidden"));
	play_send(alice, "<iq id='6' type='get' to='nobody@localhost'><vCard xmlns='vcard-temp'/></iq>");
	play_expect(alice, ERROR_OF("id='6' from='nobody@localhost'", "cancel", "service-unavailable"));
}

Test(storage, private_xml)
{
	struct session *alice = play_login("alice@localhost/a"), *bob = play_login("bob@localhost/b");
	const char *get = "<iq id='2' type='get'><query xmlns='jabber:iq:private'><storage "
			  "xmlns='storage:bookmarks'/></query></iq>";

	play_send(alice, get);
	play_expect(alice, "<iq id='2' type='result' to='alice@localhost/a'><query xmlns='jabber:iq:private'>"
			   "<storage xmlns='storage:bookmarks'/></query></iq>");
	play_send(alice, "<iq id='1' type='set' xmlns:o='urn:outer'><query xmlns='jabber:iq:private'><storage "
			 "xmlns='storage:bookmarks'>"
			 "<conference name='a &lt; b' "
			 "jid='r@conference.localhost'><nick>A</nick><o:more/></conference></storage></query></iq>");
	play_expect(alice, "<iq id='1' type='result' to='alice@localhost/a'/>");
	play_send(alice, get);
	play_expect(alice, "<iq id='2' type='result' to='alice@localhost/a'><query xmlns='jabber:iq:private'>"
			   "<storage xmlns='storage:bookmarks'><conference name='a &lt; b' "
			   "jid='r@conference.localhost'><nick>A</nick>"
			   "<more xmlns='urn:outer'/></conference></storage></query></iq>");
	play_send(bob, get);
	play_expect(bob, "<iq id='2' type='result' to='bob@localhost/b'><query xmlns='jabber:iq:private'>"
			 "<storage xmlns='storage:bookmarks'/></query></iq>");
	play_send(alice, "<iq id='3' type='get'><query xmlns='jabber:iq:private'/></iq>");
	play_expect(alice, ERROR_OF("id='3'", "modify", "bad-request"));
	play_send(alice, "<iq id='4' type='set'><query xmlns='jabber:iq:private'><own/></query></iq>");
	play_expect(alice, ERROR_OF("id='4'", "modify", "bad-request"));
	play_send(alice,
		  "<iq id='4' type='set'><query xmlns='jabber:iq:private'><own xmlns='jabber:client'/></query></iq>");
	play_expect(alice, ERROR_OF("id='4'", "modify", "bad-request"));
	play_send(alice, "<iq id='5' type='get' to='bob@localhost'><query xmlns='jabber:iq:private'><storage "
			 "xmlns='storage:bookmarks'/></query></iq>");
	play_expect(alice, ERROR_OF("id='5' from='bob@localhost'", "auth", "forbidden"));
}

static void fill(struct session *session, int number, const char *wanted)
{
	size_t len = 200 * 1024;
	char *filler = malloc(len + 1), *xml = malloc(len + 256);

	memset(filler, 'x', len);
	filler[len] = '\0';
	sprintf(xml, "<iq id='f' type='set'><query xmlns='jabber:iq:private'><s xmlns='urn:s%d'>%s</s></query></iq>",
		number, filler);
	play_send(session, xml);
	play_expect(session, wanted);
	free(filler);
	free(xml);
}

Test(storage, has_a_limit)
{
	struct session *alice = play_login("alice@localhost/a");
	const char *done = "<iq type='result' id='f' to='alice@localhost/a'/>";

	for (int i = 0; i < 5; i++)
		fill(alice, i, done);
	fill(alice, 5, ERROR_OF("id='f'", "wait", "resource-constraint"));
	fill(alice, 2, done);
}

Test(storage, broken_store_is_said)
{
	struct session *alice = play_login("alice@localhost/a");

	play_break_store();
	play_send(alice, "<iq id='1' type='set'><vCard xmlns='vcard-temp'/></iq>");
	play_expect(alice, ERROR_OF("id='1'", "cancel", "internal-server-error"));
	play_send(alice, "<iq id='2' type='set'><query xmlns='jabber:iq:privacy'><list name='l'><item order='1' "
			 "action='deny'/></list></query></iq>");
	play_expect(alice, ERROR_OF("id='2'", "cancel", "internal-server-error"));
	play_send(alice, "<message id='3' to='bob@localhost'><body>x</body></message>");
	play_expect(alice,
		    "<message type='error' id='3' from='bob@localhost' to='alice@localhost/a'><error type='cancel'>"
		    "<internal-server-error xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>");
}
