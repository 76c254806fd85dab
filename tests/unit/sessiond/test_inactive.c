/* Client state indication (XEP-0352): Juliet's client is inactive, Romeo's and her other one are not. */
#include "stage.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define CSI    "urn:xmpp:csi:0"
#define STATES "http://jabber.org/protocol/chatstates"

enum { J = 1, R = 2, OTHER = 3, AGAIN = 4 };

/* Both of Juliet's are available. */
static void begin(void)
{
	stage_begin(false);
	gate.counts_requests = true;
	gate_session(&gate, J, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_put(&gate, J, "<presence from='" JULIET "/balcony'/>");
	gate_expect_element(&gate, J, "<presence");
	gate_session(&gate, OTHER, JULIET, FIXTURE_PASSWORD, "chamber");
	gate_put(&gate, OTHER, "<presence from='" JULIET "/chamber'/>");
	gate_expect_element(&gate, OTHER, "<presence");
	gate_expect_element(&gate, J, "<presence");
	gate_expect_element(&gate, OTHER, "<presence");
	gate_session(&gate, R, ROMEO, "juliet", "garden");
}

TestSuite(inactive, .init = begin, .fini = stage_end);

static void show(const char *show)
{
	gate_put(&gate, OTHER, "<presence from='" JULIET "/chamber'><show>%s</show></presence>", show);
	gate_expect_element(&gate, OTHER, show);
}

static void become(const char *state)
{
	gate_put(&gate, J, "<%s xmlns='" CSI "'/>", state);
}

static void romeo_says(const char *what)
{
	gate_put(&gate, R, "<message type='chat' to='" JULIET "/balcony' from='" ROMEO "/garden'>%s</message>", what);
}

Test(inactive, it_is_offered_after_login)
{
	struct frame frame;
	struct frame_value features;
	char text[1024];
	gate_open(&gate, 9, "example.com", NULL);
	gate_put(&gate, 9, "<auth xmlns='" SASL_NS "' mechanism='PLAIN'>AGp1bGlldAByMG0zMCBteSByMG0zMA==</auth>");
	gate_expect(&gate, FRAME_STATE, 9, &frame);
	cr_assert(frame_find(&frame, FIELD_FEATURES, &features));
	snprintf(text, sizeof text, "%.*s", (int)features.len, (const char *)features.at);
	cr_expect(strstr(text, "<csi xmlns='" CSI "'/>"), "%s", text);
}

Test(inactive, the_newest_presence_comes_when_it_is_active_again)
{
	become("inactive");
	show("away");
	show("dnd");
	romeo_says("<composing xmlns='" STATES "'/>");
	romeo_says("<paused xmlns='" STATES "'/><thread>t</thread><no-store xmlns='urn:xmpp:hints'/>");
	gate_expect_quiet(&gate);
	become("active");
	gate_expect_element(&gate, J, "<show>dnd</show>");
	gate_expect_element(&gate, J, "<paused ");
	gate_expect_quiet(&gate);
	show("xa");
	gate_expect_element(&gate, J, "<show>xa</show>");
	become("inactive");
	become("active");
	gate_expect_quiet(&gate);
}

Test(inactive, a_message_comes_behind_what_was_held_back)
{
	become("inactive");
	show("away");
	romeo_says("<composing xmlns='" STATES "'/>");
	romeo_says("<body>x</body><active xmlns='" STATES "'/>");
	gate_expect_element(&gate, J, "<show>away</show>");
	gate_expect_element(&gate, J, "<composing ");
	gate_expect_element(&gate, J, "<body>x</body>");
	gate_expect_quiet(&gate);
	show("dnd");
	gate_expect_quiet(&gate);
	gate_put(&gate, J, "<iq type='get' id='p' from='" JULIET "/balcony'><ping xmlns='urn:xmpp:ping'/></iq>");
	gate_expect_element(&gate, J, "<show>dnd</show>");
	gate_expect_element(&gate, J, "id='p'");
}

Test(inactive, what_cannot_wait)
{
	become("inactive");
	gate_put(&gate, R, "<presence to='" JULIET "' from='" ROMEO "/garden' type='subscribe'/>");
	gate_expect_element(&gate, OTHER, "type='subscribe'");
	gate_expect_element(&gate, J, "type='subscribe'");
	romeo_says("<received xmlns='urn:xmpp:receipts' id='1'/><active xmlns='" STATES "'/>");
	gate_expect_element(&gate, J, "<received ");
	gate_put(&gate, J, "<presence from='" JULIET "/balcony'><show>away</show></presence>");
	gate_expect_element(&gate, J, "from='" JULIET "/balcony'");
	gate_expect_element(&gate, OTHER, "from='" JULIET "/balcony'");
	gate_expect_quiet(&gate);
}

/* The gate's word is taken for who says something. */
static void romeo_shows(int number)
{
	gate_put(&gate, R, "<presence to='" JULIET "/balcony' from='" ROMEO "/r%d'/>", number);
}

Test(inactive, there_are_not_too_many)
{
	char part[64];
	become("inactive");
	romeo_shows(0);
	for (int i = 0; i < 256; i++)
		romeo_shows(i);
	gate_expect_quiet(&gate);
	romeo_shows(256);
	for (int i = 0; i <= 256; i++) {
		snprintf(part, sizeof part, "/r%d'", i);
		gate_expect_element(&gate, J, part);
	}
	romeo_shows(0);
	gate_expect_quiet(&gate);
}

Test(inactive, whoever_resumes_is_active)
{
	char id[128];
	gate_put(&gate, J, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
	const char *found = strstr(gate_expect_element(&gate, J, "<enabled "), " id='");
	cr_assert(found);
	snprintf(id, sizeof id, "%.*s", (int)strcspn(found + 5, "'"), found + 5);
	become("inactive");
	show("away");
	gate_close(&gate, J, false);
	gate_expect_close(&gate, J, NULL);
	show("dnd");
	romeo_says("<composing xmlns='" STATES "'/>");
	gate_open(&gate, AGAIN, "example.com", NULL);
	gate_login(&gate, AGAIN, "juliet", FIXTURE_PASSWORD);
	gate_put(&gate, AGAIN, "<resume xmlns='urn:xmpp:sm:3' previd='%s' h='0'/>", id);
	struct frame frame;
	gate_expect(&gate, FRAME_STATE, AGAIN, &frame);
	gate_expect_element(&gate, AGAIN, "<resumed ");
	gate_expect_element(&gate, AGAIN, "<show>dnd</show>");
	gate_expect_element(&gate, AGAIN, "<composing ");
	gate_expect_quiet(&gate);
	show("xa");
	gate_expect_element(&gate, AGAIN, "<show>xa</show>");
}
