/* Who makes the steps of handshakes, and what becomes of them when nobody wants them any more. */
#include "stage.h"

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

TestSuite(turns, .init = begin, .fini = end);

/* Steps that take no longer are short. 0: each step is the handshaker's. */
static void go_with_steps_up_to(uint64_t short_ns_max)
{
	stage_make(&stage);
	stage.worker->turns.short_ns_max = short_ns_max;
	stage_begin(&stage);
	server_accept(&stage, 0, &server);
}

/* ---- who makes them */

static uint64_t by_worker(void)
{
	return stage_counter(&stage, COUNTER_steps_worker);
}

static uint64_t by_handshaker(void)
{
	return stage_counter(&stage, COUNTER_steps_handshaker);
}

/* Two steps. */
static void shake_hands(void)
{
	uint64_t before = by_worker() + by_handshaker();
	struct actor a;

	actor_connect(&stage, &a, WAY_DIRECT);
	stage_until(by_worker() + by_handshaker() == before + 2);
	actor_free(&a);
}

static void talk(struct actor *a)
{
	actor_say(a, "<presence/>");
	server_expect_element(&server, a->session, "<presence from='juliet@example.org/r'/>");
}

Test(turns, long_steps_are_the_handshaker_s)
{
	go_with_steps_up_to(0);
	shake_hands();
	cr_assert_eq(by_handshaker(), 2);
}

/* As it is without a test's word. The second steps, which need no key, may be the worker's. */
Test(turns, steps_with_an_rsa_key_are_long)
{
	enum { HANDSHAKES = 12 };
	struct actor a;

	tls_files_remove(&stage.files);
	stage.files = tls_files_make("RSA-3072", "SHA256");
	stage_begin(&stage);
	server_accept(&stage, 0, &server);
	for (int i = 0; i < HANDSHAKES; i++) {
		actor_connect(&stage, &a, WAY_DIRECT);
		actor_free(&a);
	}
	cr_assert_geq(by_handshaker(), HANDSHAKES);
	cr_assert_leq(by_worker(), HANDSHAKES);
}

Test(turns, a_step_is_long_until_one_was_short)
{
	go_with_steps_up_to(900000); /* ns: the first ones count as a millisecond */
	shake_hands();
	cr_assert_eq(by_handshaker(), 2);
}

Test(turns, short_steps_are_the_worker_s_when_no_client_has_talked)
{
	enum { LOGIN_STANZAS = 16, LONG_US = 30000000 };
	struct actor a;

	stage_make(&stage);
	stage.worker->turns.quiet_us_min = LONG_US; /* this machine has been up for longer */
	stage.worker->turns.short_ns_max = UINT64_MAX;
	stage_begin(&stage);
	server_accept(&stage, 0, &server);
	actor_connect(&stage, &a, WAY_STARTTLS);
	actor_login(&a, &server, "r");
	talk(&a);
	shake_hands();
	cr_assert_eq(by_worker(), 4, "what belongs to a login is not talk");
	for (int i = 0; i < LOGIN_STANZAS; i++)
		talk(&a);
	shake_hands();
	cr_assert_eq(by_handshaker(), 2);
	actor_free(&a);
}

Test(turns, short_steps_are_the_worker_s_again_when_it_is_quiet)
{
	enum { LOGIN_STANZAS = 16 };
	struct actor a;
	uint64_t before;

	go_with_steps_up_to(UINT64_MAX);
	actor_connect(&stage, &a, WAY_STARTTLS);
	actor_login(&a, &server, "r");
	for (int i = 0; i <= LOGIN_STANZAS; i++)
		talk(&a);
	before = by_worker();
	stage_until((shake_hands(), by_worker() > before));
	actor_free(&a);
}

/* ---- nobody wants them any more */

static size_t hello_make(uint8_t *to, size_t cap)
{
	SSL_CTX *openssl = SSL_CTX_new(TLS_client_method());
	struct tls_peer peer = {.client = SSL_new(openssl), .in = BIO_new(BIO_s_mem()), .out = BIO_new(BIO_s_mem())};
	size_t len;

	SSL_set_bio(peer.client, peer.in, peer.out);
	SSL_set_connect_state(peer.client);
	len = peer_client_says(&peer, to, cap);
	SSL_free(peer.client);
	SSL_CTX_free(openssl);
	return len;
}

/* Some are in the middle of a step, others wait for theirs, others were answered. */
static void say_hello(struct actor *actors, size_t count)
{
	uint8_t hello[4096];
	size_t len = hello_make(hello, sizeof hello);
	uint64_t running = stage_counter(&stage, COUNTER_handshakes_running);

	for (size_t i = 0; i < count; i++) {
		actor_dial(&stage, &actors[i], true);
		actor_send(&actors[i], hello, len);
	}
	stage_until(stage_counter(&stage, COUNTER_handshakes_running) > running);
}

/* The gauges tell, at the end, whether anything of them was left. */
Test(turns, clients_that_go_in_the_middle_of_a_step)
{
	enum { MANY = 12, ROUNDS = 20 };
	struct actor actors[MANY], last;

	go_with_steps_up_to(0);
	for (int round = 0; round < ROUNDS; round++) {
		say_hello(actors, MANY);
		for (int i = 0; i < MANY; i++)
			actor_reset(&actors[i]);
		stage_until(stage_counter(&stage, COUNTER_handshakes_running) == 0 &&
			    stage_counter(&stage, COUNTER_handshakes_waiting) == 0);
	}
	actor_connect(&stage, &last, WAY_STARTTLS);
	actor_login(&last, &server, "r");
	actor_free(&last);
}

Test(turns, drains_in_the_middle_of_a_step)
{
	enum { MANY = 12 };
	struct actor actors[MANY];

	go_with_steps_up_to(0);
	say_hello(actors, MANY);
	stage_drain(&stage);
	for (int i = 0; i < MANY; i++)
		actor_free(&actors[i]);
	stage_join(&stage);
}
