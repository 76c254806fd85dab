#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "play.h"

TestSuite(message, .init = play_begin, .fini = play_end);

#define UNAVAILABLE "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"

enum { WAY_COUNT = 9, TYPE_COUNT = 5 };

static const char *const types[TYPE_COUNT] = {"normal", "chat", "groupchat", "headline", "error"};

/*
 * RFC 6121, table 1. Bob's sessions are as `priorities` says, one digit each from "0" on, "-" for -1, named by
 * position; `to` is who is addressed. For each type: E error, S silence, O kept, or the positions of those who get it.
 */
static const struct {
	const char *priorities, *to;
	const char *results[TYPE_COUNT];
} ways[] = {
	{"", "nobody@localhost", {"E", "E", "E", "S", "S"}},
	{"", "nobody@localhost/x", {"E", "E", "E", "S", "S"}},
	{"", "bob@localhost", {"O", "O", "E", "S", "S"}},
	{"", "bob@localhost/x", {"E", "O", "E", "S", "S"}},
	{"-", "bob@localhost", {"O", "O", "E", "S", "S"}},
	{"-", "bob@localhost/0", {"0", "0", "0", "0", "0"}},
	{"-", "bob@localhost/x", {"E", "O", "E", "S", "S"}},
	{"0", "bob@localhost", {"0", "0", "E", "0", "S"}},
	{"0", "bob@localhost/0", {"0", "0", "0", "0", "0"}},
	{"0", "bob@localhost/x", {"E", "0", "E", "S", "S"}},
	{"05-5", "bob@localhost", {"13", "13", "E", "013", "S"}},
	{"05-5", "bob@localhost/2", {"2", "2", "2", "2", "2"}},
	{"05-5", "bob@localhost/x", {"E", "13", "E", "S", "S"}},
	{"0m", "bob@localhost", {"0", "0", "E", "0", "S"}},
	{"m", "bob@localhost", {"O", "O", "E", "S", "S"}}, /* connected but not available */
	{"m", "bob@localhost/0", {"0", "0", "0", "0", "0"}},
};

static void bob_appear(const char *priorities, struct session **sessions)
{
	for (size_t i = 0; priorities[i] != '\0'; i++) {
		char xml[128];

		snprintf(xml, sizeof xml, "bob@localhost/%zu", i);
		sessions[i] = play_login(xml);
		snprintf(xml, sizeof xml, "<presence><priority>%d</priority></presence>",
			 priorities[i] == '-' ? -1 : priorities[i] - '0');
		if (priorities[i] != 'm')
			play_send(sessions[i], xml);
	}
	play_forget_all();
}

static void bob_keeps(const char *wanted)
{
	struct session *later = play_login("bob@localhost/later");

	play_send(later, "<presence/>");
	play_expect(later, "<presence from='bob@localhost/later' to='bob@localhost'/>");
	for (struct session *s = later->user->sessions; s != NULL; s = s->user_next)
		if (s != later && s->available) {
			char xml[128];

			snprintf(xml, sizeof xml,
				 "<presence from='%s' to='bob@localhost'><priority>%d</priority></presence>",
				 s->full_jid, s->priority);
			play_expect(later, xml);
		}
	if (wanted != NULL)
		play_expect(later, wanted);
	play_silence(later);
	play_logout(later);
}

static void way_check(size_t way, int type)
{
	struct session *alice = play_login("alice@localhost/a"), *sessions[8];
	const char *result = ways[way].results[type];
	char xml[512], wanted[1024];

	bob_appear(ways[way].priorities, sessions);
	snprintf(xml, sizeof xml, "<message type='%s' id='m' to='%s'><body>%zu %d</body></message>", types[type],
		 ways[way].to, way, type);
	play_send(alice, xml);
	snprintf(wanted, sizeof wanted, "<message type='error' id='m' from='%s' to='alice@localhost/a'>%s</message>",
		 ways[way].to, UNAVAILABLE);
	play_expect_at(alice, strcmp(result, "E") == 0 ? wanted : NULL, ways[way].to, type);
	play_silence(alice);
	snprintf(wanted, sizeof wanted,
		 "<message type='%s' id='m' from='alice@localhost/a' to='%s'><body>%zu %d</body></message>",
		 types[type], ways[way].to, way, type);
	for (size_t i = 0; ways[way].priorities[i] != '\0'; i++) {
		play_expect_at(sessions[i], strchr(result, '0' + (int)i) ? wanted : NULL, ways[way].to, type);
		play_silence(sessions[i]);
	}
	snprintf(wanted, sizeof wanted,
		 "<message type='%s' id='m' from='alice@localhost/a' to='%s'><body>%zu %d</body>"
		 "<delay xmlns='urn:xmpp:delay' from='localhost' stamp='*'/></message>",
		 types[type], ways[way].to, way, type);
	bob_keeps(strcmp(result, "O") == 0 ? wanted : NULL);
	for (size_t i = 0; ways[way].priorities[i] != '\0'; i++)
		play_logout(sessions[i]);
	play_logout(alice);
}

Test(message, table_1_of_rfc_6121)
{
	for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++)
		for (int type = 0; type < TYPE_COUNT; type++)
			way_check(way, type);
}

Test(message, no_type_and_unknown_type_are_normal)
{
	struct session *alice = play_online("alice@localhost/a"), *bob = play_online("bob@localhost/b");

	play_send(alice, "<message to='bob@localhost'><body>x</body></message>");
	play_expect(bob, "<message from='alice@localhost/a' to='bob@localhost'><body>x</body></message>");
	play_send(alice, "<message type='telegram' to='bob@localhost'><body>x</body></message>");
	play_expect(bob,
		    "<message type='telegram' from='alice@localhost/a' to='bob@localhost'><body>x</body></message>");
}

Test(message, without_address_is_for_oneself)
{
	struct session *alice = play_online("alice@localhost/a");

	play_send(alice, "<message type='chat'><body>note</body></message>");
	play_expect(alice, "<message type='chat' from='alice@localhost/a'><body>note</body></message>");
}

Test(message, addresses_that_lead_nowhere)
{
	struct session *alice = play_online("alice@localhost/a");

	play_send(alice, "<message id='1' to='bob@elsewhere.example'><body>x</body></message>");
	play_expect(
		alice,
		"<message type='error' id='1' from='bob@elsewhere.example' to='alice@localhost/a'><error type='cancel'>"
		"<remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>");
	play_send(alice, "<message id='2' to='a b@localhost'><body>x</body></message>");
	play_expect(alice, "<message type='error' id='2' from='localhost' to='alice@localhost/a'><error type='modify'>"
			   "<jid-malformed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>");
	play_send(alice, "<message id='3' to='localhost'><body>x</body></message>");
	play_expect(alice,
		    "<message type='error' id='3' from='localhost' to='alice@localhost/a'>" UNAVAILABLE "</message>");
	play_send(alice, "<message type='error' id='4' to='bob@elsewhere.example'/>");
	play_send(alice, "<message type='error' id='5' to='a b@localhost'/>");
	play_send(alice, "<message type='error' id='6' to='localhost'/>");
	play_silence(alice);
}

/* Another account of the same server, in another of its domains; and the `to` is never rewritten. */
Test(message, passes_as_it_is)
{
	struct session *alice = play_online("alice@localhost/a"), *erin;

	play_account("erin@example.org");
	erin = play_online("erin@example.org/e");
	play_send(alice, "<message to='Erin@Example.ORG' xmlns:p='urn:p'><p:x "
			 "p:y='&lt;&quot;&#10;'/><body><![CDATA[<&>]]></body></message>");
	play_expect(
		erin,
		"<message from='alice@localhost/a' to='Erin@Example.ORG' xmlns:p='urn:p'><p:x p:y='&lt;&quot;&#10;'/>"
		"<body>&lt;&amp;&gt;</body></message>");
}

Test(message, kept_in_order_up_to_the_limit)
{
	struct session *alice = play_online("alice@localhost/a"), *bob;
	char xml[256];

	for (int i = 0; i < 3; i++) {
		snprintf(xml, sizeof xml, "<message type='chat' to='bob@localhost'><body>%d</body></message>", i);
		play_send(alice, xml);
	}
	play_silence(alice);
	play_send(alice, "<message type='chat' id='full' to='bob@localhost'><body>4</body></message>");
	play_expect(alice, "<message type='error' id='full' from='bob@localhost' to='alice@localhost/a'>" UNAVAILABLE
			   "</message>");
	bob = play_login("bob@localhost/b");
	play_send(bob, "<presence><priority>-1</priority></presence>");
	play_expect(bob, "<presence from='bob@localhost/b' to='bob@localhost'><priority>-1</priority></presence>");
	play_silence(bob);
	play_send(bob, "<presence><priority>0</priority></presence>");
	play_expect(bob, "<presence from='bob@localhost/b' to='bob@localhost'><priority>0</priority></presence>");
	for (int i = 0; i < 3; i++) {
		snprintf(xml, sizeof xml,
			 "<message type='chat' from='alice@localhost/a' to='bob@localhost'><body>%d</body>"
			 "<delay xmlns='urn:xmpp:delay' from='localhost' stamp='*'/></message>",
			 i);
		play_expect(bob, xml);
	}
	play_silence(bob);
	play_send(bob, "<presence type='unavailable'/>");
	play_forget(bob);
	play_send(bob, "<presence/>");
	play_expect(bob, "<presence from='bob@localhost/b' to='bob@localhost'/>");
	play_silence(bob);
}

Test(message, without_body_is_not_kept)
{
	struct session *alice = play_online("alice@localhost/a");

	play_send(alice, "<message type='chat' to='bob@localhost'><composing "
			 "xmlns='http://jabber.org/protocol/chatstates'/></message>");
	play_send(alice, "<message type='chat' to='bob@localhost'/>");
	play_send(alice,
		  "<message type='chat' to='bob@localhost'><x xmlns='urn:x'><body>not mine</body></x></message>");
	play_silence(alice);
	bob_keeps(NULL);
}

Test(message, kept_ones_go_with_the_account)
{
	struct session *alice = play_online("alice@localhost/a");

	play_send(alice, "<message to='bob@localhost'><body>x</body></message>");
	play_account_delete("bob@localhost");
	play_account("bob@localhost");
	bob_keeps(NULL);
}
