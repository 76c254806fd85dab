/* Steps of handshakes that another thread makes. */
#include "handshaker.h"
#include "tls_peer.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { TURNS_MAX = 10, ROUNDS = 500 };

static struct handshaker *handshaker;
static struct tls_peer *peer;
static sem_t woken, gate; /* gate: what the thread waits for when a step was made */
static atomic_bool gated;
static atomic_int thread_nice, thread_policy, thread_id;

static void on_made(void *of)
{
	cr_assert_eq(of, &woken);
	thread_id = gettid();
	thread_nice = getpriority(PRIO_PROCESS, (id_t)gettid());
	thread_policy = sched_getscheduler(0);
	sem_post(&woken);
	if (atomic_load(&gated))
		sem_wait(&gate);
}

static void begin(void)
{
	cr_assert_eq(sem_init(&woken, 0, 0), 0);
	cr_assert_eq(sem_init(&gate, 0, 0), 0);
	peer = peer_new(true);
	handshaker = handshaker_new(on_made, &woken);
	cr_assert_not_null(handshaker);
}

static void end(void)
{
	handshaker_free(handshaker);
	peer_free(peer);
}

TestSuite(handshaker, .init = begin, .fini = end);

static struct handshake_step *place_of(uint64_t of, const void *bytes, size_t len)
{
	struct handshake_step *s = handshaker_place(handshaker);

	cr_assert_not_null(s);
	cr_assert(s->of == 0 && s->handshake == NULL && s->bytes == NULL && s->output_len == 0 && s->error[0] == '\0');
	s->of = of;
	s->bytes = malloc(len);
	memcpy(s->bytes, bytes, len);
	s->len = len;
	return s;
}

static struct handshake_step *place_to_begin(uint64_t of, const void *bytes, size_t len)
{
	struct handshake_step *s = place_of(of, bytes, len);

	s->context = tls_context_ref(peer->context);
	s->direct = true;
	return s;
}

static void hand_out_nonsense(uint64_t of)
{
	place_to_begin(of, "nonsense", 8);
	handshaker_hand_out(handshaker);
}

static struct handshake_step *next(void)
{
	struct handshake_step *s;

	while ((s = handshaker_next(handshaker)) == NULL)
		sem_wait(&woken);
	return s;
}

static void leftover_check(struct handshake_step *s)
{
	struct record_crypto *crypto = record_crypto_new();
	struct record_found found;

	record_open(&s->record, crypto, s->bytes, s->leftover_len, &found);
	cr_assert_eq(found.is, RECORD_TEXT);
	cr_assert_arr_eq(found.text, "behind", 6);
	record_done(&s->record);
	record_crypto_free(crypto);
}

/* The client's last flight has text right behind it. */
static size_t client_says(uint8_t *to, size_t cap)
{
	size_t len = peer_client_says(peer, to, cap);

	if (SSL_is_init_finished(peer->client) && SSL_write(peer->client, "behind", 6) == 6)
		len += peer_client_says(peer, to + len, cap - len);
	return len;
}

static void shakes_hands(enum record_version version)
{
	struct handshake *handshake = NULL;
	enum handshake_is is = HANDSHAKE_MORE;
	uint8_t said[8192];

	peer_choose(peer, version, RECORD_AES_128_GCM);
	for (int turn = 0; turn < TURNS_MAX && is == HANDSHAKE_MORE; turn++) {
		size_t len = client_says(said, sizeof said);
		struct handshake_step *s = turn == 0 ? place_to_begin(7, said, len) : place_of(7, said, len);

		s->handshake = handshake;
		handshaker_hand_out(handshaker);
		s = next();
		cr_assert_eq(s->of, 7);
		cr_assert_eq(s->began, turn == 0);
		cr_assert_gt(s->cost_ns, 0);
		cr_assert_null(s->context);
		peer_client_hears(peer, s->output, s->output_len);
		is = s->is;
		handshake = s->handshake;
		s->handshake = NULL;
		if (is == HANDSHAKE_DONE) {
			cr_assert_null(handshake);
			cr_assert_eq(s->facts.version, version);
			if (version == RECORD_TLS13) /* in TLS 1.2 the client hears our last word first */
				leftover_check(s);
		}
		handshaker_give_back(handshaker);
	}
	cr_assert_eq(is, HANDSHAKE_DONE);
	cr_assert(handshaker_is_idle(handshaker));
}

Test(handshaker, makes_a_handshake_of_tls_1_3)
{
	shakes_hands(RECORD_TLS13);
}

Test(handshaker, makes_a_handshake_of_tls_1_2)
{
	shakes_hands(RECORD_TLS12);
}

Test(handshaker, a_step_that_fails_says_why_and_what_to_answer)
{
	static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, RECORD_UNEXPECTED_MESSAGE};
	struct handshake_step *s;

	hand_out_nonsense(1);
	s = next();
	cr_assert_eq(s->is, HANDSHAKE_FAILED);
	cr_assert_neq(s->error[0], '\0');
	cr_assert_null(s->handshake);
	cr_assert_eq(s->output_len, sizeof alert);
	cr_assert_arr_eq(s->output, alert, sizeof alert);
	handshaker_give_back(handshaker);
}

Test(handshaker, holds_few_and_gives_them_back_in_their_order)
{
	uint64_t given = 0, taken = 0;

	for (int round = 0; round < ROUNDS; round++) {
		while (handshaker_place(handshaker) != NULL)
			hand_out_nonsense(++given);
		cr_assert_eq(given - taken, HANDSHAKER_STEPS);
		cr_assert_not(handshaker_is_idle(handshaker));
		for (int i = 0; i <= round % HANDSHAKER_STEPS; i++) {
			cr_assert_eq(next()->of, ++taken);
			handshaker_give_back(handshaker);
		}
	}
}

/* The first is made and the thread held up behind it; the second has not begun. */
Test(handshaker, who_is_forgotten_is_passed_over_made_or_not)
{
	struct handshake_step *s, *second;

	atomic_store(&gated, true);
	hand_out_nonsense(1);
	second = place_of(2, "nonsense", 8);
	second->handshake = handshake_new(peer->context, true);
	handshaker_hand_out(handshaker);
	for (uint64_t of = 3; of <= HANDSHAKER_STEPS; of++)
		hand_out_nonsense(of);
	sem_wait(&woken);
	cr_assert(handshaker_forget(handshaker, 1));
	cr_assert(handshaker_forget(handshaker, 2));
	cr_assert_not(handshaker_forget(handshaker, 2));
	cr_assert_not(handshaker_forget(handshaker, 99));
	atomic_store(&gated, false);
	sem_post(&gate);
	for (int i = 1; i < HANDSHAKER_STEPS; i++)
		sem_wait(&woken);
	cr_assert_eq(second->cost_ns, 0);
	cr_assert_null(second->handshake, "its thread is the one that frees it");
	s = next();
	cr_assert_eq(s->of, 3);
	cr_assert_eq(s->is, HANDSHAKE_FAILED);
	handshaker_give_back(handshaker);
	s = next();
	cr_assert_eq(s->of, 4);
	handshaker_give_back(handshaker);
	cr_assert(handshaker_is_idle(handshaker));
	cr_assert_null(handshaker_next(handshaker));
	for (uint64_t of = 1; of <= HANDSHAKER_STEPS; of++) /* a name may come again */
		hand_out_nonsense(of);
	for (uint64_t of = 1; of <= HANDSHAKER_STEPS; of++, handshaker_give_back(handshaker))
		cr_assert_eq(next()->of, of);
}

/* Sanitizers see what would be left. */
Test(handshaker, ends_with_steps_under_way)
{
	uint8_t said[8192];
	size_t len = peer_client_says(peer, said, sizeof said);

	atomic_store(&gated, true);
	for (uint64_t of = 1; of <= HANDSHAKER_STEPS; of++) {
		place_to_begin(of, said, len);
		handshaker_hand_out(handshaker);
	}
	sem_wait(&woken);
	handshaker_forget(handshaker, 2);
	atomic_store(&gated, false);
	sem_post(&gate);
}

Test(handshaker, gives_way)
{
	hand_out_nonsense(1);
	next();
	cr_assert_neq(thread_id, gettid());
	cr_assert_gt(thread_nice, getpriority(PRIO_PROCESS, (id_t)gettid()));
	cr_assert_eq(thread_policy, SCHED_BATCH);
	cr_assert_eq(sched_getscheduler(0), SCHED_OTHER);
	handshaker_give_back(handshaker);
}
