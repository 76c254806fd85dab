/* Stream management (XEP-0198) at one session server. The gate has two links' worth of sessions: Juliet's and Romeo's.
 */
#include "stage.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SM "urn:xmpp:sm:3"

enum { J = 1, R = 2, AGAIN = 3 };

static void begin(void)
{
	stage_begin(false);
	gate.counts_requests = true;
}

TestSuite(management, .init = begin, .fini = stage_end);

static char resumption[128];

static void id_take(const char *enabled)
{
	const char *id = strstr(enabled, " id='");
	cr_assert(id, "%s", enabled);
	snprintf(resumption, sizeof resumption, "%.*s", (int)strcspn(id + 5, "'"), id + 5);
}

static void enable(frame_session session, const char *more)
{
	gate_put(&gate, session, "<enable xmlns='" SM "' %s/>", more);
	const char *enabled = gate_expect_element(&gate, session, "<enabled xmlns='" SM "'");
	if (strstr(more, "resume"))
		id_take(enabled);
}

static void acknowledge(frame_session session, unsigned h)
{
	gate_put(&gate, session, "<a xmlns='" SM "' h='%u'/>", h);
}

static void expect_handled(frame_session session, unsigned h)
{
	char text[64];
	snprintf(text, sizeof text, "<a xmlns='" SM "' h='%u'/>", h);
	gate_put(&gate, session, "<r xmlns='" SM "'/>");
	gate_expect_element(&gate, session, text);
}

static void expect_id(frame_session session, const char *id)
{
	char text[64];
	snprintf(text, sizeof text, "id='%s'", id);
	gate_expect_element(&gate, session, text);
}

static void romeo_says(const char *id)
{
	gate_put(&gate, R,
		 "<message type='chat' to='" JULIET "' from='" ROMEO "/garden' id='%s'><body>x</body></message>", id);
}

static void show(frame_session session, const char *full_jid)
{
	gate_put(&gate, session, "<presence from='%s'/>", full_jid);
	gate_expect_element(&gate, session, "<presence");
}

/* Juliet is there and resumable, Romeo is bound. */
static void both(const char *more)
{
	gate_session(&gate, J, JULIET, FIXTURE_PASSWORD, "balcony");
	show(J, JULIET "/balcony");
	gate_session(&gate, R, ROMEO, "juliet", "garden");
	enable(J, more);
}

static void cut(frame_session session)
{
	gate_close(&gate, session, false);
	gate_expect_close(&gate, session, NULL);
}

static void log_in_again(frame_session session)
{
	gate_open(&gate, session, "example.com", NULL);
	gate_login(&gate, session, "juliet", FIXTURE_PASSWORD);
}

static void ask_to_resume(frame_session session, unsigned h)
{
	gate_put(&gate, session, "<resume xmlns='" SM "' previd='%s' h='%u'/>", resumption, h);
}

static void expect_resumed(frame_session session, unsigned h)
{
	struct frame frame;
	struct frame_value jid;
	char text[256];
	snprintf(text, sizeof text, "<resumed xmlns='" SM "' previd='%s' h='%u'/>", resumption, h);
	gate_expect(&gate, FRAME_STATE, session, &frame);
	cr_assert_eq(frame_find_int(&frame, FIELD_STAGE, 0), 2);
	cr_assert(frame_find(&frame, FIELD_JID, &jid));
	cr_assert(jid.len == strlen(JULIET "/balcony") && memcmp(jid.at, JULIET "/balcony", jid.len) == 0);
	gate_expect_element(&gate, session, text);
}

Test(management, it_is_offered_after_login)
{
	struct frame frame;
	struct frame_value features;
	char text[1024];
	gate_open(&gate, J, "example.com", NULL);
	gate_put(&gate, J, "<auth xmlns='" SASL_NS "' mechanism='PLAIN'>AGp1bGlldAByMG0zMCBteSByMG0zMA==</auth>");
	gate_expect(&gate, FRAME_STATE, J, &frame);
	cr_assert(frame_find(&frame, FIELD_FEATURES, &features));
	snprintf(text, sizeof text, "%.*s", (int)features.len, (const char *)features.at);
	cr_expect(strstr(text, "<sm xmlns='" SM "'/>"), "%s", text);
}

Test(management, stanzas_are_counted_from_enable_on)
{
	both("");
	gate_put(&gate, J, "<iq type='get' id='p' from='" JULIET "/balcony'><ping xmlns='urn:xmpp:ping'/></iq>");
	expect_id(J, "p");
	expect_handled(J, 1);
	gate_put(&gate, J, "<message to='" ROMEO "/garden' from='" JULIET "/balcony' id='m'/>");
	expect_id(R, "m");
	expect_handled(J, 2);
	expect_handled(J, 2);
	acknowledge(J, 1);
	gate_expect_quiet(&gate);
}

static void expect_failed(frame_session session, const char *condition)
{
	char text[128];
	snprintf(text, sizeof text, "<failed xmlns='" SM "'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
		 condition);
	gate_expect_element(&gate, session, text);
}

Test(management, what_comes_at_the_wrong_time)
{
	gate_open(&gate, J, "example.com", NULL);
	gate_login(&gate, J, "juliet", FIXTURE_PASSWORD);
	gate_put(&gate, J, "<enable xmlns='" SM "'/>");
	expect_failed(J, "unexpected-request");
	gate_put(&gate, J, "<resume xmlns='" SM "' previd='0' h='0'/>");
	expect_failed(J, "item-not-found");
	gate_put(&gate, J, "<resume xmlns='" SM "' previd='0' h='many'/>");
	expect_failed(J, "bad-request");
	gate_put(&gate, J, "<resume xmlns='" SM "' h='0'/>");
	expect_failed(J, "bad-request");
	gate_bind(&gate, J, JULIET, "balcony");
	gate_put(&gate, J, "<r xmlns='" SM "'/>");
	expect_failed(J, "unexpected-request");
	gate_put(&gate, J, "<a xmlns='" SM "' h='0'/>");
	expect_failed(J, "unexpected-request");
	enable(J, "resume='1'");
	gate_put(&gate, J, "<enable xmlns='" SM "'/>");
	expect_failed(J, "unexpected-request");
	ask_to_resume(J, 0);
	expect_failed(J, "unexpected-request");
	expect_handled(J, 0);
}

static void expect_too_high(frame_session session, const char *counts)
{
	char element[128];
	struct frame frame;
	struct frame_value value;
	snprintf(element, sizeof element, "<handled-count-too-high xmlns='" SM "' %s/>", counts);
	gate_expect(&gate, FRAME_CLOSE, session, &frame);
	cr_assert(frame_find(&frame, FIELD_CONDITION, &value));
	cr_expect(value.len == strlen("undefined-condition") &&
		  memcmp(value.at, "undefined-condition", value.len) == 0);
	cr_assert(frame_find(&frame, FIELD_ELEMENT, &value));
	cr_expect(value.len == strlen(element) && memcmp(value.at, element, value.len) == 0, "%.*s", (int)value.len,
		  (const char *)value.at);
}

Test(management, more_acknowledged_than_was_sent)
{
	both("");
	romeo_says("one");
	expect_id(J, "one");
	acknowledge(J, 2);
	expect_too_high(J, "h='2' send-count='1'");
}

Test(management, what_is_no_number)
{
	both("");
	gate_put(&gate, J, "<a xmlns='" SM "' h='-1'/>");
	gate_expect_close(&gate, J, "invalid-xml");
}

static void romeo_says_many(unsigned count)
{
	char id[16];
	for (unsigned i = 0; i < count; i++) {
		snprintf(id, sizeof id, "m%u", i);
		gate_put(&gate, R,
			 "<message to='" JULIET "/balcony' from='" ROMEO "/garden' id='%s'><body>x</body></message>",
			 id);
		expect_id(J, id);
	}
}

Test(management, the_client_is_asked_after_some_stanzas)
{
	both("");
	romeo_says_many(10);
	gate_expect_quiet(&gate);
	cr_expect_geq(gate.requests, 1);
}

Test(management, the_client_is_asked_when_nothing_else_happens)
{
	both("");
	romeo_says("one");
	expect_id(J, "one");
	for (int i = 0; i < 6000 && gate.requests == 0; i++) {
		usleep(10000);
		gate_expect_quiet(&gate);
	}
	cr_expect_eq(gate.requests, 1);
	acknowledge(J, 1);
	usleep(1200000);
	gate_expect_quiet(&gate);
	cr_expect_eq(gate.requests, 1, "there is nothing to be asked for");
}

Test(management, a_lost_client_resumes)
{
	both("resume='true'");
	gate_put(&gate, J, "<message to='" ROMEO "/garden' from='" JULIET "/balcony' id='zero'/>");
	expect_id(R, "zero");
	romeo_says("one");
	expect_id(J, "one");
	romeo_says("two");
	expect_id(J, "two");
	cut(J);
	romeo_says("three");
	gate_expect_quiet(&gate);
	log_in_again(AGAIN);
	ask_to_resume(AGAIN, 1);
	expect_resumed(AGAIN, 1);
	expect_id(AGAIN, "two");
	expect_id(AGAIN, "three");
	gate_expect_quiet(&gate);
	/* It is as available as before, and goes on counting. */
	romeo_says("four");
	expect_id(AGAIN, "four");
	gate_put(&gate, AGAIN, "<message to='" ROMEO "/garden' from='" JULIET "/balcony' id='five'/>");
	expect_id(R, "five");
	expect_handled(AGAIN, 2);
	acknowledge(AGAIN, 4);
	gate_expect_quiet(&gate);
	/* And once more. */
	cut(AGAIN);
	romeo_says("six");
	log_in_again(AGAIN + 1);
	ask_to_resume(AGAIN + 1, 4);
	expect_resumed(AGAIN + 1, 2);
	expect_id(AGAIN + 1, "six");
	gate_expect_quiet(&gate);
	acknowledge(AGAIN + 1, 6);
	expect_too_high(AGAIN + 1, "h='6' send-count='5'");
}

Test(management, the_old_stream_ends_in_conflict)
{
	both("resume='true'");
	romeo_says("one");
	expect_id(J, "one");
	log_in_again(AGAIN);
	ask_to_resume(AGAIN, 0);
	gate_expect_close(&gate, J, "conflict");
	expect_resumed(AGAIN, 0);
	expect_id(AGAIN, "one");
	gate_close(&gate, J, false);
	romeo_says("two");
	expect_id(AGAIN, "two");
	gate_expect_quiet(&gate);
}

Test(management, nobody_resumes_what_is_somebody_elses)
{
	both("resume='true'");
	cut(J);
	gate_open(&gate, AGAIN, "example.com", NULL);
	gate_login(&gate, AGAIN, "romeo", "juliet");
	ask_to_resume(AGAIN, 0);
	expect_failed(AGAIN, "item-not-found");
}

Test(management, more_resumed_than_was_sent)
{
	both("resume='true'");
	cut(J);
	log_in_again(AGAIN);
	ask_to_resume(AGAIN, 1);
	expect_too_high(AGAIN, "h='1' send-count='0'");
	log_in_again(AGAIN + 1);
	ask_to_resume(AGAIN + 1, 0);
	expect_resumed(AGAIN + 1, 0);
}

Test(management, whoever_goes_in_peace_does_not_come_back)
{
	both("resume='true'");
	gate_close(&gate, J, true);
	gate_expect_close(&gate, J, NULL);
	log_in_again(AGAIN);
	ask_to_resume(AGAIN, 0);
	expect_failed(AGAIN, "item-not-found");
	gate_bind(&gate, AGAIN, JULIET, "balcony");
}

Test(management, what_cannot_be_resumed_ends_with_its_stream)
{
	both("");
	romeo_says("read");
	expect_id(J, "read");
	romeo_says("unread");
	expect_id(J, "unread");
	acknowledge(J, 1);
	cut(J);
	gate_session(&gate, AGAIN, JULIET, FIXTURE_PASSWORD, "balcony");
	show(AGAIN, JULIET "/balcony");
	const char *kept = gate_expect_element(&gate, AGAIN, "id='unread'");
	cr_expect(strstr(kept, "<delay xmlns='urn:xmpp:delay'"), "%s", kept);
	gate_expect_quiet(&gate);
}

static void begin_with_held_clock(void)
{
	clock_hold();
	begin();
}

TestSuite(management_in_time, .init = begin_with_held_clock, .fini = stage_end);

enum { STAYS_MS = 3000, TICK_MS = 1000 };

/* It stays away for so long that it is gone, and not before. */
static void time_is_over(void)
{
	clock_pass_ms(STAYS_MS - 1);
	for (int i = 0; i < 2; i++)
		gate_expect_quiet(&gate);
	clock_pass_ms(TICK_MS); /* it is looked for as often */
	gate_expect_quiet(&gate);
}

Test(management_in_time, whoever_stays_away_too_long_is_gone)
{
	both("resume='true' max='3'");
	gate_session(&gate, 7, JULIET, FIXTURE_PASSWORD, "chamber");
	show(7, JULIET "/chamber");
	gate_expect_element(&gate, J, "from='" JULIET "/chamber'");
	gate_expect_element(&gate, 7, "from='" JULIET "/balcony'");
	acknowledge(J, 1);
	cut(J);
	gate_put(&gate, R, "<message to='" JULIET "/balcony' from='" ROMEO "/garden' id='m'><body>x</body></message>");
	gate_expect_quiet(&gate);
	time_is_over();
	const char *gone = gate_expect_element(&gate, 7, "type='unavailable'");
	cr_expect(strstr(gone, "from='" JULIET "/balcony'"), "%s", gone);
	expect_id(7, "m");
	gate_expect_quiet(&gate);
	log_in_again(AGAIN);
	ask_to_resume(AGAIN, 1);
	expect_failed(AGAIN, "item-not-found");
}

/* The client's word is enough: its gate may be slower. */
Test(management, what_is_acknowledged_is_not_kept)
{
	both("resume='true'");
	gate.acks_nothing = true;
	romeo_says("read");
	expect_id(J, "read");
	romeo_says("unread");
	expect_id(J, "unread");
	acknowledge(J, 1);
	cut(J);
	gate.acks_nothing = false;
	gate_session(&gate, AGAIN, JULIET, FIXTURE_PASSWORD, "balcony");
	show(AGAIN, JULIET "/balcony");
	expect_id(AGAIN, "unread");
	gate_expect_quiet(&gate);
}

/* Of two that are there next one has come too late to have had it, one has had it. */
Test(management_in_time, what_was_for_all_is_had_once)
{
	both("resume='true' max='3'");
	cut(J);
	romeo_says("one");
	gate_expect_quiet(&gate);
	clock_pass_ms(5);
	gate_session(&gate, 7, JULIET, FIXTURE_PASSWORD, "chamber");
	show(7, JULIET "/chamber");
	gate_expect_element(&gate, 7, "from='" JULIET "/balcony'");
	clock_pass_ms(5);
	romeo_says("two");
	expect_id(7, "two");
	gate_expect_quiet(&gate);
	clock_pass_ms(STAYS_MS + TICK_MS);
	gate_expect_quiet(&gate); /* it is awake then */
	gate_expect_element(&gate, 7, "type='unavailable'");
	const char *one = gate_expect_element(&gate, 7, "id='one'");
	cr_expect(strstr(one, "<delay xmlns='urn:xmpp:delay'"), "%s", one);
	gate_expect_quiet(&gate);
}

/* It has the same name: what it has not got is kept for whoever is there next, which is the new one. */
Test(management, whoever_binds_anew_gets_what_it_has_not_had)
{
	both("resume='true'");
	cut(J);
	romeo_says("one");
	gate_session(&gate, AGAIN, JULIET, FIXTURE_PASSWORD, "balcony");
	show(AGAIN, JULIET "/balcony");
	expect_id(AGAIN, "one");
	gate_expect_quiet(&gate);
	log_in_again(AGAIN + 1);
	ask_to_resume(AGAIN + 1, 0);
	expect_failed(AGAIN + 1, "item-not-found");
}

Test(management, who_hibernates_does_not_get_too_much)
{
	static char body[60000];
	memset(body, 'x', sizeof body - 1);
	both("resume='true'");
	cut(J);
	for (int i = 0; i < 18; i++) {
		gate_put(&gate, R,
			 "<message type='chat' to='" JULIET "' from='" ROMEO
			 "/garden' id='m%d'><body>%s</body></message>",
			 i, body);
		gate_expect_quiet(&gate);
	}
	log_in_again(AGAIN);
	ask_to_resume(AGAIN, 0);
	expect_failed(AGAIN, "item-not-found");
	gate_bind(&gate, AGAIN, JULIET, "balcony");
	show(AGAIN, JULIET "/balcony");
	for (int i = 0; i < 18; i++) {
		char id[16];
		snprintf(id, sizeof id, "m%d", i);
		expect_id(AGAIN, id);
	}
}
