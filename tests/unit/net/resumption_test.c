/* Tickets: what resumes, what does not, and that the records go on. */
#include "record_crypto.h"
#include "tls_peer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EACH_KIND(version, cipher)                                                                                     \
	for (enum record_version version = RECORD_TLS12; version <= RECORD_TLS13; version++)                           \
		for (enum record_cipher cipher = 0; cipher < RECORD_CIPHER_COUNT; cipher++)

/* The clock that OpenSSL asks for the age of tickets; it may be set forward. */
static time_t later_s;

time_t time(time_t *to)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (to)
		*to = now.tv_sec + later_s;
	return now.tv_sec + later_s;
}

static struct record_crypto *crypto;
static struct tls_files files[3], client_files;
static struct tls_pair more[2];
static struct tls_settings settings;
static struct tls_fault fault;

static void make(void)
{
	crypto = record_crypto_new();
	files[0] = tls_files_make_for("EC", "SHA256", "DNS:one.example");
	files[1] = tls_files_make_for("EC", "SHA384", "DNS:two.example");
	files[2] = tls_files_make_for("RSA", "SHA512", "DNS:one.example");
	client_files = tls_files_make_for("EC", "SHA256", "otherName:1.3.6.1.5.5.7.8.5;UTF8:juliet@one.example");
	for (size_t i = 0; i < 2; i++)
		more[i] = (struct tls_pair){files[1 + i].certificate, files[1 + i].key, NULL};
	settings = (struct tls_settings){.certificate_file = files[0].certificate,
					 .key_file = files[0].key,
					 .version_min = 12,
					 .more = more,
					 .more_count = 2,
					 .tickets = tls_tickets_new(),
					 .ticket_life_s = 3600};
}

static void drop(void)
{
	tls_tickets_unref(settings.tickets);
	record_crypto_free(crypto);
	for (size_t i = 0; i < 3; i++)
		tls_files_remove(&files[i]);
	tls_files_remove(&client_files);
}

TestSuite(resumption, .init = make, .fini = drop);

struct wish {
	enum record_version version;
	enum record_cipher cipher;
	const char *name, *host, *algorithms;
	bool certified; /* the client shows its certificate */
};

static struct tls_peer *peer_of(const struct wish *wish, SSL_SESSION *session)
{
	struct tls_peer *p = peer_new_by(&settings, false);

	peer_choose(p, wish->version, wish->cipher);
	if (wish->name)
		SSL_set_tlsext_host_name(p->client, wish->name);
	if (wish->host)
		handshake_host(p->server, wish->host);
	if (wish->algorithms)
		SSL_set1_sigalgs_list(p->client, wish->algorithms);
	if (wish->certified) {
		SSL_use_certificate_file(p->client, client_files.certificate, SSL_FILETYPE_PEM);
		SSL_use_PrivateKey_file(p->client, client_files.key, SSL_FILETYPE_PEM);
	}
	if (session)
		SSL_set_session(p->client, session);
	return p;
}

/* In both directions, several times: the sequence numbers are right, tickets included. */
static void talks(struct tls_peer *p)
{
	uint8_t wire[4096];
	struct record_found found;
	char heard[16];

	for (int i = 0; i < 3; i++) {
		size_t len = record_seal(&p->record, crypto, (const uint8_t *)"pong", 4, wire);

		peer_client_hears(p, wire, len);
		cr_assert_eq(SSL_read(p->client, heard, sizeof heard), 4);
		cr_assert_arr_eq(heard, "pong", 4);
		cr_assert_eq(SSL_write(p->client, "ping", 4), 4);
		len = peer_client_says(p, wire, sizeof wire);
		record_open(&p->record, crypto, wire, len, &found);
		cr_assert_eq(found.is, RECORD_TEXT, "alert %d", found.alert);
	}
}

static void exporter_is_the_client_s(struct tls_peer *p)
{
	uint8_t exporter[32];

	cr_assert_eq(SSL_export_keying_material(p->client, exporter, 32, "EXPORTER-Channel-Binding", 24,
						(const uint8_t *)"", 0, 1),
		     1);
	cr_assert_arr_eq(p->facts.exporter, exporter, 32);
}

/* A handshake that must end well. Answers what the client could resume; `facts` are what the server knew. */
static SSL_SESSION *session_of(const struct wish *wish, SSL_SESSION *before, struct tls_facts *facts)
{
	struct tls_peer *p = peer_of(wish, before);
	SSL_SESSION *session;

	cr_assert_eq(peer_shake(p, SIZE_MAX), HANDSHAKE_DONE, "%s", handshake_error(p->server));
	cr_assert(peer_finish(p));
	cr_assert_eq(p->facts.resumed, SSL_session_reused(p->client));
	talks(p);
	exporter_is_the_client_s(p);
	*facts = p->facts;
	session = SSL_get1_session(p->client);
	SSL_set_shutdown(p->client, SSL_SENT_SHUTDOWN); /* a session that was cut off is not resumed */
	peer_free(p);
	return session;
}

static bool resumes_with(SSL_SESSION *session, const struct wish *wish)
{
	struct tls_facts facts;

	SSL_SESSION_free(session_of(wish, session, &facts));
	free(facts.identity);
	return facts.resumed;
}

static SSL_SESSION *first(const struct wish *wish)
{
	struct tls_facts facts;
	SSL_SESSION *session = session_of(wish, NULL, &facts);

	cr_assert_not(facts.resumed);
	cr_assert(SSL_SESSION_is_resumable(session));
	free(facts.identity);
	return session;
}

Test(resumption, every_suite)
{
	EACH_KIND(version, cipher)
	{
		struct wish wish = {version, cipher, .name = "two.example"};
		struct tls_facts full, resumed;
		SSL_SESSION *session = session_of(&wish, NULL, &full);
		SSL_SESSION *next = session_of(&wish, session, &resumed);

		cr_assert(resumed.resumed && !full.resumed);
		cr_assert_eq(resumed.certificate, 1);
		cr_assert_eq(resumed.end_point_len, 48);
		cr_assert_arr_eq(resumed.end_point, full.end_point, 64);
		cr_assert(resumes_with(next, &wish), "the ticket of a resumed session");
		SSL_SESSION_free(session);
		SSL_SESSION_free(next);
	}
}

/* Where two certificates have the name, the one that was shown is the one of the channel binding. */
Test(resumption, remembers_which_was_shown)
{
	for (enum record_version version = RECORD_TLS12; version <= RECORD_TLS13; version++) {
		struct wish wish = {version, RECORD_AES_128_GCM, "one.example", .algorithms = "RSA-PSS+SHA256"};
		struct tls_facts facts;
		SSL_SESSION *session = first(&wish);

		wish.algorithms = NULL;
		SSL_SESSION_free(session_of(&wish, session, &facts));
		cr_assert(facts.resumed);
		cr_assert_eq(facts.certificate, 2);
		cr_assert_eq(facts.end_point_len, 64);
		SSL_SESSION_free(session);
	}
}

Test(resumption, bound_to_the_name)
{
	for (enum record_version version = RECORD_TLS12; version <= RECORD_TLS13; version++) {
		struct wish one = {version, RECORD_AES_128_GCM, "one.example"}, other = one;
		SSL_SESSION *session = first(&one);

		cr_assert(resumes_with(session, &one));
		other.name = "two.example";
		cr_assert_not(resumes_with(session, &other));
		other.name = NULL;
		cr_assert_not(resumes_with(session, &other));
		other.host = "two.example";
		cr_assert_not(resumes_with(session, &other));
		SSL_SESSION_free(session);
		session = first(&other);
		cr_assert(resumes_with(session, &other));
		cr_assert_not(resumes_with(session, &one));
		SSL_SESSION_free(session);
	}
}

/* A certificate that was renewed is not spoken for by a ticket from before. */
Test(resumption, bound_to_the_certificates)
{
	for (enum record_version version = RECORD_TLS12; version <= RECORD_TLS13; version++) {
		struct wish wish = {version, RECORD_AES_128_GCM, "two.example"};
		SSL_SESSION *session = first(&wish);
		struct tls_pair before = more[0];
		struct tls_files renewed = tls_files_make_for("EC", "SHA256", "DNS:two.example");

		more[0] = (struct tls_pair){renewed.certificate, renewed.key, NULL};
		cr_assert_not(resumes_with(session, &wish));
		more[0] = before;
		cr_assert(resumes_with(session, &wish));
		SSL_SESSION_free(session);
		tls_files_remove(&renewed);
	}
}

Test(resumption, generations)
{
	for (enum record_version version = RECORD_TLS12; version <= RECORD_TLS13; version++) {
		struct wish wish = {version, RECORD_AES_128_GCM, "one.example"};
		SSL_SESSION *session = first(&wish);

		cr_assert(tls_tickets_rotate(settings.tickets));
		cr_assert(resumes_with(session, &wish));
		cr_assert(tls_tickets_rotate(settings.tickets));
		cr_assert_not(resumes_with(session, &wish));
		SSL_SESSION_free(session);
	}
}

/* A ticket under the old key is renewed, so that a client that comes often enough never has to begin anew. */
Test(resumption, old_ones_are_renewed)
{
	struct wish wish = {RECORD_TLS12, RECORD_AES_128_GCM, "one.example"};
	SSL_SESSION *session = first(&wish);

	for (int i = 0; i < 4; i++) {
		struct tls_facts facts;
		SSL_SESSION *next;

		tls_tickets_rotate(settings.tickets);
		next = session_of(&wish, session, &facts);
		cr_assert(facts.resumed, "%d", i);
		SSL_SESSION_free(session);
		session = next;
	}
	SSL_SESSION_free(session);
}

/* The client takes its ticket for a fresh one: it is the server that must know better. */
static bool resumes_after(time_t seconds, const struct wish *wish)
{
	SSL_SESSION *session = first(wish);
	bool resumes;

	later_s = seconds;
	SSL_SESSION_set_time(session, time(NULL));
	SSL_SESSION_set_timeout(session, 1000000);
	resumes = resumes_with(session, wish);
	later_s = 0;
	SSL_SESSION_free(session);
	return resumes;
}

Test(resumption, tickets_grow_old)
{
	EACH_KIND(version, cipher)
	{
		struct wish wish = {.version = version, .cipher = cipher, .name = "one.example"};

		cr_assert(resumes_after((time_t)settings.ticket_life_s - 60, &wish));
		cr_assert_not(resumes_after((time_t)settings.ticket_life_s + 60, &wish));
	}
}

Test(resumption, no_tickets_by_default)
{
	struct tls_tickets *tickets = settings.tickets;

	settings.tickets = NULL;
	for (enum record_version version = RECORD_TLS12; version <= RECORD_TLS13; version++) {
		struct wish wish = {version, RECORD_AES_128_GCM, "one.example"};
		struct tls_facts facts;
		SSL_SESSION *session = session_of(&wish, NULL, &facts);

		cr_assert_not(SSL_SESSION_has_ticket(session));
		SSL_SESSION_free(session);
	}
	settings.tickets = tickets;
}

Test(resumption, no_early_data)
{
	struct wish wish = {RECORD_TLS13, RECORD_AES_128_GCM, "one.example"};
	SSL_SESSION *session = first(&wish);

	cr_assert_eq(SSL_SESSION_get_max_early_data(session), 0);
	SSL_SESSION_free(session);
}

/* ---- files */

static struct tls_tickets *tickets_of(const uint8_t *bytes, size_t len)
{
	char path[] = "/tmp/tickets-XXXXXX";
	int fd = mkstemp(path);
	struct tls_tickets *tickets;

	cr_assert_eq(write(fd, bytes, len), (ssize_t)len);
	close(fd);
	tickets = tls_tickets_read(path, &fault);
	unlink(path);
	return tickets;
}

static void use(const uint8_t *bytes)
{
	tls_tickets_unref(settings.tickets);
	settings.tickets = tickets_of(bytes, 240);
	cr_assert(settings.tickets, "%s", fault.why);
}

/* Each key a letter; two gates that have been given new files at different times. */
Test(resumption, a_fleet_shares_a_file)
{
	uint8_t before[240], after[240];

	memset(before, 'n', 80);
	memset(before + 80, 'c', 80);
	memset(before + 160, 'o', 80);
	memset(after, 'm', 80);
	memcpy(after + 80, before, 160);
	for (enum record_version version = RECORD_TLS12; version <= RECORD_TLS13; version++) {
		struct wish wish = {version, RECORD_AES_128_GCM, "one.example"};
		SSL_SESSION *early, *late;

		use(before);
		early = first(&wish);
		use(before);
		cr_assert(resumes_with(early, &wish), "another gate with the same file");
		use(after);
		cr_assert(resumes_with(early, &wish), "sealed under what is old now");
		late = first(&wish);
		use(before);
		cr_assert(resumes_with(late, &wish), "sealed under what is still new here");
		before[80] ^= 1;
		use(before);
		cr_assert_not(resumes_with(early, &wish));
		before[80] ^= 1;
		SSL_SESSION_free(early);
		SSL_SESSION_free(late);
	}
}

/* CVE-2020-13777: keys of zeros would be no secret. */
Test(resumption, bad_files)
{
	uint8_t bytes[241];

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i + 1);
	cr_assert_null(tickets_of(bytes, 0));
	cr_assert_null(tickets_of(bytes, 239));
	cr_assert_null(tickets_of(bytes, 241));
	cr_assert(strstr(fault.why, "not three keys of 80 bytes"), "%s", fault.why);
	cr_assert_null(tls_tickets_read("/nonexistent", &fault));
	cr_assert_str_eq(fault.file, "/nonexistent");
	cr_assert_str_eq(fault.why, "No such file or directory");
	memcpy(bytes + 80, bytes, 16);
	cr_assert_null(tickets_of(bytes, 240));
	bytes[80]++;
	memset(bytes + 160 + 16, 0, 32);
	cr_assert_null(tickets_of(bytes, 240));
	bytes[160 + 16] = 1;
	memset(bytes + 48, 0, 32);
	cr_assert_null(tickets_of(bytes, 240));
	cr_assert(strstr(fault.why, "zeros"), "%s", fault.why);
}

/* ---- with clients' certificates */

Test(resumption, brings_the_client_s_certificate)
{
	settings.clients = TLS_CLIENTS_REQUEST;
	settings.client_ca_file = client_files.certificate;
	for (enum record_version version = RECORD_TLS12; version <= RECORD_TLS13; version++) {
		struct wish wish = {version, RECORD_AES_128_GCM, "one.example", .certified = true};
		struct tls_facts facts;
		SSL_SESSION *session = first(&wish);

		wish.certified = false;
		SSL_SESSION_free(session_of(&wish, session, &facts));
		cr_assert(facts.resumed);
		cr_assert(facts.identity);
		cr_assert_str_eq(facts.identity->addresses, "juliet@one.example");
		free(facts.identity);
		SSL_SESSION_free(session);
	}
}

/* CVE-2025-23419: a session from where nobody was asked is worth nothing where everybody is. */
Test(resumption, does_not_evade_the_question)
{
	for (enum record_version version = RECORD_TLS12; version <= RECORD_TLS13; version++) {
		struct wish wish = {version, RECORD_AES_128_GCM, "one.example"};
		SSL_SESSION *session;
		struct tls_peer *p;

		settings.clients = TLS_CLIENTS_OFF;
		session = first(&wish);
		settings.clients = TLS_CLIENTS_REQUIRE;
		settings.client_ca_file = client_files.certificate;
		p = peer_of(&wish, session);
		cr_assert_eq(peer_shake(p, SIZE_MAX), HANDSHAKE_FAILED);
		peer_free(p);
		wish.certified = true;
		cr_assert_not(resumes_with(session, &wish));
		SSL_SESSION_free(session);
		session = first(&wish);
		settings.client_ca_file = files[1].certificate;
		p = peer_of(&wish, session);
		cr_assert_eq(peer_shake(p, SIZE_MAX), HANDSHAKE_FAILED, "another authority is trusted now");
		peer_free(p);
		SSL_SESSION_free(session);
	}
}
