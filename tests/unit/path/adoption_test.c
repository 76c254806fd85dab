/* Sessions that another session server takes over, or their own after it was started anew. */
#include "keepsake.h"
#include "stage.h"

#include <stdio.h>
#include <string.h>

#define STAMPED(name, rest) "<" name " from='juliet@example.org/r' xml:lang='de'" rest

static struct stage stage;
static struct server server, other;
static struct actor actor;
static struct frame frame; /* the last ADOPT */

static void begin_after(uint64_t adopt_after_ms)
{
	stage_init(&stage);
	stage.config.link_patience_ms = 60000;
	stage.config.link_adopt_after_ms = adopt_after_ms;
	stage.config.backend_count = 2;
	other.fd = -1;
	stage_begin(&stage);
	server_accept_as(&stage, 0, &server, "one", 1);
	actor_connect(&stage, &actor, WAY_DIRECT);
	actor_login_with(&actor, &server, "r", HEADER " to='example.org' xml:lang='de'>");
}

static void begin(void)
{
	begin_after(0);
}

static void begin_patiently(void)
{
	begin_after(1000000);
}

static void end(void)
{
	actor_free(&actor);
	server_free(&server);
	server_free(&other);
	stage_end(&stage);
}

TestSuite(adoption, .init = begin, .fini = end);
TestSuite(adoption_late, .init = begin_patiently, .fini = end);

/* It is back, with nothing in its memory. */
static void restart(void)
{
	static uint64_t epoch = 1;

	server_free(&server);
	server_accept_as(&stage, 0, &server, "one", ++epoch);
}

static void expect_adopt(struct server *by)
{
	server_expect(by, FRAME_ADOPT, actor.session, &frame);
}

/* What this field says; NULL: nothing. */
static const char *text_of(enum frame_field field)
{
	static char text[FRAME_FIELDS_MAX + 1];
	struct frame_value value;

	if (!frame_find(&frame, field, &value))
		return NULL;
	memcpy(text, value.at, value.len);
	text[value.len] = '\0';
	return text;
}

static void expect_int(enum frame_field field, uint64_t value)
{
	cr_assert_eq(frame_find_int(&frame, field, UINT64_MAX), value, "field %#x is %lx, not %lx", field,
		     (unsigned long)frame_find_int(&frame, field, UINT64_MAX), (unsigned long)value);
}

static void attach(struct server *by, uint32_t received)
{
	uint8_t bytes[64];
	struct frame_builder b;

	frame_begin(&b, bytes, sizeof bytes, FRAME_ATTACHED, actor.session);
	frame_put_int(&b, FIELD_RECEIVED, received);
	server_send(by, bytes, frame_end(&b));
}

static void keep(const void *bytes, size_t len)
{
	uint8_t whole[FRAME_HEAD_BYTES + FRAME_KEEP_MAX];

	frame_head(whole, FRAME_KEEP, actor.session, len);
	memcpy(whole + FRAME_HEAD_BYTES, bytes, len);
	server_send(&server, whole, FRAME_HEAD_BYTES + len);
}

/* Said by the client, and come to the server. */
static void say(struct server *to, const char *text)
{
	actor_say(&actor, text);
	server_expect(to, FRAME_ELEMENT, actor.session, &frame);
}

/* All that the server has put is at the client. */
static void settle(struct server *by)
{
	server_put(by, actor.session, "<message id='settled'/>");
	actor_until(&actor, "<message id='settled'/>");
}

Test(adoption, tells_who_it_is)
{
	restart();
	expect_adopt(&server);
	cr_assert_str_eq(text_of(FIELD_DOMAIN), "example.org");
	cr_assert_str_eq(text_of(FIELD_JID), "juliet@example.org/r");
	cr_assert_str_eq(text_of(FIELD_ADDRESS), "127.0.0.1");
	cr_assert_str_eq(text_of(FIELD_LANG), "de");
	cr_assert_str_eq(text_of(FIELD_TLS_CIPHER), "AES_128_GCM");
	expect_int(FIELD_TLS_VERSION, 0x0304);
	expect_int(FIELD_DIRECT, 1);
	expect_int(FIELD_RECEIVED, 1);
	expect_int(FIELD_ACKED, 0);
	expect_int(FIELD_STANZAS_IN, 0);
	expect_int(FIELD_STANZAS_OUT, 1);
	cr_assert_null(text_of(FIELD_KEEP));
	cr_assert_null(text_of(FIELD_PRESENCE));
	cr_assert_gt(frame_find_int(&frame, FIELD_SERIAL, 0), 0);
	attach(&server, 0);
	settle(&server);
	cr_assert_eq(stage_counter(&stage, COUNTER_adopted), 1);
	cr_assert_eq(stage_counter(&stage, COUNTER_reattached), 0);
	cr_assert_eq(stage_counter(&stage, COUNTER_orphans), 0);
}

/* Nonzas are frames and no stanzas. */
Test(adoption, counts_what_was_taken_and_sends_the_rest)
{
	say(&server, "<message id='1'/>");
	say(&server, "<a xmlns='urn:xmpp:sm:3' h='1'/>");
	server_ack(&server);
	server_put(&server, actor.session, "<a xmlns='urn:xmpp:sm:3' h='1'/>");
	server_put(&server, actor.session, "<iq xmlns='jabber:client' type='result' id='x'/>");
	server_put(&server, actor.session, "<message xmlns='urn:other'/>");
	settle(&server);
	say(&server, "<iq xmlns='jabber:client' type='get' id='2'/>");
	say(&server, "<r xmlns='urn:xmpp:sm:3'/>");
	say(&server, "<message id='3'/>");
	restart();
	expect_adopt(&server);
	actor_say(&actor, "<message id='4'/>");
	expect_int(FIELD_RECEIVED, 5);
	expect_int(FIELD_STANZAS_OUT, 3);
	expect_int(FIELD_ACKED, 2);
	expect_int(FIELD_STANZAS_IN, 1);
	attach(&server, 4);
	server_expect_element(&server, actor.session, STAMPED("message", " id='3'/>"));
	server_expect_element(&server, actor.session, STAMPED("message", " id='4'/>"));
	server_ack(&server);
	settle(&server);
	say(&server, "<message id='5'/>");
	restart();
	expect_adopt(&server);
	expect_int(FIELD_ACKED, 6);
	expect_int(FIELD_STANZAS_IN, 4);
	expect_int(FIELD_RECEIVED, 6);
	expect_int(FIELD_STANZAS_OUT, 4);
}

Test(adoption, gives_back_what_was_to_be_kept)
{
	static uint8_t long_one[FRAME_KEEP_MAX];
	struct frame_value value;

	for (size_t i = 0; i < sizeof long_one; i++)
		long_one[i] = (uint8_t)(i * 7);
	keep("first", 5);
	keep(long_one, sizeof long_one);
	settle(&server);
	restart();
	expect_adopt(&server);
	expect_int(FIELD_RECEIVED, 4);
	expect_int(FIELD_STANZAS_OUT, 2);
	cr_assert(frame_find(&frame, FIELD_KEEP, &value));
	cr_assert_eq(value.len, sizeof long_one);
	cr_assert_arr_eq(value.at, long_one, value.len);
	attach(&server, 0);
	keep("", 0);
	settle(&server);
	restart();
	expect_adopt(&server);
	cr_assert(frame_find(&frame, FIELD_KEEP, &value));
	cr_assert_eq(value.len, 0);
}

/* After these, with nothing left unacknowledged. */
static void expect_presence(const char *const *said, const char *told)
{
	uint64_t count = 0;

	for (; said[count] != NULL; count++)
		say(&server, said[count]);
	server_ack(&server);
	settle(&server);
	restart();
	expect_adopt(&server);
	expect_int(FIELD_STANZAS_IN, count);
	if (told == NULL)
		cr_assert_null(text_of(FIELD_PRESENCE));
	else
		cr_assert_str_eq(text_of(FIELD_PRESENCE), told);
}
#define SAID(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Where it was, and how it was numbered, is of no use any more. */
Test(adoption, tells_the_last_presence_that_was_broadcast)
{
	expect_presence(SAID("<presence/>",
			     "<presence id='p1'  from='eve@x' xmlns='jabber:client'><show>away</show></presence>",
			     "<presence to='romeo@example.net'/>",
			     "<presence type='unavailable' to='romeo@example.net'/>",
			     "<presence type='probe' to='romeo@example.net'/>"),
			STAMPED("presence", " xmlns='jabber:client'><show>away</show></presence>"));
}

Test(adoption, tells_a_presence_in_a_language_of_its_own)
{
	expect_presence(SAID("<presence xml:lang='en'><priority>1</priority></presence>"),
			"<presence from='juliet@example.org/r' xml:lang='en'><priority>1</priority></presence>");
}

Test(adoption, tells_no_presence_of_who_has_become_unavailable)
{
	expect_presence(SAID("<presence/>", "<presence type='unavailable'/>"), NULL);
}

/* The adopter takes it for unavailable; better than for what it was before. */
Test(adoption, a_presence_that_is_too_long_is_not_kept)
{
	static char text[KEEPSAKE_PRESENCE_BYTES_MAX + 64];

	snprintf(text, sizeof text, "<presence><status>%*s</status></presence>", KEEPSAKE_PRESENCE_BYTES_MAX, "");
	expect_presence(SAID("<presence/>", text), NULL);
}

Test(adoption, may_be_refused)
{
	restart();
	expect_adopt(&server);
	server_bare(&server, FRAME_LOST, actor.session);
	actor_until(&actor, STREAM_ERROR("reset"));
	stage_until(stage_closes(&stage, REASON_SESSION_LOST) == 1);
	stage_until(stage_counter(&stage, COUNTER_orphans) == 0);
	cr_assert(server_is_quiet(&server), "the session is none any more");
}

/* Same epoch, but it has given the session up. */
Test(adoption, is_asked_of_who_has_forgotten)
{
	uint64_t serial;

	server_free(&server);
	server_accept_as(&stage, 0, &server, "one", 1);
	server_expect(&server, FRAME_REATTACH, actor.session, &frame);
	serial = frame_find_int(&frame, FIELD_SERIAL, 0);
	server_bare(&server, FRAME_LOST, actor.session);
	expect_adopt(&server);
	cr_assert_gt(frame_find_int(&frame, FIELD_SERIAL, 0), serial);
	attach(&server, 0);
	settle(&server);
}

Test(adoption, is_another_server_s_when_the_own_one_stays_away)
{
	server_accept_as(&stage, 1, &other, "two", 7);
	say(&server, "<message id='1'/>");
	server_free(&server);
	expect_adopt(&other);
	attach(&other, 0);
	server_expect_element(&other, actor.session, STAMPED("message", " id='1'/>"));
	settle(&other);
	/* The old one comes back, and has no say in it any more. */
	server_accept_as(&stage, 0, &server, "one", 1);
	server_put(&server, actor.session, "<message id='stale'/>");
	say(&other, "<message id='2'/>");
	settle(&other);
	cr_assert(server_is_quiet(&server));
	/* And if the new one fails, it may have it again. */
	server_free(&other);
	expect_adopt(&server);
	expect_int(FIELD_ACKED, 0);
	attach(&server, 2);
	settle(&server);
}

/* Nobody else was there: there is no reason to ask for more than to go on. */
Test(adoption, is_not_needed_when_the_own_one_comes_back)
{
	server_free(&server);
	stage_until(stage_counter(&stage, COUNTER_orphans) == 1);
	server_accept_as(&stage, 0, &server, "one", 1);
	server_expect(&server, FRAME_REATTACH, actor.session, &frame);
	attach(&server, 0);
	settle(&server);
	cr_assert_eq(stage_counter(&stage, COUNTER_adopted), 0);
}

/* The adopter may have taken it, or not: it is asked for what it was given. */
Test(adoption, goes_on_when_the_adopter_s_link_is_cut)
{
	server_accept_as(&stage, 1, &other, "two", 7);
	say(&server, "<message id='1'/>");
	server_free(&server);
	expect_adopt(&other);
	server_free(&other);
	server_accept_as(&stage, 1, &other, "two", 7);
	server_expect(&other, FRAME_REATTACH, actor.session, &frame);
	expect_int(FIELD_RECEIVED, 1);
	server_bare(&other, FRAME_LOST, actor.session);
	expect_adopt(&other);
	attach(&other, 1);
	settle(&other);
	cr_assert_eq(stage_counter(&stage, COUNTER_adopted), 1);
}

/* What it said with the link cut, and while it was offered, goes to who takes it; and its goodbye. */
Test(adoption, a_client_that_goes_meanwhile_says_its_last_words)
{
	restart();
	expect_adopt(&server);
	actor_reset(&actor);
	actor.session = frame.session;
	stage_until(stage_counter(&stage, COUNTER_orphans) == 0);
	attach(&server, 0);
	server_expect(&server, FRAME_CLOSE, actor.session, &frame);
	cr_assert_eq(frame_find_int(&frame, FIELD_CLEAN, 0), 0);
}

Test(adoption, a_client_that_goes_before_it_is_offered_is_forgotten)
{
	server_free(&server);
	stage_until(stage_counter(&stage, COUNTER_orphans) == 1);
	actor_reset(&actor);
	stage_until(stage_counter(&stage, COUNTER_orphans) == 0);
	restart();
	cr_assert(!server_hears(&server, 300));
}

Test(adoption_late, waits_for_the_own_server)
{
	server_accept_as(&stage, 1, &other, "two", 7);
	server_free(&server);
	stage_until(stage_counter(&stage, COUNTER_orphans) == 1);
	cr_assert(!server_hears(&other, 300));
	server_accept_as(&stage, 0, &server, "one", 1);
	server_expect(&server, FRAME_REATTACH, actor.session, &frame);
	attach(&server, 0);
	settle(&server);
}

/* It may well be the same process. */
Test(adoption_late, who_has_said_goodbye_has_given_up_what_it_had)
{
	server_bare(&server, FRAME_DRAIN, 0);
	settle(&server);
	server_free(&server);
	server_accept_as(&stage, 0, &server, "one", 1);
	expect_adopt(&server);
	attach(&server, 0);
	settle(&server);
}

Test(adoption_late, does_not_wait_for_who_has_said_goodbye)
{
	server_accept_as(&stage, 1, &other, "two", 7);
	server_bare(&server, FRAME_DRAIN, 0);
	settle(&server);
	server_free(&server);
	expect_adopt(&other);
	attach(&other, 0);
	settle(&other);
	server_accept_as(&stage, 0, &server, "one", 1);
	cr_assert(!server_hears(&server, 100), "it has given the session up");
}
