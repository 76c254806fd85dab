#include "client.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define CLIENT_NS " xmlns='jabber:client'"
#define GOOD	  CLIENT_NS " to='example.org' version='1.0'"

/* The first header on a stream that begins with TLS. */
static struct client client_tls(void)
{
	struct client client = {.login = {.bytes_max = 1 << 20, .elements_max = 100}};

	stream_init(&client.stream, true);
	stream_on_tls(&client.stream);
	return client;
}

static void expect_header(struct client *client, const char *header, enum reason reason)
{
	struct stream_verdict verdict = client_say(client, header);

	cr_expect_eq(verdict.reason, reason, "%s: reason %d, not %d", header, verdict.reason, reason);
	cr_expect_eq(verdict.act, reason ? STREAM_ACT_CLOSE : STREAM_ACT_HEADER, "%s: act %d", header, verdict.act);
	cr_expect_eq(client->stream.header_sent, !reason, "%s: header_sent", header);
	cr_expect_eq(client->stream.state == STREAM_ENDED, reason != REASON_NONE, "%s: state", header);
}

static void expect_first(const char *header, enum reason reason)
{
	struct client client = client_tls();

	expect_header(&client, header, reason);
}

Test(stream_header, S10_versions_are_integers)
{
	static const struct {
		const char *header;
		enum reason reason;
	} rows[] = {
		{HEADER_OF(CLIENT_NS " to='example.org' version='1.0'"), REASON_NONE},
		{HEADER_OF(CLIENT_NS " to='example.org' version='1.10'"), REASON_NONE},
		{HEADER_OF(CLIENT_NS " to='example.org' version='01.0'"), REASON_NONE},
		{HEADER_OF(CLIENT_NS " to='example.org' version='001.00'"), REASON_NONE},
		{HEADER_OF(CLIENT_NS " to='example.org' version='2.0'"), REASON_NONE},
		{HEADER_OF(CLIENT_NS " to='example.org' version='10.0'"), REASON_NONE},
		{HEADER_OF(CLIENT_NS " to='example.org' version='99999999999999999999999.1'"), REASON_NONE},
		{HEADER_OF(CLIENT_NS " to='example.org' version='&#x31;.0'"), REASON_NONE},
		{HEADER_OF(CLIENT_NS " to='example.org'"), REASON_VERSION},
		{HEADER_OF(CLIENT_NS " to='example.org' version=''"), REASON_VERSION},
		{HEADER_OF(CLIENT_NS " to='example.org' version='0.9'"), REASON_VERSION},
		{HEADER_OF(CLIENT_NS " to='example.org' version='00.1'"), REASON_VERSION},
		{HEADER_OF(CLIENT_NS " to='example.org' version='1'"), REASON_VERSION},
		{HEADER_OF(CLIENT_NS " to='example.org' version='1.'"), REASON_VERSION},
		{HEADER_OF(CLIENT_NS " to='example.org' version='.1'"), REASON_VERSION},
		{HEADER_OF(CLIENT_NS " to='example.org' version='.'"), REASON_VERSION},
		{HEADER_OF(CLIENT_NS " to='example.org' version='1.0.0'"), REASON_VERSION},
		{HEADER_OF(CLIENT_NS " to='example.org' version='1,0'"), REASON_VERSION},
		{HEADER_OF(CLIENT_NS " to='example.org' version=' 1.0'"), REASON_VERSION},
		{HEADER_OF(CLIENT_NS " to='example.org' version='1.0 '"), REASON_VERSION},
		{HEADER_OF(CLIENT_NS " to='example.org' version='-1.0'"), REASON_VERSION},
		{HEADER_OF(CLIENT_NS " to='example.org' version='1.x'"), REASON_VERSION},
		{HEADER_OF(CLIENT_NS " to='example.org' version='one'"), REASON_VERSION},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		expect_first(rows[i].header, rows[i].reason);
}

Test(stream_header, S11_S12_content_namespace)
{
	expect_first(HEADER_OF(GOOD), REASON_NONE);
	expect_first(HEADER_OF(" to='example.org' version='1.0'"), REASON_NAMESPACE);
	expect_first(HEADER_OF(" xmlns='' to='example.org' version='1.0'"), REASON_NAMESPACE);
	expect_first(HEADER_OF(" xmlns='jabber:server' to='example.org' version='1.0'"), REASON_NAMESPACE);
	expect_first(HEADER_OF(" xmlns='jabber:clients' to='example.org' version='1.0'"), REASON_NAMESPACE);
}

Test(stream_header, faults_are_found_in_order)
{
	expect_first(HEADER_OF(" xmlns='jabber:server'"), REASON_NAMESPACE);
	expect_first(HEADER_OF(CLIENT_NS), REASON_VERSION);
	expect_first(HEADER_OF(CLIENT_NS " version='1.0' from='@'"), REASON_ADDRESS_MISSING);
	expect_first(HEADER_OF(CLIENT_NS " version='1.0' to='@' from='@'"), REASON_HOST_UNKNOWN);
	expect_first(HEADER_OF(GOOD " from='@'"), REASON_FROM_INVALID);
}

Test(stream_header, S17_to_is_a_domain)
{
	struct client client = client_tls();

	expect_first(HEADER_OF(CLIENT_NS " version='1.0' to=''"), REASON_HOST_UNKNOWN);
	expect_first(HEADER_OF(CLIENT_NS " version='1.0' to='a@example.org'"), REASON_HOST_UNKNOWN);
	expect_first(HEADER_OF(CLIENT_NS " version='1.0' to='example.org/x'"), REASON_HOST_UNKNOWN);
	expect_first(HEADER_OF(CLIENT_NS " version='1.0' to='example org'"), REASON_HOST_UNKNOWN);
	expect_header(&client, HEADER_OF(CLIENT_NS " version='1.0' to='EXAMPLE&#46;org.'"), REASON_NONE);
	cr_expect_str_eq(client.login.domain, "example.org");
}

Test(stream_header, S8_E2_from_is_of_the_domain)
{
	struct client client = client_tls();

	expect_header(&client, HEADER_OF(GOOD " from='Juliet@Example.org/balcony'"), REASON_NONE);
	cr_expect_str_eq(client.login.from, "juliet@example.org");
	client = client_tls();
	expect_header(&client, HEADER_OF(GOOD), REASON_NONE);
	cr_expect_str_eq(client.login.from, "");
	expect_first(HEADER_OF(GOOD " from='juliet@example.net'"), REASON_FROM_INVALID);
	expect_first(HEADER_OF(GOOD " from='juliet@sub.example.org'"), REASON_FROM_INVALID);
	expect_first(HEADER_OF(GOOD " from=''"), REASON_FROM_INVALID);
	expect_first(HEADER_OF(GOOD " from='example.org'"), REASON_NONE);
}

static struct client client_authenticated(void)
{
	struct client client;

	client_begin(&client, STREAM_NEGOTIATING);
	stream_on_authenticated(&client.stream, false);
	strcpy(client.login.from, "juliet@example.org");
	return client;
}

Test(stream_header, A8_from_after_login_is_the_authenticated_one)
{
	static const struct {
		const char *header;
		enum reason reason;
	} rows[] = {
		{HEADER_OF(GOOD), REASON_NONE},
		{HEADER_OF(GOOD " from='juliet@example.org'"), REASON_NONE},
		{HEADER_OF(GOOD " from='JULIET@example.org/x'"), REASON_NONE},
		{HEADER_OF(GOOD " from='romeo@example.org'"), REASON_FROM_INVALID},
		{HEADER_OF(GOOD " from='example.org'"), REASON_FROM_INVALID},
		{HEADER_OF(GOOD " from='julie@example.org'"), REASON_FROM_INVALID},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct client client = client_authenticated();
		expect_header(&client, rows[i].header, rows[i].reason);
		cr_expect_str_eq(client.login.from, "juliet@example.org");
	}
}

Test(stream_header, from_before_login_may_change_with_tls)
{
	struct client client = {.login = {.bytes_max = 10000, .elements_max = 10}};

	stream_init(&client.stream, false);
	expect_header(&client, HEADER_OF(GOOD " from='romeo@example.org'"), REASON_NONE);
	client_say(&client, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	stream_on_tls(&client.stream);
	expect_header(&client, HEADER_OF(GOOD), REASON_NONE);
	cr_expect_str_eq(client.login.from, "");
}

Test(stream_header, domain_stays_after_starttls_and_after_login)
{
	static const char other[] = HEADER_OF(CLIENT_NS " to='example.net' version='1.0'");
	struct client client = {.login = {.bytes_max = 10000, .elements_max = 10}};

	stream_init(&client.stream, false);
	expect_header(&client, HEADER, REASON_NONE);
	client_say(&client, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	stream_on_tls(&client.stream);
	struct client second = client;
	expect_header(&client, other, REASON_HOST_CHANGED);
	expect_header(&second, HEADER_OF(CLIENT_NS " to='Example.ORG' version='1.0'"), REASON_NONE);
	client = client_authenticated();
	expect_header(&client, other, REASON_HOST_CHANGED);
}

Test(stream_header, S9_id_of_the_client_is_ignored)
{
	struct client client = client_tls();

	strcpy(client.login.id, "ours");
	expect_header(&client, HEADER_OF(GOOD " id='theirs'"), REASON_NONE);
	cr_expect_str_eq(client.login.id, "ours");
}

Test(stream_header, lang_is_kept_if_it_may_be_one)
{
	static const struct {
		const char *header, *lang;
	} rows[] = {
		{HEADER_OF(GOOD " xml:lang='de'"), "de"},
		{HEADER_OF(GOOD " xml:lang='zh-Hant-TW'"), "zh-Hant-TW"},
		{HEADER_OF(GOOD " xml:lang='sl-rozaj-biske-1994'"), "sl-rozaj-biske-1994"},
		{HEADER_OF(GOOD " xml:lang='aaaaaaaa-bbbbbbbb-cccccccc-dddddddd'"),
		 "aaaaaaaa-bbbbbbbb-cccccccc-dddddddd"},
		{HEADER_OF(GOOD " xml:lang='aaaaaaaa-bbbbbbbb-cccccccc-dddddddd-'"), ""},
		{HEADER_OF(GOOD " xml:lang='aaaaaaaa-bbbbbbbb-ccccccc-ddddddd-ee'"), ""},
		{HEADER_OF(GOOD), ""},
		{HEADER_OF(GOOD " xml:lang=''"), ""},
		{HEADER_OF(GOOD " xml:lang='de_DE'"), ""},
		{HEADER_OF(GOOD " xml:lang='-de'"), ""},
		{HEADER_OF(GOOD " xml:lang='de-'"), ""},
		{HEADER_OF(GOOD " xml:lang='de--at'"), ""},
		{HEADER_OF(GOOD " xml:lang='1de'"), ""},
		{HEADER_OF(GOOD " xml:lang='abcdefghi'"), ""},
		{HEADER_OF(GOOD " xml:lang='d&apos;'"), ""},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct client client = client_tls();
		strcpy(client.login.lang, "xx");
		expect_header(&client, rows[i].header, REASON_NONE);
		cr_expect_str_eq(client.login.lang, rows[i].lang, "%s", rows[i].header);
	}
}

Test(stream_header, values_that_are_longer_than_any_address)
{
	static const char *const forms[] = {
		HEADER_OF(CLIENT_NS " version='1.0' to='%s'"),
		HEADER_OF(GOOD " from='%s'"),
		HEADER_OF(CLIENT_NS " to='example.org' version='1.%s'"),
		HEADER_OF(GOOD " xml:lang='%s'"),
	};
	static const enum reason reasons[] = {REASON_HOST_UNKNOWN, REASON_FROM_INVALID, REASON_VERSION, REASON_NONE};
	char header[6000], value[5000];

	memset(value, '1', sizeof value);
	value[sizeof value - 1] = 0;
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		snprintf(header, sizeof header, forms[i], value);
		expect_first(header, reasons[i]);
	}
}
