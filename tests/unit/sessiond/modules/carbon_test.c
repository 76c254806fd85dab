#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "play.h"

static struct session *alice, *tablet, *bob, *phone;

static void enable(struct session *session, const char *word)
{
	char xml[128];

	snprintf(xml, sizeof xml, "<iq type='set' id='c'><%s xmlns='urn:xmpp:carbons:2'/></iq>", word);
	play_send(session, xml);
	snprintf(xml, sizeof xml, "<iq type='result' id='c' to='%s'/>", session->full_jid);
	play_expect(session, xml);
}

static void begin(void)
{
	play_begin();
	alice = play_online("alice@localhost/a");
	tablet = play_online("alice@localhost/tablet");
	bob = play_online("bob@localhost/b");
	phone = play_online("bob@localhost/phone");
	play_forget_all();
	enable(tablet, "enable");
	enable(phone, "enable");
}

TestSuite(carbon, .init = begin, .fini = play_end);

#define COPY(direction, whose, resource, type, message)                                                                \
	"<message from='" whose "' to='" whose "/" resource "'" type "><" direction " xmlns='urn:xmpp:carbons:2'>"     \
	"<forwarded xmlns='urn:xmpp:forward:0'>" message "</forwarded></" direction "></message>"
#define CHAT(content)                                                                                                  \
	"<message xmlns='jabber:client' from='alice@localhost/a' to='bob@localhost/b' type='chat'>" content "</"       \
	"message>"

static void silence(void)
{
	play_silence(alice);
	play_silence(tablet);
	play_silence(bob);
	play_silence(phone);
}

Test(carbon, sent_and_received)
{
	play_send(alice, "<message to='bob@localhost/b' type='chat'><body>x &amp; y</body></message>");
	play_expect(bob, "<message from='alice@localhost/a' to='bob@localhost/b' type='chat'><body>x &amp; "
			 "y</body></message>");
	play_expect(phone, COPY("received", "bob@localhost", "phone", " type='chat'", CHAT("<body>x &amp; y</body>")));
	play_expect(tablet, COPY("sent", "alice@localhost", "tablet", " type='chat'", CHAT("<body>x &amp; y</body>")));
	silence();
}

Test(carbon, disabled_again)
{
	enable(phone, "disable");
	enable(phone, "disable");
	enable(tablet, "disable");
	play_send(alice, "<message to='bob@localhost/b' type='chat'><body>x</body></message>");
	play_forget(bob);
	silence();
}

/* Who gets the message itself gets no copy: bob's bare JID reaches both, alice's own too. */
Test(carbon, not_besides_the_message)
{
	play_send(alice, "<message to='bob@localhost' type='chat'><body>x</body></message>");
	play_expect(phone, "<message from='alice@localhost/a' to='bob@localhost' type='chat'><body>x</body></message>");
	play_forget(bob);
	play_forget(tablet);
	silence();
	play_send(alice, "<message to='alice@localhost' type='chat'><body>x</body></message>");
	play_expect(tablet,
		    "<message from='alice@localhost/a' to='alice@localhost' type='chat'><body>x</body></message>");
	play_forget(alice);
	silence();
}

/* One that is only there for copies, with a negative priority, gets them while its user is away. */
Test(carbon, while_nobody_listens)
{
	play_send(phone, "<presence><priority>-1</priority></presence>");
	play_send(bob, "<presence type='unavailable'/>");
	play_forget_all();
	play_send(alice, "<message to='bob@localhost' type='chat'><body>x</body></message>");
	play_expect(phone, COPY("received", "bob@localhost", "phone", " type='chat'",
				"<message xmlns='jabber:client' from='alice@localhost/a' to='bob@localhost' "
				"type='chat'><body>x</body></message>"));
	play_silence(bob);
}

/* XEP-0280, 6.1 and 9. */
static const struct {
	const char *type, *content;
	bool copied;
} rules[] = {
	{"chat", "<active xmlns='http://jabber.org/protocol/chatstates'/>", true},
	{"chat", "", true},
	{"normal", "<body>x</body>", true},
	{"normal", "<received xmlns='urn:xmpp:receipts' id='1'/>", true},
	{"normal", "<composing xmlns='http://jabber.org/protocol/chatstates'/>", true},
	{"normal", "<x xmlns='urn:example'/>", false},
	{"groupchat", "<body>x</body>", false},
	{"headline", "<body>x</body>", false},
	{"error", "<body>x</body>", false},
	{"chat", "<body>x</body><private xmlns='urn:xmpp:carbons:2'/>", false},
	{"chat", "<body>x</body><no-copy xmlns='urn:xmpp:hints'/>", false},
	{"chat", "<body>x</body><private xmlns='urn:example'/>", true},
};

Test(carbon, what_is_copied)
{
	char xml[512], inner[512], wanted[1024];

	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		const char *shown = strcmp(rules[i].type, "normal") == 0 ? "" : " type='chat'";

		snprintf(xml, sizeof xml, "<message to='bob@localhost/b' type='%s'>%s</message>", rules[i].type,
			 rules[i].content);
		play_send(alice, xml);
		snprintf(inner, sizeof inner,
			 "<message xmlns='jabber:client' from='alice@localhost/a' to='bob@localhost/b' "
			 "type='%s'>%s</message>",
			 rules[i].type, rules[i].content);
		snprintf(wanted, sizeof wanted,
			 "<message from='bob@localhost' to='bob@localhost/phone'%s><received "
			 "xmlns='urn:xmpp:carbons:2'>"
			 "<forwarded xmlns='urn:xmpp:forward:0'>%s</forwarded></received></message>",
			 shown, inner);
		play_expect_at(phone, rules[i].copied ? wanted : NULL, rules[i].content, (int)i);
		cr_assert_eq(tablet->carbons, true);
		play_forget(bob);
		play_forget(tablet);
		silence();
	}
}

Test(carbon, not_of_what_is_refused)
{
	play_send(alice, "<message to='nobody@localhost' type='chat'><body>x</body></message>");
	play_forget(alice);
	silence();
}

/* Who blocks a contact does not hear of it through copies. */
Test(carbon, not_from_who_is_blocked)
{
	play_send(phone, "<iq type='set' id='1'><query xmlns='jabber:iq:privacy'><list name='l'><item type='jid' "
			 "value='alice@localhost' order='1' action='deny'/></list></query></iq>");
	play_send(phone, "<iq type='set' id='2'><query xmlns='jabber:iq:privacy'><active name='l'/></query></iq>");
	play_forget_all();
	play_send(alice, "<message to='bob@localhost/b' type='chat'><body>x</body></message>");
	play_silence(phone);
}

Test(carbon, only_of_ones_own)
{
	play_send(alice, "<iq type='set' id='1' to='bob@localhost'><enable xmlns='urn:xmpp:carbons:2'/></iq>");
	play_expect(alice, "<iq type='error' id='1' from='bob@localhost' to='alice@localhost/a'><error type='cancel'>"
			   "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
}
