/* Clients' certificates: which are taken, and whom they name. */
#include "tls_peer.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESS "otherName:1.3.6.1.5.5.7.8.5;"
#define SERVICE "otherName:1.3.6.1.5.5.7.8.7;"

static struct tls_files server;
static struct tls_settings settings;

static void make(void)
{
	server = tls_files_make("EC", "SHA256");
	settings = (struct tls_settings){server.certificate, server.key, 12};
}

static void drop(void)
{
	tls_files_remove(&server);
}

TestSuite(identity, .init = make, .fini = drop);

/* A handshake in which the client shows this certificate (NULL: none), trusted or not. NULL: it failed. */
static struct tls_peer *shaken(enum tls_clients clients, const struct tls_files *shown, const struct tls_files *trusted,
			       int version)
{
	struct tls_peer *p;

	settings.clients = clients;
	settings.client_ca_file = trusted->certificate;
	p = peer_new_by(&settings, false);
	SSL_set_max_proto_version(p->client, version);
	if (shown) {
		cr_assert_eq(SSL_use_certificate_file(p->client, shown->certificate, SSL_FILETYPE_PEM), 1);
		cr_assert_eq(SSL_use_PrivateKey_file(p->client, shown->key, SSL_FILETYPE_PEM), 1);
	}
	if (peer_shake(p, SIZE_MAX) == HANDSHAKE_DONE && peer_finish(p))
		return p;
	peer_free(p);
	return NULL;
}

/* How it ends: 'f' failed, 'n' without an identity, 'i' with one. */
static char outcome(enum tls_clients clients, const struct tls_files *shown, const struct tls_files *trusted,
		    int version)
{
	struct tls_peer *p = shaken(clients, shown, trusted, version);
	char is = p == NULL ? 'f' : p->facts.identity == NULL ? 'n' : 'i';

	if (p == NULL)
		return is;
	free(p->facts.identity);
	peer_free(p);
	return is;
}

Test(identity, who_must_show_what)
{
	struct tls_files good = tls_files_make_for("EC", "SHA256", ADDRESS "UTF8:juliet@example.org");
	struct tls_files stranger = tls_files_make_for("EC", "SHA256", ADDRESS "UTF8:juliet@example.org");

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		cr_assert_eq(outcome(TLS_CLIENTS_OFF, &good, &good, version), 'n');
		cr_assert_eq(outcome(TLS_CLIENTS_REQUEST, &good, &good, version), 'i');
		cr_assert_eq(outcome(TLS_CLIENTS_REQUEST, NULL, &good, version), 'n');
		cr_assert_eq(outcome(TLS_CLIENTS_REQUEST, &stranger, &good, version), 'f');
		cr_assert_eq(outcome(TLS_CLIENTS_REQUIRE, &good, &good, version), 'i');
		cr_assert_eq(outcome(TLS_CLIENTS_REQUIRE, NULL, &good, version), 'f');
		cr_assert_eq(outcome(TLS_CLIENTS_REQUIRE, &stranger, &good, version), 'f');
	}
	tls_files_remove(&good);
	tls_files_remove(&stranger);
}

Test(identity, no_authorities_no_context)
{
	struct tls_fault fault;

	settings.clients = TLS_CLIENTS_REQUEST;
	settings.client_ca_file = server.key;
	cr_assert_null(tls_context_new(&settings, &fault));
	cr_assert_eq(fault.file, settings.client_ca_file);
	cr_assert_str_eq(fault.why, "no certificates of authorities");
	settings.client_ca_file = "/nonexistent";
	cr_assert_null(tls_context_new(&settings, &fault));
}

/* A '^' is a NUL in the certificate; CVE-2025-59154: what stands elsewhere than in these names counts for nothing. */
Test(identity, names)
{
	static const struct {
		const char *names, *addresses, *others;
	} rows[] = {
		{ADDRESS "UTF8:juliet@example.org", "juliet@example.org", ""},
		{ADDRESS "UTF8:a@x.example," ADDRESS "UTF8:b@x.example", "a@x.example\nb@x.example", ""},
		{"DNS:x.example," SERVICE "IA5:_xmpp-client.x.example," ADDRESS "UTF8:a@x.example", "a@x.example",
		 "dns:x.example\nsrv:_xmpp-client.x.example"},
		{"email:juliet@example.org", "", ""},
		{"URI:xmpp:juliet@example.org", "", ""},
		{"otherName:1.3.6.1.5.5.7.8.6;UTF8:juliet@example.org", "", ""},
		{"otherName:1.3.6.1.4.1.311.20.2.3;UTF8:juliet@example.org", "", ""},
		{ADDRESS "IA5:juliet@example.org", "", ""},
		{ADDRESS "BMP:juliet@example.org", "", ""},
		{ADDRESS "PRINTABLE:juliet", "", ""},
		{ADDRESS "INT:5", "", ""},
		{SERVICE "UTF8:_xmpp-client.x.example", "", ""},
		{ADDRESS "UTF8:juliet@example.org^.evil.example", "", ""},
		{ADDRESS "UTF8:^", "", ""},
		{ADDRESS "UTF8:two words@example.org", "", ""},
		{"DNS:x.example^.evil.example,DNS:y.example", "", "dns:y.example"},
		{ADDRESS "UTF8:^," ADDRESS "UTF8:b@x.example", "b@x.example", ""},
		{NULL, "", ""},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct tls_files files = tls_files_make_for("EC", "SHA256", rows[i].names);
		struct tls_peer *p = shaken(TLS_CLIENTS_REQUIRE, &files, &files, TLS1_3_VERSION);

		cr_assert(p && p->facts.identity, "%s", rows[i].names);
		cr_assert_str_eq(p->facts.identity->addresses, rows[i].addresses, "%s", rows[i].names);
		cr_assert_str_eq(p->facts.identity->names, rows[i].others, "%s", rows[i].names);
		free(p->facts.identity);
		peer_free(p);
		tls_files_remove(&files);
	}
}

/* What does not fit is left out whole, and what comes behind it is not. */
Test(identity, long_names)
{
	char names[4000] = ADDRESS "UTF8:", *at = names + strlen(names);
	struct tls_files files;
	struct tls_peer *p;

	memset(at, 'a', 3072);
	memcpy(at + 3072, "," ADDRESS "UTF8:b@x.example", strlen("," ADDRESS "UTF8:b@x.example") + 1);
	files = tls_files_make_for("EC", "SHA256", names);
	p = shaken(TLS_CLIENTS_REQUIRE, &files, &files, TLS1_3_VERSION);
	cr_assert(p);
	cr_assert_str_eq(p->facts.identity->addresses, "b@x.example");
	free(p->facts.identity);
	peer_free(p);
	tls_files_remove(&files);
}
