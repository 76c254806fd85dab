#include "client.h"

#include <criterion/criterion.h>
#include <string.h>

#define SASL		  " xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
#define SASL2		  " xmlns='urn:xmpp:sasl:2'"
#define FAILED(condition) "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><" condition "/></failure>"
#define FAILED2(condition)                                                                                             \
	"<failure xmlns='urn:xmpp:sasl:2'><" condition " xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>"
#define REGISTER(type) "<iq type='" type "'><query xmlns='jabber:iq:register'/></iq>"

static const enum stream_state states[] = {STREAM_PLAIN, STREAM_SECURE, STREAM_NEGOTIATING, STREAM_AUTHENTICATED,
					   STREAM_BOUND};
enum { STATES = sizeof states / sizeof states[0] };

/* What a letter of the table below stands for, and the state that follows (-1: the same). */
static const struct sign {
	char letter;
	struct stream_verdict verdict;
	int state;
} signs[] = {
	{'t', {STREAM_ACT_STARTTLS}, STREAM_HANDSHAKE},
	{'o', {STREAM_ACT_OPEN}, STREAM_NEGOTIATING},
	{'p', {STREAM_ACT_PASS}, -1},
	{'s', {STREAM_ACT_STANZA}, -1},
	{'u', {STREAM_ACT_CLOSE, REASON_UNKNOWN_ELEMENT}, STREAM_ENDED},
	{'!', {STREAM_ACT_CLOSE, REASON_NOT_AUTHORIZED}, STREAM_ENDED},
	{'n', {STREAM_ACT_CLOSE, REASON_NAMESPACE}, STREAM_ENDED},
	{'x', {STREAM_ACT_CLOSE, REASON_PREFIX}, STREAM_ENDED},
	{'e', {STREAM_ACT_CLOSE, REASON_STREAM_ERROR}, STREAM_ENDED},
	{'1', {STREAM_ACT_REPLY, REASON_NONE, FAILED("encryption-required")}, -1},
	{'2', {STREAM_ACT_REPLY, REASON_NONE, FAILED2("encryption-required")}, -1},
	{'m', {STREAM_ACT_REPLY, REASON_NONE, FAILED("malformed-request")}, -1},
	{'M', {STREAM_ACT_REPLY, REASON_NONE, FAILED2("malformed-request")}, -1},
	{'a', {STREAM_ACT_REPLY, REASON_NONE, FAILED("aborted")}, -1},
	{'A', {STREAM_ACT_REPLY, REASON_NONE, FAILED2("aborted")}, -1},
};

/* One letter for each of `states`. */
static const struct row {
	const char *element, *answers;
} rows[] = {
	{"<message/>", "!!!!s"},
	{"<message xmlns='jabber:client'><body>x</body></message>", "!!!!s"},
	{"<presence/>", "!!!!s"},
	{"<iq type='get'/>", "!!!ps"},
	{"<iq xmlns='jabber:client' type='set'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "!!!ps"},
	{REGISTER("get"), "!!!ps"}, /* registration is not offered */
	{"<message xmlns='jabber:server'/>", "nnnnn"},
	{"<message xmlns=''/>", "nnnnn"},
	{"<presence xmlns='jabber:component:accept'/>", "nnnnn"},
	{"<iq xmlns='urn:xmpp:sm:3'/>", "nnnnn"},
	{"<m:message xmlns:m='jabber:server'/>", "nnnnn"},
	{"<c:message xmlns:c='jabber:client'/>", "xxxxx"},
	{"<c:iq xmlns:c='jabber:client'/>", "xxxxx"},
	{"<Message/>", "uuuuu"},
	{"<messages/>", "uuuuu"},
	{"<iq1/>", "uuuuu"},
	{"<r/>", "uuuuu"},
	{"<r xmlns='urn:xmpp:sm:3'/>", "uuupp"},
	{"<a xmlns='urn:xmpp:sm:3' h='1'/>", "uuupp"},
	{"<s:a xmlns:s='urn:xmpp:sm:3' h='1'/>", "uuupp"},
	{"<enable xmlns='urn:xmpp:sm:3'/>", "uuupp"},
	{"<resume xmlns='urn:xmpp:sm:3' h='1' previd='x'/>", "uuupp"},
	{"<r xmlns='urn:xmpp:sm:2'/>", "uuuuu"},
	{"<enabled xmlns='urn:xmpp:sm:3'/>", "uuuuu"},
	{"<active xmlns='urn:xmpp:csi:0'/>", "uuupp"},
	{"<inactive xmlns='urn:xmpp:csi:0'/>", "uuupp"},
	{"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "tuuuu"},
	{"<starttls/>", "uuuuu"},
	{"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "uuuuu"},
	{"<auth" SASL " mechanism='PLAIN'/>", "1opuu"},
	{"<auth mechanism='PLAIN'/>", "uuuuu"},
	{"<s:auth xmlns:s='urn:ietf:params:xml:ns:xmpp-sasl'/>", "1opuu"},
	{"<response" SASL ">AA==</response>", "umpuu"},
	{"<abort" SASL "/>", "uapuu"},
	{"<success" SASL "/>", "uuuuu"},
	{"<authenticate" SASL2 " mechanism='PLAIN'/>", "2opuu"},
	{"<response" SASL2 ">AA==</response>", "uMpuu"},
	{"<next" SASL2 "/>", "uMpuu"},
	{"<task-data" SASL2 "/>", "uMpuu"},
	{"<abort" SASL2 "/>", "uApuu"},
	{"<auth" SASL2 "/>", "uuuuu"},
	{"<authenticate" SASL "/>", "uuuuu"},
	{"<compress xmlns='http://jabber.org/protocol/compress'/>", "uuuuu"},
	{"<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>", "eeeee"},
	{"<error xmlns='http://etherx.jabber.org/streams'/>", "eeeee"},
	{"<error/>", "uuuuu"},
	{"<kc:message/>", "xxxxx"},
	{"<kj:message/>", "nnnnn"},
	{"<ks:message/>", "nnnnn"},
	{"<xml:message/>", "nnnnn"},
	{"<xml:error/>", "uuuuu"},
	{"<ks:auth mechanism='PLAIN'/>", "1opuu"},
	{"<kc:auth mechanism='PLAIN'/>", "uuuuu"},
	{"<ks:abort/>", "uapuu"},
	{"<stream:features/>", "uuuuu"},
	{"<stream:message/>", "uuuuu"},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static void check_sign(struct client *client, const char *element, char letter)
{
	enum stream_state before = client->stream.state;
	struct stream_verdict verdict = client_say(client, element);

	for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
		const struct stream_verdict *want = &signs[i].verdict;
		if (signs[i].letter != letter)
			continue;
		cr_expect_eq(verdict.act, want->act, "state %d, %s: act %d", before, element, verdict.act);
		cr_expect_eq(verdict.reason, want->reason, "state %d, %s: reason %d", before, element, verdict.reason);
		cr_expect_eq(!verdict.reply, !want->reply, "state %d, %s: reply", before, element);
		if (verdict.reply && want->reply)
			cr_expect_str_eq(verdict.reply, want->reply);
		cr_expect_eq(client->stream.state, signs[i].state < 0 ? before : (enum stream_state)signs[i].state,
			     "state %d, %s: to state %d", before, element, client->stream.state);
		return;
	}
	cr_assert(false, "no such letter: %c", letter);
}

Test(stream, S4_S12_S13_S14_every_state_every_element)
{
	struct client client;

	for (size_t r = 0; r < ROWS; r++) {
		cr_assert_eq(strlen(rows[r].answers), STATES);
		for (size_t s = 0; s < STATES; s++) {
			client_begin(&client, states[s]);
			check_sign(&client, rows[r].element, rows[r].answers[s]);
		}
	}
}

Test(stream, registration_opens_a_session_where_it_is_offered)
{
	struct client client;
	static const char answers[] = "!opps";

	for (size_t s = 0; s < STATES; s++) {
		static const char *const elements[] = {REGISTER("set"), REGISTER("get"),
						       "<iq type='get'><kr:query/></iq>"};
		for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++) {
			client_begin(&client, states[s]);
			client.login.registration = true;
			check_sign(&client, elements[i], answers[s]);
		}
	}
	static const char *const others[] = {
		REGISTER("result"),
		"<iq><query xmlns='jabber:iq:register'/></iq>",
		"<iq type='get'><query xmlns='jabber:iq:auth'/></iq>",
		"<iq type='get'><query/></iq>",
		"<iq type='get'/>",
		"<message type='set'><query xmlns='jabber:iq:register'/></message>",
	};
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		client_begin(&client, STREAM_SECURE);
		client.login.registration = true;
		check_sign(&client, others[i], '!');
	}
}

Test(stream, footer_ends_every_state)
{
	struct client client;

	for (size_t s = 0; s < STATES; s++) {
		client_begin(&client, states[s]);
		struct stream_verdict verdict = client_say(&client, "</stream:stream>");
		cr_expect_eq(verdict.act, STREAM_ACT_END);
		cr_expect_eq(verdict.reason, REASON_CLIENT_END);
		cr_expect_eq(client.stream.state, STREAM_ENDED);
	}
}

Test(stream, S2_header_is_due_at_start_after_tls_and_after_login)
{
	struct client client = {.login = {.bytes_max = 10000, .elements_max = 10}};

	stream_init(&client.stream, false);
	cr_expect(client.stream.header_due && !client.stream.header_sent);
	client_say(&client, HEADER);
	cr_expect(!client.stream.header_due && client.stream.header_sent);
	client_say(&client, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	stream_on_tls(&client.stream);
	cr_expect_eq(client.stream.state, STREAM_SECURE);
	cr_expect(client.stream.header_due && !client.stream.header_sent);
	client_say(&client, HEADER);
	client_say(&client, "<auth" SASL "/>");
	cr_expect(client.stream.header_sent && !stream_on_bound(&client.stream));
	cr_expect(stream_on_authenticated(&client.stream, false));
	cr_expect(client.stream.header_due && !client.stream.header_sent);
	cr_expect(!stream_on_bound(&client.stream), "a session server bound before the restart");
	client_say(&client, HEADER);
	cr_expect(stream_on_bound(&client.stream));
	cr_expect_eq(client.stream.state, STREAM_BOUND);
}

Test(stream, direct_tls_starts_with_the_handshake)
{
	struct stream stream;

	stream_init(&stream, true);
	cr_expect_eq(stream.state, STREAM_HANDSHAKE);
	cr_expect(!stream.header_due && !stream.header_sent);
	stream_on_tls(&stream);
	cr_expect_eq(stream.state, STREAM_SECURE);
	cr_expect(stream.header_due);
}

Test(stream, E5_login_without_restart)
{
	struct client client;

	client_begin(&client, STREAM_NEGOTIATING);
	cr_expect(stream_on_authenticated(&client.stream, true));
	cr_expect(!client.stream.header_due && client.stream.header_sent);
	cr_expect(stream_on_bound(&client.stream));
}

Test(stream, states_are_reached_in_order_only)
{
	struct client client;

	for (size_t s = 0; s < STATES; s++) {
		client_begin(&client, states[s]);
		cr_expect_eq(stream_on_bound(&client.stream), states[s] == STREAM_AUTHENTICATED);
		client_begin(&client, states[s]);
		cr_expect_eq(stream_on_authenticated(&client.stream, false), states[s] == STREAM_NEGOTIATING);
		if (states[s] != STREAM_NEGOTIATING)
			cr_expect_eq(client.stream.state, states[s]);
	}
}

Test(stream, login_elements_at_the_limit_and_one_above)
{
	struct client client;

	client_begin(&client, STREAM_SECURE);
	cr_expect_eq(client.login.elements, 0);
	client.login.elements_max = 2;
	cr_expect_eq(client_say(&client, "<auth" SASL "/>").act, STREAM_ACT_OPEN);
	cr_expect_eq(client_say(&client, "<abort" SASL "/>").act, STREAM_ACT_PASS);
	cr_expect_eq(client.login.elements, 2);
	struct stream_verdict verdict = client_say(&client, "<auth" SASL "/>");
	cr_expect_eq(verdict.act, STREAM_ACT_CLOSE);
	cr_expect_eq(verdict.reason, REASON_LOGIN_LIMIT);
	cr_expect_eq(client.stream.state, STREAM_ENDED);
}

Test(stream, login_bytes_at_the_limit_and_one_above)
{
	static const char auth[] = "<auth" SASL "/>";
	struct client client;

	for (uint32_t missing = 0; missing < 2; missing++) {
		client_begin(&client, STREAM_SECURE);
		cr_expect_eq(client.login.bytes, strlen(HEADER_WIDE));
		client.login.bytes_max = client.login.bytes + (uint32_t)strlen(auth) - missing;
		cr_expect_eq(client_say(&client, auth).reason, missing ? REASON_LOGIN_LIMIT : REASON_NONE);
	}
	for (uint32_t missing = 0; missing < 2; missing++) {
		client_begin(&client, STREAM_SECURE);
		stream_init(&client.stream, false);
		client.login.bytes_max = client.login.bytes + (uint32_t)strlen(HEADER) - missing;
		cr_expect_eq(client_say(&client, HEADER).reason, missing ? REASON_LOGIN_LIMIT : REASON_NONE);
	}
}

Test(stream, footer_passes_at_the_limit)
{
	struct client client;

	client_begin(&client, STREAM_SECURE);
	client.login.bytes_max = client.login.bytes;
	cr_expect_eq(client_say(&client, "</stream:stream>").act, STREAM_ACT_END);
}
