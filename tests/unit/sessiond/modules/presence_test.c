#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "play.h"
#include "store_roster.h"

TestSuite(presence, .init = play_begin, .fini = play_end);

#define ERROR(kind, attributes, type, condition)                                                                       \
	"<" kind " type='error' " attributes "><error type='" type "'><" condition                                     \
	" xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></" kind ">"

Test(presence, initial_goes_to_subscribers_and_own_sessions)
{
	struct session *first, *second, *bob, *carol;

	play_befriend("alice@localhost", "bob@localhost");
	bob = play_online("bob@localhost/b");
	carol = play_online("carol@localhost/c");
	first = play_online("alice@localhost/1");
	play_forget_all();
	second = play_login("alice@localhost/2");
	play_send(second, "<presence id='p'><show>away</show><c xmlns='http://jabber.org/protocol/caps' node='n' "
			  "ver='v'/></presence>");
	play_expect(bob, "<presence id='p' from='alice@localhost/2' to='bob@localhost'><show>away</show>"
			 "<c xmlns='http://jabber.org/protocol/caps' node='n' ver='v'/></presence>");
	play_expect(first, "<presence id='p' from='alice@localhost/2' to='alice@localhost'><show>away</show>"
			   "<c xmlns='http://jabber.org/protocol/caps' node='n' ver='v'/></presence>");
	play_expect(second, "<presence id='p' from='alice@localhost/2' to='alice@localhost'><show>away</show>"
			    "<c xmlns='http://jabber.org/protocol/caps' node='n' ver='v'/></presence>");
	play_expect(second, "<presence from='alice@localhost/1' to='alice@localhost'/>");
	play_expect(second, "<presence from='bob@localhost/b' to='alice@localhost'/>");
	play_silence(second);
	play_silence(first);
	play_silence(bob);
	play_silence(carol);
}

Test(presence, updates_are_not_probes)
{
	struct session *alice, *bob;

	play_befriend("alice@localhost", "bob@localhost");
	alice = play_online("alice@localhost/a");
	bob = play_online("bob@localhost/b");
	play_forget_all();
	play_send(alice, "<presence><status>busy &amp; away</status></presence>");
	play_expect(
		bob,
		"<presence from='alice@localhost/a' to='bob@localhost'><status>busy &amp; away</status></presence>");
	play_expect(
		alice,
		"<presence from='alice@localhost/a' to='alice@localhost'><status>busy &amp; away</status></presence>");
	play_silence(alice);
	play_silence(bob);
}

/* One sees the other's presence only with consent, in each direction alone. */
Test(presence, one_way_subscription)
{
	struct session *alice = play_online("alice@localhost/a"), *bob = play_online("bob@localhost/b");

	play_send(alice, "<presence type='subscribe' to='bob@localhost'/>");
	play_send(bob, "<presence type='subscribed' to='alice@localhost'/>");
	play_logout(alice);
	play_forget_all();
	alice = play_login("alice@localhost/a");
	play_send(alice, "<presence/>");
	play_expect(alice, "<presence from='alice@localhost/a' to='alice@localhost'/>");
	play_expect(alice, "<presence from='bob@localhost/b' to='alice@localhost'/>");
	play_silence(alice);
	play_silence(bob);
	play_send(bob, "<presence><show>dnd</show></presence>");
	play_expect(alice, "<presence from='bob@localhost/b' to='alice@localhost'><show>dnd</show></presence>");
	play_logout(bob);
	play_expect(alice, "<presence type='unavailable' from='bob@localhost/b' to='alice@localhost'/>");
	bob = play_login("bob@localhost/b");
	play_send(bob, "<presence/>");
	play_expect(bob, "<presence from='bob@localhost/b' to='bob@localhost'/>");
	play_silence(bob);
}

Test(presence, unavailable_and_back)
{
	struct session *alice, *bob;

	play_befriend("alice@localhost", "bob@localhost");
	alice = play_online("alice@localhost/a");
	bob = play_online("bob@localhost/b");
	play_forget_all();
	play_send(alice, "<presence type='unavailable'><status>gone</status></presence>");
	play_expect(bob, "<presence type='unavailable' from='alice@localhost/a' "
			 "to='bob@localhost'><status>gone</status></presence>");
	play_expect(alice, "<presence type='unavailable' from='alice@localhost/a' "
			   "to='alice@localhost'><status>gone</status></presence>");
	cr_expect_not(alice->available);
	cr_expect_null(alice->presence);
	play_send(alice, "<presence type='unavailable'/>");
	play_silence(bob);
	play_send(bob, "<presence><show>xa</show></presence>");
	play_silence(alice);
	play_forget_all();
	play_send(alice, "<presence/>");
	play_expect(bob, "<presence from='alice@localhost/a' to='bob@localhost'/>");
	play_expect(alice, "<presence from='alice@localhost/a' to='alice@localhost'/>");
	play_expect(alice, "<presence from='bob@localhost/b' to='alice@localhost'><show>xa</show></presence>");
	play_silence(alice);
	play_logout(alice);
	play_expect(bob, "<presence type='unavailable' from='alice@localhost/a' to='bob@localhost'/>");
	play_silence(bob);
}

Test(presence, who_never_came_does_not_go)
{
	struct session *alice, *bob;

	play_befriend("alice@localhost", "bob@localhost");
	bob = play_online("bob@localhost/b");
	alice = play_login("alice@localhost/a");
	play_logout(alice);
	play_silence(bob);
}

Test(presence, priority)
{
	static const struct {
		const char *text;
		int priority; /* 1000: refused */
	} cases[] = {
		{"0", 0},
		{"127", 127},
		{"-128", -128},
		{"+5", 5},
		{" 7\n", 7},
		{"128", 1000},
		{"-129", 1000},
		{"", 1000},
		{"x", 1000},
		{"1x", 1000},
		{"99999999999999999999", 1000},
	};
	struct session *alice = play_login("alice@localhost/a");

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char xml[128];
		int before = alice->priority;

		snprintf(xml, sizeof xml, "<presence id='p'><priority>%s</priority></presence>", cases[i].text);
		play_send(alice, xml);
		if (cases[i].priority == 1000)
			play_expect(alice, ERROR("presence", "id='p' to='alice@localhost/a'", "modify", "bad-request"));
		else
			play_forget(alice);
		cr_expect_eq(alice->priority, cases[i].priority == 1000 ? before : cases[i].priority, "%s",
			     cases[i].text);
	}
	play_send(alice, "<presence><x xmlns='urn:example'><priority>9</priority></x></presence>");
	cr_expect_eq(alice->priority, 0);
}

Test(presence, unknown_type)
{
	struct session *alice = play_online("alice@localhost/a");

	play_send(alice, "<presence type='asleep' id='1'/>");
	play_expect(alice, ERROR("presence", "id='1' to='alice@localhost/a'", "modify", "bad-request"));
	play_send(alice, "<presence to='bob@elsewhere.example' id='2'/>");
	play_expect(alice, ERROR("presence", "id='2' from='bob@elsewhere.example' to='alice@localhost/a'", "cancel",
				 "remote-server-not-found"));
	play_send(alice, "<presence type='error' to='bob@elsewhere.example' id='3'/>");
	play_silence(alice);
}

Test(presence, directed)
{
	struct session *alice = play_online("alice@localhost/a"), *bob = play_online("bob@localhost/b");
	struct session *bob_too = play_login("bob@localhost/mute");

	play_send(alice, "<presence to='bob@localhost/mute'/>");
	play_expect(bob_too, "<presence from='alice@localhost/a' to='bob@localhost/mute'/>");
	play_send(alice, "<presence to='bob@localhost'><show>chat</show></presence>");
	play_expect(bob, "<presence from='alice@localhost/a' to='bob@localhost'><show>chat</show></presence>");
	play_silence(bob_too);
	play_send(alice, "<presence><show>away</show></presence>");
	play_silence(bob);
	play_send(alice, "<presence to='nobody@localhost'/>");
	play_send(alice, "<presence to='bob@localhost/nowhere'/>");
	play_send(alice, "<presence to='localhost'/>");
	play_forget(alice);
	play_send(alice, "<presence type='unavailable' to='bob@localhost/mute'/>");
	play_expect(bob_too, "<presence type='unavailable' from='alice@localhost/a' to='bob@localhost/mute'/>");
	play_logout(alice);
	play_expect(bob, "<presence type='unavailable' from='alice@localhost/a' to='bob@localhost'/>");
	play_silence(bob);
	play_silence(bob_too);
}

/* A subscriber is told once, whether or not presence was directed to it as well. */
Test(presence, directed_to_subscribers)
{
	struct session *alice, *bob;

	play_befriend("alice@localhost", "bob@localhost");
	bob = play_online("bob@localhost/b");
	alice = play_login("alice@localhost/a");
	play_send(alice, "<presence to='bob@localhost'/>");
	play_expect(bob, "<presence from='alice@localhost/a' to='bob@localhost'/>");
	play_send(alice, "<presence/>");
	play_expect(bob, "<presence from='alice@localhost/a' to='bob@localhost'/>");
	play_send(alice, "<presence to='bob@localhost'/>");
	play_expect(bob, "<presence from='alice@localhost/a' to='bob@localhost'/>");
	play_logout(alice);
	play_expect(bob, "<presence type='unavailable' from='alice@localhost/a' to='bob@localhost'/>");
	play_silence(bob);
	alice = play_login("alice@localhost/a");
	play_send(alice, "<presence to='bob@localhost'/>");
	play_forget(bob);
	play_logout(alice);
	play_expect(bob, "<presence type='unavailable' from='alice@localhost/a' to='bob@localhost'/>");
	play_silence(bob);
}

Test(presence, directed_has_a_limit)
{
	struct session *alice = play_online("alice@localhost/a");
	char xml[128];

	for (int i = 0; i < 512; i++) {
		snprintf(xml, sizeof xml, "<presence to='room%d@localhost'/>", i);
		play_send(alice, xml);
	}
	play_silence(alice);
	cr_expect_eq(alice->directed_count, 512);
	play_send(alice, "<presence id='x' to='another@localhost'/>");
	play_expect(alice, ERROR("presence", "id='x' from='another@localhost' to='alice@localhost/a'", "wait",
				 "resource-constraint"));
	play_send(alice, "<presence type='unavailable' to='room3@localhost'/>");
	play_send(alice, "<presence to='another@localhost'/>");
	play_silence(alice);
}

Test(presence, probes)
{
	struct session *alice, *bob, *carol;

	play_befriend("alice@localhost", "bob@localhost");
	alice = play_online("alice@localhost/a");
	bob = play_login("bob@localhost/b");
	carol = play_online("carol@localhost/c");
	play_send(alice, "<presence type='probe' to='bob@localhost'/>");
	play_expect(alice, "<presence type='unavailable' from='bob@localhost' to='alice@localhost'/>");
	play_send(bob, "<presence><show>away</show></presence>");
	play_forget_all();
	play_send(alice, "<presence type='probe' to='bob@localhost'/>");
	play_expect(alice, "<presence from='bob@localhost/b' to='alice@localhost'><show>away</show></presence>");
	play_send(alice, "<presence type='probe' to='bob@localhost/b'/>");
	play_expect(alice, "<presence from='bob@localhost/b' to='alice@localhost'/>");
	play_send(alice, "<presence type='probe' to='bob@localhost/x'/>");
	play_expect(alice, "<presence type='unavailable' from='bob@localhost/x' to='alice@localhost'/>");
	play_send(carol, "<presence type='probe' to='bob@localhost/b'/>");
	play_expect(carol, "<presence type='unsubscribed' from='bob@localhost' to='carol@localhost'/>");
	play_send(carol, "<presence type='probe' to='nobody@localhost'/>");
	play_expect(carol, "<presence type='unsubscribed' from='nobody@localhost' to='carol@localhost'/>");
	play_send(bob, "<presence to='carol@localhost/c'><show>chat</show></presence>");
	play_forget(carol);
	play_send(carol, "<presence type='probe' to='bob@localhost/b'/>");
	play_expect(carol, "<presence from='bob@localhost/b' to='carol@localhost'/>");
	play_send(carol, "<presence type='probe' to='bob@localhost'/>");
	play_expect(carol, "<presence type='unsubscribed' from='bob@localhost' to='carol@localhost'/>");
	play_silence(bob);
}

/* RFC 6120, 8.1.5. */
Test(presence, language_of_the_stream)
{
	struct session *alice = play_login("alice@localhost/a");

	alice->lang = strdup("de");
	play_send(alice, "<presence><status>da</status></presence>");
	play_expect(
		alice,
		"<presence xml:lang='de' from='alice@localhost/a' to='alice@localhost'><status>da</status></presence>");
	play_send(alice, "<presence xml:lang='fr'><status>la</status></presence>");
	play_expect(
		alice,
		"<presence xml:lang='fr' from='alice@localhost/a' to='alice@localhost'><status>la</status></presence>");
}

/* One's own account is a subscriber of itself. */
Test(presence, directed_to_oneself)
{
	struct session *first = play_online("alice@localhost/1"), *second = play_online("alice@localhost/2");

	play_forget_all();
	play_send(second, "<presence to='alice@localhost'><show>chat</show></presence>");
	play_expect(first, "<presence from='alice@localhost/2' to='alice@localhost'><show>chat</show></presence>");
	play_logout(second);
	play_expect(first, "<presence type='unavailable' from='alice@localhost/2' to='alice@localhost'/>");
	play_silence(first);
}

/* Presence directed to a bare JID lets all its sessions ask. */
Test(presence, probe_after_presence_directed_to_bare)
{
	struct session *bob = play_online("bob@localhost/b"), *carol = play_online("carol@localhost/c");

	play_send(bob, "<presence to='carol@localhost'/>");
	play_forget(carol);
	play_send(carol, "<presence type='probe' to='bob@localhost/b'/>");
	play_expect(carol, "<presence from='bob@localhost/b' to='carol@localhost'/>");
}

/* Only the contact's own roster says who may see the contact. */
Test(presence, nobody_sees_by_claiming_to)
{
	struct roster_item claim = {"bob@localhost", "", "", STATE_TO, true};
	struct session *alice, *bob = play_online("bob@localhost/b");

	cr_assert(roster_item_put(sessiond_store(play_server()), "alice@localhost", &claim));
	alice = play_login("alice@localhost/a");
	play_send(alice, "<presence/>");
	play_expect(alice, "<presence from='alice@localhost/a' to='alice@localhost'/>");
	play_silence(alice);
	play_silence(bob);
}
