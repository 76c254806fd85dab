#include <criterion/criterion.h>

#include "play.h"

TestSuite(login, .init = play_begin, .fini = play_end);

#define CAPS                                                                                                           \
	"<priority>50</priority><c xmlns='http://jabber.org/protocol/caps' node='http://psi-dev.googlecode.com/caps' " \
	"ver='0.16' "                                                                                                  \
	"ext='ca cs e-time ep-notify-2 html last-act mr sxe whiteboard'/>"
#define ME "alice@localhost/Psi+"

static void prepare(void)
{
	struct session *alice, *bob;

	play_befriend("alice@localhost", "bob@localhost");
	alice = play_login("alice@localhost/before");
	play_send(alice, "<iq type='set' id='0'><query xmlns='jabber:iq:roster'><item jid='bob@localhost' "
			 "name='ohno'/></query></iq>");
	play_send(alice, "<iq type='set' id='0'><query xmlns='jabber:iq:privacy'><list name='blocked'>"
			 "<item action='allow' order='100'/></list></query></iq>");
	play_send(alice,
		  "<iq type='set' id='0'><query xmlns='jabber:iq:privacy'><default name='blocked'/></query></iq>");
	play_send(alice, "<iq type='set' id='0'><vCard "
			 "xmlns='vcard-temp'><FN>alice</FN><NICKNAME>alice</NICKNAME></vCard></iq>");
	play_logout(alice);
	bob = play_login("bob@localhost/Psi+");
	play_send(bob, "<presence>" CAPS "</presence>");
	play_forget_all();
}

/* What a deployed client (Psi+) says when it comes online, all of it before it reads an answer. */
static const char *const says[] = {
	"<iq type=\"get\" id=\"ab47a\">\n<query xmlns=\"jabber:iq:roster\"/>\n</iq>",
	"<presence>\n" CAPS "\n</presence>",
	"<iq type=\"get\" id=\"ab49a\">\n<query xmlns=\"jabber:iq:privacy\"/>\n</iq>",
	"<iq type=\"get\" id=\"ab4aa\">\n<query xmlns=\"jabber:iq:private\">\n<storage "
	"xmlns=\"storage:bookmarks\"/>\n</query>\n</iq>",
	"<iq type=\"get\" to=\"alice@localhost\" id=\"ab4ba\">\n<vCard xmlns=\"vcard-temp\"/>\n</iq>",
	"<iq type=\"get\" to=\"localhost\" id=\"ab4ca\">\n<query "
	"xmlns=\"http://jabber.org/protocol/disco#info\"/>\n</iq>",
	"<iq type=\"get\" id=\"ab4da\">\n<query xmlns=\"jabber:iq:privacy\">\n<list "
	"name=\"blocked\"/>\n</query>\n</iq>",
};

static const char *const hears[] = {
	"<iq type='result' id='ab47a' to='" ME "'><query xmlns='jabber:iq:roster'>"
	"<item subscription='both' name='ohno' jid='bob@localhost'/></query></iq>",
	"<presence from='" ME "' to='alice@localhost'>\n" CAPS "\n</presence>",
	"<presence from='bob@localhost/Psi+' to='alice@localhost'>" CAPS "</presence>",
	"<iq type='result' id='ab49a' to='" ME
	"'><query xmlns='jabber:iq:privacy'><default name='blocked'/><list name='blocked'/>"
	"</query></iq>",
	"<iq type='result' id='ab4aa' to='" ME
	"'><query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query></iq>",
	"<iq from='alice@localhost' type='result' to='" ME "' id='ab4ba'><vCard xmlns='vcard-temp'><FN>alice</FN>"
	"<NICKNAME>alice</NICKNAME></vCard></iq>",
	"<iq from='localhost' type='result' to='" ME
	"' id='ab4ca'><query xmlns='http://jabber.org/protocol/disco#info'>"
	"<identity category='server' type='im' name='stanzagate'/>"
	"<feature var='http://jabber.org/protocol/disco#info'/><feature var='http://jabber.org/protocol/disco#items'/>"
	"<feature var='jabber:iq:privacy'/><feature var='jabber:iq:private'/><feature var='jabber:iq:roster'/>"
	"<feature var='jabber:iq:version'/><feature var='msgoffline'/><feature var='urn:xmpp:blocking'/><feature "
	"var='urn:xmpp:carbons:2'/><feature "
	"var='urn:xmpp:ping'/><feature "
	"var='urn:xmpp:time'/>"
	"<feature var='vcard-temp'/></query></iq>",
	"<iq type='result' id='ab4da' to='" ME "'><query xmlns='jabber:iq:privacy'><list name='blocked'>"
	"<item action='allow' order='100'/></list></query></iq>",
};

Test(login, of_a_deployed_client)
{
	struct session *alice;

	prepare();
	alice = play_login(ME);
	for (size_t i = 0; i < sizeof says / sizeof says[0]; i++)
		play_send(alice, says[i]);
	for (size_t i = 0; i < sizeof hears / sizeof hears[0]; i++)
		play_expect_at(alice, hears[i], "hears", (int)i);
	play_silence(alice);
}

/* It goes, and says so; and comes again. */
Test(login, logged_out)
{
	struct session *alice, *bob;

	prepare();
	bob = play_login("bob@localhost/other");
	play_send(bob, "<presence/>");
	alice = play_online(ME);
	play_send(alice, "<presence type=\"unavailable\">\n<status>Logged out</status>\n</presence>");
	play_expect(bob, "<presence type='unavailable' from='" ME
			 "' to='bob@localhost'>\n<status>Logged out</status>\n</presence>");
	play_logout(alice);
	play_silence(bob);
}
