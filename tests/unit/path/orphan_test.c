/* Sessions whose link is cut. */
#include "stage.h"

#include <stdio.h>
#include <string.h>

static struct stage stage;
static struct server server;
static struct actor actor;

static void begin(void)
{
	stage_init(&stage);
	stage.config.link_patience_ms = 60000;
	stage.config.unread_bytes_max = 1 << 30;
	stage_begin(&stage);
	server_accept(&stage, 0, &server);
	actor_connect(&stage, &actor, WAY_DIRECT);
	actor_login(&actor, &server, "r");
}

static void end(void)
{
	actor_free(&actor);
	server_free(&server);
	stage_end(&stage);
}

TestSuite(orphan, .init = begin, .fini = end);

/* What actor_login has had from the server behind STATE is the result of binding. */
enum { AFTER_LOGIN = 1 };

static void cut(void)
{
	server_free(&server);
	server_accept(&stage, 0, &server);
}

static void expect_claim(bool has_received, uint32_t received)
{
	struct frame_value value;
	struct frame frame;

	server_expect(&server, FRAME_REATTACH, actor.session, &frame);
	cr_assert_eq(frame_find(&frame, FIELD_RECEIVED, &value), has_received);
	if (has_received)
		cr_assert_eq(frame_find_int(&frame, FIELD_RECEIVED, 0), received);
}

static void attach(uint32_t received)
{
	uint8_t bytes[64];
	struct frame_builder b;

	frame_begin(&b, bytes, sizeof bytes, FRAME_ATTACHED, actor.session);
	frame_put_int(&b, FIELD_RECEIVED, received);
	server_send(&server, bytes, frame_end(&b));
}

static void say(int id)
{
	char text[64];

	snprintf(text, sizeof text, "<message id='%d'/>", id);
	actor_say(&actor, text);
}

static void expect_said(int id)
{
	char part[16];
	struct frame frame;

	snprintf(part, sizeof part, "id='%d'", id);
	server_expect(&server, FRAME_ELEMENT, actor.session, &frame);
	cr_assert(memmem(frame.payload, frame.payload_len, part, strlen(part)) != NULL, "%.*s is not %d",
		  (int)frame.payload_len, (const char *)frame.payload, id);
}

Test(orphan, what_was_not_taken_goes_again_before_what_is_new)
{
	say(1);
	expect_said(1);
	server_ack(&server);
	say(2);
	expect_said(2);
	say(3);
	expect_said(3);
	cut();
	expect_claim(true, AFTER_LOGIN);
	say(4);
	attach(2);
	expect_said(3);
	expect_said(4);
	server_put(&server, actor.session, "<message id='back'/>");
	actor_until(&actor, "<message id='back'/>");
	cr_assert_eq(stage_counter(&stage, COUNTER_reattached), 1);
	cr_assert_eq(stage_counter(&stage, COUNTER_orphans), 0);
}

Test(orphan, it_may_be_cut_again_at_any_time)
{
	say(1);
	expect_said(1);
	cut();
	expect_claim(true, AFTER_LOGIN);
	cut();
	expect_claim(true, AFTER_LOGIN);
	attach(0);
	expect_said(1);
	server_put(&server, actor.session, "<message id='back'/>");
	actor_until(&actor, "<message id='back'/>");
	cut();
	expect_claim(true, AFTER_LOGIN + 1);
	attach(1);
	say(2);
	expect_said(2);
}

Test(orphan, frames_before_the_answer_are_stale)
{
	uint64_t stale = stage_counter(&stage, COUNTER_link_frames_stale);

	cut();
	expect_claim(true, AFTER_LOGIN);
	server_put(&server, actor.session, "<message id='early'/>");
	attach(0);
	server_put(&server, actor.session, "<message id='late'/>");
	actor_expect(&actor, "<message id='late'/>");
	attach(0); /* nobody has asked */
	say(1);
	expect_said(1);
	stage_until(stage_counter(&stage, COUNTER_link_frames_stale) == stale + 2);
}

Test(orphan, a_number_that_cannot_be_costs_the_link)
{
	say(1);
	expect_said(1);
	cut();
	expect_claim(true, AFTER_LOGIN);
	attach(2);
	server_expect_end(&server);
	server_free(&server);
	server_accept(&stage, 0, &server);
	expect_claim(true, AFTER_LOGIN);
	attach(1);
	say(2);
	expect_said(2);
}

Test(orphan, what_is_lost_is_reset)
{
	struct frame frame;

	cut();
	expect_claim(true, AFTER_LOGIN);
	server_bare(&server, FRAME_LOST, actor.session);
	server_expect(&server, FRAME_ADOPT, actor.session, &frame);
	server_bare(&server, FRAME_LOST, actor.session);
	actor_until(&actor, STREAM_ERROR("reset"));
	actor_until(&actor, "</stream:stream>");
	actor_expect_end(&actor);
	stage_until(stage_closes(&stage, REASON_SESSION_LOST) == 1);
	cr_assert(server_is_quiet(&server), "the session is none any more");
}

Test(orphan, a_client_that_goes_leaves_its_words)
{
	struct frame frame;

	say(1);
	expect_said(1);
	actor_say(&actor, "</stream:stream>");
	server_expect(&server, FRAME_CLOSE, actor.session, &frame);
	cut();
	expect_claim(false, 0);
	attach(0);
	expect_said(1);
	server_expect(&server, FRAME_CLOSE, actor.session, &frame);
	cr_assert_eq(frame_find_int(&frame, FIELD_CLEAN, 0), 1);
}

Test(orphan, who_is_not_bound_is_none)
{
	struct actor other;

	actor_connect(&stage, &other, WAY_DIRECT);
	actor_auth(&other, &server);
	server_free(&server);
	actor_until(&other, "<temporary-auth-failure/></failure>");
	actor_free(&other);
	server_accept(&stage, 0, &server);
	expect_claim(true, AFTER_LOGIN);
	attach(0);
	say(1);
	expect_said(1);
}

/* A pause is said anew, since the server has forgotten it. */
Test(orphan, who_does_not_read_is_paused_again)
{
	enum { MANY = 40 }; /* so much that the kernel cannot have taken all but what unread_bytes_high allows */
	static char body[200000];
	uint64_t frames = stage_counter(&stage, COUNTER_link_frames_in);
	struct frame frame;
	struct server *v = &server;

	memset(body, ' ', sizeof body);
	memcpy(body, "<message", 8);
	memcpy(body + sizeof body - 2, "/>", 2);
	for (int i = 0; i < MANY; i++)
		server_put_bytes(v, actor.session, body, sizeof body);
	stage_until(stage_counter(&stage, COUNTER_link_frames_in) >= frames + MANY);
	server_expect(v, FRAME_PAUSE, actor.session, &frame);
	cut();
	server_expect(v, FRAME_REATTACH, actor.session, &frame);
	attach(0);
	server_expect(v, FRAME_PAUSE, actor.session, &frame);
}
