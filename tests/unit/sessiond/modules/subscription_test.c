#include "subscription.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "play.h"
#include "store_roster.h"

TestSuite(subscription, .init = play_begin, .fini = play_end);

#define STATES                                                                                                         \
	{                                                                                                              \
		STATE_NONE, STATE_NONE_OUT, STATE_NONE_IN, STATE_NONE_OUT_IN, STATE_TO, STATE_TO_IN, STATE_FROM,       \
			STATE_FROM_OUT, STATE_BOTH                                                                     \
	}

enum { STATE_COUNT = 9 };

static const enum subscription_state states[STATE_COUNT] = STATES;

/* Tables 2 to 9 of RFC 6121, A.2 and A.3, rows in the order of A.1: "+" is MUST, "-" is MUST NOT or SHOULD NOT; the
 * next state, "." no change. Written from the tables, not from ours. */
static const char *const outbound[KIND_COUNT][STATE_COUNT] = {
	[KIND_SUBSCRIBE] = {"+NO", "+.", "+NOI", "+.", "+.", "+.", "+FO", "+.", "+."},
	[KIND_UNSUBSCRIBE] = {"+.", "+N", "+.", "+NI", "+N", "+NI", "+.", "+F", "+F"},
	[KIND_SUBSCRIBED] = {"-.", "-.", "+F", "+FO", "-.", "+B", "-.", "-.", "-."},
	[KIND_UNSUBSCRIBED] = {"-.", "-.", "+N", "+NO", "-.", "+T", "+N", "+NO", "+T"},
};
static const char *const inbound[KIND_COUNT][STATE_COUNT] = {
	[KIND_SUBSCRIBE] = {"+NI", "+NOI", "-.", "-.", "+TI", "-.", "-.", "-.", "-."},
	[KIND_UNSUBSCRIBE] = {"-.", "-.", "+N", "+NO", "-.", "+T", "+N", "+NO", "+T"},
	[KIND_SUBSCRIBED] = {"-.", "+T", "-.", "+TI", "-.", "-.", "-.", "+B", "-."},
	[KIND_UNSUBSCRIBED] = {"-.", "+N", "-.", "+NI", "+N", "+NI", "-.", "+F", "+F"},
};
static const char *const state_names[STATE_COUNT] = {"N", "NO", "NI", "NOI", "T", "TI", "F", "FO", "B"};
static const char *const kind_names[KIND_COUNT] = {
	[KIND_SUBSCRIBE] = "subscribe",
	[KIND_SUBSCRIBED] = "subscribed",
	[KIND_UNSUBSCRIBE] = "unsubscribe",
	[KIND_UNSUBSCRIBED] = "unsubscribed",
};

static enum subscription_state next_of(const char *cell, enum subscription_state now)
{
	for (int i = 0; i < STATE_COUNT; i++)
		if (strcmp(cell + 1, state_names[i]) == 0)
			return states[i];
	return now;
}

Test(subscription, tables_are_those_of_the_rfc)
{
	for (int kind = 0; kind < KIND_COUNT; kind++)
		for (int i = 0; i < STATE_COUNT; i++) {
			enum subscription_state next;

			cr_expect_eq(subscription_outbound(kind, states[i], &next), outbound[kind][i][0] == '+');
			cr_expect_eq(next, next_of(outbound[kind][i], states[i]), "out %s %s", kind_names[kind],
				     state_names[i]);
			cr_expect_eq(subscription_inbound(kind, states[i], &next), inbound[kind][i][0] == '+');
			cr_expect_eq(next, next_of(inbound[kind][i], states[i]), "in %s %s", kind_names[kind],
				     state_names[i]);
		}
}

/* The same subscription from the other side. */
static int mirror(int i)
{
	static const int other[] = {0, 2, 1, 3, 6, 7, 4, 5, 8};

	return other[i];
}

static void set_state(const char *account, const char *contact, enum subscription_state state)
{
	bool listed = state & ~SUBSCRIPTION_IN;
	struct roster_item item = {(char *)contact, "", "", state, listed};

	cr_assert(roster_item_put(sessiond_store(play_server()), account, &item));
}

static struct roster_item item_of(const char *account, const char *contact)
{
	struct roster_item item;

	cr_assert(roster_item_get(sessiond_store(play_server()), account, contact, &item));
	return item;
}

static void check_state(const char *account, const char *contact, enum subscription_state state, const char *where)
{
	struct roster_item item = item_of(account, contact);

	cr_expect_eq(item.state, state, "%s: %s has %d and not %d", where, account, item.state, state);
	roster_item_free(&item);
}

/* Each kind in each state, both sides and what passes between them, with neither of them online. */
Test(subscription, every_state_and_stanza)
{
	for (int kind = 0; kind < KIND_COUNT; kind++)
		for (int i = 0; i < STATE_COUNT; i++) {
			const char *out = outbound[kind][i], *in = inbound[kind][mirror(i)];
			enum subscription_state alice = next_of(out, states[i]), bob = states[mirror(i)];
			struct session *session = play_login("alice@localhost/a");
			char xml[128], where[64];

			set_state("alice@localhost", "bob@localhost", states[i]);
			set_state("bob@localhost", "alice@localhost", bob);
			snprintf(where, sizeof where, "%s in %s", kind_names[kind], state_names[i]);
			snprintf(xml, sizeof xml, "<presence type='%s' to='bob@localhost'/>", kind_names[kind]);
			play_send(session, xml);
			if (out[0] == '+')
				bob = next_of(in, bob);
			check_state("alice@localhost", "bob@localhost", alice, where);
			check_state("bob@localhost", "alice@localhost", bob, where);
			play_silence(session);
			play_logout(session);
		}
}

/* The same with both online: what they see. */
Test(subscription, what_is_seen)
{
	for (int kind = 0; kind < KIND_COUNT; kind++)
		for (int i = 0; i < STATE_COUNT; i++) {
			const char *out = outbound[kind][i], *in = inbound[kind][mirror(i)];
			struct session *alice = play_login("alice@localhost/a"), *bob = play_login("bob@localhost/b");
			char xml[128];

			set_state("alice@localhost", "bob@localhost", STATE_NONE);
			set_state("bob@localhost", "alice@localhost", STATE_NONE);
			play_send(alice, "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>");
			play_send(alice, "<presence/>");
			play_send(bob, "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>");
			play_send(bob, "<presence/>");
			play_forget_all();
			set_state("alice@localhost", "bob@localhost", states[i]);
			set_state("bob@localhost", "alice@localhost", states[mirror(i)]);
			snprintf(xml, sizeof xml, "<presence type='%s' to='bob@localhost'/>", kind_names[kind]);
			play_send(alice, xml);
			if (kind == KIND_UNSUBSCRIBED && (states[i] & SUBSCRIPTION_FROM))
				play_expect(
					bob,
					"<presence type='unavailable' from='alice@localhost/a' to='bob@localhost'/>");
			if (out[0] == '+' && in[0] == '+') {
				snprintf(xml, sizeof xml,
					 "<presence type='%s' from='alice@localhost' to='bob@localhost'/>",
					 kind_names[kind]);
				play_expect(bob, xml);
			}
			play_logout(alice);
			play_logout(bob);
		}
}

Test(subscription, request_approval_and_presence)
{
	struct session *alice = play_online("alice@localhost/a"), *bob = play_online("bob@localhost/b");

	play_send(alice,
		  "<presence type='subscribe' id='s1' to='bob@localhost/ignored'><status>hi</status></presence>");
	play_expect(alice, "<iq type='set' id='push' to='alice@localhost/a'><query xmlns='jabber:iq:roster'>"
			   "<item jid='bob@localhost' subscription='none' ask='subscribe'/></query></iq>");
	play_silence(alice);
	play_expect(bob, "<presence type='subscribe' id='s1' from='alice@localhost' to='bob@localhost'>"
			 "<status>hi</status></presence>");
	play_silence(bob);
	play_send(bob, "<presence type='subscribed' to='alice@localhost'/>");
	play_expect(alice, "<presence type='subscribed' from='bob@localhost' to='alice@localhost'/>");
	play_expect(alice, "<iq type='set' id='push' to='alice@localhost/a'><query xmlns='jabber:iq:roster'>"
			   "<item jid='bob@localhost' subscription='to'/></query></iq>");
	play_expect(alice, "<presence from='bob@localhost/b' to='alice@localhost'/>");
	play_silence(alice);
	play_expect(bob, "<iq type='set' id='push' to='bob@localhost/b'><query xmlns='jabber:iq:roster'>"
			 "<item jid='alice@localhost' subscription='from'/></query></iq>");
	play_silence(bob);
	play_send(bob, "<presence type='subscribe' to='alice@localhost'/>");
	play_send(alice, "<presence type='subscribed' to='bob@localhost'/>");
	play_forget_all();
	play_send(alice, "<presence type='unsubscribe' to='bob@localhost'/>");
	play_expect(bob, "<presence type='unsubscribe' from='alice@localhost' to='bob@localhost'/>");
	play_expect(bob, "<iq type='set' id='push' to='bob@localhost/b'><query xmlns='jabber:iq:roster'>"
			 "<item jid='alice@localhost' subscription='to'/></query></iq>");
	play_silence(bob);
	play_expect(alice, "<presence type='unavailable' from='bob@localhost/b' to='alice@localhost'/>");
	play_expect(alice, "<iq type='set' id='push' to='alice@localhost/a'><query xmlns='jabber:iq:roster'>"
			   "<item jid='bob@localhost' subscription='from'/></query></iq>");
	play_silence(alice);
	play_send(alice, "<presence type='unsubscribed' to='bob@localhost'/>");
	play_expect(bob, "<presence type='unavailable' from='alice@localhost/a' to='bob@localhost'/>");
	play_expect(bob, "<presence type='unsubscribed' from='alice@localhost' to='bob@localhost'/>");
	play_expect(bob, "<iq type='set' id='push' to='bob@localhost/b'><query xmlns='jabber:iq:roster'>"
			 "<item jid='alice@localhost' subscription='none'/></query></iq>");
	play_silence(bob);
}

Test(subscription, request_waits_for_who_is_away)
{
	struct session *alice = play_online("alice@localhost/a"), *bob;

	play_send(alice, "<presence type='subscribe' id='first' to='bob@localhost'/>");
	play_send(alice, "<presence type='subscribe' id='second' to='bob@localhost'/>");
	for (int login = 0; login < 2; login++) {
		bob = play_login("bob@localhost/b");
		play_send(bob, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
		play_expect(
			bob,
			"<iq type='result' id='r' to='bob@localhost/b'><query xmlns='jabber:iq:roster'></query></iq>");
		play_send(bob, "<presence/>");
		play_expect(bob, "<presence from='bob@localhost/b' to='bob@localhost'/>");
		play_expect(bob, "<presence type='subscribe' id='first' from='alice@localhost' to='bob@localhost'/>");
		play_silence(bob);
		play_logout(bob);
	}
	bob = play_online("bob@localhost/b");
	play_send(bob, "<presence type='unsubscribed' to='alice@localhost'/>");
	play_logout(bob);
	bob = play_login("bob@localhost/b");
	play_send(bob, "<presence/>");
	play_expect(bob, "<presence from='bob@localhost/b' to='bob@localhost'/>");
	play_silence(bob);
}

Test(subscription, long_request_is_kept_short)
{
	struct session *alice = play_online("alice@localhost/a"), *bob;
	static char xml[8192];

	snprintf(xml, sizeof xml, "<presence type='subscribe' to='bob@localhost'><status>%05000d</status></presence>",
		 0);
	play_send(alice, xml);
	bob = play_login("bob@localhost/b");
	play_send(bob, "<presence/>");
	play_expect(bob, "<presence from='bob@localhost/b' to='bob@localhost'/>");
	play_expect(bob, "<presence type='subscribe' from='alice@localhost' to='bob@localhost'/>");
}

Test(subscription, who_is_subscribed_already_is_answered_at_once)
{
	struct session *alice = play_online("alice@localhost/a"), *bob = play_online("bob@localhost/b");

	set_state("alice@localhost", "bob@localhost", STATE_NONE);
	set_state("bob@localhost", "alice@localhost", STATE_FROM);
	play_send(alice, "<presence type='subscribe' to='bob@localhost'/>");
	play_silence(bob);
	play_expect(alice, "<presence type='subscribed' from='bob@localhost' to='alice@localhost'/>");
	play_expect(alice, "<iq type='set' id='push' to='alice@localhost/a'><query xmlns='jabber:iq:roster'>"
			   "<item jid='bob@localhost' subscription='to'/></query></iq>");
	play_expect(alice, "<presence from='bob@localhost/b' to='alice@localhost'/>");
	play_silence(alice);
}

/* Requests are for the available, all else for the interested (RFC 6121, 3.1.3 and 3.1.6). */
Test(subscription, available_and_interested)
{
	struct session *alice = play_online("alice@localhost/a"), *mute = play_login("bob@localhost/mute");
	struct session *seen = play_login("bob@localhost/seen"), *curious = play_login("bob@localhost/curious");

	play_send(seen, "<presence/>");
	play_send(curious, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
	play_forget_all();
	play_send(alice, "<presence type='subscribe' to='bob@localhost'/>");
	play_expect(seen, "<presence type='subscribe' from='alice@localhost' to='bob@localhost'/>");
	play_silence(seen);
	play_silence(curious);
	play_send(curious, "<presence type='subscribed' to='alice@localhost'/>");
	play_expect(curious, "<iq type='set' id='push' to='bob@localhost/curious'><query xmlns='jabber:iq:roster'>"
			     "<item jid='alice@localhost' subscription='from'/></query></iq>");
	play_silence(seen);
	play_silence(mute);
	play_send(alice, "<presence type='unavailable'/>");
	play_send(alice, "<presence type='subscribe' to='carol@localhost'/>");
	play_forget_all();
	play_send(play_login("carol@localhost/c"), "<presence type='subscribed' to='alice@localhost'/>");
	play_expect(alice, "<presence type='subscribed' from='carol@localhost' to='alice@localhost'/>");
}

Test(subscription, unknown_remote_malformed_and_self)
{
	struct session *alice = play_online("alice@localhost/a");

	play_send(alice, "<presence type='subscribe' id='1' to='nobody@localhost'/>");
	play_expect(alice, "<iq type='set' id='push' to='alice@localhost/a'><query xmlns='jabber:iq:roster'>"
			   "<item jid='nobody@localhost' subscription='none' ask='subscribe'/></query></iq>");
	play_silence(alice);
	play_send(alice, "<presence type='subscribe' id='2' to='bob@elsewhere.example'/>");
	play_expect(
		alice,
		"<presence type='error' id='2' from='bob@elsewhere.example' to='alice@localhost/a'>"
		"<error type='cancel'><remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
		"</presence>");
	play_send(alice, "<presence type='subscribe' id='3' to='@localhost'/>");
	play_expect(
		alice,
		"<presence type='error' id='3' from='localhost' to='alice@localhost/a'>"
		"<error type='modify'><jid-malformed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>");
	play_send(alice, "<presence type='subscribe' id='4' to='alice@localhost'/>");
	play_expect(
		alice,
		"<presence type='error' id='4' from='alice@localhost' to='alice@localhost/a'>"
		"<error type='cancel'><not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>");
	play_send(alice, "<presence type='subscribe' id='5'/>");
	play_expect(
		alice,
		"<presence type='error' id='5' to='alice@localhost/a'>"
		"<error type='modify'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>");
	play_silence(alice);
}

/* Attributes in any order and quoting: from and to are replaced by bare ones, exactly once. */
Test(subscription, addresses_are_made_bare)
{
	struct session *alice = play_online("alice@localhost/a"), *bob = play_online("bob@localhost/b");
	static const char *const forms[] = {
		"<presence to='bob@localhost/x' type='subscribe'/>",
		"<presence\tto = \"bob@localhost/x\"\ttype='subscribe' />",
		"<presence type='subscribe' to='BOB@LOCALHOST'></presence>",
		"<presence type='subscribe' to='b&#x6f;b@localhost'/>",
	};

	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		set_state("alice@localhost", "bob@localhost", STATE_NONE);
		set_state("bob@localhost", "alice@localhost", STATE_NONE);
		play_send(alice, forms[i]);
		play_expect(bob, "<presence type='subscribe' from='alice@localhost' to='bob@localhost'/>");
	}
}

Test(subscription, no_account_inherits_subscriptions)
{
	struct session *alice;

	play_befriend("alice@localhost", "bob@localhost");
	check_state("alice@localhost", "bob@localhost", STATE_BOTH, "befriended");
	play_account_delete("bob@localhost");
	play_account("bob@localhost");
	check_state("alice@localhost", "bob@localhost", STATE_NONE, "gone");
	check_state("bob@localhost", "alice@localhost", STATE_NONE, "gone");
	alice = play_login("alice@localhost/a");
	play_send(alice, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
	play_expect(alice, "<iq type='result' id='r' to='alice@localhost/a'><query xmlns='jabber:iq:roster'>"
			   "<item jid='bob@localhost' subscription='none'/></query></iq>");
}

static size_t rows(const char *sql)
{
	sqlite3_stmt *statement = store_statement(sessiond_store(play_server()), sql);
	size_t count;

	cr_assert(statement != NULL && sqlite3_step(statement) == SQLITE_ROW);
	count = (size_t)sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	return count;
}

Test(subscription, requests_end_with_the_account)
{
	struct session *bob = play_online("bob@localhost/b");

	play_send(bob, "<presence type='subscribe' to='alice@localhost'/>");
	cr_expect_eq(rows("SELECT count(*) FROM roster"), 2);
	play_logout(bob);
	play_account_delete("bob@localhost");
	cr_expect_eq(rows("SELECT count(*) FROM roster"), 0);
}

Test(subscription, requests_have_a_limit)
{
	struct store *store = sessiond_store(play_server());
	struct session *alice = play_online("alice@localhost/a"), *bob = play_online("bob@localhost/b");

	cr_assert(store_begin(store));
	for (int i = 0; i < 1000; i++) {
		char jid[64];
		struct roster_item item = {jid, "", "", STATE_NONE_IN, false};

		snprintf(jid, sizeof jid, "crowd%d@localhost", i);
		cr_assert(roster_item_put(store, "bob@localhost", &item));
		cr_assert(roster_request_put(store, "bob@localhost", jid, "<presence/>", 11));
	}
	cr_assert(store_commit(store));
	play_send(alice, "<presence type='subscribe' to='bob@localhost'/>");
	play_silence(bob);
	check_state("alice@localhost", "bob@localhost", STATE_NONE_OUT, "asked");
	check_state("bob@localhost", "alice@localhost", STATE_NONE, "not heard");
}

Test(subscription, broken_store_is_said)
{
	struct session *alice = play_online("alice@localhost/a"), *bob = play_online("bob@localhost/b");

	play_break_store();
	play_send(alice, "<presence type='subscribe' id='1' to='bob@localhost'/>");
	play_expect(alice,
		    "<presence type='error' id='1' from='bob@localhost' to='alice@localhost/a'>"
		    "<error type='cancel'><internal-server-error xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
		    "</presence>");
	play_silence(alice);
	play_silence(bob);
}
