#include <criterion/criterion.h>
#include <stdio.h>

#include "play.h"

TestSuite(blocking, .init = play_begin, .fini = play_end);

#define NS   "xmlns='urn:xmpp:blocking'"
#define DONE "<iq type='result' id='1' to='alice@localhost/a'/>"
#define ERROR_OF(type, condition)                                                                                      \
	"<iq type='error' id='1' to='alice@localhost/a'><error type='" type "'><" condition                            \
	" xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"

static void set(struct session *session, const char *content)
{
	char xml[1024];

	snprintf(xml, sizeof xml, "<iq type='set' id='1'>%s</iq>", content);
	play_send(session, xml);
}

static void expect_list(struct session *session, const char *items)
{
	char xml[1024];

	play_send(session, "<iq type='get' id='1'><blocklist " NS "/></iq>");
	snprintf(xml, sizeof xml, "<iq type='result' id='1' to='%s'><blocklist " NS ">%s</blocklist></iq>",
		 session->full_jid, items);
	play_expect(session, xml);
	play_silence(session);
}

Test(blocking, blocks_and_unblocks)
{
	struct session *alice = play_login("alice@localhost/a"), *bob = play_online("bob@localhost/b");

	expect_list(alice, "");
	play_send(alice, "<presence/>");
	play_forget_all();
	set(alice, "<block " NS "><item jid='Bob@localhost'/></block>");
	play_expect(alice, DONE);
	play_expect(alice, "<iq type='set' id='push' to='alice@localhost/a'><block " NS
			   "><item jid='bob@localhost'/></block></iq>");
	expect_list(alice, "<item jid='bob@localhost'/>");
	play_send(bob, "<message type='chat' id='m' to='alice@localhost'><body>x</body></message>");
	play_expect(bob,
		    "<message type='error' id='m' from='alice@localhost' to='bob@localhost/b'><error type='cancel'>"
		    "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>");
	play_silence(alice);
	set(alice, "<unblock " NS "><item jid='bob@localhost'/></unblock>");
	play_expect(alice, DONE);
	play_expect(alice, "<iq type='set' id='push' to='alice@localhost/a'><unblock " NS
			   "><item jid='bob@localhost'/></unblock></iq>");
	play_send(bob, "<message type='chat' to='alice@localhost'><body>x</body></message>");
	play_expect(alice, "<message type='chat' from='bob@localhost/b' to='alice@localhost'><body>x</body></message>");
}

Test(blocking, unblocks_everybody_and_leaves_other_rules)
{
	struct session *alice = play_login("alice@localhost/a");

	set(alice, "<query xmlns='jabber:iq:privacy'><list name='mine'><item type='jid' value='dave@localhost' "
		   "action='deny' order='7'><iq/></item></list></query>");
	set(alice, "<query xmlns='jabber:iq:privacy'><default name='mine'/></query>");
	set(alice, "<block " NS "><item jid='bob@localhost'/><item jid='carol@localhost'/></block>");
	play_forget(alice);
	expect_list(alice, "<item jid='carol@localhost'/><item jid='bob@localhost'/>");
	set(alice, "<block " NS "><item jid='bob@localhost'/></block>");
	play_forget(alice);
	expect_list(alice, "<item jid='carol@localhost'/><item jid='bob@localhost'/>");
	set(alice, "<unblock " NS "/>");
	play_forget(alice);
	expect_list(alice, "");
	play_send(alice, "<iq type='get' id='1'><query xmlns='jabber:iq:privacy'><list name='mine'/></query></iq>");
	play_expect(alice, "<iq type='result' id='1' to='alice@localhost/a'><query xmlns='jabber:iq:privacy'><list "
			   "name='mine'><item type='jid' value='dave@localhost' action='deny' order='1'><iq/></item>"
			   "</list></query></iq>");
}

Test(blocking, hides_presence)
{
	struct session *alice, *bob;

	play_befriend("alice@localhost", "bob@localhost");
	bob = play_online("bob@localhost/b");
	alice = play_online("alice@localhost/a");
	play_forget_all();
	set(alice, "<block " NS "><item jid='bob@localhost'/></block>");
	play_expect(bob, "<presence type='unavailable' from='alice@localhost/a' to='bob@localhost'/>");
	play_send(alice, "<presence><show>away</show></presence>");
	play_silence(bob);
	set(alice, "<unblock " NS "><item jid='bob@localhost'/></unblock>");
	play_expect(bob, "<presence from='alice@localhost/a' to='bob@localhost'><show>away</show></presence>");
	play_silence(bob);
}

Test(blocking, mistakes)
{
	struct session *alice = play_login("alice@localhost/a");

	set(alice, "<block " NS "/>");
	play_expect(alice, ERROR_OF("modify", "bad-request"));
	set(alice, "<block " NS "><item jid='bob@localhost'/><item jid='@'/></block>");
	play_expect(alice, ERROR_OF("modify", "bad-request"));
	set(alice, "<block " NS "><item/></block>");
	play_expect(alice, ERROR_OF("modify", "bad-request"));
	expect_list(alice, "");
	play_break_store();
	set(alice, "<block " NS "><item jid='bob@localhost'/></block>");
	play_expect(alice, ERROR_OF("cancel", "internal-server-error"));
}
