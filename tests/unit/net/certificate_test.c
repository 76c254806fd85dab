/* Names of certificates, and which certificate a client is shown. */
#include "certificate.h"
#include "tls_peer.h"

#include <criterion/criterion.h>
#include <openssl/pem.h>
#include <string.h>
#include <time.h>

#define ADDRESS "otherName:1.3.6.1.5.5.7.8.5;"
#define SERVICE "otherName:1.3.6.1.5.5.7.8.7;"

static bool covers(const char *names, const char *name)
{
	struct tls_files files = tls_files_make_for("EC", "SHA256", names);
	struct tls_pair pair = {files.certificate, files.key, NULL};
	struct tls_fault fault;
	struct certificate *c = certificate_new(&pair, &fault);
	bool is;

	cr_assert(c, "%s", fault.why);
	is = certificate_covers(c, name);
	certificate_free(c);
	tls_files_remove(&files);
	return is;
}

Test(certificate, names)
{
	static const struct {
		const char *names, *name;
		bool covers;
	} rows[] = {
		{"DNS:chat.example", "chat.example", true},
		{"DNS:CHAT.Example", "chat.example", true},
		{"DNS:chat.example", "a.chat.example", false},
		{"DNS:chat.example", "chat.exampl", false},
		{"DNS:chat.example", "", false},
		{"DNS:x.example,DNS:y.example,DNS:z.example", "z.example", true},
		{"DNS:*.chat.example", "a.chat.example", true},
		{"DNS:*.chat.example", "chat.example", false},
		{"DNS:*.chat.example", ".chat.example", false},
		{"DNS:*.chat.example", "a.b.chat.example", false},
		{"DNS:*.example", "chat.example", false},
		{"DNS:*", "chat", false},
		{"DNS:*a.chat.example", "ba.chat.example", false},
		{"DNS:a.*.example", "a.b.example", false},
		{"DNS:xn--bcher-kva.example",
		 "b\xc3\xbc"
		 "cher.example",
		 true},
		{"DNS:xn--bcher-kva.example", "xn--bcher-kva.example", true},
		{"DNS:xn--bcher-kva.example",
		 "b\xc3\xbc"
		 "chen.example",
		 false},
		{ADDRESS "UTF8:chat.example", "chat.example", true},
		{ADDRESS "UTF8:juliet@chat.example", "chat.example", false},
		{ADDRESS "IA5:chat.example", "chat.example", false},
		{SERVICE "IA5:_xmpp-client.chat.example", "chat.example", true},
		{SERVICE "IA5:_xmpp-server.chat.example", "chat.example", false},
		{SERVICE "UTF8:_xmpp-client.chat.example", "chat.example", false},
		{"otherName:1.3.6.1.5.5.7.8.6;UTF8:chat.example", "chat.example", false},
		{"email:chat.example", "chat.example", false},
		{"URI:chat.example", "chat.example", false},
		/* CVE-2009-2408: the certificate of "chat.example\0.evil.example" */
		{"DNS:chat.example^.evil.example", "chat.example", false},
		{ADDRESS "UTF8:chat.example^evil", "chat.example", false},
		{"DNS:a.example^,DNS:chat.example", "chat.example", true},
		{NULL, "example.org", false}, /* the subject's CN is no name */
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_assert_eq(covers(rows[i].names, rows[i].name), rows[i].covers, "%zu: %s for %s", i, rows[i].names,
			     rows[i].name);
}

/* ---- which is shown */

enum { FIRST, FIRST_RSA, OTHER, WILD, COUNT };
static struct tls_files files[COUNT];
static struct tls_pair more[COUNT - 1];
static struct tls_settings settings;

static void tenants_make(void)
{
	files[FIRST] = tls_files_make_for("EC", "SHA256", "DNS:first.example,DNS:alias.example");
	files[FIRST_RSA] = tls_files_make_for("RSA", "SHA256", "DNS:first.example");
	files[OTHER] = tls_files_make_for("RSA", "SHA384", "DNS:other.example");
	files[WILD] = tls_files_make_for("EC", "SHA384", "DNS:*.wild.example");
	for (size_t i = 1; i < COUNT; i++)
		more[i - 1] = (struct tls_pair){files[i].certificate, files[i].key, NULL};
	settings = (struct tls_settings){files[FIRST].certificate, files[FIRST].key, 12, NULL, more, COUNT - 1, false};
}

static void tenants_drop(void)
{
	for (size_t i = 0; i < COUNT; i++)
		tls_files_remove(&files[i]);
}

TestSuite(tenants, .init = tenants_make, .fini = tenants_drop);

static X509 *certificate_read(const struct tls_files *of)
{
	BIO *from = BIO_new_file(of->certificate, "r");
	X509 *x509 = PEM_read_bio_X509(from, NULL, NULL, NULL);

	BIO_free(from);
	return x509;
}

/* What the client saw is what the facts say, and channel bindings are of that certificate. */
static void shown_is(struct tls_peer *p, int expected)
{
	X509 *seen = SSL_get1_peer_certificate(p->client), *file = certificate_read(&files[expected]);
	uint8_t hash[64];
	unsigned int len;

	cr_assert_eq(X509_cmp(seen, file), 0, "not certificate %d", expected);
	cr_assert_eq(p->facts.certificate, expected);
	X509_digest(seen, expected < OTHER ? EVP_sha256() : EVP_sha384(), hash, &len);
	cr_assert_eq(p->facts.end_point_len, len);
	cr_assert_arr_eq(p->facts.end_point, hash, len);
	X509_free(seen);
	X509_free(file);
}

static const char *const only_rsa = "RSA-PSS+SHA256:RSA+SHA256", *const only_ec = "ECDSA+SHA256";

static void shows(int version, const char *name, const char *host, const char *algorithms, int expected)
{
	struct tls_peer *p = peer_new_by(&settings, false);

	SSL_set_max_proto_version(p->client, version);
	if (algorithms)
		SSL_set1_sigalgs_list(p->client, algorithms);
	if (name)
		SSL_set_tlsext_host_name(p->client, name);
	if (host)
		handshake_host(p->server, host);
	cr_assert_eq(peer_shake(p, SIZE_MAX), HANDSHAKE_DONE, "%s: %s", name, handshake_error(p->server));
	cr_assert(peer_finish(p));
	shown_is(p, expected);
	peer_free(p);
}

static void fails(const char *name, const char *host, const char *algorithms, uint8_t alert)
{
	struct tls_peer *p = peer_new_by(&settings, false);

	if (algorithms)
		SSL_set1_sigalgs_list(p->client, algorithms);
	if (name)
		SSL_set_tlsext_host_name(p->client, name);
	if (host)
		handshake_host(p->server, host);
	cr_assert_eq(peer_shake(p, SIZE_MAX), HANDSHAKE_FAILED);
	cr_assert_eq(p->alert[1], alert, "%s: alert %d", name, p->alert[1]);
	peer_free(p);
}

Test(tenants, by_name)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		shows(version, "first.example", NULL, NULL, FIRST);
		shows(version, "FIRST.example", NULL, NULL, FIRST);
		shows(version, "other.example", NULL, NULL, OTHER);
		shows(version, "a.wild.example", NULL, NULL, WILD);
		shows(version, NULL, NULL, NULL, FIRST);
		shows(version, NULL, "other.example", NULL, OTHER);
		shows(version, "a.wild.example", "other.example", NULL, WILD);
	}
}

Test(tenants, by_kind_of_key)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		shows(version, "first.example", NULL, only_rsa, FIRST_RSA);
		shows(version, "first.example", NULL, only_ec, FIRST);
		shows(version, NULL, NULL, only_rsa, FIRST_RSA);
	}
	fails("other.example", NULL, only_ec, 40); /* and not the first one's */
	fails("alias.example", NULL, only_rsa, 40);
}

Test(tenants, unknown_names)
{
	shows(TLS1_3_VERSION, "unknown.example", NULL, NULL, FIRST);
	shows(TLS1_3_VERSION, NULL, "unknown.example", NULL, FIRST);
	settings.strict_names = true;
	fails("unknown.example", NULL, NULL, 112);
	fails(NULL, "unknown.example", NULL, 112);
	fails("unknown.example", "first.example", NULL, 112);
	fails("wild.example", NULL, NULL, 112);
	shows(TLS1_2_VERSION, NULL, NULL, NULL, FIRST);
	shows(TLS1_2_VERSION, "other.example", NULL, NULL, OTHER);
}

/* RFC 6066, 3: a name that was used is acknowledged. */
Test(tenants, name_is_acknowledged)
{
	for (int known = 0; known < 2; known++) {
		struct tls_peer *p = peer_new_by(&settings, false);
		const char *name = known ? "other.example" : "unknown.example";
		bool acknowledged;

		SSL_set_max_proto_version(p->client, TLS1_2_VERSION);
		SSL_set_tlsext_host_name(p->client, name);
		cr_assert_eq(peer_shake(p, SIZE_MAX), HANDSHAKE_DONE);
		acknowledged = memmem(p->output, p->output_len, "\0\0\0\0", 4) != NULL; /* the extension */
		cr_assert(acknowledged == (known == 1));
		peer_free(p);
	}
}

/* What a client could put there instead of a name. */
Test(tenants, names_that_are_none)
{
	char longest[256];

	memset(longest, 'a', 255);
	longest[255] = '\0';
	shows(TLS1_3_VERSION, longest, NULL, NULL, FIRST);
	shows(TLS1_3_VERSION,
	      "b\xc3\xbc"
	      "cher.example",
	      NULL, NULL, FIRST);
	shows(TLS1_3_VERSION, "\xff\xfe\x80", NULL, NULL, FIRST);
	shows(TLS1_3_VERSION, "*.wild.example", NULL, NULL, WILD);
	shows(TLS1_3_VERSION, ".wild.example", NULL, NULL, FIRST);
}

Test(tenants, covers_tells_by_index)
{
	struct tls_fault fault;
	struct tls_context *context = tls_context_new(&settings, &fault);

	cr_assert(context, "%s", fault.why);
	cr_assert(tls_context_covers(context, FIRST, "alias.example"));
	cr_assert_not(tls_context_covers(context, FIRST_RSA, "alias.example"));
	cr_assert(tls_context_covers(context, WILD, "x.wild.example"));
	cr_assert_not(tls_context_covers(context, OTHER, "first.example"));
	for (size_t i = 0; i < COUNT; i++)
		cr_assert_eq(tls_context_expires_at_s(context, i), 2208988800);
	tls_context_unref(context);
}

/* One that is bad spoils all, and is named, by its own pointer: another one has the same path. */
Test(tenants, bad_one_is_named)
{
	struct tls_fault fault;
	char *same = strdup(files[WILD].key);

	more[1].key_file = same;
	cr_assert_null(tls_context_new(&settings, &fault));
	cr_assert_eq(fault.file, same);
	cr_assert_eq(strncmp(fault.why, "no private key of the certificate (", 35), 0, "%s", fault.why);
	more[1].key_file = files[OTHER].key;
	free(same);
}

/* A staple that is bad is only not shown (staple_test.c says which are). */
Test(tenants, bad_staple_is_told)
{
	struct tls_context *context;
	struct tls_fault fault;
	const char *why;
	int64_t until_s;

	more[2].staple_file = files[WILD].key;
	context = tls_context_new(&settings, &fault);
	cr_assert_not_null(context, "%s", fault.why);
	cr_assert_eq(tls_context_staple(context, 3, &until_s, &why), TLS_STAPLE_BAD);
	cr_assert(strstr(why, files[WILD].key) && strstr(why, "no OCSP response"), "%s", why);
	cr_assert_eq(tls_context_staple(context, 2, &until_s, &why), TLS_STAPLE_NONE);
	tls_context_unref(context);
	more[2].staple_file = NULL;
}
