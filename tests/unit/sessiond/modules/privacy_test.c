#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "play.h"
#include "privacy_rule.h"
#include "store_roster.h"

TestSuite(privacy, .init = play_begin, .fini = play_end);

#define ERROR_OF(attributes, type, condition)                                                                          \
	"<iq type='error' " attributes " to='alice@localhost/a'><error type='" type "'><" condition                    \
	" xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
#define QUERY(type, content) "<iq id='q' type='" type "'><query xmlns='jabber:iq:privacy'>" content "</query></iq>"
#define DONE		     "<iq id='q' type='result' to='alice@localhost/a'/>"
#define RESULT(content)                                                                                                \
	"<iq id='q' type='result' to='alice@localhost/a'><query xmlns='jabber:iq:privacy'>" content "</query></iq>"
#define PUSH(to, name)                                                                                                 \
	"<iq id='push' type='set' to='" to "'><query xmlns='jabber:iq:privacy'><list name='" name "'/></query></iq>"

static void list_set(struct session *alice, const char *items)
{
	char xml[2048];

	snprintf(xml, sizeof xml, QUERY("set", "<list name='l'>%s</list>"), items);
	play_send(alice, xml);
	play_expect(alice, DONE);
	play_expect(alice, PUSH("alice@localhost/a", "l"));
}

Test(privacy, lists)
{
	struct session *alice = play_login("alice@localhost/a"), *second = play_login("alice@localhost/2");

	play_send(alice, QUERY("get", ""));
	play_expect(alice, RESULT(""));
	play_send(alice, QUERY("get", "<list name='l'/>"));
	play_expect(alice, ERROR_OF("id='q'", "cancel", "item-not-found"));
	list_set(alice, "<item type='jid' value='Bob@LOCALHOST' action='deny' order='7'><message/><presence-in/></item>"
			"<item action='allow' order='3'/><item type='subscription' value='none' action='deny' "
			"order='5'><iq/><presence-out/></item>");
	play_expect(second, PUSH("alice@localhost/2", "l"));
	play_send(alice, QUERY("get", "<list name='l'/>"));
	play_expect(alice,
		    RESULT("<list name='l'><item order='3' action='allow'></item>"
			   "<item type='subscription' value='none' action='deny' order='5'><iq/><presence-out/></item>"
			   "<item type='jid' value='bob@localhost' action='deny' "
			   "order='7'><message/><presence-in/></item></list>"));
	play_send(alice, QUERY("set", "<active name='l'/>"));
	play_expect(alice, DONE);
	play_send(second, QUERY("set", "<default name='l'/>"));
	play_forget(second);
	play_send(alice, QUERY("get", ""));
	play_expect(alice, RESULT("<active name='l'/><default name='l'/><list name='l'/>"));
	play_send(alice, QUERY("set", "<list name='l'/>"));
	play_expect(alice, ERROR_OF("id='q'", "cancel", "conflict"));
	play_send(alice, QUERY("set", "<default/>"));
	play_expect(alice, ERROR_OF("id='q'", "cancel", "conflict"));
	play_logout(second);
	play_send(alice, QUERY("set", "<default/>"));
	play_expect(alice, DONE);
	play_send(alice, QUERY("get", ""));
	play_expect(alice, RESULT("<active name='l'/><list name='l'/>"));
	play_send(alice, QUERY("set", "<list name='l'/>"));
	play_expect(alice, DONE);
	play_expect(alice, PUSH("alice@localhost/a", "l"));
	play_send(alice, QUERY("get", ""));
	play_expect(alice, RESULT(""));
	play_silence(alice);
}

Test(privacy, refusals)
{
	struct session *alice = play_login("alice@localhost/a");
	static const struct {
		const char *sent, *type, *condition;
	} cases[] = {
		{"", "modify", "bad-request"},
		{"<list name='l'><item action='allow' order='1'/></list><list name='m'><item action='allow' "
		 "order='1'/></list>",
		 "modify", "bad-request"},
		{"<list><item action='allow' order='1'/></list>", "modify", "bad-request"},
		{"<thing name='l'/>", "modify", "bad-request"},
		{"<list name='none'/>", "cancel", "item-not-found"},
		{"<active name='none'/>", "cancel", "item-not-found"},
		{"<default name='none'/>", "cancel", "item-not-found"},
		{"<list name='l'><item action='perhaps' order='1'/></list>", "modify", "bad-request"},
		{"<list name='l'><item action='allow'/></list>", "modify", "bad-request"},
		{"<list name='l'><item action='allow' order='-1'/></list>", "modify", "bad-request"},
		{"<list name='l'><item action='allow' order='4294967296'/></list>", "modify", "bad-request"},
		{"<list name='l'><item action='allow' order='1'/><item action='deny' order='1'/></list>", "modify",
		 "bad-request"},
		{"<list name='l'><item action='allow' order='1' type='jid' value='@'/></list>", "modify",
		 "jid-malformed"},
		{"<list name='l'><item action='allow' order='1' type='jid'/></list>", "modify", "bad-request"},
		{"<list name='l'><item action='allow' order='1' type='mood' value='bad'/></list>", "modify",
		 "bad-request"},
		{"<list name='l'><item action='allow' order='1' type='subscription' value='some'/></list>", "modify",
		 "bad-request"},
		{"<list name='l'><item action='allow' order='1' type='group' value='Friends'/></list>", "cancel",
		 "item-not-found"},
		{"<list name='l'><item action='allow' order='1'/><item action='allow' order='2'/><item action='deny' "
		 "order='1'/></list>",
		 "modify", "bad-request"},
		{"<list name='l'><item action='allow' order='1'><carrier-pigeon/></item></list>", "modify",
		 "bad-request"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char xml[512], wanted[512];

		snprintf(xml, sizeof xml, QUERY("set", "%s"), cases[i].sent);
		snprintf(wanted, sizeof wanted, ERROR_OF("id='q'", "%s", "%s"), cases[i].type, cases[i].condition);
		play_send(alice, xml);
		play_expect_at(alice, wanted, cases[i].sent, (int)i);
		play_silence(alice);
	}
	play_send(alice, QUERY("get", "<list name='a'/><list name='b'/>"));
	play_expect(alice, ERROR_OF("id='q'", "modify", "bad-request"));
	play_send(alice, "<iq id='q' type='get' to='bob@localhost'><query xmlns='jabber:iq:privacy'/></iq>");
	play_expect(alice, ERROR_OF("id='q' from='bob@localhost'", "cancel", "service-unavailable"));
}

/* Which peers an item is about: five items, one peer each time; the expected one decides. */
Test(privacy, who_is_meant)
{
	static const struct {
		const char *item, *peer;
		bool denied;
	} cases[] = {
		{"type='jid' value='bob@localhost'", "bob@localhost", true},
		{"type='jid' value='bob@localhost'", "bob@localhost/x", true},
		{"type='jid' value='bob@localhost'", "bobby@localhost", false},
		{"type='jid' value='bob@localhost/x'", "bob@localhost/x", true},
		{"type='jid' value='bob@localhost/x'", "bob@localhost/y", false},
		{"type='jid' value='localhost'", "bob@localhost/x", true},
		{"type='jid' value='localhost'", "erin@example.org", false},
		{"type='jid' value='local'", "bob@localhost", false},
		{"type='jid' value='localhost/x'", "bob@localhost/x", true},
		{"type='jid' value='localhost/x'", "bob@localhost/y", false},
		{"type='group' value='Enemies'", "bob@localhost/x", true},
		{"type='group' value='Enemies'", "carol@localhost", false},
		{"type='group' value='Enemies'", "dave@localhost", false},
		{"type='subscription' value='none'", "bob@localhost", true},
		{"type='subscription' value='none'", "dave@localhost", true},
		{"type='subscription' value='both'", "carol@localhost/x", true},
		{"type='subscription' value='to'", "carol@localhost/x", false},
		{"", "dave@localhost", true},
		{"", "alice@localhost/other", false},
		{"", "localhost", false},
	};
	struct session *alice = play_login("alice@localhost/a");
	struct store *store = sessiond_store(play_server());
	struct roster_item bob = {"bob@localhost", "",
				  "Old\x1f"
				  "Enemies\x1f",
				  STATE_NONE_OUT, true};
	struct roster_item carol = {"carol@localhost", "", "Enemies of enemies\x1f", STATE_BOTH, true};

	roster_item_put(store, "alice@localhost", &bob);
	roster_item_put(store, "alice@localhost", &carol);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char item[256];

		snprintf(item, sizeof item, "<item %s action='deny' order='1'/>", cases[i].item);
		list_set(alice, item);
		play_send(alice, QUERY("set", "<active name='l'/>"));
		play_forget(alice);
		cr_expect_eq(privacy_allows(alice, cases[i].peer, PRIVACY_MESSAGE), !cases[i].denied, "%s for %s",
			     cases[i].item, cases[i].peer);
	}
}

Test(privacy, first_item_about_it_decides)
{
	struct session *alice = play_login("alice@localhost/a");

	list_set(alice,
		 "<item type='jid' value='bob@localhost/good' action='allow' order='1'><message/></item>"
		 "<item type='jid' value='bob@localhost' action='deny' order='2'/><item action='allow' order='3'/>");
	play_send(alice, QUERY("set", "<default name='l'/>"));
	cr_expect(privacy_allows(alice, "bob@localhost/good", PRIVACY_MESSAGE));
	cr_expect_not(privacy_allows(alice, "bob@localhost/good", PRIVACY_IQ));
	cr_expect_not(privacy_allows(alice, "bob@localhost/bad", PRIVACY_MESSAGE));
	cr_expect(privacy_allows(alice, "carol@localhost/good", PRIVACY_IQ));
}

/* Each kind of stanza, to alice and from her, under items about one kind each and about all. */
Test(privacy, what_passes)
{
	static const struct {
		const char *kinds;
		bool message_in, iq_in, presence_in, presence_out, request_in, message_out, iq_out;
	} cases[] = {
		{"", 0, 0, 0, 0, 0, 0, 0},
		{"<message/>", 0, 1, 1, 1, 1, 1, 1},
		{"<iq/>", 1, 0, 1, 1, 1, 1, 1},
		{"<presence-in/>", 1, 1, 0, 1, 1, 1, 1},
		{"<presence-out/>", 1, 1, 1, 0, 1, 1, 1},
		{"<message/><presence-out/>", 0, 1, 1, 0, 1, 1, 1},
	};
	struct session *alice, *bob;

	play_befriend("alice@localhost", "bob@localhost");
	alice = play_login("alice@localhost/a");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char item[256];

		snprintf(item, sizeof item, "<item type='jid' value='bob@localhost' action='deny' order='1'>%s</item>",
			 cases[i].kinds);
		list_set(alice, item);
		play_send(alice, QUERY("set", "<active name='l'/>"));
		bob = play_login("bob@localhost/b");
		play_send(bob, "<presence/>");
		play_forget_all();

		play_send(alice, "<presence/>");
		play_expect_at(bob,
			       cases[i].presence_out ? "<presence from='alice@localhost/a' to='bob@localhost'/>" : NULL,
			       "presence_out", (int)i);
		play_expect(alice, "<presence from='alice@localhost/a' to='alice@localhost'/>");
		play_expect_at(alice,
			       cases[i].presence_in ? "<presence from='bob@localhost/b' to='alice@localhost'/>" : NULL,
			       "presence_in at login", (int)i);
		play_send(bob, "<presence/>");
		play_expect(bob, "<presence from='bob@localhost/b' to='bob@localhost'/>");
		play_expect_at(alice,
			       cases[i].presence_in ? "<presence from='bob@localhost/b' to='alice@localhost'/>" : NULL,
			       "presence_in", (int)i);
		play_send(bob, "<presence type='probe' to='alice@localhost'/>");
		play_expect_at(bob,
			       cases[i].presence_out
				       ? "<presence from='alice@localhost/a' to='bob@localhost'/>"
				       : "<presence type='unavailable' from='alice@localhost' to='bob@localhost'/>",
			       "probe", (int)i);
		for (int full = 0; full < 2; full++) {
			const char *to = full ? "alice@localhost/a" : "alice@localhost";
			char xml[256], wanted[512];

			snprintf(xml, sizeof xml, "<message type='chat' id='m' to='%s'><body>x</body></message>", to);
			play_send(bob, xml);
			snprintf(wanted, sizeof wanted,
				 "<message type='chat' id='m' from='bob@localhost/b' to='%s'><body>x</body></message>",
				 to);
			play_expect_at(alice, cases[i].message_in ? wanted : NULL, "message_in", (int)i);
			snprintf(wanted, sizeof wanted,
				 "<message type='error' id='m' from='%s' to='bob@localhost/b'><error type='cancel'>"
				 "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
				 to);
			play_expect_at(bob, cases[i].message_in ? NULL : wanted, "message_in refused", (int)i);
		}
		play_send(bob, "<iq type='get' id='i' to='alice@localhost/a'><x xmlns='urn:x'/></iq>");
		play_expect_at(alice,
			       cases[i].iq_in ? "<iq type='get' id='i' from='bob@localhost/b' "
						"to='alice@localhost/a'><x xmlns='urn:x'/></iq>"
					      : NULL,
			       "iq_in", (int)i);
		play_expect_at(
			bob,
			cases[i].iq_in
				? NULL
				: "<iq type='error' id='i' from='alice@localhost/a' to='bob@localhost/b'><error "
				  "type='cancel'>"
				  "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
			"iq_in refused", (int)i);
		play_send(bob, "<iq type='result' id='i' to='alice@localhost/a'/>");
		play_expect_at(alice,
			       cases[i].iq_in
				       ? "<iq type='result' id='i' from='bob@localhost/b' to='alice@localhost/a'/>"
				       : NULL,
			       "result_in", (int)i);
		play_silence(bob);
		play_send(alice, "<message id='o' to='bob@localhost/b'><body>x</body></message>");
		play_expect_at(bob,
			       cases[i].message_out ? "<message id='o' from='alice@localhost/a' "
						      "to='bob@localhost/b'><body>x</body></message>"
						    : NULL,
			       "message_out", (int)i);
		play_expect_at(alice,
			       cases[i].message_out
				       ? NULL
				       : "<message type='error' id='o' from='bob@localhost/b' to='alice@localhost/a'>"
					 "<error type='modify'><not-acceptable "
					 "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
					 "</message>",
			       "message_out refused", (int)i);
		play_send(alice, "<iq type='get' id='p' to='bob@localhost/b'><x xmlns='urn:x'/></iq>");
		play_expect_at(bob,
			       cases[i].iq_out ? "<iq type='get' id='p' from='alice@localhost/a' "
						 "to='bob@localhost/b'><x xmlns='urn:x'/></iq>"
					       : NULL,
			       "iq_out", (int)i);
		play_expect_at(alice,
			       cases[i].iq_out
				       ? NULL
				       : "<iq type='error' id='p' from='bob@localhost/b' to='alice@localhost/a'><error "
					 "type='modify'>"
					 "<not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
			       "iq_out refused", (int)i);
		play_silence(alice);
		play_silence(bob);
		play_logout(bob);
		play_send(alice, "<presence type='unavailable'/>");
		play_forget_all();
	}
}

/* A default list holds also for who is away; a blocked request leaves no trace and gets no answer. */
Test(privacy, default_list_of_who_is_away)
{
	struct session *alice = play_login("alice@localhost/a"), *bob = play_login("bob@localhost/b");

	list_set(alice, "<item type='jid' value='bob@localhost' action='deny' order='1'/>");
	play_send(alice, QUERY("set", "<default name='l'/>"));
	play_send(alice, "<iq id='v' type='set'><vCard xmlns='vcard-temp'/></iq>");
	play_logout(alice);
	play_send(bob, "<message id='m' to='alice@localhost'><body>x</body></message>");
	play_expect(bob,
		    "<message type='error' id='m' from='alice@localhost' to='bob@localhost/b'><error type='cancel'>"
		    "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>");
	play_send(bob, "<presence type='subscribe' to='alice@localhost'/>");
	play_silence(bob);
	play_send(bob, "<iq type='get' id='i' to='alice@localhost'><vCard xmlns='vcard-temp'/></iq>");
	play_expect(bob, "<iq type='error' id='i' from='alice@localhost' to='bob@localhost/b'><error type='cancel'>"
			 "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
	alice = play_login("alice@localhost/a");
	play_send(alice, "<presence/>");
	play_expect(alice, "<presence from='alice@localhost/a' to='alice@localhost'/>");
	play_silence(alice);
}

/* A session's own active list takes the place of the default (2.4). */
Test(privacy, active_list_comes_before_the_default)
{
	struct session *alice = play_login("alice@localhost/a");

	list_set(alice, "<item action='deny' order='1'/>");
	play_send(alice, QUERY("set", "<list name='open'><item action='allow' order='1'/></list>"));
	play_send(alice, QUERY("set", "<default name='l'/>"));
	cr_expect_not(privacy_allows(alice, "bob@localhost", PRIVACY_IQ));
	play_send(alice, QUERY("set", "<active name='open'/>"));
	cr_expect(privacy_allows(alice, "bob@localhost", PRIVACY_IQ));
	play_send(alice, QUERY("set", "<active/>"));
	cr_expect_not(privacy_allows(alice, "bob@localhost", PRIVACY_IQ));
}

#define DENY(kinds) "<item type='jid' value='bob@localhost' action='deny' order='1'>" kinds "</item>"

/* The other side of each stanza that is not passed on by what_passes: directed presence and requests. */
Test(privacy, directed_presence_and_requests)
{
	struct session *alice = play_online("alice@localhost/a"), *bob = play_online("bob@localhost/b");

	play_send(alice, QUERY("set", "<list name='l'>" DENY("<presence-out/><presence-in/>") "</list>"));
	play_send(alice, QUERY("set", "<active name='l'/>"));
	play_forget_all();
	play_send(alice, "<presence to='bob@localhost/b'/>");
	play_silence(bob);
	cr_expect_eq(alice->directed_count, 0);
	play_send(bob, "<presence to='alice@localhost/a'/>");
	play_send(bob, "<presence to='alice@localhost'/>");
	play_silence(alice);
	play_send(alice, QUERY("set", "<list name='l'>" DENY("") "</list>"));
	play_forget_all();
	play_send(alice, "<presence type='subscribe' to='bob@localhost'/>");
	play_silence(alice);
	play_silence(bob);
	play_send(bob, "<presence type='subscribe' to='alice@localhost'/>");
	play_forget(bob);
	play_silence(alice);
}

/* A request that came before the list waits, and does not come up under the list. */
Test(privacy, requests_that_wait)
{
	struct session *alice = play_login("alice@localhost/a"), *bob = play_login("bob@localhost/b");

	play_send(bob, "<presence type='subscribe' to='alice@localhost'/>");
	list_set(alice, DENY(""));
	play_send(alice, QUERY("set", "<active name='l'/>"));
	play_forget(alice);
	play_send(alice, "<presence/>");
	play_expect(alice, "<presence from='alice@localhost/a' to='alice@localhost'/>");
	play_silence(alice);
}

Test(privacy, lists_have_a_limit)
{
	struct session *alice = play_login("alice@localhost/a");
	char xml[256];

	for (int i = 0; i < 32; i++) {
		snprintf(xml, sizeof xml, QUERY("set", "<list name='%d'><item action='allow' order='1'/></list>"), i);
		play_send(alice, xml);
		play_expect(alice, DONE);
		play_forget(alice);
	}
	play_send(alice, QUERY("set", "<list name='more'><item action='allow' order='1'/></list>"));
	play_expect(alice, ERROR_OF("id='q'", "wait", "resource-constraint"));
	play_send(alice, QUERY("set", "<list name='7'><item action='deny' order='2'/></list>"));
	play_expect(alice, DONE);
}
