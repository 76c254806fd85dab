/* Stream management: the session of Juliet's that was at the first node, over another stream at the second. */
#include "nodes.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(node_resumption, .init = nodes_begin, .fini = nodes_end);

static char resumption[128];

static void enable(struct gate *gate)
{
	gate_put(gate, 1, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
	const char *id = strstr(gate_expect_element(gate, 1, "<enabled "), " id='");
	cr_assert(id);
	snprintf(resumption, sizeof resumption, "%.*s", (int)strcspn(id + 5, "'"), id + 5);
}

static void resume(struct gate *gate, frame_session session, unsigned h, unsigned handled)
{
	char text[256];
	struct frame frame;
	snprintf(text, sizeof text, "<resumed xmlns='urn:xmpp:sm:3' previd='%s' h='%u'/>", resumption, handled);
	gate->counts_requests = true;
	gate_open(gate, session, "example.com", NULL);
	gate_login(gate, session, "juliet", FIXTURE_PASSWORD);
	gate_put(gate, session, "<resume xmlns='urn:xmpp:sm:3' previd='%s' h='%u'/>", resumption, h);
	gate_expect(gate, FRAME_STATE, session, &frame);
	gate_expect_element(gate, session, text);
}

/* What another node has sent is asked about as well, also while the gate has acknowledged nothing of it. */
Test(node_resumption, the_owner_asks_about_what_another_node_has_sent)
{
	both_log_in();
	enable(&at_a);
	at_a.acks_nothing = true;
	gate_put(&at_a, 1, "<r xmlns='urn:xmpp:sm:3'/>"); /* what was acknowledged before is known with the answer */
	gate_expect_element(&at_a, 1, "<a xmlns='urn:xmpp:sm:3' h='0'/>");
	romeo_says("one");
	expect_id(&at_a, "one");
	gate_expect_element(&at_a, 1, "<r xmlns='urn:xmpp:sm:3'/>");
}

/* It reads what it was sent, which another one has adopted, and would ask for an acknowledgement if it were its own. */
Test(node_resumption, who_has_slept_takes_no_number_of_the_new_owner)
{
	enum { MANY = 12 };
	both_log_in();
	enable(&at_a);
	node_stop(&a);
	for (int i = 0; i < MANY; i++)
		romeo_says("one");
	gate_expect_quiet(&at_b);
	struct gate old = at_a;
	gate_begin_again(&at_a, b.socket, 1, old.epoch);
	gate_adopt(&at_a, 1, JULIET "/balcony", 2, 1);
	cr_expect_eq(gate_expect_attached(&at_a, 1), 1);
	for (int i = 0; i < MANY; i++)
		expect_id(&at_a, "one");
	node_wakes(&a, &old);
}

/* In one turn it adopts and sees that the former owner has died: what it reads of all sessions then is what it has just
 * made of them. */
Test(node_resumption, who_adopts_when_a_death_is_seen_keeps_what_he_has_adopted)
{
	both_log_in();
	enable(&at_a);
	romeo_says("one");
	expect_id(&at_a, "one");
	struct gate old = at_a;
	gate_begin_again(&at_a, b.socket, 1, old.epoch);
	kill(b.pid, SIGSTOP);
	node_end(&a, SIGKILL);
	gate_end(&old);
	gate_adopt(&at_a, 1, JULIET "/balcony", 3, 1);
	usleep(1500000); /* it looks for the dead each second */
	at_a.counts_requests = true;
	kill(b.pid, SIGCONT);
	cr_expect_eq(gate_expect_attached(&at_a, 1), 1);
	romeo_says("two");
	expect_id(&at_a, "two");
	juliet_says("three");
	expect_id(&at_b, "three");
	gate_expect_quiet(&at_a);
}

Test(node_resumption, a_stream_is_resumed_at_another)
{
	both_log_in();
	at_a.counts_requests = at_b.counts_requests = true;
	enable(&at_a);
	juliet_says("zero");
	expect_id(&at_b, "zero");
	romeo_says("one");
	expect_id(&at_a, "one");
	romeo_says("two");
	expect_id(&at_a, "two");
	resume(&at_b, 2, 1, 1);
	gate_expect_element(&at_b, 2, "id='two'");
	gate_expect_close(&at_a, 1, "conflict");
	romeo_says("three");
	gate_expect_element(&at_b, 2, "id='three'");
	gate_expect_quiet(&at_b);
	/* And back, from one that hibernates there. */
	gate_close(&at_b, 2, false);
	gate_expect_close(&at_b, 2, NULL);
	romeo_says("four");
	gate_expect_quiet(&at_b);
	resume(&at_a, 3, 2, 1);
	gate_expect_element(&at_a, 3, "id='three'");
	gate_expect_element(&at_a, 3, "id='four'");
	romeo_says("five");
	gate_expect_element(&at_a, 3, "id='five'");
	gate_expect_quiet(&at_a);
}

Test(node_resumption, a_stream_is_resumed_after_its_node_was_killed)
{
	both_log_in();
	at_a.counts_requests = at_b.counts_requests = true;
	enable(&at_a);
	romeo_says("one");
	expect_id(&at_a, "one");
	gate_close(&at_a, 1, false);
	gate_expect_close(&at_a, 1, NULL);
	romeo_says("two");
	gate_expect_quiet(&at_b);
	node_end(&a, SIGKILL);
	romeo_says("three");
	gate_expect_quiet(&at_b);
	resume(&at_b, 2, 0, 0);
	gate_expect_element(&at_b, 2, "id='one'");
	gate_expect_element(&at_b, 2, "id='two'");
	gate_expect_element(&at_b, 2, "id='three'");
	gate_expect_quiet(&at_b);
}

/* Its client has come back before its gate has brought it: the gate's is void. */
Test(node_resumption, whoever_is_resumed_is_not_adopted)
{
	struct frame frame;
	both_log_in();
	enable(&at_a);
	node_end(&a, SIGKILL);
	resume(&at_b, 2, 0, 0);
	gate_moves(&at_a, &b);
	gate_adopt(&at_a, 1, JULIET "/balcony", 2, 1);
	gate_expect(&at_a, FRAME_LOST, 1, &frame);
	romeo_says("one");
	gate_expect_element(&at_b, 2, "id='one'");
}

Test(node_resumption, who_is_adopted_goes_on_counting)
{
	both_log_in();
	enable(&at_a);
	at_a.counts_requests = true;
	juliet_says("zero");
	expect_id(&at_b, "zero");
	romeo_says("one");
	expect_id(&at_a, "one");
	node_end(&a, SIGKILL);
	romeo_says("two");
	gate_expect_quiet(&at_b);
	gate_moves(&at_a, &b);
	at_a.counts_requests = true;
	gate_adopt(&at_a, 1, JULIET "/balcony", 3, 2);
	cr_expect_eq(gate_expect_attached(&at_a, 1), 2);
	expect_id(&at_a, "two");
	gate_put(&at_a, 1, "<r xmlns='urn:xmpp:sm:3'/>");
	gate_expect_element(&at_a, 1, "<a xmlns='urn:xmpp:sm:3' h='1'/>");
	gate_put(&at_a, 1, "<a xmlns='urn:xmpp:sm:3' h='1'/>");
	gate_close(&at_a, 1, false);
	gate_expect_close(&at_a, 1, NULL);
	resume(&at_b, 2, 1, 1);
	gate_expect_element(&at_b, 2, "id='two'");
	gate_expect_quiet(&at_b);
}

Test(node_resumption, what_is_held_back_at_one_is_released_at_the_other)
{
	both_log_in();
	gate_put(&at_a, 1, "<inactive xmlns='urn:xmpp:csi:0'/>");
	gate_expect_quiet(&at_a);
	for (int i = 0; i < 2; i++)
		gate_put(&at_b, 1, "<presence to='" JULIET "/balcony' from='" ROMEO "/garden' id='p%d'/>", i);
	gate_expect_quiet(&at_b);
	gate_expect_quiet(&at_a);
	romeo_says("one");
	expect_id(&at_a, "p1");
	expect_id(&at_a, "one");
	gate_expect_quiet(&at_a);
}
