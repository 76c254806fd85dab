#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "play.h"

TestSuite(roster, .init = play_begin, .fini = play_end);

#define PUSH(to, item) "<iq type='set' id='push' to='" to "'><query xmlns='jabber:iq:roster'>" item "</query></iq>"
#define REFUSED(id, type, condition)                                                                                   \
	"<iq type='error' id='" id "' to='alice@localhost/a'><error type='" type "'><" condition                       \
	" xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
#define SET(id, items) "<iq type='set' id='" id "'><query xmlns='jabber:iq:roster'>" items "</query></iq>"

Test(roster, add_change_list)
{
	struct session *alice = play_online("alice@localhost/a"), *second = play_online("alice@localhost/2");
	struct session *other = play_login("alice@localhost/deaf");

	play_forget_all();
	play_send(alice, SET("1", "<item jid='Bob@localhost/x' name='B &lt;&apos;&#10;>' subscription='both'>"
				  "<group>Friends</group><group>a &amp; b</group></item>"));
	play_expect(alice, "<iq type='result' id='1' to='alice@localhost/a'/>");
	play_expect(alice,
		    PUSH("alice@localhost/a", "<item jid='bob@localhost' name='B &lt;&apos;&#10;>' subscription='none'>"
					      "<group>Friends</group><group>a &amp; b</group></item>"));
	play_expect(second,
		    PUSH("alice@localhost/2", "<item jid='bob@localhost' name='B &lt;&apos;&#10;>' subscription='none'>"
					      "<group>Friends</group><group>a &amp; b</group></item>"));
	play_silence(second);
	play_silence(other);
	play_send(alice, SET("2", "<item jid='bob@localhost' name=''/>"));
	play_expect(alice, "<iq type='result' id='2' to='alice@localhost/a'/>");
	play_expect(alice, PUSH("alice@localhost/a", "<item jid='bob@localhost' subscription='none'/>"));
	play_send(alice, SET("3", "<item jid='someone@elsewhere.example'/>"));
	play_forget_all();
	play_send(other, "<iq type='get' id='4' to='alice@localhost'><query xmlns='jabber:iq:roster' ver='x'/></iq>");
	play_expect(other, "<iq type='result' id='4' from='alice@localhost' to='alice@localhost/deaf'><query "
			   "xmlns='jabber:iq:roster'>"
			   "<item jid='bob@localhost' subscription='none'/><item jid='someone@elsewhere.example' "
			   "subscription='none'/>"
			   "</query></iq>");
}

Test(roster, refusals)
{
	struct session *alice = play_online("alice@localhost/a");
	static char name[2048], long_name[1100];
	static const struct {
		const char *items, *wanted;
	} cases[] = {
		{"", REFUSED("r", "modify", "bad-request")},
		{"<item jid='b@localhost'/><item jid='c@localhost'/>", REFUSED("r", "modify", "bad-request")},
		{"<thing jid='b@localhost'/>", REFUSED("r", "modify", "bad-request")},
		{"<item/>", REFUSED("r", "modify", "bad-request")},
		{"<item jid='@'/>", REFUSED("r", "modify", "jid-malformed")},
		{"<item jid='alice@localhost'/>", REFUSED("r", "cancel", "not-allowed")},
		{"<item jid='b@localhost'><group>x</group><group>x</group></item>",
		 REFUSED("r", "modify", "bad-request")},
		{"<item jid='b@localhost'><group/></item>", REFUSED("r", "modify", "not-acceptable")},
		{"<item jid='b@localhost' subscription='remove'/>", REFUSED("r", "cancel", "item-not-found")},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char xml[512];

		snprintf(xml, sizeof xml, SET("r", "%s"), cases[i].items);
		play_send(alice, xml);
		play_expect(alice, cases[i].wanted);
		play_silence(alice);
	}
	memset(long_name, 'n', 1024);
	snprintf(name, sizeof name, SET("r", "<item jid='b@localhost' name='%s'/>"), long_name);
	play_send(alice, name);
	play_expect(alice, REFUSED("r", "modify", "not-acceptable"));
	snprintf(name, sizeof name, SET("r", "<item jid='b@localhost'><group>%s</group></item>"), long_name);
	play_send(alice, name);
	play_expect(alice, REFUSED("r", "modify", "not-acceptable"));
	long_name[1023] = '\0';
	snprintf(name, sizeof name, SET("r", "<item jid='b@localhost' name='%s'/>"), long_name);
	play_send(alice, name);
	play_expect(alice, "<iq type='result' id='r' to='alice@localhost/a'/>");
}

Test(roster, of_another_is_forbidden)
{
	struct session *alice = play_online("alice@localhost/a");

	play_send(alice, "<iq type='set' id='1' to='bob@localhost'><query xmlns='jabber:iq:roster'><item "
			 "jid='c@localhost'/></query></iq>");
	play_expect(alice, "<iq type='error' id='1' from='bob@localhost' to='alice@localhost/a'><error type='auth'>"
			   "<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
	play_send(alice, "<iq type='get' id='2' to='bob@localhost'><query xmlns='jabber:iq:roster'/></iq>");
	play_expect(alice, "<iq type='error' id='2' from='bob@localhost' to='alice@localhost/a'><error type='auth'>"
			   "<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
}

Test(roster, has_a_limit)
{
	struct session *alice = play_login("alice@localhost/a");
	char xml[256];

	for (int i = 0; i < 2000; i++) {
		snprintf(xml, sizeof xml, SET("s", "<item jid='c%d@localhost'/>"), i);
		play_send(alice, xml);
		play_expect(alice, "<iq type='result' id='s' to='alice@localhost/a'/>");
	}
	play_send(alice, SET("s", "<item jid='more@localhost'/>"));
	play_expect(alice, REFUSED("s", "wait", "resource-constraint"));
	play_send(alice, SET("s", "<item jid='c7@localhost' name='seven'/>"));
	play_expect(alice, "<iq type='result' id='s' to='alice@localhost/a'/>");
}

/* RFC 6121, 2.5.2. */
Test(roster, removal_ends_both_subscriptions)
{
	struct session *alice, *bob;

	play_befriend("alice@localhost", "bob@localhost");
	alice = play_online("alice@localhost/a");
	bob = play_online("bob@localhost/b");
	play_forget_all();
	play_send(alice, SET("1", "<item jid='bob@localhost' subscription='remove'/>"));
	play_expect(alice, "<iq type='result' id='1' to='alice@localhost/a'/>");
	play_expect(alice, PUSH("alice@localhost/a", "<item jid='bob@localhost' subscription='remove'/>"));
	play_expect(alice, "<presence type='unavailable' from='bob@localhost/b' to='alice@localhost'/>");
	play_silence(alice);
	play_expect(bob, "<presence type='unsubscribe' from='alice@localhost' to='bob@localhost'/>");
	play_expect(bob, PUSH("bob@localhost/b", "<item jid='alice@localhost' subscription='to'/>"));
	play_expect(bob, "<presence type='unavailable' from='alice@localhost/a' to='bob@localhost'/>");
	play_expect(bob, "<presence type='unsubscribed' from='alice@localhost' to='bob@localhost'/>");
	play_expect(bob, PUSH("bob@localhost/b", "<item jid='alice@localhost' subscription='none'/>"));
	play_silence(bob);
	play_send(alice, "<iq type='get' id='2'><query xmlns='jabber:iq:roster'/></iq>");
	play_expect(alice,
		    "<iq type='result' id='2' to='alice@localhost/a'><query xmlns='jabber:iq:roster'></query></iq>");
	play_send(alice, "<presence><show>away</show></presence>");
	play_silence(bob);
}

/* A request that alice has not seen answered, and one that she has not answered, end with the item too. */
Test(roster, removal_ends_requests)
{
	struct session *alice = play_online("alice@localhost/a"), *bob = play_online("bob@localhost/b");

	play_send(bob, "<presence type='subscribe' to='alice@localhost'/>");
	play_send(alice, "<presence type='subscribe' to='bob@localhost'/>");
	play_forget_all();
	play_send(alice, SET("1", "<item jid='bob@localhost' subscription='remove'/>"));
	play_expect(bob, "<presence type='unsubscribe' from='alice@localhost' to='bob@localhost'/>");
	play_expect(bob, "<presence type='unsubscribed' from='alice@localhost' to='bob@localhost'/>");
	play_expect(bob, PUSH("bob@localhost/b", "<item jid='alice@localhost' subscription='none'/>"));
	play_silence(bob);
}

/* Setting the item of someone who asked keeps the question open. */
Test(roster, item_of_who_has_asked)
{
	struct session *alice = play_online("alice@localhost/a"), *bob = play_online("bob@localhost/b");

	play_send(bob, "<presence type='subscribe' to='alice@localhost'/>");
	play_forget_all();
	play_send(alice, SET("1", "<item jid='bob@localhost' name='B'/>"));
	play_expect(alice, "<iq type='result' id='1' to='alice@localhost/a'/>");
	play_expect(alice, PUSH("alice@localhost/a", "<item jid='bob@localhost' name='B' subscription='none'/>"));
	play_logout(alice);
	alice = play_login("alice@localhost/a");
	play_send(alice, "<presence/>");
	play_expect(alice, "<presence from='alice@localhost/a' to='alice@localhost'/>");
	play_expect(alice, "<presence type='subscribe' from='bob@localhost' to='alice@localhost'/>");
	play_send(alice, "<presence type='subscribed' to='bob@localhost'/>");
	play_expect(bob, "<presence type='subscribed' from='alice@localhost' to='bob@localhost'/>");
}

Test(roster, broken_store_is_said)
{
	struct session *alice;

	play_befriend("alice@localhost", "bob@localhost");
	alice = play_online("alice@localhost/a");
	play_break_store();
	play_send(alice, SET("1", "<item jid='carol@localhost'/>"));
	play_expect(alice, REFUSED("1", "cancel", "internal-server-error"));
	play_send(alice, SET("2", "<item jid='bob@localhost' subscription='remove'/>"));
	play_expect(alice, REFUSED("2", "cancel", "internal-server-error"));
	play_silence(alice);
	play_send(alice, "<iq type='get' id='3'><query xmlns='jabber:iq:roster'/></iq>");
	play_expect(alice, "<iq type='result' id='3' to='alice@localhost/a'><query xmlns='jabber:iq:roster'>"
			   "<item jid='bob@localhost' subscription='both'/></query></iq>");
}
