/* What of a session goes, and when: bounds, pauses, turns, and lives that a link had before. */
#include "backend_hand.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(backend_flow, .init = hand_begin, .fini = hand_end);

enum { LONG = 30000, LONGS_UNACKED = BACKEND_UNACKED_BYTES / LONG + 1 };
static const char long_xml[LONG];

static void send_longs(struct backend_session *session, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		cr_assert(backend_send_element(session, long_xml, LONG));
}

/* Who is slow, or may be, gets no more than that before it is known to be taken; others are not kept waiting. */
Test(backend_flow, gives_a_gate_so_much_of_a_session_until_it_is_taken)
{
	enum { MORE = 5 };
	struct backend_link *link = link_up(LINK_WINDOW);
	struct backend_session *session = session_bound(link, 1), *other = session_bound(link, 2);
	send_longs(session, LONGS_UNACKED + MORE);
	cr_assert(went_count(link, 1) == LONGS_UNACKED);
	cr_assert(backend_waiting(link) == MORE * (LONG + FRAME_HEAD_BYTES), "%zu", backend_waiting(link));
	hears_frame(link, FRAME_RESUME, 1, 0);
	cr_assert(backend_waiting(link) == MORE * (LONG + FRAME_HEAD_BYTES), "it was not paused");
	send_longs(other, 1);
	cr_assert(went_count(link, 2) == 1);
	hears_ack(link, 4 + 1); /* the STATEs, and one */
	cr_assert(went_count(link, 1) == 1);
	hears_ack(link, 4 + LONGS_UNACKED + 1 + 1);
	cr_assert(went_count(link, 1) == MORE - 1);
	cr_assert(backend_waiting(link) == 0 && backlog_is_empty(&session->backlog));
	send_longs(session, 1);
	cr_assert(went_count(link, 1) == 1);
	hears_ack(link, link->retained.sent);
	cr_assert(session->unacked_bytes == 0 && other->unacked_bytes == 0);
}

Test(backend_flow, gives_what_waited_for_slow_clients_in_turns_and_stops_at_pause)
{
	enum { MANY = 20 };
	struct backend_link *link = link_up(8 * LONG);
	struct backend_session *slow[] = {session_bound(link, 1), session_bound(link, 2)};
	backend.waiting_bytes_max = 1 << 20;
	hears_ack(link, 4);
	for (int i = 0; i < 2; i++) {
		hears_frame(link, FRAME_PAUSE, slow[i]->number, 0);
		send_longs(slow[i], MANY);
	}
	cr_assert(went(link) == 0 && backend_waiting(link) == 0, "what slow clients have waiting stops nobody");
	hears_frame(link, FRAME_RESUME, 1, 0);
	hears_frame(link, FRAME_RESUME, 2, 0);
	cr_assert(went_count(link, 1) == 2 && went(link) == 0, "until a quarter of the window is used");
	hears_ack(link, 6);
	cr_assert(went_to(link) == 1 && went_to(link) == 2 && went(link) == 0);
	hears_frame(link, FRAME_PAUSE, 1, 0);
	hears_ack(link, 8);
	cr_assert(went_count(link, 2) == 2 && went(link) == 0);
	hears_frame(link, FRAME_RESUME, 1, 0);
	for (unsigned left = 2 * MANY - 6; left > 0;) {
		hears_ack(link, link->retained.sent);
		for (frame_session to; (to = went_to(link)) != 0; left--)
			cr_assert(to <= 2);
	}
	cr_assert(slow[0]->sent == MANY && slow[1]->sent == MANY && !slow[0]->slow);
}

Test(backend_flow, keeps_no_more_for_a_slow_client_than_it_is_told)
{
	static const char xml[WAITING_MAX];
	struct backend_link *link = link_up(0);
	struct backend_session *session = session_bound(link, 1);
	hears_frame(link, FRAME_PAUSE, 1, 0);
	cr_assert(backend_send_element(session, xml, WAITING_MAX - FRAME_HEAD_BYTES));
	cr_assert(!backend_send_element(session, xml, 1));
}

/* What comes before it may have to wait for long. */
Test(backend_flow, a_pause_overtakes_what_is_not_handed_out)
{
	struct backend_link *link = link_up(0);
	struct backend_session *session = session_bound(link, 1);
	hears_frame(link, FRAME_ELEMENT, 1, 10);
	hears_frame(link, FRAME_PAUSE, 1, 0);
	cr_assert(backend_send_element(session, "<a/>", 4) && went(link) == 0);
	hears_frame(link, FRAME_RESUME, 1, 0);
	cr_assert(went(link) == FRAME_ELEMENT);
	expect(link, BACKEND_ELEMENT);
	expect(link, BACKEND_NOTHING);
	cr_assert(!session->paused && bytes_len(&link->in) == 0);
}

Test(backend_flow, pauses_of_a_session_that_is_not_handed_out_stay_in_order)
{
	struct backend_link *link = link_up(0);
	hears_open(link, 1);
	hears_frame(link, FRAME_PAUSE, 1, 0);
	expect(link, BACKEND_OPENED);
	hears_frame(link, FRAME_RESUME, 1, 0);
	expect(link, BACKEND_NOTHING);
	cr_assert(!sessions[1]->paused);
	hears_frame(link, FRAME_PAUSE, 1, 0);
	cr_assert(sessions[1]->paused);
}

Test(backend_flow, a_close_takes_along_what_waits_if_nobody_is_slow)
{
	for (int paused = 0; paused < 2; paused++) {
		struct backend_link *link = link_up(LINK_WINDOW);
		struct backend_session *session = session_bound(link, (frame_session)paused + 1);
		uint8_t close[FRAME_HEAD_BYTES];
		send_longs(session, LONGS_UNACKED + 2);
		if (paused)
			hears_frame(link, FRAME_PAUSE, session->number, 0);
		frame_head(close, FRAME_CLOSE, session->number, 0);
		cr_assert(backend_send(session, close, sizeof close));
		for (unsigned i = 0; i < LONGS_UNACKED + (paused ? 0 : 2); i++)
			cr_assert(went(link) == FRAME_ELEMENT);
		cr_assert(went(link) == FRAME_CLOSE && went(link) == 0);
		cr_assert(backend_waiting(link) == 0);
	}
}

static void hears_adopt(struct backend_link *link, frame_session number, uint32_t received)
{
	static const enum frame_field counts[] = {FIELD_ACKED, FIELD_STANZAS_IN, FIELD_STANZAS_OUT};
	uint8_t bytes[256];
	struct frame_builder b;
	frame_begin(&b, bytes, sizeof bytes, FRAME_ADOPT, number);
	frame_put_text(&b, FIELD_DOMAIN, "example.org");
	frame_put_text(&b, FIELD_JID, "a@example.org/b");
	frame_put_text(&b, FIELD_ADDRESS, "192.0.2.1");
	frame_put_int(&b, FIELD_RECEIVED, received);
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
		frame_put_int(&b, counts[i], 0);
	frame_put_int(&b, FIELD_SERIAL, 1);
	hears(link, bytes, frame_end(&b));
	expect(link, BACKEND_ADOPT);
}

/* The session was given up and comes back: what the link was given before was of a life that had its own numbers. */
Test(backend_flow, frames_of_a_session_s_earlier_life_on_the_link_count_for_nothing)
{
	struct backend_link *link = link_up(0);
	struct backend_session *all[] = {session_bound(link, 1), session_bound(link, 2)};
	acked_calls = 0;
	backend.on_acked = note_acked;
	cr_assert(backend_send_element(all[0], "<a/>", 4));
	cr_assert(backend_fanout(&backend, all, 2, "<r/>", 4));
	backend_forget(all[0]);
	hears_adopt(link, 1, 10);
	backend_adopt(sessions[1], 0);
	cr_assert(backend_send_element(sessions[1], "<b/>", 4));
	hears_ack(link, 5);
	cr_assert(sessions[1]->acked == 10 && acked_calls == 0, "an element's");
	hears_ack(link, 6);
	cr_assert(sessions[1]->acked == 10 && acked_calls == 1 && all[1]->acked == 1, "a FANOUT's");
	hears_ack(link, 7);
	cr_assert(sessions[1]->acked == 11 && acked_calls == 2);
}

Test(backend_flow, frames_of_a_session_s_earlier_life_on_the_link_do_not_come_again)
{
	struct backend_link *link = link_up(0);
	struct backend_session *all[] = {session_bound(link, 1), session_bound(link, 2)};
	cr_assert(backend_send_element(all[0], "<a/>", 4));
	cr_assert(backend_fanout(&backend, all, 2, "<r/>", 4));
	backend_forget(all[0]);
	hears_adopt(link, 1, 10);
	backend_adopt(sessions[1], 0);
	cr_assert(backend_send_element(sessions[1], "<b/>", 4));
	backend_cut(link, 0);
	cr_assert(sessions[1]->backlog.again_count == 1 && all[1]->backlog.again_count == 1);
}
