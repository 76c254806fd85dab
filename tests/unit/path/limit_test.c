/* Times, numbers, and orders from outside. */
#include "record_crypto.h"
#include "stage.h"

#include <openssl/x509.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct stage stage;
static struct server server;

static void begin(void)
{
	stage_init(&stage);
}

static void end(void)
{
	server_free(&server);
	stage_end(&stage);
}

TestSuite(limit, .init = begin, .fini = end);

static void go(void)
{
	stage_begin(&stage);
	server_accept(&stage, 0, &server);
}

/* Time passes as the test says. */
static void go_with_held_clock(void)
{
	clock_hold();
	go();
}

static void expect_error(struct actor *a, const char *error)
{
	actor_until(a, error);
	actor_until(a, "</stream:stream>");
	actor_expect_end(a);
}

Test(limit, a_login_that_takes_too_long)
{
	struct actor plain, secure, negotiating;
	struct frame frame;

	stage.config.login_ms_max = 300;
	go_with_held_clock();
	actor_dial(&stage, &plain, false);
	stage_until(stage_counter(&stage, COUNTER_accepted_starttls) == 1);
	actor_connect(&stage, &secure, WAY_STARTTLS);
	actor_open(&secure);
	actor_connect(&stage, &negotiating, WAY_DIRECT);
	actor_auth(&negotiating, &server);
	stage_pass_ms(&stage, 299);
	cr_assert_eq(stage_closes(&stage, REASON_LOGIN_SLOW), 0);
	stage_pass_ms(&stage, 1 + WHEEL_STEP_MS);
	expect_error(&plain, STREAM_ERROR("connection-timeout"));
	expect_error(&secure, STREAM_ERROR("connection-timeout"));
	expect_error(&negotiating, STREAM_ERROR("connection-timeout"));
	server_expect(&server, FRAME_CLOSE, negotiating.session, &frame);
	cr_assert_eq(stage_closes(&stage, REASON_LOGIN_SLOW), 3);
	actor_free(&plain);
	actor_free(&secure);
	actor_free(&negotiating);
}

Test(limit, a_handshake_that_takes_too_long)
{
	struct actor silent, halting, starttls;

	stage.config.tls_handshake_ms_max = 200;
	go();
	actor_dial(&stage, &silent, true);
	actor_dial(&stage, &halting, true);
	actor_send(&halting, "\x16\x03\x01\x02", 4);
	actor_dial(&stage, &starttls, false);
	actor_say(&starttls, HEADER_ "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	actor_until(&starttls, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	actor_expect_end(&silent);
	actor_expect_end(&halting);
	actor_expect_end(&starttls);
	stage_until(stage_closes(&stage, REASON_TLS_SLOW) == 3);
	cr_assert_eq(stage_counter(&stage, COUNTER_handshakes_failed), 3);
	actor_free(&silent);
	actor_free(&halting);
	actor_free(&starttls);
}

Test(limit, a_client_that_is_silent_for_too_long)
{
	struct actor a;
	struct frame frame;

	stage.config.idle_ms_max = 2500;
	go_with_held_clock();
	actor_connect(&stage, &a, WAY_DIRECT);
	actor_login(&a, &server, "r");
	for (int i = 0; i < 3; i++) { /* white space keeps it alive */
		uint64_t before = stage_counter(&stage, COUNTER_client_bytes_in);

		stage_pass_ms(&stage, 2400);
		actor_say(&a, " ");
		stage_until(stage_counter(&stage, COUNTER_client_bytes_in) > before);
	}
	stage_pass_ms(&stage, 2400);
	cr_assert_eq(stage_closes(&stage, REASON_IDLE), 0);
	stage_pass_ms(&stage, 100 + 1000 + WHEEL_STEP_MS); /* it is counted in whole seconds */
	expect_error(&a, STREAM_ERROR("connection-timeout"));
	server_expect(&server, FRAME_CLOSE, a.session, &frame);
	cr_assert_eq(stage_closes(&stage, REASON_IDLE), 1);
	actor_free(&a);
}

Test(limit, idleness_that_becomes_limited_while_clients_are_there)
{
	static struct config now;
	struct actor a;
	struct frame frame;

	stage.config.idle_ms_max = 0;
	go();
	actor_connect(&stage, &a, WAY_DIRECT);
	actor_login(&a, &server, "r");
	now = stage.config;
	now.idle_ms_max = 200;
	atomic_store(&stage.worker->orders.config, &now);
	worker_wake(stage.worker);
	expect_error(&a, STREAM_ERROR("connection-timeout"));
	server_expect(&server, FRAME_CLOSE, a.session, &frame);
	actor_free(&a);
}

Test(limit, more_clients_than_there_is_room_for)
{
	struct actor a[3];

	stage.config.clients_max = 2;
	go();
	for (int round = 0; round < 3; round++) {
		actor_connect(&stage, &a[0], WAY_DIRECT);
		actor_connect(&stage, &a[1], WAY_STARTTLS);
		actor_dial(&stage, &a[2], false);
		while (actor_hear(&a[2]))
			;
		cr_assert_eq(a[2].heard_len, 0);
		cr_assert_eq(stage_counter(&stage, COUNTER_refused), (unsigned)round + 1);
		for (int i = 0; i < 3; i++)
			actor_free(&a[i]);
		stage_until(stage_counter(&stage, COUNTER_transport_direct) == 0 &&
			    stage_counter(&stage, COUNTER_transport_starttls) == 0);
	}
}

/* Bursts only: what was taken comes back at one in an hour, so that it does not matter how long a test takes. */
static void limit_addresses(uint64_t connects, uint64_t handshakes)
{
	struct buckets *buckets;

	stage.config.address_loopback = true;
	stage.config.addresses_max = 64;
	stage.config.address_connects = stage.config.address_handshakes = 1;
	stage.config.address_connects_burst = connects;
	stage.config.address_handshakes_burst = handshakes;
	stage_make(&stage);
	buckets = &stage.worker->address_limit.buckets;
	for (unsigned i = 0; i < BUCKET_KINDS; i++) {
		buckets->each_us[i] *= 3600;
		buckets->hold_us[i] *= 3600;
	}
}

Test(limit, more_connections_of_one_address_than_it_may_make)
{
	struct actor good[3], bad;

	limit_addresses(3, 100);
	go();
	for (int i = 0; i < 3; i++)
		actor_connect(&stage, &good[i], i == 1 ? WAY_DIRECT : WAY_STARTTLS);
	actor_dial(&stage, &bad, false);
	while (actor_hear(&bad))
		;
	cr_assert_eq(bad.heard_len, 0);
	actor_free(&bad);
	for (int i = 0; i < 3; i++) /* who is there is served */
		actor_open(&good[i]);
	cr_assert_eq(stage_counter(&stage, COUNTER_refused_address), 1);
	for (int i = 0; i < 3; i++)
		actor_free(&good[i]);
}

Test(limit, more_handshakes_of_one_address_than_it_may_make)
{
	struct actor good, direct, starttls;

	limit_addresses(100, 1);
	go();
	actor_connect(&stage, &good, WAY_DIRECT);
	actor_dial(&stage, &direct, true);
	actor_send(&direct, "\x16\x03\x01\x00\x01\x01", 6);
	actor_dial(&stage, &starttls, false);
	actor_say(&starttls, HEADER_ "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	expect_error(&starttls, STREAM_ERROR("policy-violation"));
	stage_until(stage_closes(&stage, REASON_ADDRESS_RATE) == 2);
	while (actor_hear(&direct))
		;
	cr_assert_eq(direct.heard_len, 0);
	actor_open(&good);
	actor_free(&good);
	actor_free(&direct);
	actor_free(&starttls);
}

/* Of connections that say nothing, or not yet a whole record, OpenSSL knows nothing. */
Test(limit, handshakes_that_have_not_begun_cost_no_handshake)
{
	struct actor silent[40], a;

	stage.config.tls_handshakes_max = 1;
	go();
	for (int i = 0; i < 40; i++) {
		actor_dial(&stage, &silent[i], true);
		if (i % 2 == 0)
			actor_send(&silent[i], "\x16\x03\x01\x02\x00\x01", 6);
	}
	stage_until(stage_counter(&stage, COUNTER_accepted_direct) == 40);
	cr_assert_eq(stage_counter(&stage, COUNTER_handshakes_running), 0);
	cr_assert_eq(stage_counter(&stage, COUNTER_handshakes_waiting), 0);
	actor_connect(&stage, &a, WAY_DIRECT);
	actor_open(&a);
	actor_free(&a);
	for (int i = 0; i < 40; i++)
		actor_free(&silent[i]);
}

/* A whole record with the first four bytes of a ClientHello of 512. */
#define FIRST_RECORD "\x16\x03\x01\x00\x04\x01\x00\x02\x00"

Test(limit, more_handshakes_than_there_is_room_for)
{
	struct actor first, direct, starttls;

	stage.config.tls_handshakes_max = 1;
	go();
	actor_dial(&stage, &first, true);
	actor_send(&first, FIRST_RECORD, sizeof FIRST_RECORD - 1);
	stage_until(stage_counter(&stage, COUNTER_handshakes_running) == 1);
	actor_dial(&stage, &direct, true);
	actor_send(&direct, FIRST_RECORD, sizeof FIRST_RECORD - 1);
	stage_until(stage_counter(&stage, COUNTER_handshakes_waiting) == 1);
	actor_dial(&stage, &starttls, false);
	actor_say(&starttls, HEADER_ "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	expect_error(&starttls, STREAM_ERROR("resource-constraint"));
	cr_assert_eq(stage_closes(&stage, REASON_RESOURCES), 1);
	cr_assert_eq(stage_counter(&stage, COUNTER_handshakes_waiting), 1);
	actor_reset(&first);
	stage_until(stage_closes(&stage, REASON_CLIENT_LOST) == 1);
	stage_until(stage_counter(&stage, COUNTER_handshakes_waiting) == 0); /* its turn */
	stage_until(stage_counter(&stage, COUNTER_handshakes_running) == 1);
	actor_reset(&direct);
	stage_until(stage_counter(&stage, COUNTER_clients_handshake) == 0);
	actor_free(&starttls);
	actor_connect(&stage, &direct, WAY_DIRECT);
	actor_free(&direct);
}

/* With one handshake at a time and one that does not end, the lines fill, and whoever is more stays with the kernel. */
Test(limit, nobody_is_let_in_while_too_many_handshakes_wait)
{
	enum { MANY = 30 };
	struct actor first, others[MANY];

	stage.config.tls_handshakes_max = 2;
	go();
	for (int i = 0; i < MANY; i++) {
		actor_dial(&stage, &others[i], true);
		actor_send(&others[i], FIRST_RECORD, sizeof FIRST_RECORD - 1);
	}
	stage_until(stage_counter(&stage, COUNTER_accept_pauses) > 0);
	actor_dial(&stage, &first, true);
	actor_send(&first, FIRST_RECORD, sizeof FIRST_RECORD - 1);
	cr_assert_lt(stage_counter(&stage, COUNTER_accepted_direct), MANY);
	cr_assert_leq(stage_counter(&stage, COUNTER_handshakes_running), 2);
	for (int i = 0; i < MANY; i++)
		actor_reset(&others[i]);
	stage_until(stage_counter(&stage, COUNTER_accepted_direct) == MANY + 1); /* all had their turn */
	stage_until(stage_counter(&stage, COUNTER_handshakes_running) == 1);
	actor_reset(&first);
}

Test(limit, no_handshake_begins_while_the_session_server_is_behind)
{
	struct actor first, second;

	stage.config.logins_max = 1;
	go();
	actor_connect(&stage, &first, WAY_DIRECT);
	actor_auth(&first, &server);
	cr_assert_eq(stage_counter(&stage, COUNTER_logins_awaiting), 1);
	actor_dial(&stage, &second, true);
	actor_send(&second, FIRST_RECORD, sizeof FIRST_RECORD - 1);
	stage_until(stage_counter(&stage, COUNTER_handshakes_waiting) == 1);
	cr_assert_eq(stage_counter(&stage, COUNTER_handshakes_running), 0);
	server_put(&server, first.session, "<challenge " SASL ">AA==</challenge>");
	actor_until(&first, "</challenge>");
	stage_until(stage_counter(&stage, COUNTER_handshakes_running) == 1);
	stage_until(stage_counter(&stage, COUNTER_handshakes_waiting) == 0); /* counted a moment later */
	actor_free(&first);
	actor_free(&second);
}

Test(limit, drains_everybody)
{
	struct actor bound, plain, silent, halting, waiting;
	struct frame frame;

	go();
	actor_connect(&stage, &bound, WAY_DIRECT);
	actor_login(&bound, &server, "r");
	actor_connect(&stage, &plain, WAY_PLAIN);
	actor_say(&plain, HEADER_);
	actor_until(&plain, "</stream:features>");
	actor_dial(&stage, &silent, true);
	actor_dial(&stage, &halting, true);
	actor_send(&halting, "\x16\x03\x01\x02", 4);
	actor_connect(&stage, &waiting, WAY_STARTTLS);
	actor_auth(&waiting, &server);
	stage_until(stage_counter(&stage, COUNTER_transport_direct) == 3);
	stage_drain(&stage);
	server_expect(&server, FRAME_DRAIN, 0, &frame);
	server_expect(&server, FRAME_CLOSE, 0, &frame);
	server_expect(&server, FRAME_CLOSE, 0, &frame);
	expect_error(&bound, STREAM_ERROR("system-shutdown"));
	expect_error(&plain, STREAM_ERROR("system-shutdown"));
	expect_error(&waiting, STREAM_ERROR("system-shutdown"));
	actor_expect_end(&silent); /* no XML where TLS should be */
	actor_expect_end(&halting);
	actor_free(&bound);
	actor_free(&plain);
	actor_free(&silent);
	actor_free(&halting);
	actor_free(&waiting);
	server_expect_end(&server);
	stage_join(&stage);
	cr_assert_eq(stage_closes(&stage, REASON_SHUTDOWN), 5);
}

/* Clients that do not answer the end are cut off when the time is over. */
Test(limit, drains_in_time_though_clients_do_not_answer)
{
	struct actor a;

	stage.config.drain_ms_max = 200; /* less than a client's own time to answer */
	go_with_held_clock();
	actor_connect(&stage, &a, WAY_DIRECT);
	actor_login(&a, &server, "r");
	stage_drain(&stage);
	stage_until(stage_closes(&stage, REASON_SHUTDOWN) == 1);
	stage_pass_ms(&stage, 199);
	cr_assert_not(atomic_load(&stage.worker->orders.done));
	clock_pass_ms(2);
	stage_join(&stage);
	actor_free(&a);
}

Test(limit, a_new_configuration_counts_from_now_on)
{
	static struct config now;
	struct actor a;
	static char text[20000];

	go();
	actor_connect(&stage, &a, WAY_DIRECT);
	actor_login(&a, &server, "r");
	memset(text, ' ', sizeof text);
	memcpy(text, "<presence", 9);
	memcpy(text + sizeof text - 3, "/>", 3);
	actor_say(&a, text);
	{
		struct frame frame;

		server_expect(&server, FRAME_ELEMENT, a.session, &frame);
		now = stage.config;
		now.stanza_bytes_max = 10000;
		atomic_store(&stage.worker->orders.config, &now);
		worker_wake(stage.worker);
		stage_until(atomic_load(&stage.worker->orders.config) == NULL);
		actor_say(&a, text);
		expect_error(&a, STREAM_ERROR("policy-violation"));
		server_expect(&server, FRAME_CLOSE, a.session, &frame);
	}
	actor_free(&a);
}

static unsigned long certificate_hash(const struct actor *a)
{
	X509 *certificate = SSL_get1_peer_certificate(a->peer.client);
	unsigned char digest[32];
	unsigned long hash;

	X509_digest(certificate, EVP_sha256(), digest, NULL);
	memcpy(&hash, digest, sizeof hash);
	X509_free(certificate);
	return hash;
}

Test(limit, a_new_certificate_is_shown_from_now_on)
{
	struct tls_files files = tls_files_make("EC", "SHA256");
	struct tls_settings settings = {files.certificate, files.key, 12};
	struct tls_fault fault;
	struct actor old, new;

	go();
	actor_connect(&stage, &old, WAY_DIRECT);
	for (int i = 0; i < 2; i++) { /* the second replaces the first, seen or not */
		struct tls_context *unseen =
			atomic_exchange(&stage.worker->orders.context, tls_context_new(&settings, &fault));

		if (unseen != NULL)
			tls_context_unref(unseen);
		worker_wake(stage.worker);
	}
	stage_until(atomic_load(&stage.worker->orders.context) == NULL);
	actor_connect(&stage, &new, WAY_DIRECT);
	cr_assert_neq(certificate_hash(&old), certificate_hash(&new));
	actor_login(&old, &server, "old");
	actor_login(&new, &server, "new");
	actor_free(&old);
	actor_free(&new);
	tls_files_remove(&files);
}

/* TLS 1.2 cannot change a key: its client ends when the key is worn, and nobody else. */
Test(limit, a_worn_key_ends_its_client_alone)
{
	struct actor worn, other;
	struct frame frame;

	stage_make(&stage);
	record_crypto_limit(stage.worker->net.crypto, 12);
	go();
	actor_connect_as(&stage, &other, WAY_DIRECT, RECORD_TLS13);
	actor_login(&other, &server, "other");
	actor_connect_as(&stage, &worn, WAY_DIRECT, RECORD_TLS12);
	actor_login(&worn, &server, "worn");
	for (int i = 0; i < 12; i++)
		server_put(&server, worn.session, "<message/>");
	for (int i = 0; i < 20; i++) {
		uint64_t before = stage_counter(&stage, COUNTER_client_bytes_in);

		actor_say(&worn, " ");
		stage_until(stage_counter(&stage, COUNTER_client_bytes_in) > before ||
			    stage_closes(&stage, REASON_TLS_SPENT) > 0);
	}
	server_put(&server, worn.session, "<message/>");
	server_expect(&server, FRAME_CLOSE, worn.session, &frame);
	cr_assert_eq(stage_closes(&stage, REASON_TLS_SPENT), 1);
	for (int i = 0; i < 40; i++) { /* TLS 1.3 takes a new key, again and again */
		server_put(&server, other.session, "<message/>");
		actor_expect(&other, "<message/>");
	}
	actor_free(&worn);
	actor_free(&other);
}

/* RST and FIN at every stage leave nothing behind (the gauges tell, at the end). */
Test(limit, clients_that_go_at_every_stage)
{
	struct frame frame;

	go();
	for (int reset = 0; reset < 2; reset++)
		for (int stage_of = 0; stage_of < 7; stage_of++) {
			struct actor a;

			if (stage_of == 0)
				actor_dial(&stage, &a, true);
			else if (stage_of == 1)
				actor_connect(&stage, &a, WAY_PLAIN);
			else
				actor_connect(&stage, &a, stage_of % 2 ? WAY_STARTTLS : WAY_DIRECT);
			if (stage_of == 1)
				actor_say(&a, HEADER_ "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
			if (stage_of == 3)
				actor_open(&a);
			if (stage_of == 4)
				actor_auth(&a, &server);
			if (stage_of == 5)
				actor_login(&a, &server, "r");
			if (stage_of == 6) {
				actor_login(&a, &server, "r");
				actor_say(&a, "<message><body>half");
			}
			if (reset || stage_of == 4) /* whose end stays in the kernel until the answer comes */
				actor_reset(&a);
			else
				actor_free(&a);
			if (stage_of >= 4)
				server_expect(&server, FRAME_CLOSE, 0, &frame);
		}
	stage_until(stage_closes(&stage, REASON_CLIENT_LOST) == 14);
	stage_until(stage_counter(&stage, COUNTER_clients_ended) == 0);
}
