/* The backend's end: the plays of the vectors, and what they cannot tell: memory, time, amounts. */
#include "backend_hand.h"
#include "vectors.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { PLAYS_IN_VECTORS = 22 };

TestSuite(backend, .init = hand_begin, .fini = hand_end);

/* ---- the plays */

static const char *const words[] = {[BACKEND_UP] = "up",
				    [BACKEND_OPENED] = "opened",
				    [BACKEND_ELEMENT] = "element",
				    [BACKEND_CLOSED] = "closed",
				    [BACKEND_REATTACHED] = "reattached",
				    [BACKEND_ADOPT] = "adopt",
				    [BACKEND_OVER] = "over",
				    [BACKEND_DRAIN] = "drain"};

static void word_of(const struct backend_event *event, char *to, size_t cap)
{
	if (event->is == BACKEND_UP)
		snprintf(to, cap, "up %s", event->link->link.name);
	else if (event->is == BACKEND_DEAD)
		snprintf(to, cap, "dead %zu", (size_t)(event->link - links) + 1);
	else
		snprintf(to, cap, "%s %d", words[event->is], (int)event->frame.session);
}

static void given(const struct vectors *v)
{
	struct backend_event event;
	char word[300];
	backend_next(the_link(), &event);
	cr_assert(event.is != BACKEND_NOTHING, "%s is not given", v->value);
	word_of(&event, word, sizeof word);
	cr_assert_str_eq(word, v->value);
	keep(&event);
	if (event.is == BACKEND_DEAD)
		backend_cut(event.link, 0);
}

static void nothing_is_given(void)
{
	struct backend_event event;
	backend_next(the_link(), &event);
	cr_assert(event.is == BACKEND_NOTHING, "%d", event.is);
}

static void error_is(const struct vectors *v)
{
	struct backend_event event;
	backend_next(the_link(), &event);
	cr_assert(event.is == BACKEND_DEAD && event.link == the_link(), "%d", event.is);
	cr_assert((int)event.error == vectors_error(v->value), "%s", frame_error_text(event.error));
	backend_cut(the_link(), 0);
}

static void says(const char *hex)
{
	uint8_t expected[VECTORS_LINE_MAX];
	const uint8_t *bytes;
	size_t expected_len = vectors_hex(hex, expected, sizeof expected), len = backend_out(the_link(), &bytes);
	cr_assert(len == expected_len, "%zu bytes, not %zu", len, expected_len);
	cr_assert(len == 0 || memcmp(bytes, expected, len) == 0);
	backend_written(the_link(), len);
}

static struct backend_session *session_in(const char *text)
{
	return sessions[strtoul(text, NULL, 10)];
}

static void sends(const char *hex)
{
	uint8_t bytes[VECTORS_LINE_MAX];
	size_t len = vectors_hex(hex, bytes, sizeof bytes);
	cr_assert(backend_send(sessions[bytes[11]], bytes, len));
}

static void fans(const char *xml)
{
	struct backend_session *all[SESSIONS_MAX];
	size_t count = 0;
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (sessions[i])
			all[count++] = sessions[i];
	cr_assert(backend_fanout(&backend, all, count, xml, strlen(xml)));
}

static void over(const char *text)
{
	void *user;
	cr_assert(backend_over(&backend, 0, &user) && user == &sessions[strtoul(text, NULL, 10)]);
	cr_assert(!backend_over(&backend, 0, &user));
}

/* Bytes in two pieces: what is made of them does not depend on that. */
static void hears_hex(const char *hex)
{
	uint8_t bytes[VECTORS_LINE_MAX];
	size_t len = vectors_hex(hex, bytes, sizeof bytes), half = len / 3;
	hears(the_link(), bytes, half);
	hears(the_link(), bytes + half, len - half);
}

static void line_play(const struct vectors *v)
{
	bool more = strcmp(v->key, "given") == 0 || strcmp(v->key, "error") == 0;
	if (!more && link_count > 0 && the_link()->bad == FRAME_ERROR_NONE && strcmp(v->key, "over") != 0)
		nothing_is_given();
	if (strcmp(v->key, "link") == 0)
		link_begin(0);
	else if (strcmp(v->key, "given") == 0)
		given(v);
	else if (strcmp(v->key, "error") == 0)
		error_is(v);
	else if (strcmp(v->key, "hears") == 0)
		hears_hex(v->value);
	else if (strcmp(v->key, "says") == 0)
		says(v->value);
	else if (strcmp(v->key, "sends") == 0)
		sends(v->value);
	else if (strcmp(v->key, "fans") == 0)
		fans(v->value);
	else if (strcmp(v->key, "acks") == 0)
		backend_ack(the_link());
	else if (strcmp(v->key, "cut") == 0)
		backend_cut(the_link(), 0);
	else if (strcmp(v->key, "over") == 0)
		over(v->value);
	else if (strcmp(v->key, "holds") == 0)
		backend_hold(session_in(v->value), true);
	else if (strcmp(v->key, "adopts") == 0)
		backend_adopt(session_in(v->value), (uint32_t)strtoul(strchr(v->value, ' '), NULL, 10));
	else if (strcmp(v->key, "refuses") == 0)
		backend_refuse(session_in(v->value), NULL);
	else
		cr_assert_fail("what is %s?", v->key);
}

Test(backend, plays_of_the_vectors)
{
	struct vectors v;
	int count = 0;
	vectors_open(&v);
	for (; vectors_block(&v, "play"); count++) {
		printf("# %s\n", v.value);
		while (vectors_line(&v))
			line_play(&v);
		hand_end();
		hand_begin();
	}
	vectors_close(&v);
	cr_assert(count == PLAYS_IN_VECTORS, "%d", count);
}

/* ---- by hand */

Test(backend, sends_as_much_as_the_window_takes)
{
	static const char xml[30000];
	struct backend_link *link = link_up(LINK_WINDOW_MIN);
	struct backend_session *session = session_bound(link, 1);
	hears_ack(link, 2);
	for (int i = 0; i < 5; i++)
		cr_assert(backend_send_element(session, xml, sizeof xml));
	cr_assert(backend_waiting(link) == 5 * (FRAME_HEAD_BYTES + sizeof xml));
	for (int i = 0; i < 2; i++)
		cr_assert(went(link) == FRAME_ELEMENT);
	cr_assert(went(link) == 0);
	backend_hold(session, true);
	cr_assert(went(link) == FRAME_PAUSE, "what is not numbered needs no credit");
	hears_ack(link, 3);
	cr_assert(went(link) == FRAME_ELEMENT && went(link) == 0);
	hears_ack(link, 5);
	cr_assert(went(link) == FRAME_ELEMENT && went(link) == FRAME_ELEMENT && went(link) == 0);
}

Test(backend, acknowledges_what_was_handed_out_and_no_more)
{
	struct backend_link *link = link_up(0);
	session_bound(link, 1);
	backend_ack(link);
	out_drop(link);
	for (int i = 0; i < 3; i++)
		hears_frame(link, FRAME_ELEMENT, 1, 10);
	backend_ack(link);
	cr_assert(went(link) == 0);
	expect(link, BACKEND_ELEMENT);
	expect(link, BACKEND_ELEMENT);
	backend_ack(link);
	const uint8_t *bytes;
	struct frame frame;
	enum frame_error error;
	size_t len = backend_out(link, &bytes);
	cr_assert(frame_read(bytes, len, &frame, &error) > 0);
	cr_assert(frame.type == FRAME_ACK && frame_ack_count(&frame) == 3, "OPEN and two");
}

/* Whoever stores what frames do need not begin with that for these. */
Test(backend, says_that_nothing_waits_behind_acknowledgements_and_heartbeats)
{
	struct backend_link *link = link_up(0);
	session_bound(link, 1);
	hears_ack(link, 1);
	hears_frame(link, FRAME_PING, 0, 3);
	cr_assert_not(backend_has_next(link));
	cr_assert(bytes_len(&link->in) == 0 && went(link) == FRAME_PONG);
	hears_frame(link, FRAME_ELEMENT, 1, 10);
	hears_ack(link, 2);
	cr_assert(backend_has_next(link));
	expect(link, BACKEND_ELEMENT);
	expect(link, BACKEND_NOTHING);
	cr_assert_not(backend_has_next(link));
	hears_ack(link, 100);
	cr_assert(backend_has_next(link), "that is a fault");
	expect(link, BACKEND_DEAD);
	backend_cut(link, 0);
}

Test(backend, holds_a_window_of_frames_and_no_more)
{
	struct backend_link *link = link_up(0);
	session_bound(link, 1);
	link->window = LINK_WINDOW_MIN;
	hears_frame(link, FRAME_ELEMENT, 1, LINK_WINDOW_MIN - FRAME_HEAD_BYTES - 13);
	hears_frame(link, FRAME_ELEMENT, 1, 1);
	expect(link, BACKEND_ELEMENT);
	hears_frame(link, FRAME_ELEMENT, 1, LINK_WINDOW_MIN - FRAME_HEAD_BYTES - 25);
	cr_assert(link->bad == FRAME_ERROR_NONE);
	hears_frame(link, FRAME_ELEMENT, 1, 1);
	expect(link, BACKEND_ELEMENT);
	expect(link, BACKEND_ELEMENT);
	expect(link, BACKEND_ELEMENT);
	struct backend_event event = next(link);
	cr_assert(event.is == BACKEND_DEAD && event.error == FRAME_ERROR_WINDOW);
}

Test(backend, takes_one_frame_that_is_larger_than_its_window)
{
	struct backend_link *link = link_up(0);
	session_bound(link, 1);
	link->window = LINK_WINDOW_MIN;
	hears_frame(link, FRAME_ELEMENT, 1, 4 * LINK_WINDOW_MIN);
	expect(link, BACKEND_ELEMENT);
	hears_frame(link, FRAME_ELEMENT, 1, 4 * LINK_WINDOW_MIN);
	expect(link, BACKEND_ELEMENT);
	expect(link, BACKEND_NOTHING);
}

Test(backend, keeps_orphans_for_the_gate_s_patience_and_a_margin)
{
	struct backend_link *link = link_up(0);
	struct backend_session *session = session_bound(link, 1);
	void *user;
	backend_cut(link, 1000);
	cr_assert(!session->link && !backend_over(&backend, 1000 + 60000 + BACKEND_MARGIN_MS - 1, &user));
	cr_assert(backend_over(&backend, 1000 + 60000 + BACKEND_MARGIN_MS, &user) && user == &sessions[1]);
	cr_assert(!backend_find(&backend, gate_epoch, 1) && !backend_over(&backend, UINT64_MAX, &user));
}

static struct backend_link *link_of_patience(uint32_t patience_ms)
{
	struct backend_link *link = link_begin(0);
	gate_hello(link, 0, patience_ms);
	return link;
}

static void expect_over(uint64_t now_ms, frame_session number)
{
	void *user;
	cr_assert(!backend_over(&backend, now_ms - 1, &user));
	cr_assert(backend_over(&backend, now_ms, &user) && user == &sessions[number], "%d", (int)number);
	cr_assert(!backend_over(&backend, now_ms, &user));
}

/* Each link's come between those of others, and one from the midst goes another way. */
Test(backend, gives_up_those_orphans_first_whose_time_is_over_first)
{
	static const uint32_t patience_ms[] = {20000, 40000, 10000, 30000};
	for (size_t i = 0; i < 4; i++)
		session_bound(link_of_patience(patience_ms[i]), i + 1);
	session_bound(&links[1], 5);
	for (size_t i = 0; i < 4; i++)
		backend_cut(&links[i], 1000 * i);
	const struct backend_session *orphan = backend.orphans;
	for (; orphan->next; orphan = orphan->next)
		cr_assert_leq(orphan->orphan_until_ms, orphan->next->orphan_until_ms);
	backend_forget(sessions[1]);
	expect_over(2000 + 10000 + BACKEND_MARGIN_MS, 3);
	expect_over(3000 + 30000 + BACKEND_MARGIN_MS, 4);
	backend_forget(sessions[2]);
	expect_over(1000 + 40000 + BACKEND_MARGIN_MS, 5);
	cr_assert_null(backend.orphans);
}

Test(backend, gives_up_a_session_that_nobody_wants_any_more_without_a_word)
{
	struct backend_link *link = link_up(0);
	uint8_t close[FRAME_HEAD_BYTES];
	void *user;
	session_bound(link, 1);
	frame_head(close, FRAME_CLOSE, 1, 0);
	cr_assert(backend_send(sessions[1], close, sizeof close));
	backend_cut(link, 0);
	cr_assert(!backend_over(&backend, UINT64_MAX, &user) && backend.session_count == 0);
}

Test(backend, keeps_no_more_for_an_orphan_than_it_is_told)
{
	static const char xml[WAITING_MAX];
	struct backend_link *link = link_up(0);
	struct backend_session *session = session_bound(link, 1);
	cr_assert(backend_send_element(session, xml, sizeof xml), "it goes");
	backend_cut(link, 0);
	cr_assert(!backend_send_element(session, xml, WAITING_MAX - FRAME_HEAD_BYTES + 1));
	cr_assert(backend_send_element(session, xml, WAITING_MAX - FRAME_HEAD_BYTES));
	cr_assert(!backend_send_element(session, xml, 1));
	state_send(session, FRAME_STAGE_BOUND);
	backend_forget(session);
	cr_assert(!backend_find(&backend, gate_epoch, 1));
}

Test(backend, spreads_an_element_over_links_in_one_frame_each)
{
	enum { MANY = 1500 };
	static struct backend_session *all[MANY + 2];
	struct backend_link *one = link_up(0), *other = link_up(0);
	size_t count = 0;
	for (frame_session number = 1; number <= MANY; number++) {
		struct backend_event event;
		hears_open(one, number + SESSIONS_MAX);
		backend_next(one, &event);
		state_send(event.session, FRAME_STAGE_BOUND);
		all[count++] = event.session;
	}
	out_drop(one);
	all[count++] = session_bound(other, 1);
	all[count++] = session_bound(other, 2);
	hears_frame(other, FRAME_PAUSE, 2, 0);
	expect(other, BACKEND_NOTHING);
	cr_assert(backend_fanout(&backend, all, count, "<r/>", 4));
	cr_assert(went(one) == FRAME_FANOUT && went(one) == FRAME_FANOUT && went(one) == 0);
	cr_assert(went(other) == FRAME_ELEMENT && went(other) == 0);
	hears_frame(other, FRAME_RESUME, 2, 0);
	expect(other, BACKEND_NOTHING);
	cr_assert(went(other) == FRAME_ELEMENT && went(other) == 0);
	for (size_t i = 0; i < count; i++)
		cr_assert(all[i]->sent == 1, "%zu", i);
}

Test(backend, tells_what_a_gate_has_taken_of_each_session)
{
	struct backend_link *link = link_up(0);
	struct backend_session *all[] = {session_bound(link, 1), session_bound(link, 2)};
	uint8_t reattach[64];
	struct frame_builder b;
	acked_calls = 0;
	backend.on_acked = note_acked;
	cr_assert(backend_send_element(all[0], "<a/>", 4));
	cr_assert(backend_fanout(&backend, all, 2, "<r/>", 4));
	cr_assert(backend_send_element(all[1], "<b/>", 4));
	hears_ack(link, 4); /* the STATEs */
	cr_assert(acked_calls == 0);
	hears_ack(link, 6);
	cr_assert(all[0]->acked == 2 && all[1]->acked == 1 && acked_calls == 3);
	cr_assert(backend_send_element(all[1], "<c/>", 4));
	backend_cut(link, 0);
	link = link_up(0);
	frame_begin(&b, reattach, sizeof reattach, FRAME_REATTACH, 2);
	frame_put_int(&b, FIELD_RECEIVED, 2);
	frame_put_int(&b, FIELD_SERIAL, 1);
	hears(link, reattach, frame_end(&b));
	expect(link, BACKEND_REATTACHED);
	cr_assert(all[1]->acked == 2 && all[0]->acked == 2);
	hears_ack(link, 1);
	cr_assert(all[1]->acked == 3);
	backend_forget(all[1]);
	cr_assert(!backend_find(&backend, gate_epoch, 2));
}

Test(backend, frames_over_another_link_than_the_session_s_do_nothing)
{
	struct backend_link *one = link_up(0), *other = link_up(0);
	struct backend_session *session = session_bound(one, 1);
	hears_frame(other, FRAME_ELEMENT, 1, 10);
	hears_frame(other, FRAME_PAUSE, 1, 0);
	hears_frame(other, FRAME_CLOSE, 1, 0);
	expect(other, BACKEND_NOTHING);
	cr_assert(other->stale == 3 && session->received == 0 && !session->paused);
	cr_assert(backend_find(&backend, gate_epoch, 1) == session);
}

Test(backend, silence_is_death)
{
	struct backend_link *link = link_up(0);
	backend_tick(link, LINK_PING_AFTER_MS);
	cr_assert(went(link) == FRAME_PING);
	backend_tick(link, LINK_DEAD_AFTER_MS);
	struct backend_event event = next(link);
	cr_assert(event.is == BACKEND_DEAD && event.error == FRAME_ERROR_SILENT && event.link == link);
}

Test(backend, what_came_before_a_fault_is_given)
{
	struct backend_link *link = link_up(0);
	session_bound(link, 1);
	hears_frame(link, FRAME_ELEMENT, 1, 10);
	hears(link, "\xff\xff\xff\xff", 4);
	expect(link, BACKEND_ELEMENT);
	expect(link, BACKEND_DEAD);
}

Test(backend, many_sessions_are_found)
{
	enum { MANY = 5000 };
	for (size_t l = 0; l < 2; l++)
		link_up(0);
	for (frame_session number = 1; number <= MANY; number++) {
		struct backend_event event;
		hears_open(&links[number % 2], number << 32 | 1);
		backend_next(&links[number % 2], &event);
		cr_assert(event.is == BACKEND_OPENED);
	}
	cr_assert(backend.session_count == MANY);
	for (frame_session number = 1; number <= MANY; number++)
		cr_assert(backend_find(&backend, gate_epoch, number << 32 | 1)->number == (number << 32 | 1));
	cr_assert(!backend_find(&backend, gate_epoch, 7) && !backend_find(&backend, gate_epoch + 1, 1ull << 32 | 1));
}

Test(backend, refuses_what_is_no_frame_of_the_session, .signal = SIGABRT)
{
	uint8_t close[FRAME_HEAD_BYTES];
	session_bound(link_up(0), 1);
	frame_head(close, FRAME_CLOSE, 2, 0);
	backend_send(sessions[1], close, sizeof close);
}
