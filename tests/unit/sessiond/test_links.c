/* A whole server and its links: their faults, their pressure, their beginning and end. */
#include "client.h"
#include "stage.h"
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void begin(void)
{
	stage_begin(false);
}

TestSuite(links, .init = begin, .fini = stage_end);

static void field_is(const struct frame *frame, enum frame_field field, const char *text)
{
	struct frame_value value;
	cr_assert(frame_find(frame, field, &value));
	cr_expect(value.len == strlen(text) && memcmp(value.at, text, value.len) == 0, "%.*s for %s", (int)value.len,
		  (const char *)value.at, text);
}

Test(links, A2_domains_are_announced_with_their_features)
{
	struct gate other;
	struct frame frame;
	static const char *const domains[] = {"example.com", "example.org"};
	gate_dial(&other, fixture.socket);
	gate_send_hello(&other);
	gate_expect(&other, FRAME_HELLO, 0, &frame);
	field_is(&frame, FIELD_NAME, "session-1");
	for (int i = 0; i < 2; i++) {
		gate_expect(&other, FRAME_DOMAIN, 0, &frame);
		field_is(&frame, FIELD_DOMAIN, domains[i]);
		field_is(&frame, FIELD_FEATURES,
			 "<mechanisms xmlns='" SASL_NS "'><mechanism>SCRAM-SHA-256</mechanism>"
			 "<mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms>");
		field_is(&frame, FIELD_FEATURES_BINDING,
			 "<mechanisms xmlns='" SASL_NS "'><mechanism>SCRAM-SHA-256-PLUS</mechanism>"
			 "<mechanism>SCRAM-SHA-1-PLUS</mechanism><mechanism>SCRAM-SHA-256</mechanism>"
			 "<mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms>"
			 "<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-exporter'/>"
			 "</sasl-channel-binding>");
		field_is(&frame, FIELD_FEATURES_CERTIFICATE,
			 "<mechanisms xmlns='" SASL_NS "'><mechanism>EXTERNAL</mechanism>"
			 "<mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>SCRAM-SHA-1-PLUS</mechanism>"
			 "<mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism>"
			 "<mechanism>PLAIN</mechanism></mechanisms>"
			 "<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-exporter'/>"
			 "</sasl-channel-binding>");
	}
	gate_expect_quiet(&other);
	gate_end(&other);
}

Test(links, close_is_answered_and_late_frames_are_ignored)
{
	gate_session(&gate, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_session(&gate, 2, ROMEO, "juliet", "garden");
	gate_send_frame(&gate, FRAME_CLOSE, 1, "");
	gate_put(&gate, 1, "<presence/>");
	gate_send_frame(&gate, FRAME_PAUSE, 1, "");
	gate_send_frame(&gate, FRAME_CLOSE, 1, "");
	gate_expect_close(&gate, 1, NULL);
	gate_expect_quiet(&gate);
	gate_put(&gate, 2, "<iq type='get' id='p' from='" ROMEO "/garden'><ping xmlns='urn:xmpp:ping'/></iq>");
	gate_expect_element(&gate, 2, "id='p'");
}

Test(links, RFC6121_4_5_2_a_lost_link_makes_its_sessions_unavailable)
{
	struct gate other;
	gate_begin(&other, fixture.socket, 2);
	gate_session(&gate, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_put(&gate, 1, "<presence from='" JULIET "/balcony'/>");
	gate_expect_element(&gate, 1, "from='" JULIET "/balcony'");
	gate_session(&other, 1, JULIET, FIXTURE_PASSWORD, "chamber");
	gate_put(&other, 1, "<presence from='" JULIET "/chamber'/>");
	gate_expect_element(&gate, 1, "from='" JULIET "/chamber'");
	gate_end(&other);
	const char *gone = gate_expect_element(&gate, 1, "unavailable");
	cr_expect(strstr(gone, JULIET "/chamber"));
}

Test(links, paused_elements_wait_in_order)
{
	struct frame frame;
	gate_session(&gate, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_send_frame(&gate, FRAME_PAUSE, 1, "");
	for (int i = 0; i < 50; i++)
		gate_put(&gate, 1,
			 "<iq type='get' id='p%d' from='" JULIET "/balcony'><ping xmlns='urn:xmpp:ping'/></iq>", i);
	gate_expect_quiet(&gate);
	gate_send_frame(&gate, FRAME_RESUME, 1, "");
	for (int i = 0; i < 50; i++) {
		char id[16];
		snprintf(id, sizeof id, "id='p%d'", i);
		gate_expect_element(&gate, 1, id);
	}
	gate_send_frame(&gate, FRAME_PAUSE, 1, "");
	gate_put(&gate, 1, "<iq type='get' id='q' from='" JULIET "/balcony'><ping xmlns='urn:xmpp:ping'/></iq>");
	gate_send_frame(&gate, FRAME_CLOSE, 1, "");
	gate_expect(&gate, FRAME_CLOSE, 1, &frame);
}

Test(links, a_paused_session_that_piles_up_is_closed)
{
	enum { BODY = 64 << 10 };
	char *body = malloc(BODY + 1);
	memset(body, 'x', BODY);
	body[BODY] = '\0';
	gate_session(&gate, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_session(&gate, 2, ROMEO, "juliet", "garden");
	gate_send_frame(&gate, FRAME_PAUSE, 1, "");
	for (int i = 0; i < CLIENT_WAITING_BYTES_MAX / BODY; i++)
		gate_put(&gate, 2, "<message to='" JULIET "/balcony' from='" ROMEO "/garden'><body>%s</body></message>",
			 body);
	gate_expect_close(&gate, 1, "resource-constraint");
	gate_expect_quiet(&gate);
	free(body);
}

Test(links, frames_may_come_byte_by_byte)
{
	struct gate other;
	struct frame frame;
	uint8_t bytes[4096];
	gate_dial(&other, fixture.socket);
	struct link link;
	struct link_send hello;
	link_init(&link, LINK_GATE, &(struct link_self){.name = "gate-2", .software = "test", .epoch = 8}, 0, &hello);
	memcpy(bytes, hello.bytes, hello.len);
	frame_head(bytes + hello.len, FRAME_PING, 0, 0);
	for (size_t i = 0; i < hello.len + FRAME_HEAD_BYTES; i++)
		gate_send(&other, bytes + i, 1);
	gate_expect(&other, FRAME_HELLO, 0, &frame);
	/* A PING does not wait for its turn. */
	unsigned domains = 0, pongs = 0;
	while (domains + pongs < 3) {
		cr_assert(gate_next(&other, &frame));
		domains += frame.type == FRAME_DOMAIN;
		pongs += frame.type == FRAME_PONG;
	}
	cr_expect(domains == 2 && pongs == 1);
	gate_end(&other);
}

static void link_ends_after(void (*sin)(struct gate *))
{
	struct gate other;
	gate_session(&gate, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_begin(&other, fixture.socket, 2);
	sin(&other);
	gate_expect_end(&other);
	gate_end(&other);
	gate_put(&gate, 1, "<iq type='get' id='p' from='" JULIET "/balcony'><ping xmlns='urn:xmpp:ping'/></iq>");
	gate_expect_element(&gate, 1, "id='p'");
	gate_send_frame(&gate, FRAME_CLOSE, 1, "");
	gate_expect_close(&gate, 1, NULL);
}

static void sin_garbage(struct gate *other)
{
	gate_send(other, "GET / HTTP/1.1\r\n\r\n", 18);
}

static void sin_hello_twice(struct gate *other)
{
	gate_send_hello(other);
}

static void sin_direction(struct gate *other)
{
	gate_send_frame(other, FRAME_DOMAIN, 0, "\x10\x00\x01x\x11\x00\x01x");
}

static void sin_opened_twice(struct gate *other)
{
	gate_open(other, 1, "example.com", NULL);
	gate_open(other, 1, "example.com", NULL);
}

static void sin_open_without_domain(struct gate *other)
{
	gate_send_frame(other, FRAME_OPEN, 1, "");
}

Test(links, faults_of_a_gate_close_its_link_and_no_other)
{
	link_ends_after(sin_garbage);
}

Test(links, hello_twice_closes_the_link)
{
	link_ends_after(sin_hello_twice);
}

Test(links, frames_of_a_backend_close_the_link)
{
	link_ends_after(sin_direction);
}

Test(links, open_twice_closes_the_link)
{
	link_ends_after(sin_opened_twice);
}

static void sin_claimed_at_home(struct gate *other)
{
	gate_open(other, 1, "example.com", NULL);
	gate_reattach(other, 1, 0);
}

Test(links, a_session_that_is_not_known_is_lost)
{
	struct frame frame;
	gate_reattach(&gate, 1, 0);
	gate_expect(&gate, FRAME_LOST, 1, &frame);
	gate_expect_quiet(&gate);
}

Test(links, a_claim_to_what_is_there_closes_the_link)
{
	link_ends_after(sin_claimed_at_home);
}

Test(links, open_without_domain_closes_the_link)
{
	link_ends_after(sin_open_without_domain);
}

Test(links, before_hello_nothing_is_taken)
{
	struct gate other;
	struct frame frame;
	gate_dial(&other, fixture.socket);
	gate_send_frame(&other, FRAME_PING, 0, "");
	gate_expect(&other, FRAME_HELLO, 0, &frame);
	gate_expect_end(&other);
	gate_end(&other);
}

enum { LOGIN_FRAMES = 3 };

static void flood(struct gate *from, unsigned *sent, unsigned max, const char *body, size_t frame_len)
{
	while (*sent < max && (*sent + LOGIN_FRAMES - from->acked + 1) * frame_len <= LINK_WINDOW)
		gate_put(from, 1,
			 "<message to='" JULIET "/balcony' from='" ROMEO "/garden' id='m%d'><body>%s</body></message>",
			 (int)(*sent)++, body);
}

static bool has_bytes(const struct gate *from, int wait_ms)
{
	struct pollfd ready = {.fd = from->fd, .events = POLLIN};
	return from->len > from->used || poll(&ready, 1, wait_ms) == 1;
}

/* A gate that does not read makes those wait who send to it, in bounded memory, and nothing is lost. */
Test(links, back_pressure_across_links)
{
	enum { COUNT = 700, BODY = 32 << 10, FRAME = BODY + 512 };
	struct gate slow;
	char *body = malloc(BODY + 1), id[16];
	unsigned sent = 0;
	memset(body, 'x', BODY);
	body[BODY] = '\0';
	gate_begin(&slow, fixture.socket, 2);
	gate_session(&slow, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_session(&gate, 1, ROMEO, "juliet", "garden");
	do {
		flood(&gate, &sent, COUNT, body, FRAME);
		if (has_bytes(&gate, 300))
			gate_await_ack(&gate, gate.acked + 1);
	} while (sent < COUNT && (sent + LOGIN_FRAMES - gate.acked + 1) * FRAME <= LINK_WINDOW);
	/* The window of the one, what waits for the other, and that one's window. */
	cr_expect_lt((size_t)sent * FRAME, (size_t)14 << 20, "%u messages were taken for one that does not read", sent);
	for (int next = 0; next < COUNT; next++) {
		snprintf(id, sizeof id, "id='m%d'>", next);
		gate_expect_element(&slow, 1, id);
		while (has_bytes(&gate, 0))
			gate_await_ack(&gate, gate.acked + 1);
		flood(&gate, &sent, COUNT, body, FRAME);
	}
	gate_expect_quiet(&gate);
	gate_end(&slow);
	free(body);
}

static void expect_orphan_goes_on(struct gate *again, uint32_t received)
{
	struct frame frame;
	gate_reattach(again, 1, received);
	gate_expect(again, FRAME_ATTACHED, 1, &frame);
	cr_expect_eq(frame_find_int(&frame, FIELD_RECEIVED, 99), 1);
}

/* What the gate has not got comes again, and what has come up meanwhile; nobody else notices. */
Test(links, a_session_whose_link_was_cut_goes_on_with_the_next_one)
{
	struct gate cut, again;
	gate_begin_patient(&cut, fixture.socket, 2);
	gate_session(&gate, 1, ROMEO, "juliet", "garden");
	gate_session(&cut, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_put(&cut, 1, "<presence from='" JULIET "/balcony'/>");
	gate_expect_element(&cut, 1, "from='" JULIET "/balcony'");
	cut.acks_nothing = true;
	gate_put(&gate, 1, "<message to='" JULIET "/balcony' from='" ROMEO "/garden' id='lost'/>");
	gate_expect_element(&cut, 1, "id='lost'");
	uint64_t epoch = cut.epoch;
	gate_end(&cut);
	gate_put(&gate, 1, "<message to='" JULIET "/balcony' from='" ROMEO "/garden' id='meanwhile'/>");
	gate_expect_quiet(&gate);
	gate_begin_again(&again, fixture.socket, 2, epoch);
	expect_orphan_goes_on(&again, 2);
	gate_expect_element(&again, 1, "id='lost'");
	gate_expect_element(&again, 1, "id='meanwhile'");
	gate_put(&again, 1, "<message to='" ROMEO "/garden' from='" JULIET "/balcony' id='back'/>");
	gate_expect_element(&gate, 1, "id='back'");
	gate_end(&again);
}

static void begin_with_held_clock(void)
{
	clock_hold();
	begin();
}

TestSuite(links_without_time, .init = begin_with_held_clock, .fini = stage_end);

/* It waits for nobody: no time passes. */
Test(links_without_time, stop_tells_everybody_and_returns)
{
	struct frame frame;
	gate_session(&gate, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_put(&gate, 1, "<presence from='" JULIET "/balcony'/>");
	gate_expect_element(&gate, 1, "from='" JULIET "/balcony'");
	gate_open(&gate, 2, "example.com", NULL);
	gate_expect_quiet(&gate);
	sessiond_stop(server);
	gate_expect(&gate, FRAME_DRAIN, 0, &frame);
	gate_expect_close(&gate, 2, "system-shutdown");
	gate_expect_close(&gate, 1, "system-shutdown");
	gate_expect_end(&gate);
	gate_end(&gate);
	cr_assert_eq(pthread_join(server_thread, NULL), 0);
	cr_expect_neq(access(fixture.socket, F_OK), 0);
	/* For end(). */
	sessiond_free(server);
	struct sessiond_settings settings = settings_of();
	server_begin(&settings);
	gate_begin(&gate, fixture.socket, 2);
}

/* An iterated hash for each of them would be between the ping and its answer. */
Test(links, V26_passwords_are_checked_when_there_is_time)
{
	enum { COUNT = 24, PARTS = COUNT + 1 };
	static const char auth[] = "<auth xmlns='" SASL_NS "' mechanism='PLAIN'>AGp1bGlldAB3cm9uZw==</auth>";
	static const char ping[] =
		"<iq type='get' id='ping' from='" ROMEO "/garden'><ping xmlns='urn:xmpp:ping'/></iq>";
	uint8_t bytes[PARTS * 256];
	size_t len = 0;
	struct frame frame;
	gate_session(&gate, 100, ROMEO, "juliet", "garden");
	for (unsigned i = 1; i <= COUNT; i++)
		gate_open(&gate, i, "example.com", NULL);
	for (unsigned i = 1; i <= PARTS; i++) {
		const char *xml = i <= COUNT ? auth : ping;
		frame_head(bytes + len, FRAME_ELEMENT, i <= COUNT ? i : 100, strlen(xml));
		memcpy(bytes + len + FRAME_HEAD_BYTES, xml, strlen(xml));
		len += FRAME_HEAD_BYTES + strlen(xml);
	}
	gate_send(&gate, bytes, len);
	int before = 0, failures = 0;
	for (int i = 0; i < PARTS; i++) {
		cr_assert(gate_next(&gate, &frame));
		if (frame.session == 100)
			before = failures;
		else
			failures++;
	}
	cr_expect_eq(failures, COUNT);
	cr_expect_lt(before, COUNT / 2);
}

static unsigned port_free(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	close(fd);
	return ntohs(address.sin_port);
}

Test(links, tcp_on_the_loopback)
{
	char error[SESSIOND_ERROR_BYTES], at[64];
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sessiond_settings settings = settings_of();
	settings.listen[0] = at;
	server_end();
	gate_end(&gate);
	unsigned port = port_free(); /* as late as can be: others may take it */
	address.sin_port = htons((uint16_t)port);
	snprintf(at, sizeof at, "tcp:127.0.0.1:%u", port);
	server_begin(&settings);
	gate = (struct gate){.fd = socket(AF_INET, SOCK_STREAM, 0)};
	cr_assert_eq(connect(gate.fd, (struct sockaddr *)&address, sizeof address), 0);
	struct frame frame;
	gate_send_hello(&gate);
	gate_expect(&gate, FRAME_HELLO, 0, &frame);
	gate_expect(&gate, FRAME_DOMAIN, 0, &frame);
	gate_expect(&gate, FRAME_DOMAIN, 0, &frame);
	gate_session(&gate, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	cr_expect_null(sessiond_new(&settings, error));
}

Test(links, the_socket_is_private)
{
	struct stat status;
	cr_assert_eq(stat(fixture.socket, &status), 0);
	cr_expect_eq(status.st_mode & 0777, 0600);
}

Test(links, settings_that_cannot_be)
{
	char error[SESSIOND_ERROR_BYTES];
	struct sessiond_settings settings = settings_of();
	static const char *const bad[] = {
		"tcp:0.0.0.0:5262",    "tcp:192.0.2.1:5262", "tcp:[::]:5262",	"tcp:127.0.0.1:x",
		"tcp:127.0.0.1:70000", "unix:relative",	     "udp:127.0.0.1:1", ""};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		settings.listen[0] = bad[i];
		cr_expect_null(sessiond_new(&settings, error), "%s", bad[i]);
		cr_expect(strstr(error, "loopback") || strstr(error, "not unix:/path"), "%s", error);
	}
	/* Somebody listens there. */
	settings = settings_of();
	cr_expect_null(sessiond_new(&settings, error));
	settings.domains[0] = "not a domain";
	cr_expect_null(sessiond_new(&settings, error));
	cr_expect(strstr(error, "not a domain"));
	settings = settings_of();
	settings.iterations = 1000;
	cr_expect_null(sessiond_new(&settings, error));
	settings = settings_of();
	settings.database = "/nonexistent/db";
	cr_expect_null(sessiond_new(&settings, error));
}

Test(links, a_socket_that_was_left_behind_is_taken_over)
{
	char error[SESSIOND_ERROR_BYTES], left[FIXTURE_PATH_BYTES + 8];
	struct gate none;
	struct sessiond_settings settings = settings_of();
	snprintf(left, sizeof left, "unix:%s", fixture.socket);
	cr_assert_eq(unlink(fixture.socket), 0);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_storage address = {.ss_family = AF_UNIX};
	strcpy((char *)&address + sizeof(sa_family_t), fixture.socket);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t) + strlen(fixture.socket) + 1), 0);
	close(fd);
	struct sessiond *second = sessiond_new(&settings, error);
	cr_expect(second, "%s", error);
	gate_dial(&none, fixture.socket);
	gate_end(&none);
	sessiond_free(second);
}
