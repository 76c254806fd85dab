#include "stage.h"

#include <stdio.h>
#include <string.h>

#define STAMP " from='juliet@example.org/r'"

static struct stage stage;
static struct server server;

static void begin(void)
{
	stage_init(&stage);
	stage_begin(&stage);
	server_accept(&stage, 0, &server);
}

static void end(void)
{
	server_free(&server);
	stage_end(&stage);
}

TestSuite(login, .init = begin, .fini = end);

static void field_check(const struct frame *frame, enum frame_field field, const char *text)
{
	struct frame_value value;

	cr_assert(frame_find(frame, field, &value));
	cr_assert(value.len == strlen(text) && memcmp(value.at, text, value.len) == 0, "field %d is %.*s", (int)field,
		  (int)value.len, (const char *)value.at);
}

static void open_check(const struct frame *open, enum client_way way, enum record_version version)
{
	struct frame_value value;

	field_check(open, FIELD_DOMAIN, "example.org");
	field_check(open, FIELD_ADDRESS, "127.0.0.1");
	field_check(open, FIELD_LANG, "de");
	field_check(open, FIELD_TLS_CIPHER, "AES_128_GCM");
	cr_assert_eq(frame_find_int(open, FIELD_TLS_VERSION, 0), version == RECORD_TLS13 ? 0x304 : 0x303);
	cr_assert_eq(frame_find_int(open, FIELD_DIRECT, 9), way == WAY_DIRECT);
	cr_assert(frame_find(open, FIELD_TLS_EXPORTER, &value) && value.len == 32);
	cr_assert(frame_find(open, FIELD_TLS_END_POINT, &value) && value.len == 32);
	cr_assert(frame_find(open, FIELD_STREAM_ID, &value) && value.len == 32);
	cr_assert_neq(frame_find_int(open, FIELD_PORT, 0), 0);
}

/* RFC 6120, 9.1, as both ends see it. */
static void converse(enum client_way way, enum record_version version)
{
	struct actor a;
	struct frame frame;
	frame_session session;

	actor_connect_as(&stage, &a, way, version);
	actor_say(&a, HEADER " to='example.org' xml:lang='de'>");
	actor_until(&a, FEATURES(MECHANISMS));
	actor_say(&a, "<auth " SASL " mechanism='SCRAM-SHA-1'>biwsbj1qdWxpZXQscj0x</auth>");
	server_expect(&server, FRAME_OPEN, 0, &frame);
	open_check(&frame, way, version);
	session = frame.session;
	server_expect_element(&server, session, "<auth " SASL " mechanism='SCRAM-SHA-1'>biwsbj1qdWxpZXQscj0x</auth>");
	server_put(&server, session, "<challenge " SASL ">cj0x</challenge>");
	actor_expect(&a, "<challenge " SASL ">cj0x</challenge>");
	actor_say(&a, "<response " SASL ">Yz1i</response>");
	server_expect_element(&server, session, "<response " SASL ">Yz1i</response>");
	server_state(&server, session, FRAME_STAGE_AUTHENTICATED, "juliet@example.org", BINDING);
	server_put(&server, session, SUCCESS);
	actor_expect(&a, SUCCESS);
	actor_say(&a, "<?xml version='1.0'?>" HEADER " to='example.org' xml:lang='de'>");
	actor_until(&a, FEATURES(BINDING));
	actor_say(&a, BIND);
	server_expect_element(&server, session, BIND);
	server_state(&server, session, FRAME_STAGE_BOUND, "juliet@example.org/balcony", NULL);
	server_put(&server, session, BOUND);
	actor_expect(&a, BOUND);
	actor_say(&a, "<message to='romeo@example.net'><body>Art thou not Romeo?</body></message>");
	server_expect_element(&server, session,
			      "<message from='juliet@example.org/balcony' xml:lang='de' to='romeo@example.net'>"
			      "<body>Art thou not Romeo?</body></message>");
	server_put(&server, session, "<message from='romeo@example.net/x'><body>Neither</body></message>");
	actor_expect(&a, "<message from='romeo@example.net/x'><body>Neither</body></message>");
	actor_say(&a, "</stream:stream>");
	actor_expect(&a, "</stream:stream>");
	server_expect(&server, FRAME_CLOSE, session, &frame);
	cr_assert_eq(frame_find_int(&frame, FIELD_CLEAN, 0), 1);
	actor_expect_end(&a);
	actor_free(&a);
}

Test(login, conversation_by_every_way)
{
	for (enum client_way way = WAY_STARTTLS; way <= WAY_DIRECT; way++)
		for (enum record_version v = RECORD_TLS12; v <= RECORD_TLS13; v++)
			converse(way, v);
	cr_assert_eq(stage_counter(&stage, COUNTER_logins), 4);
	cr_assert_eq(stage_counter(&stage, COUNTER_messages_in), 4);
	cr_assert_eq(stage_counter(&stage, COUNTER_messages_out), 4);
	stage_until(stage_closes(&stage, REASON_CLIENT_END) == 4);
}

Test(login, stanzas_get_the_clients_own_from)
{
	static const char *const cases[][2] = {
		{"<presence/>", "<presence from='juliet@example.org/&lt;x&gt;'/>"},
		{"<message from='eve@example.com' to='a@b'/>",
		 "<message from='juliet@example.org/&lt;x&gt;' to='a@b'/>"},
		{"<message to='a@b'\n from = \"eve\" id='1'>t</message>",
		 "<message from='juliet@example.org/&lt;x&gt;' to='a@b' id='1'>t</message>"},
		{"<iq type='get' id='i' from='x'/>", "<iq from='juliet@example.org/&lt;x&gt;' type='get' id='i'/>"},
		{"<r xmlns='urn:xmpp:sm:3'/>", "<r xmlns='urn:xmpp:sm:3'/>"},
	};
	struct actor a;

	actor_connect(&stage, &a, WAY_DIRECT);
	actor_login(&a, &server, "<x>");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		actor_say(&a, cases[i][0]);
		server_expect_element(&server, a.session, cases[i][1]);
	}
	actor_free(&a);
}

/* RFC 6120, 4.8.5: what only the header declares goes with the elements that rely on it. */
Test(login, elements_take_along_what_the_header_declares)
{
	static const char *const cases[][2] = {
		{"<presence/>", "<presence" STAMP "/>"},
		{"<message from='eve@b' p:x='1'><q:y/></message>",
		 "<message" STAMP " xmlns:p='urn:p' xmlns:q=\"urn:'q\" p:x='1'><q:y/></message>"},
		{"<message><q:y xmlns:q='urn:z'/><body p:b=''/></message>",
		 "<message" STAMP " xmlns:p='urn:p'><q:y xmlns:q='urn:z'/><body p:b=''/></message>"},
		{"<iq type='get' id='1'><stream:x/></iq>",
		 "<iq" STAMP " xmlns:stream='http://etherx.jabber.org/streams' type='get' id='1'><stream:x/></iq>"},
		{"<sm:r/>", "<sm:r xmlns:sm='urn:xmpp:sm:3'/>"},
	};
	struct actor a;

	actor_connect(&stage, &a, WAY_DIRECT);
	actor_login_with(&a, &server, "r",
			 HEADER " to='example.org' xmlns:p='urn:p' xmlns:q=\"urn:'q\" xmlns:sm='urn:xmpp:sm:3'>");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		actor_say(&a, cases[i][0]);
		server_expect_element(&server, a.session, cases[i][1]);
	}
	actor_free(&a);
}

/* A stream's declarations end with it, and begin with its header. */
Test(login, the_scope_is_that_of_the_present_stream)
{
	struct frame frame;
	struct actor a;

	actor_connect(&stage, &a, WAY_DIRECT);
	actor_say(&a, HEADER " to='example.org' xmlns:s='urn:ietf:params:xml:ns:xmpp-sasl'>");
	actor_until(&a, FEATURES(MECHANISMS));
	actor_say(&a, "<s:auth mechanism='PLAIN'>AGp1bGlldABy</s:auth>");
	server_expect(&server, FRAME_OPEN, 0, &frame);
	a.session = frame.session;
	server_expect_element(
		&server, a.session,
		"<s:auth xmlns:s='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGp1bGlldABy</s:auth>");
	server_state(&server, a.session, FRAME_STAGE_AUTHENTICATED, "juliet@example.org", BINDING);
	server_put(&server, a.session, SUCCESS);
	actor_expect(&a, SUCCESS);
	actor_say(&a, HEADER_ "<iq type='set' id='b'><s:bind/></iq>");
	actor_until(&a, FEATURES(BINDING));
	actor_until(&a, "<bad-namespace-prefix xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>");
	actor_until(&a, "</stream:stream>");
	actor_free(&a);
}

Test(login, the_streams_language_is_said_where_none_is)
{
	struct actor a;
	struct frame frame;

	actor_connect(&stage, &a, WAY_DIRECT);
	actor_say(&a, HEADER " to='example.org' xml:lang='eo'>");
	actor_say(&a, AUTH);
	server_expect(&server, FRAME_OPEN, 0, &frame);
	a.session = server_expect_element(&server, frame.session, AUTH);
	server_state(&server, a.session, FRAME_STAGE_AUTHENTICATED, "juliet@example.org", BINDING);
	server_put(&server, a.session, SUCCESS);
	actor_until(&a, SUCCESS);
	actor_say(&a, HEADER " to='example.org' xml:lang='fr'>" BIND);
	server_expect_element(&server, a.session, BIND);
	server_state(&server, a.session, FRAME_STAGE_BOUND, "juliet@example.org/r", NULL);
	server_put(&server, a.session, BOUND);
	actor_until(&a, BOUND);
	actor_say(&a, "<message/><message xml:lang='en'/>");
	server_expect_element(&server, a.session, "<message from='juliet@example.org/r' xml:lang='fr'/>");
	server_expect_element(&server, a.session, "<message from='juliet@example.org/r' xml:lang='en'/>");
	actor_free(&a);
}

/* Everything a client may say without waiting, cut in two at every place; the answers come late. */
static void pipeline(size_t cut)
{
	static const char all[] = AUTH "<?xml version='1.0'?>" HEADER_ BIND "<message to='a@b'/><presence/>";
	struct actor a;
	struct frame frame;

	actor_connect(&stage, &a, WAY_DIRECT);
	actor_open(&a);
	actor_say_bytes(&a, all, cut);
	if (cut % 2 == 0)
		actor_say_bytes(&a, all + cut, sizeof all - 1 - cut);
	if (cut % 2 == 1 && cut < sizeof AUTH - 1)
		actor_say_bytes(&a, all + cut, sizeof all - 1 - cut);
	server_expect(&server, FRAME_OPEN, 0, &frame);
	a.session = server_expect_element(&server, frame.session, AUTH);
	cr_assert(server_is_quiet(&server));
	server_state(&server, a.session, FRAME_STAGE_AUTHENTICATED, "juliet@example.org", BINDING);
	server_put(&server, a.session, SUCCESS);
	actor_expect(&a, SUCCESS);
	if (cut % 2 == 1 && cut >= sizeof AUTH - 1)
		actor_say_bytes(&a, all + cut, sizeof all - 1 - cut);
	actor_until(&a, FEATURES(BINDING));
	server_expect_element(&server, a.session, BIND);
	cr_assert(server_is_quiet(&server));
	server_state(&server, a.session, FRAME_STAGE_BOUND, "juliet@example.org/r", NULL);
	server_put(&server, a.session, BOUND);
	actor_expect(&a, BOUND);
	server_expect_element(&server, a.session, "<message from='juliet@example.org/r' to='a@b'/>");
	server_expect_element(&server, a.session, "<presence from='juliet@example.org/r'/>");
	actor_reset(&a);
	server_expect(&server, FRAME_CLOSE, frame.session, &frame);
	cr_assert_eq(frame_find_int(&frame, FIELD_CLEAN, 1), 0);
}

Test(login, what_is_said_too_early_waits_for_the_answer)
{
	size_t len = sizeof AUTH "<?xml version='1.0'?>" HEADER_ BIND "<message to='a@b'/><presence/>" - 1;

	for (size_t cut = 0; cut <= len; cut++)
		pipeline(cut);
	cr_assert_eq(stage_counter(&stage, COUNTER_logins), len + 1);
}

/* Some clients write a line feed behind each element, of which a part may come when the new stream is expected. */
Test(login, white_space_behind_auth_is_of_the_old_stream)
{
	struct actor a;
	struct frame frame;

	actor_connect(&stage, &a, WAY_DIRECT);
	actor_open(&a);
	actor_say(&a, AUTH "\n");
	server_expect(&server, FRAME_OPEN, 0, &frame);
	server_expect_element(&server, frame.session, AUTH);
	server_state(&server, frame.session, FRAME_STAGE_AUTHENTICATED, "juliet@example.org", BINDING);
	server_put(&server, frame.session, SUCCESS);
	actor_expect(&a, SUCCESS);
	actor_say(&a, "\r\n");
	actor_say(&a, " \t<?xml version='1.0'?>\n" HEADER_);
	actor_until(&a, FEATURES(BINDING));
	actor_free(&a);
}

/* One character, one record. */
Test(login, stanzas_of_single_bytes)
{
	static const char text[] = "<message to='a@b'><body>\xe2\x82\xac</body></message>";
	struct actor a;

	actor_connect(&stage, &a, WAY_DIRECT);
	actor_login(&a, &server, "r");
	for (size_t i = 0; i < sizeof text - 1; i++)
		actor_say_bytes(&a, text + i, 1);
	server_expect_element(&server, a.session,
			      "<message from='juliet@example.org/r' to='a@b'><body>\xe2\x82\xac</body></message>");
	actor_free(&a);
}

Test(login, a_large_stanza_passes_both_ways)
{
	enum { MUCH = 200000 };
	static char text[MUCH + 100], expected[MUCH + 200];
	struct actor a;
	struct frame frame;

	snprintf(text, sizeof text, "<message><body>%0*d</body></message>", MUCH, 7);
	snprintf(expected, sizeof expected, "<message from='juliet@example.org/r'><body>%0*d</body></message>", MUCH,
		 7);
	actor_connect(&stage, &a, WAY_DIRECT);
	actor_login(&a, &server, "r");
	for (int i = 0; i < 3; i++) {
		actor_say(&a, text);
		server_expect(&server, FRAME_ELEMENT, a.session, &frame);
		cr_assert_eq(frame.payload_len, strlen(expected));
		cr_assert_eq(memcmp(frame.payload, expected, frame.payload_len), 0);
		server_put(&server, a.session, text);
		actor_expect(&a, text);
	}
	actor_free(&a);
}

Test(login, clear_text_behind_starttls_ends_it)
{
	struct actor a;

	actor_dial(&stage, &a, false);
	actor_say(&a, HEADER_);
	actor_until(&a, "</stream:features>");
	actor_say(&a, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><auth/>");
	while (actor_hear(&a))
		;
	cr_assert_eq(stage_closes(&stage, REASON_TLS_INJECTION), 1);
	actor_free(&a);
}

Test(login, a_domain_nobody_serves)
{
	struct actor a;

	actor_connect(&stage, &a, WAY_DIRECT);
	actor_say(&a, HEADER " to='example.net'>");
	actor_until(&a, STREAM_ERROR("host-unknown"));
	actor_until(&a, "</stream:stream>");
	actor_expect_end(&a);
	cr_assert_eq(stage_closes(&stage, REASON_HOST_UNKNOWN), 1);
	actor_free(&a);
}
