/* Conversations with a whole server: from the first element of a client to its stanzas. */
#include "base64.h"
#include "client.h"
#include "stage.h"
#include <criterion/criterion.h>
#include <gsasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void begin(void)
{
	stage_begin(false);
}

TestSuite(talk, .init = begin, .fini = stage_end);

static void field_is(const struct frame *frame, enum frame_field field, const char *text)
{
	struct frame_value value;
	cr_assert(frame_find(frame, field, &value));
	cr_expect(value.len == strlen(text) && memcmp(value.at, text, value.len) == 0, "%.*s for %s", (int)value.len,
		  (const char *)value.at, text);
}

/* SCRAM through the link, the client GNU SASL's. */
static void scram_login(const char *mechanism, const uint8_t *exporter)
{
	Gsasl *gsasl;
	Gsasl_session *client;
	char binding[64], *text = NULL;
	struct frame frame;
	gsasl_init(&gsasl);
	cr_assert_eq(gsasl_client_start(gsasl, mechanism, &client), GSASL_OK);
	gsasl_property_set(client, GSASL_AUTHID, "juliet");
	gsasl_property_set(client, GSASL_PASSWORD, FIXTURE_PASSWORD);
	if (exporter) {
		base64_encode(exporter, 32, binding);
		gsasl_property_set(client, GSASL_CB_TLS_EXPORTER, binding);
	}
	cr_assert_eq(gsasl_step64(client, "", &text), GSASL_NEEDS_MORE);
	gate_put(&gate, 1, "<auth xmlns='" SASL_NS "' mechanism='%s'>%s</auth>", mechanism, text);
	gsasl_free(text);
	const char *challenge = strchr(gate_expect_element(&gate, 1, "<challenge xmlns='" SASL_NS "'>"), '>') + 1;
	char *data = strndup(challenge, strcspn(challenge, "<"));
	cr_assert_eq(gsasl_step64(client, data, &text), GSASL_NEEDS_MORE);
	gate_put(&gate, 1, "<response xmlns='" SASL_NS "'>%s</response>", text);
	gsasl_free(text);
	free(data);
	gate_expect(&gate, FRAME_STATE, 1, &frame);
	const char *success = strchr(gate_expect_element(&gate, 1, "<success xmlns='" SASL_NS "'>"), '>') + 1;
	data = strndup(success, strcspn(success, "<"));
	cr_expect_eq(gsasl_step64(client, data, &text), GSASL_OK);
	gsasl_free(text);
	free(data);
	gsasl_finish(client);
	gsasl_done(gsasl);
}

Test(talk, scram_over_the_link)
{
	gate_open(&gate, 1, "example.com", NULL);
	scram_login("SCRAM-SHA-256", NULL);
}

Test(talk, scram_with_binding_over_the_link)
{
	static const uint8_t exporter[32] = "an exporter of thirty-two bytes";
	gate_open(&gate, 1, "example.com", exporter);
	scram_login("SCRAM-SHA-256-PLUS", exporter);
}

Test(talk, B1_login_and_bind_announce_themselves_first)
{
	struct frame frame;
	struct frame_value features;
	gate_open(&gate, 1, "example.com", NULL);
	gate_put(&gate, 1, "<auth xmlns='" SASL_NS "' mechanism='PLAIN'/>");
	gate_expect_element(&gate, 1, "<challenge xmlns='" SASL_NS "'></challenge>");
	gate_put(&gate, 1, "<response xmlns='" SASL_NS "'>AGp1bGlldAByMG0zMCBteSByMG0zMA==</response>");
	gate_expect(&gate, FRAME_STATE, 1, &frame);
	cr_expect_eq(frame_find_int(&frame, FIELD_STAGE, 0), FRAME_STAGE_AUTHENTICATED);
	field_is(&frame, FIELD_JID, JULIET);
	cr_assert(frame_find(&frame, FIELD_FEATURES, &features));
	cr_expect_eq(memcmp(features.at, BIND, strlen(BIND)), 0);
	gate_expect_element(&gate, 1, "<success xmlns='" SASL_NS "'/>");
	gate_bind(&gate, 1, JULIET, "balcony");
	gate_put(&gate, 1, "<iq type='get' id='p1' from='" JULIET "/balcony'><ping xmlns='urn:xmpp:ping'/></iq>");
	gate_expect_element(&gate, 1, "id='p1'");
}

Test(talk, B2_a_resource_is_made_for_who_wants_none)
{
	struct frame frame;
	char made[2][64];
	for (unsigned i = 0; i < 2; i++) {
		gate_open(&gate, i + 1, "example.com", NULL);
		gate_login(&gate, i + 1, "juliet", FIXTURE_PASSWORD);
		gate_put(&gate, i + 1, "<iq type='set' id='b'>%s</iq>",
			 i ? "<b:bind xmlns:b='urn:ietf:params:xml:ns:xmpp-bind'><b:resource/></b:bind>" : BIND);
		struct frame_value jid;
		gate_expect(&gate, FRAME_STATE, i + 1, &frame);
		cr_assert(frame_find(&frame, FIELD_JID, &jid));
		cr_assert_lt(jid.len, sizeof made[i]);
		snprintf(made[i], sizeof made[i], "%.*s", (int)jid.len, (const char *)jid.at);
		gate_expect_element(&gate, i + 1, made[i]);
		cr_expect_eq(strlen(made[i]), strlen(JULIET "/") + 16);
	}
	cr_expect_str_neq(made[0], made[1]);
}

Test(talk, B3_the_new_session_wins)
{
	struct gate other;
	gate_session(&gate, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_begin(&other, fixture.socket, 2);
	gate_session(&other, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_expect_close(&gate, 1, "conflict");
	gate_put(&other, 1, "<message to='" JULIET "/balcony' from='" JULIET "/balcony'><body>alone</body></message>");
	gate_expect_element(&other, 1, "alone");
	gate_expect_quiet(&gate);
	gate_end(&other);
}

Test(talk, B4_B5_bad_resources)
{
	gate_open(&gate, 1, "example.com", NULL);
	/* Failures of logging in do not count for binding. */
	for (int i = 1; i < CLIENT_FAILURES_MAX; i++)
		login_fails(1, "ANONYMOUS", "", "invalid-mechanism");
	gate_login(&gate, 1, "juliet", FIXTURE_PASSWORD);
	for (int i = 0; i < CLIENT_FAILURES_MAX; i++) {
		gate_put(&gate, 1,
			 "<iq type='set' id='b&lt;%d'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
			 "<resource>\xe2\x80\xa8</resource></bind></iq>",
			 i);
		gate_expect_element(&gate, 1, "<bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>");
	}
	gate_expect_close(&gate, 1, "policy-violation");
}

Test(talk, B4_too_many_resources)
{
	char resource[16];
	for (unsigned i = 1; i <= CLIENT_RESOURCES_MAX; i++) {
		snprintf(resource, sizeof resource, "r%u", i);
		gate_session(&gate, i, JULIET, FIXTURE_PASSWORD, resource);
	}
	gate_open(&gate, 1000, "example.com", NULL);
	gate_login(&gate, 1000, "juliet", FIXTURE_PASSWORD);
	gate_put(&gate, 1000, "<iq type='set' id='b'>" BIND "</iq>");
	gate_expect_element(&gate, 1000, "<resource-constraint ");
	/* One that is there already takes no more room. */
	gate_put(&gate, 1000,
		 "<iq type='set' id='c'><bind "
		 "xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r7</resource></bind></iq>");
	gate_expect_close(&gate, 7, "conflict");
}

Test(talk, bind_again_and_the_old_session_request)
{
	gate_session(&gate, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_put(&gate, 1, "<iq type='set' id='again' from='" JULIET "/balcony'>" BIND "</iq>");
	gate_expect_element(&gate, 1, "<not-allowed ");
	gate_put(&gate, 1,
		 "<iq type='set' id=\"s'1\" from='" JULIET
		 "/balcony'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>");
	gate_expect_element(&gate, 1, "<iq type='result' id='s&apos;1'/>");
}

Test(talk, B1_S4_stanzas_too_early_end_the_stream)
{
	static const char *const early[] = {
		"<presence/>",
		"<message to='" ROMEO "'/>",
		"<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>",
		"<iq type='set' id='1'>" BIND "</iq>",
		"<auth xmlns='jabber:client'/>",
		"<iq type='get' id='1'><query xmlns='jabber:iq:register'/></iq>",
	};
	for (unsigned i = 0; i < sizeof early / sizeof early[0]; i++) {
		gate_open(&gate, i + 1, "example.com", NULL);
		gate_send_frame(&gate, FRAME_ELEMENT, i + 1, early[i]);
		gate_expect_close(&gate, i + 1, "not-authorized");
		if (i == 3)
			continue;
		gate_open(&gate, i + 101, "example.com", NULL);
		gate_login(&gate, i + 101, "juliet", FIXTURE_PASSWORD);
		gate_send_frame(&gate, FRAME_ELEMENT, i + 101, early[i]);
		gate_expect_close(&gate, i + 101, "not-authorized");
	}
}

Test(talk, message_between_two_links)
{
	struct gate other;
	gate_begin(&other, fixture.socket, 2);
	gate_session(&gate, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_session(&other, 1, ROMEO, "juliet", "garden");
	gate_put(&other, 1,
		 "<message to='" JULIET "/balcony' from='" ROMEO "/garden' id='m1'><body>Art thou?</body></message>");
	const char *message = gate_expect_element(&gate, 1, "<body>Art thou?</body>");
	cr_expect(strstr(message, "from='" ROMEO "/garden'"));
	gate_expect_quiet(&other);
	gate_end(&other);
}

Test(talk, A6_V25_five_failures_end_the_stream)
{
	gate_open(&gate, 1, "example.com", NULL);
	login_fails(1, "PLAIN", "AGp1bGlldAB3cm9uZw==", "not-authorized");
	login_fails(1, "PLAIN", "AGp1bGlldAB3cm9uZ", "incorrect-encoding");
	login_fails(1, "ANONYMOUS", "", "invalid-mechanism");
	login_fails(1, "SCRAM-SHA-256-PLUS", "", "invalid-mechanism");
	login_fails(1, "PLAIN", "=", "malformed-request");
	gate_expect_close(&gate, 1, "policy-violation");
	gate_put(&gate, 1, "<auth xmlns='" SASL_NS "' mechanism='PLAIN'>AGp1bGlldAByMG0zMCBteSByMG0zMA==</auth>");
	gate_expect_quiet(&gate);
}

static enum sessiond_verdict token_judge(void *context, const char *bare_jid, const char *password)
{
	cr_expect_str_eq(bare_jid, JULIET);
	return strcmp(password, context) == 0 ? SESSIOND_VERDICT_RIGHT : SESSIOND_VERDICT_WRONG;
}

/* {"nauth":1}: a token, which only the program around the library knows. */
Test(talk, who_runs_the_server_judges_tokens)
{
	char token[] = "{\"nauth\":1}";
	struct frame frame;
	struct sessiond_settings settings = settings_of();
	gate_end(&gate);
	server_end();
	settings.judge = token_judge;
	settings.judge_context = token;
	server_begin(&settings);
	gate_begin(&gate, fixture.socket, 2);
	gate_open(&gate, 1, "example.com", NULL);
	login_fails(1, "PLAIN", "AGp1bGlldAB7Im5hdXRoIjoyfQ==", "not-authorized");
	gate_put(&gate, 1, "<auth xmlns='" SASL_NS "' mechanism='PLAIN'>AGp1bGlldAB7Im5hdXRoIjoxfQ==</auth>");
	gate_expect(&gate, FRAME_STATE, 1, &frame);
	gate_expect_element(&gate, 1, "<success xmlns='" SASL_NS "'/>");
}

Test(talk, A6_dropped_exchanges_count)
{
	gate_open(&gate, 1, "example.com", NULL);
	for (int i = 0; i < CLIENT_FAILURES_MAX; i++) {
		gate_put(&gate, 1, "<auth xmlns='" SASL_NS "' mechanism='PLAIN'/>");
		gate_expect_element(&gate, 1, "<challenge");
	}
	gate_put(&gate, 1, "<auth xmlns='" SASL_NS "' mechanism='PLAIN'/>");
	gate_expect_close(&gate, 1, "policy-violation");
}

Test(talk, A5_abort_also_while_a_password_waits_to_be_checked)
{
	gate_open(&gate, 1, "example.com", NULL);
	gate_put(&gate, 1, "<auth xmlns='" SASL_NS "' mechanism='PLAIN'/>");
	gate_expect_element(&gate, 1, "<challenge");
	gate_put(&gate, 1, "<abort xmlns='" SASL_NS "'/>");
	gate_expect_element(&gate, 1, "<aborted/>");
	/* Two frames in one write: the abort is there before the server gets to checking. */
	static const char abort_xml[] = "<abort xmlns='" SASL_NS "'/>";
	static const char auth_xml[] =
		"<auth xmlns='" SASL_NS "' mechanism='PLAIN'>AGp1bGlldAByMG0zMCBteSByMG0zMA==</auth>";
	uint8_t both[512];
	frame_head(both, FRAME_ELEMENT, 1, strlen(auth_xml));
	memcpy(both + FRAME_HEAD_BYTES, auth_xml, strlen(auth_xml));
	size_t len = FRAME_HEAD_BYTES + strlen(auth_xml);
	frame_head(both + len, FRAME_ELEMENT, 1, strlen(abort_xml));
	memcpy(both + len + FRAME_HEAD_BYTES, abort_xml, strlen(abort_xml));
	gate_send(&gate, both, len + FRAME_HEAD_BYTES + strlen(abort_xml));
	gate_expect_element(&gate, 1, "<aborted/>");
	gate_expect_quiet(&gate);
	gate_login(&gate, 1, "juliet", FIXTURE_PASSWORD);
}

Test(talk, a_session_closed_while_its_password_waits)
{
	for (unsigned i = 1; i <= 8; i++) {
		gate_open(&gate, i, "example.com", NULL);
		gate_put(&gate, i, "<auth xmlns='" SASL_NS "' mechanism='PLAIN'>AGp1bGlldAB3cm9uZw==</auth>");
	}
	struct frame frame;
	for (unsigned i = 8; i >= 1; i--)
		gate_send_frame(&gate, FRAME_CLOSE, i, "");
	for (unsigned closed = 0; closed < 8;) {
		cr_assert(gate_next(&gate, &frame));
		closed += frame.type == FRAME_CLOSE;
	}
	gate_expect_quiet(&gate);
	gate_session(&gate, 9, JULIET, FIXTURE_PASSWORD, "balcony");
}

Test(talk, A1_without_tls_no_plain)
{
	gate_open_plain(&gate, 1, "example.com");
	login_fails(1, "PLAIN", "AGp1bGlldAByMG0zMCBteSByMG0zMA==", "encryption-required");
	scram_login("SCRAM-SHA-1", NULL);
}

Test(talk, V23_a_name_belongs_to_its_domain)
{
	gate_open(&gate, 1, "example.org", NULL);
	login_fails(1, "PLAIN", "AGp1bGlldAByMG0zMCBteSByMG0zMA==", "not-authorized");
	gate_open(&gate, 2, "example.net", NULL);
	gate_expect_close(&gate, 2, "host-unknown");
}

Test(talk, elements_that_are_none_end_the_session_only)
{
	static const char *const bad[][2] = {
		{"<message>", "not-well-formed"},
		{"<message></presence>", "not-well-formed"},
		{"<presence/><presence/>", "bad-format"},
		{" <presence/>", "bad-format"},
		{"<presence/> ", "bad-format"},
		{"presence", "bad-format"},
		{"</stream:stream>", "bad-format"},
		{"<!-- --><presence/>", "restricted-xml"},
		{"<presence>\xff</presence>", "unsupported-encoding"},
		{"<a:b/>", "bad-namespace-prefix"},
		{"<foo/>", "unsupported-stanza-type"},
		{"<message xmlns='jabber:server'/>", "unsupported-stanza-type"},
		{"<auth xmlns='" SASL_NS "' mechanism='PLAIN'/>", "unsupported-stanza-type"},
	};
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		gate_session(&gate, i + 1, JULIET, FIXTURE_PASSWORD, "balcony");
		gate_send_frame(&gate, FRAME_ELEMENT, i + 1, bad[i][0]);
		gate_expect_close(&gate, i + 1, bad[i][1]);
	}
	gate_session(&gate, 100, JULIET, FIXTURE_PASSWORD, "balcony");
}

Test(talk, an_element_before_bind_is_small)
{
	enum { LONG = CLIENT_NEGOTIATION_BYTES_MAX };
	char *space = malloc(LONG + 1);
	memset(space, ' ', LONG);
	space[LONG] = '\0';
	gate_open(&gate, 1, "example.com", NULL);
	gate_put(&gate, 1, "<auth xmlns='" SASL_NS "'>%s</auth>", space);
	gate_expect_close(&gate, 1, "policy-violation");
	free(space);
}

/* Two of juliet's sessions, which are here, and one of romeo's. */
static void juliet_twice(void)
{
	gate_session(&gate, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_session(&gate, 2, JULIET, FIXTURE_PASSWORD, "chamber");
	gate_session(&gate, 3, ROMEO, "juliet", "garden");
	gate_put(&gate, 1, "<presence from='" JULIET "/balcony'/>");
	gate_expect_element(&gate, 1, "/balcony'");
	gate_put(&gate, 2, "<presence from='" JULIET "/chamber'/>");
	gate_expect_element(&gate, 2, "/chamber'");
	gate_expect_element(&gate, 1, "/chamber'");
	gate_expect_element(&gate, 2, "/balcony'");
	cr_expect_eq(gate.fanouts, 1);
}

static void romeo_says(const char *what)
{
	gate_put(&gate, 3, "<message type='headline' to='" JULIET "' from='" ROMEO "/garden'><body>%s</body></message>",
		 what);
}

Test(talk, what_sessions_of_an_account_get_alike_goes_once)
{
	juliet_twice();
	romeo_says("to both");
	gate_expect_element(&gate, 2, "to both");
	gate_expect_element(&gate, 1, "to both");
	cr_expect_eq(gate.fanouts, 2);
	gate_send_frame(&gate, FRAME_PAUSE, 2, "");
	romeo_says("one waits");
	gate_expect_element(&gate, 1, "one waits");
	gate_expect_quiet(&gate);
	gate_send_frame(&gate, FRAME_RESUME, 2, "");
	gate_expect_element(&gate, 2, "one waits");
	cr_expect_eq(gate.fanouts, 2);
}

/* What is asked behind an element comes behind it: the numbers of the frames are those of what is stored. */
Test(talk, who_is_asked_behind_what_goes_once_has_had_it)
{
	enum { ASKED_AFTER = 10 };
	juliet_twice();
	for (frame_session i = 1; i <= 2; i++) {
		gate_put(&gate, i, "<enable xmlns='urn:xmpp:sm:3'/>");
		gate_expect_element(&gate, i, "<enabled ");
	}
	for (int i = 1; i <= ASKED_AFTER; i++) {
		romeo_says("to both");
		gate_expect_element(&gate, 2, "to both");
		gate_expect_element(&gate, 1, "to both");
	}
	gate_expect_element(&gate, 2, "<r ");
	gate_expect_element(&gate, 1, "<r ");
	cr_expect_eq(gate.fanouts, 1 + ASKED_AFTER);
}
