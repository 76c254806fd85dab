/* Several session servers on one database: what is said between them, and who adopts whose sessions. */
#include "held_clock.h"
#include "nodes.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

TestSuite(nodes, .init = nodes_begin, .fini = nodes_end);

Test(nodes, what_is_said_at_one_is_heard_at_the_other)
{
	both_log_in();
	for (int i = 0; i < 20; i++) {
		juliet_says("there");
		expect_id(&at_b, "there");
		romeo_says("back");
		expect_id(&at_a, "back");
	}
}

Test(nodes, presence_is_seen_at_the_other)
{
	both_log_in();
	gate_put(&at_a, 1, "<presence from='" JULIET "/balcony'><show>away</show></presence>");
	gate_expect_element(&at_a, 1, "<show>away</show>");
	gate_session(&at_b, 2, JULIET, FIXTURE_PASSWORD, "chamber");
	gate_put(&at_b, 2, "<presence from='" JULIET "/chamber'/>");
	gate_expect_element(&at_b, 2, "from='" JULIET "/chamber'");
	gate_expect_element(&at_b, 2, "<show>away</show>");
	gate_expect_element(&at_a, 1, "from='" JULIET "/chamber'");
	gate_send_frame(&at_b, FRAME_CLOSE, 2, "");
	gate_expect_close(&at_b, 2, NULL);
	gate_expect_element(&at_a, 1, "type='unavailable'");
}

Test(nodes, a_resource_that_is_taken_at_another_ends_there)
{
	gate_session(&at_a, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_session(&at_b, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_expect_close(&at_a, 1, "conflict");
	gate_put(&at_b, 1, "<iq type='get' id='p' from='" JULIET "/balcony'><ping xmlns='urn:xmpp:ping'/></iq>");
	expect_id(&at_b, "p");
}

/* What the dead one has sent, and the gate has not got, comes again; what the gate has sent is handled once. */
Test(nodes, who_is_killed_is_adopted)
{
	both_log_in();
	juliet_says("one");
	expect_id(&at_b, "one");
	romeo_says("two");
	expect_id(&at_a, "two");
	at_a.acks_nothing = true;
	romeo_says("three");
	expect_id(&at_a, "three"); /* and lost by this gate */
	node_end(&a, SIGKILL);
	romeo_says("four");
	gate_expect_quiet(&at_b);
	gate_moves(&at_a, &b);
	gate_adopt(&at_a, 1, JULIET "/balcony", 2, 0);
	cr_expect_eq(gate_expect_attached(&at_a, 1), 1, "the message was handled, though not acknowledged");
	expect_id(&at_a, "three");
	expect_id(&at_a, "four");
	gate_expect_quiet(&at_a);
	juliet_says("five");
	expect_id(&at_b, "five");
	gate_expect_quiet(&at_b);
}

Test(nodes, who_is_started_anew_adopts_its_own)
{
	both_log_in();
	gate_put(&at_a, 1, "<presence from='" JULIET "/balcony'/>");
	gate_expect_element(&at_a, 1, "from='" JULIET "/balcony'");
	node_end(&a, SIGKILL);
	node_begin(&a, "a");
	romeo_says("one");
	gate_expect_quiet(&at_b);
	gate_moves(&at_a, &a);
	gate_adopt(&at_a, 1, JULIET "/balcony", 2, 1);
	cr_expect_eq(gate_expect_attached(&at_a, 1), 1);
	expect_id(&at_a, "one");
	/* It is as available as before. */
	gate_put(&at_b, 1,
		 "<message to='" JULIET "' from='" ROMEO "/garden' id='two' type='chat'><body>x</body></message>");
	expect_id(&at_a, "two");
}

/* The former owner finds, when it goes on, that it is not the owner any more; what it had been sent is void. */
Test(nodes, who_has_slept_gives_up_what_was_adopted)
{
	both_log_in();
	gate_put(&at_a, 1, "<presence from='" JULIET "/balcony'/>");
	gate_expect_element(&at_a, 1, "from='" JULIET "/balcony'");
	gate_session(&at_b, 2, JULIET, FIXTURE_PASSWORD, "chamber");
	gate_put(&at_b, 2, "<presence from='" JULIET "/chamber'/>");
	gate_expect_element(&at_b, 2, "from='" JULIET "/chamber'");
	gate_expect_element(&at_b, 2, "from='" JULIET "/balcony'");
	gate_expect_element(&at_a, 1, "from='" JULIET "/chamber'");
	node_stop(&a);
	juliet_says("one");
	struct gate old = at_a;
	gate_begin_again(&at_a, b.socket, 1, old.epoch);
	gate_adopt(&at_a, 1, JULIET "/balcony", 3, 1);
	cr_expect_eq(gate_expect_attached(&at_a, 1), 1);
	juliet_says("one");
	expect_id(&at_b, "one");
	node_wakes(&a, &old);
	gate_expect_quiet(&at_b);
}

Test(nodes, a_late_adoption_is_none)
{
	struct gate late;
	struct frame frame;
	both_log_in();
	gate_begin_again(&late, b.socket, 1, at_a.epoch);
	node_stop(&b);
	gate_adopt(&late, 1, JULIET "/balcony", 1, 0);
	gate_moves(&at_a, &a);
	gate_reattach(&at_a, 1, 1);
	cr_expect_eq(gate_expect_attached(&at_a, 1), 0);
	kill(b.pid, SIGCONT);
	gate_expect(&late, FRAME_LOST, 1, &frame);
	gate_end(&late);
	romeo_says("one");
	expect_id(&at_a, "one");
}

Test(nodes, numbers_that_cannot_be)
{
	struct frame frame;
	both_log_in();
	node_end(&a, SIGKILL);
	gate_moves(&at_a, &b);
	gate_adopt(&at_a, 1, JULIET "/balcony", 5, 0);
	gate_expect(&at_a, FRAME_LOST, 1, &frame);
	gate_adopt(&at_a, 2, JULIET "/chamber", 1, 0);
	gate_expect(&at_a, FRAME_LOST, 2, &frame);
}

/* Whoever leaves in peace ends no session either. */
Test(nodes, who_leaves_is_adopted)
{
	struct frame frame;
	both_log_in();
	kill(a.pid, SIGTERM);
	gate_expect(&at_a, FRAME_DRAIN, 0, &frame);
	gate_expect_end(&at_a);
	gate_moves(&at_a, &b);
	gate_adopt(&at_a, 1, JULIET "/balcony", 1, 0);
	cr_expect_eq(gate_expect_attached(&at_a, 1), 0);
	romeo_says("one");
	expect_id(&at_a, "one");
	node_end(&a, SIGTERM);
}

/* An impatient gate, and five seconds more. */
Test(nodes, whom_nobody_adopts_has_gone)
{
	enum { FIVE_SECONDS_US = 4990000 }; /* two clocks tell of them */
	struct gate brief;
	gate_session(&at_b, 2, JULIET, FIXTURE_PASSWORD, "chamber");
	gate_put(&at_b, 2, "<presence from='" JULIET "/chamber'/>");
	gate_expect_element(&at_b, 2, "from='" JULIET "/chamber'");
	gate_session(&at_b, 1, ROMEO, "juliet", "garden");
	gate_begin(&brief, a.socket, 1);
	gate_session(&brief, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_put(&brief, 1, "<presence from='" JULIET "/balcony'/>");
	gate_expect_element(&at_b, 2, "from='" JULIET "/balcony'");
	uint64_t begin_us = clock_machine_us();
	node_end(&a, SIGKILL);
	gate_end(&brief);
	romeo_says("undelivered");
	gate_put(&at_b, 1,
		 "<iq type='get' to='" JULIET "/balcony' from='" ROMEO
		 "/garden' id='q'><ping xmlns='urn:xmpp:ping'/></iq>");
	const char *gone = gate_expect_element(&at_b, 2, "type='unavailable'");
	cr_expect_geq(clock_machine_us() - begin_us, FIVE_SECONDS_US, "not earlier, and nothing else before it");
	cr_expect(strstr(gone, "from='" JULIET "/balcony'"));
	gate_expect_element(&at_b, 2, "id='undelivered'");
	expect_id(&at_b, "q");
}

/* With nobody else there it is kept, and has the time at which that was. */
Test(nodes, what_nobody_has_read_is_kept)
{
	struct gate brief;
	gate_session(&at_b, 1, ROMEO, "juliet", "garden");
	gate_begin(&brief, a.socket, 1);
	gate_session(&brief, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_put(&brief, 1, "<presence from='" JULIET "/balcony'/>");
	gate_expect_element(&brief, 1, "from='" JULIET "/balcony'");
	gate_put(&brief, 1, "<presence to='" ROMEO "/garden' from='" JULIET "/balcony'/>");
	gate_expect_element(&at_b, 1, "from='" JULIET "/balcony'");
	brief.acks_nothing = true;
	romeo_says("kept");
	expect_id(&brief, "kept");
	gate_end(&brief);
	gate_expect_element(&at_b, 1, "type='unavailable'");
	gate_session(&at_b, 2, JULIET, FIXTURE_PASSWORD, "chamber");
	gate_put(&at_b, 2, "<presence from='" JULIET "/chamber'/>");
	gate_expect_element(&at_b, 2, "from='" JULIET "/chamber'");
	const char *kept = gate_expect_element(&at_b, 2, "id='kept'");
	cr_expect(strstr(kept, "<delay xmlns='urn:xmpp:delay' from='example.com'"), "%s", kept);
	gate_expect_quiet(&at_b);
}
