/* What fills up: clients that do not read, session servers that do not read, and who is told to wait. */
#include "stage.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BODY = 10000 };

static struct stage stage;
static struct server server;

static void begin(void)
{
	stage_init(&stage);
	stage.config.unread_bytes_high = 65536;
	stage.config.unread_bytes_max = 1 << 20;
	stage_begin(&stage);
	server_accept(&stage, 0, &server);
}

static void end(void)
{
	server_free(&server);
	stage_end(&stage);
}

TestSuite(pressure, .init = begin, .fini = end);

/* A large message with its number in it. */
static const char *message(unsigned number)
{
	static char text[BODY + 200];

	snprintf(text, sizeof text, "<message id='%08u'><body>%0*d</body></message>", number, BODY, 7);
	return text;
}

Test(pressure, a_session_that_the_server_pauses_sends_nothing)
{
	struct actor a, b;

	actor_connect(&stage, &a, WAY_DIRECT);
	actor_login(&a, &server, "a");
	actor_connect(&stage, &b, WAY_STARTTLS);
	actor_login(&b, &server, "b");
	for (int i = 0; i < 3; i++) {
		uint64_t frames = stage_counter(&stage, COUNTER_link_frames_in);

		server_bare(&server, FRAME_PAUSE, a.session);
		stage_until(stage_counter(&stage, COUNTER_link_frames_in) > frames);
		actor_say(&a, "<presence/>");
		actor_say(&a, "<message/>");
		actor_say(&b, "<presence/>"); /* goes past it: when it is here, the others would have been, too */
		server_expect_element(&server, b.session, "<presence from='juliet@example.org/b'/>");
		cr_assert(server_is_quiet(&server));
		server_bare(&server, FRAME_RESUME, a.session);
		server_expect_element(&server, a.session, "<presence from='juliet@example.org/a'/>");
		server_expect_element(&server, a.session, "<message from='juliet@example.org/a'/>");
	}
	actor_free(&a);
	actor_free(&b);
}

/* What the gate said last about the session; each word must change something. */
static bool pause_heard(const struct actor *a, bool paused)
{
	struct frame frame;

	server_expect(&server, paused ? FRAME_RESUME : FRAME_PAUSE, a->session, &frame);
	return !paused;
}

/* The gate has taken it before the next one is put, so that not more of them are on the way than it knows of. */
static void put_and_wait(const struct actor *a, const char *text)
{
	uint64_t frames = stage_counter(&stage, COUNTER_link_frames_in);

	server_put(&server, a->session, text);
	stage_until(stage_counter(&stage, COUNTER_link_frames_in) > frames);
}

/* Whether it has nothing more to say: it had the time that the kernel may take, and turns of its own. */
static bool gate_is_quiet(void)
{
	enum { STAYS_MS = 200 };

	if (server_hears(&server, STAYS_MS))
		return false;
	stage_settle(&stage);
	return server_is_quiet(&server);
}

/* Messages until the session is paused and stays so: at first the kernel still makes room. Answers how many were put.
 */
static unsigned flood(struct actor *a)
{
	unsigned count = 0;
	bool paused = false;

	while (!paused || !gate_is_quiet()) {
		cr_assert_lt(count, 10000, "the gate never says PAUSE");
		if (server_hears(&server, 0))
			paused = pause_heard(a, paused);
		else
			put_and_wait(a, message(count++));
	}
	return count;
}

Test(pressure, a_client_that_does_not_read_pauses_its_session_and_resumes_it)
{
	struct actor a;

	actor_connect(&stage, &a, WAY_DIRECT);
	actor_login(&a, &server, "r");
	for (int round = 0; round < 2; round++) {
		unsigned count = flood(&a);

		cr_assert_eq(stage_counter(&stage, COUNTER_paused), 1);
		for (unsigned i = 0; i < count; i++)
			actor_expect(&a, message(i));
		cr_assert_not(pause_heard(&a, true));
		cr_assert_eq(stage_counter(&stage, COUNTER_paused), 0);
	}
	actor_free(&a);
}

/* The kernel's memory for TCP is everybody's: it must not hide for megabytes that nobody reads. */
Test(pressure, a_client_that_does_not_read_is_found_out_before_the_kernel_has_taken_much)
{
	struct actor a;
	unsigned count;

	actor_connect(&stage, &a, WAY_DIRECT);
	actor_login(&a, &server, "r");
	count = flood(&a);
	cr_assert_lt(count * BODY, 2 * stage.config.unread_bytes_high + ADDRESS_UNSENT_BYTES + 2 * ACTOR_ROOM_BYTES);
	actor_free(&a);
}

Test(pressure, a_paused_client_that_goes_is_forgotten)
{
	struct actor a;
	struct frame frame;

	actor_connect(&stage, &a, WAY_DIRECT);
	actor_login(&a, &server, "r");
	flood(&a);
	stage_until(stage_counter(&stage, COUNTER_unread_bytes) >= BODY);
	actor_reset(&a);
	server_expect(&server, FRAME_CLOSE, a.session, &frame);
	cr_assert_eq(stage_counter(&stage, COUNTER_paused), 0);
	stage_until(stage_counter(&stage, COUNTER_unread_bytes) == 0);
}

Test(pressure, a_client_that_never_reads_is_closed)
{
	struct actor a, b;
	struct frame frame;

	actor_connect(&stage, &b, WAY_DIRECT);
	actor_login(&b, &server, "b");
	actor_connect(&stage, &a, WAY_DIRECT);
	actor_login(&a, &server, "a");
	flood(&a);
	frame.type = FRAME_PAUSE;
	for (unsigned i = 0; frame.type != FRAME_CLOSE; i++) { /* a server that does not obey */
		cr_assert_lt(i, 10000, "the gate keeps it");
		server_put(&server, a.session, message(i));
		while (server_hears(&server, 0) && frame.type != FRAME_CLOSE)
			server_next(&server, &frame); /* PAUSE and RESUME may come, as the kernel makes room */
	}
	cr_assert_eq(frame_find_int(&frame, FIELD_CLEAN, 1), 0);
	cr_assert_eq(stage_closes(&stage, REASON_TOO_SLOW), 1);
	server_put(&server, b.session, "<message/>"); /* the others notice nothing */
	actor_expect(&b, "<message/>");
	actor_free(&a);
	actor_free(&b);
}

struct pusher {
	struct actor actor;
	uint8_t *wire; /* sealed and not yet on the socket */
	size_t len, at;
	unsigned said;
};

/* As much as the socket takes now. */
static void push(struct pusher *p, unsigned until)
{
	for (;;) {
		ssize_t put;

		if (p->at == p->len && p->said == until)
			return;
		if (p->at == p->len) {
			const char *text = message(p->said++);

			cr_assert_eq(SSL_write(p->actor.peer.client, text, (int)strlen(text)), (int)strlen(text));
			p->len = peer_client_says(&p->actor.peer, p->wire, 2 * BODY);
			p->at = 0;
		}
		put = send(p->actor.fd, p->wire + p->at, p->len - p->at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (put <= 0)
			return;
		p->at += (size_t)put;
	}
}

static unsigned number_of(const struct frame *frame)
{
	const char *id = memmem(frame->payload, frame->payload_len, "id='", 4);

	cr_assert(id != NULL);
	return (unsigned)strtoul(id + 4, NULL, 10);
}

/* Pushes until the socket takes nothing more for a while. */
static void push_until_choked(struct pusher *p, unsigned until)
{
	struct pollfd room = {.fd = p->actor.fd, .events = POLLOUT};

	do
		push(p, until);
	while (p->said < until && (poll(&room, 1, 500) == 1 || (stage_settle(&stage), poll(&room, 1, 0) == 1)));
	cr_assert_lt(p->said, until, "all of it went in though the session server reads nothing");
}

Test(pressure, a_session_server_that_does_not_read_chokes_clients_and_releases_them)
{
	enum { MANY = 3000 };
	struct pusher p[2] = {0};
	unsigned heard[2] = {0};
	struct frame frame;

	for (int i = 0; i < 2; i++) {
		actor_connect(&stage, &p[i].actor, WAY_DIRECT);
		actor_login(&p[i].actor, &server, i == 0 ? "a" : "b");
		p[i].wire = malloc(2 * BODY);
	}
	for (int i = 0; i < 2; i++)
		push_until_choked(&p[i], MANY);
	while (heard[0] + heard[1] < 2 * MANY) {
		int who;

		push(&p[0], MANY);
		push(&p[1], MANY);
		server_expect(&server, FRAME_ELEMENT, 0, &frame);
		who = frame.session == p[0].actor.session ? 0 : 1;
		cr_assert_eq(frame.session, p[who].actor.session);
		cr_assert_eq(number_of(&frame), heard[who], "lost or doubled");
		heard[who]++;
	}
	for (int i = 0; i < 2; i++) {
		free(p[i].wire);
		actor_free(&p[i].actor);
	}
}

/* Choked clients that go, and a link that goes under choked clients. */
Test(pressure, choked_clients_end_with_their_link)
{
	struct pusher p[2] = {0};

	for (int i = 0; i < 2; i++) {
		actor_connect(&stage, &p[i].actor, WAY_DIRECT);
		actor_login(&p[i].actor, &server, i == 0 ? "a" : "b");
		p[i].wire = malloc(2 * BODY);
	}
	for (int i = 0; i < 2; i++)
		push_until_choked(&p[i], 10000);
	actor_reset(&p[0].actor);
	server_free(&server);
	actor_until(&p[1].actor, STREAM_ERROR("internal-server-error"));
	server_accept(&stage, 0, &server);
	actor_free(&p[1].actor);
	free(p[0].wire);
	free(p[1].wire);
}

/* The end does not depend on a session server that reads nothing, nor on a client that does not answer. */
static void begin_hasty(void)
{
	stage_init(&stage);
	stage.config.drain_ms_max = 300;
	clock_hold();
	stage_begin(&stage);
	server_accept(&stage, 0, &server);
}

TestSuite(pressure_at_the_end, .init = begin_hasty, .fini = end);

Test(pressure_at_the_end, drains_in_time_though_nobody_reads)
{
	struct pusher p = {0};

	actor_connect(&stage, &p.actor, WAY_DIRECT);
	actor_login(&p.actor, &server, "a");
	p.wire = malloc(2 * BODY);
	push_until_choked(&p, 10000);
	stage_drain(&stage);
	stage_until(stage_closes(&stage, REASON_SHUTDOWN) == 1);
	clock_pass_ms(301); /* and no time for anybody else's patience */
	stage_join(&stage);
	actor_free(&p.actor);
	free(p.wire);
}
