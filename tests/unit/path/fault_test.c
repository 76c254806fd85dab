/* Session servers that fail, lie, leave and send nonsense. */
#include "client.h"
#include "stage.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TRY_LATER "<failure " SASL "><temporary-auth-failure/></failure>"

static struct stage stage;
static struct server server;

static void begin(void)
{
	stage_init(&stage);
	stage_begin(&stage);
	server_accept(&stage, 0, &server);
}

static void end(void)
{
	server_free(&server);
	stage_end(&stage);
}

TestSuite(fault, .init = begin, .fini = end);

static void expect_error(struct actor *a, const char *condition)
{
	char error[200];

	snprintf(error, sizeof error, STREAM_ERROR("%s"), condition);
	actor_until(a, error);
	actor_until(a, "</stream:stream>");
	actor_expect_end(a);
}

Test(fault, a_link_that_is_cut_ends_its_sessions_and_is_dialled_again)
{
	struct actor bound, negotiating, waiting, plain;

	for (int round = 0; round < 2; round++) {
		actor_connect(&stage, &bound, WAY_DIRECT);
		actor_login(&bound, &server, "r");
		actor_connect(&stage, &negotiating, WAY_STARTTLS);
		actor_auth(&negotiating, &server);
		actor_connect(&stage, &waiting, WAY_DIRECT);
		actor_open(&waiting);
		actor_connect(&stage, &plain, WAY_PLAIN);
		server_free(&server);
		expect_error(&bound, "internal-server-error");
		actor_until(&negotiating, TRY_LATER);
		server_accept(&stage, 0, &server);
		actor_say(&waiting, AUTH); /* it had no session yet: it did not notice */
		{
			struct frame frame;

			server_expect(&server, FRAME_OPEN, 0, &frame);
			server_expect_element(&server, frame.session, AUTH);
		}
		actor_say(&plain, HEADER_);
		actor_until(&plain, "</stream:features>");
		actor_free(&bound);
		actor_reset(&negotiating);
		actor_reset(&waiting);
		actor_free(&plain);
		{
			struct frame frame;

			server_expect(&server, FRAME_CLOSE, 0, &frame);
		}
	}
	cr_assert_eq(stage_closes(&stage, REASON_SERVER_LOST), 2);
	cr_assert_eq(stage_counter(&stage, COUNTER_link_failures), 2);
	cr_assert_eq(stage_counter(&stage, COUNTER_backends_up), 1);
}

/* Whose turn it is to speak makes no difference; and the next session has another name. */
Test(fault, who_logs_in_when_the_link_is_cut_may_try_again_in_the_same_stream)
{
	struct actor a;
	frame_session last = 0;

	actor_connect(&stage, &a, WAY_DIRECT);
	actor_auth(&a, &server);
	for (int round = 0; round < 2; round++) {
		struct frame frame;
		bool its_turn = round > 0;

		cr_assert_neq(a.session, last);
		if (its_turn) {
			server_put(&server, last, "<stale/>");
			server_put(&server, a.session, "<challenge " SASL "/>");
		}
		last = a.session;
		if (its_turn)
			actor_expect(&a, "<challenge " SASL "/>");
		server_free(&server);
		if (its_turn) {
			stage_until(stage_counter(&stage, COUNTER_backends_up) == 0);
			actor_say(&a, "<response " SASL ">AGE=</response>");
		}
		actor_expect(&a, TRY_LATER);
		server_accept(&stage, 0, &server);
		actor_say(&a, AUTH);
		server_expect(&server, FRAME_OPEN, 0, &frame);
		a.session = frame.session;
		server_expect_element(&server, a.session, AUTH);
	}
	cr_assert_eq(stage_counter(&stage, COUNTER_logins_postponed), 2);
	server_state(&server, a.session, FRAME_STAGE_AUTHENTICATED, "juliet@example.org", BINDING);
	server_put(&server, a.session, SUCCESS);
	actor_expect(&a, SUCCESS);
	server_free(&server);
	expect_error(&a, "internal-server-error");
	actor_free(&a);
	server_accept(&stage, 0, &server);
}

/* Names for sessions of one client are few. */
Test(fault, who_tries_too_often_is_sent_away)
{
	struct actor a;

	actor_connect(&stage, &a, WAY_DIRECT);
	actor_auth(&a, &server);
	client_find(stage.worker, a.session)->sessions = CLIENT_SESSIONS_MAX;
	server_free(&server);
	expect_error(&a, "internal-server-error");
	actor_free(&a);
	server_accept(&stage, 0, &server);
}

Test(fault, without_a_session_server_clients_are_told_so)
{
	struct actor a, b;

	actor_connect(&stage, &a, WAY_DIRECT);
	actor_open(&a);
	server_free(&server);
	stage_until(stage_counter(&stage, COUNTER_backends_up) == 0);
	actor_say(&a, AUTH);
	actor_until(&a, "<temporary-auth-failure/></failure>");
	actor_say(&a, "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'/>");
	actor_until(&a, "<failure xmlns='urn:xmpp:sasl:2'><temporary-auth-failure "
			"xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>");
	cr_assert_eq(stage_counter(&stage, COUNTER_logins_postponed), 2);
	actor_connect(&stage, &b, WAY_DIRECT);
	actor_say(&b, HEADER_);
	expect_error(&b, "internal-server-error");
	actor_free(&a);
	actor_free(&b);
	server_accept(&stage, 0, &server);
}

Test(fault, anything_but_one_element_costs_the_session_and_never_reaches_the_client)
{
	static const char *const payloads[] = {
		"<a>",
		"<a/><b/>",
		"text",
		"</stream:stream>",
		" ",
		"<a/>x",
		"<a></b>",
		"<!-- x --><a/>",
		"<?xml?><a/>",
		"<a>&nbsp;</a>",
		"<p:a/>",
		"<a b='1' b='2'/>",
		"\xff",
		"<a>\xc0\x80</a>",
		"<a/></stream:stream>",
		"<stream:error/>",
		"<a/>\n",
		"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
	};
	struct actor other;

	actor_connect(&stage, &other, WAY_DIRECT);
	actor_login(&other, &server, "other");
	for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
		struct actor a;
		struct frame frame;

		actor_connect(&stage, &a, WAY_DIRECT);
		actor_login(&a, &server, "r");
		server_put(&server, a.session, "<message/>");
		server_put(&server, a.session, payloads[i]);
		server_put(&server, a.session, "<presence/>"); /* too late */
		actor_expect(&a, "<message/>");
		actor_expect(&a, STREAM_ERROR("internal-server-error"));
		actor_until(&a, "</stream:stream>");
		actor_expect_end(&a);
		server_expect(&server, FRAME_CLOSE, a.session, &frame);
		actor_free(&a);
	}
	server_put(&server, other.session, "<message/>");
	actor_expect(&other, "<message/>");
	cr_assert_eq(stage_closes(&stage, REASON_SERVER_XML), sizeof payloads / sizeof payloads[0]);
	actor_free(&other);
}

Test(fault, a_state_that_cannot_be_costs_the_session)
{
	for (int i = 0; i < 6; i++) {
		struct actor a;
		struct frame frame;

		actor_connect(&stage, &a, WAY_DIRECT);
		if (i < 2)
			actor_auth(&a, &server);
		else
			actor_login(&a, &server, "r");
		if (i == 0) /* bound before it was authenticated */
			server_state(&server, a.session, FRAME_STAGE_BOUND, "juliet@example.org/r", NULL);
		else if (i == 1) { /* bound before the stream was restarted */
			server_state(&server, a.session, FRAME_STAGE_AUTHENTICATED, "juliet@example.org", BINDING);
			server_state(&server, a.session, FRAME_STAGE_BOUND, "juliet@example.org/r", NULL);
		} else if (i == 2)
			server_state(&server, a.session, FRAME_STAGE_AUTHENTICATED, "juliet@example.org", BINDING);
		else
			server_state(&server, a.session, FRAME_STAGE_BOUND, i == 3 ? "juliet@example.org/r" : "x",
				     NULL);
		actor_until(&a, STREAM_ERROR("internal-server-error"));
		server_expect(&server, FRAME_CLOSE, a.session, &frame);
		actor_free(&a);
	}
	cr_assert_eq(stage_closes(&stage, REASON_SERVER_XML), 6);
}

Test(fault, addresses_that_are_none)
{
	static const char *const jids[] = {"",
					   "@",
					   "juliet@example.org",
					   "juliet@/r",
					   "a@b/",
					   "a@b@c/r",
					   "<@>/r",
					   "juliet@example.net/r",
					   "juliet@sub.example.org/r",
					   "juliet@example/r",
					   "juliet@example.org/\xe2\x80\xa8\x01"};

	for (size_t i = 0; i < sizeof jids / sizeof jids[0]; i++) {
		struct actor a;
		struct frame frame;

		actor_connect(&stage, &a, WAY_DIRECT);
		actor_auth(&a, &server);
		server_state(&server, a.session, FRAME_STAGE_AUTHENTICATED, "juliet@example.org", BINDING);
		server_put(&server, a.session, SUCCESS);
		actor_expect(&a, SUCCESS);
		actor_say(&a, HEADER_ BIND);
		actor_until(&a, FEATURES(BINDING));
		server_expect_element(&server, a.session, BIND);
		server_state(&server, a.session, FRAME_STAGE_BOUND, jids[i], NULL);
		expect_error(&a, "internal-server-error");
		server_expect(&server, FRAME_CLOSE, a.session, &frame);
		actor_free(&a);
	}
}

/* Nobody can be logged in at a domain that he has not come to. */
Test(fault, users_of_another_domain)
{
	static const char *const jids[] = {"juliet@example.net", "example.net", "juliet@example.org/r"};

	for (size_t i = 0; i < sizeof jids / sizeof jids[0]; i++) {
		struct actor a;
		struct frame frame;

		actor_connect(&stage, &a, WAY_DIRECT);
		actor_auth(&a, &server);
		server_state(&server, a.session, FRAME_STAGE_AUTHENTICATED, jids[i], BINDING);
		expect_error(&a, "internal-server-error");
		server_expect(&server, FRAME_CLOSE, a.session, &frame);
		actor_free(&a);
	}
}

Test(fault, frames_for_nobody_are_counted_and_nothing_else)
{
	struct actor a, b;
	struct frame frame;
	frame_session gone;
	uint64_t before;

	actor_connect(&stage, &a, WAY_DIRECT);
	actor_login(&a, &server, "a");
	gone = a.session;
	actor_reset(&a);
	server_expect(&server, FRAME_CLOSE, gone, &frame);
	stage_until(stage_counter(&stage, COUNTER_clients_ended) == 0);
	actor_connect(&stage, &b, WAY_DIRECT);
	actor_login(&b, &server, "b");
	cr_assert_neq(b.session, gone);
	before = stage_counter(&stage, COUNTER_link_frames_stale);
	server_put(&server, gone, "<message>for the dead</message>");
	server_put(&server, 0x123456789abcd, "<message/>");
	server_put(&server, gone, "not XML at all");
	server_bare(&server, FRAME_PAUSE, gone);
	server_state(&server, gone, FRAME_STAGE_BOUND, "juliet@example.org/r", NULL);
	server_close(&server, gone, NULL, NULL);
	server_put(&server, b.session, "<message/>");
	actor_expect(&b, "<message/>");
	cr_assert_eq(stage_counter(&stage, COUNTER_link_frames_stale), before + 5);
	actor_free(&b);
}

Test(fault, bytes_that_are_no_frames_cost_the_link)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
		{"GET / HTTP/1.1\r\n\r\n", 18},
		{"\x00\x00\x00\x00", 4},
		{"\xff\xff\xff\xff", 4},
		{"\x00\x00\x00\x08\x11\0\0\0\0\0\0\x01", 12}, /* an element of nothing */
		{"\x00\x00\x00\x08\x10\0\0\0\0\0\0\x01", 12}, /* OPEN is the gate's to say */
		{"\x00\x00\x00\x08\x05\0\0\0\0\0\0\x01", 12}, /* DRAIN of a session */
		{"\x00\x00\x00\x09\x11\0\0\0\0\0\0\0x", 13},  /* an element of no session */
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct actor a;

		actor_connect(&stage, &a, WAY_DIRECT);
		actor_login(&a, &server, "r");
		server_send(&server, cases[i].bytes, cases[i].len);
		server_expect_end(&server);
		expect_error(&a, "internal-server-error");
		actor_free(&a);
		end(); /* a gate of its own for each: one that fails again and again waits longer and longer before it
			  dials */
		begin();
	}
}

/* However the frames are cut. */
Test(fault, frames_that_come_byte_by_byte)
{
	static const char element[] = "<message><body>slowly</body></message>";
	uint8_t frame[FRAME_HEAD_BYTES + sizeof element - 1];
	struct actor a;

	actor_connect(&stage, &a, WAY_DIRECT);
	actor_login(&a, &server, "r");
	frame_head(frame, FRAME_ELEMENT, a.session, sizeof element - 1);
	memcpy(frame + FRAME_HEAD_BYTES, element, sizeof element - 1);
	for (size_t i = 0; i < sizeof frame; i++) {
		uint64_t before = stage_counter(&stage, COUNTER_link_bytes_in);

		server_send(&server, frame + i, 1);
		stage_until(stage_counter(&stage, COUNTER_link_bytes_in) > before);
	}
	actor_expect(&a, element);
	actor_free(&a);
}

Test(fault, the_server_ends_a_session)
{
	static char much[1025];
	static const char *const cases[][3] = {
		{NULL, NULL, "</stream:stream>"},
		{"conflict", "another",
		 STREAM_ERROR("conflict") "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' "
					  "xml:lang='en'>another</text></stream:error></stream:stream>"},
		{"conflict", "a<b>&'\"",
		 STREAM_ERROR("conflict") "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' "
					  "xml:lang='en'>a&lt;b&gt;&amp;&apos;&quot;</text></stream:error>"},
		{"x/><evil", NULL, STREAM_ERROR("undefined-condition")},
		{"policy-violation", much, STREAM_ERROR("policy-violation") "<text"},
	};

	memset(much, '"', 1024);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct actor a;
		struct frame frame;

		actor_connect(&stage, &a, WAY_DIRECT);
		actor_login(&a, &server, "r");
		server_close(&server, a.session, cases[i][0], cases[i][1]);
		actor_expect(&a, cases[i][2]);
		server_expect(&server, FRAME_CLOSE, a.session, &frame);
		if (i >= 2)
			actor_until(&a, "</stream:stream>");
		actor_expect_end(&a);
		actor_free(&a);
	}
	cr_assert_eq(stage_closes(&stage, REASON_SERVER_SAID), sizeof cases / sizeof cases[0]);
}

/* With its condition a server may say more; what is no element is not passed on. */
Test(fault, the_server_ends_a_session_and_says_more)
{
	static const char *const cases[][2] = {
		{"<x xmlns='y' h='1'/>", STREAM_ERROR("reset") "<x xmlns='y' h='1'/></stream:error></stream:stream>"},
		{"<x xmlns='y'/></stream:error>", STREAM_ERROR("reset") "</stream:error></stream:stream>"},
		{"<x xmlns='y'>", STREAM_ERROR("reset") "</stream:error></stream:stream>"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct actor a;
		struct frame frame;
		uint8_t bytes[256];
		struct frame_builder b;

		actor_connect(&stage, &a, WAY_DIRECT);
		actor_login(&a, &server, "r");
		frame_begin(&b, bytes, sizeof bytes, FRAME_CLOSE, a.session);
		frame_put_text(&b, FIELD_CONDITION, "reset");
		frame_put_text(&b, FIELD_ELEMENT, cases[i][0]);
		server_send(&server, bytes, frame_end(&b));
		actor_expect(&a, cases[i][1]);
		server_expect(&server, FRAME_CLOSE, a.session, &frame);
		actor_expect_end(&a);
		actor_free(&a);
	}
}

static void begin_pair(void)
{
	stage_init(&stage);
	stage.config.backend_count = 2;
	stage_begin(&stage);
	server = (struct server){.fd = -1};
}

TestSuite(fault_of_two, .init = begin_pair, .fini = end);

Test(fault_of_two, a_server_that_leaves_gets_no_new_sessions)
{
	struct server leaving, staying;
	struct actor old, new;
	struct frame frame;

	server_accept(&stage, 0, &leaving);
	actor_connect(&stage, &old, WAY_DIRECT);
	actor_login(&old, &leaving, "old");
	server_accept(&stage, 1, &staying);
	server_bare(&leaving, FRAME_DRAIN, 0);
	server_put(&leaving, old.session, "<message/>");
	actor_expect(&old, "<message/>");
	for (int i = 0; i < 8; i++) {
		actor_connect(&stage, &new, WAY_DIRECT);
		actor_open(&new);
		actor_say(&new, AUTH);
		server_expect(&staying, FRAME_OPEN, 0, &frame);
		server_expect_element(&staying, frame.session, AUTH);
		actor_reset(&new);
		server_expect(&staying, FRAME_CLOSE, frame.session, &frame);
	}
	actor_say(&old, "<presence/>");
	server_expect_element(&leaving, old.session, "<presence from='juliet@example.org/old'/>");
	server_free(&leaving);
	expect_error(&old, "internal-server-error");
	server_free(&staying);
	actor_free(&old);
}

/* A session of one link cannot be spoken to by another. */
Test(fault_of_two, a_server_cannot_reach_sessions_of_another)
{
	struct server one, two;
	struct actor a;

	server_accept(&stage, 0, &one);
	actor_connect(&stage, &a, WAY_DIRECT);
	actor_login(&a, &one, "r");
	server_accept(&stage, 1, &two);
	server_put(&two, a.session, "<message>forged</message>");
	server_close(&two, a.session, NULL, NULL);
	stage_until(stage_counter(&stage, COUNTER_link_frames_stale) == 1);
	server_put(&one, a.session, "<message>true</message>");
	actor_expect(&a, "<message>true</message>");
	actor_free(&a);
	server_free(&one);
	server_free(&two);
}
