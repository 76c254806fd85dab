#include "client.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void base64_encode(const char *from, size_t len, char *to)
{
	for (size_t i = 0; i < len; i += 3) {
		unsigned left = len - i < 3 ? (unsigned)(len - i) : 3;
		unsigned bits = 0;
		for (unsigned k = 0; k < 3; k++)
			bits = bits << 8 | (k < left ? (unsigned char)from[i + k] : 0);
		for (unsigned k = 0; k < 4; k++)
			*to++ = k <= left ? digits[bits >> (18 - 6 * k) & 63] : '=';
	}
	*to = 0;
}

/* "" for no user. */
static const char *user_of(const char *element)
{
	static char user[1024];
	struct xml_event event;

	event_read_element(element, &event);
	strcpy(user, "untouched");
	if (stream_auth_user(&event, (const uint8_t *)element, user))
		return user;
	cr_expect_str_eq(user, "untouched");
	return "";
}

static void expect_message(const char *mechanism, const char *message, size_t len, const char *user)
{
	char encoded[5000], element[6000];

	base64_encode(message, len, encoded);
	snprintf(element, sizeof element, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='%s'>%s</auth>",
		 mechanism, encoded);
	cr_expect_str_eq(user_of(element), user, "%s: %s", mechanism, message);
	snprintf(element, sizeof element,
		 "<authenticate xmlns='urn:xmpp:sasl:2' mechanism=\"%s\" >\n <initial-response "
		 "a='>'>%s</initial-response>"
		 "<user-agent/></authenticate>",
		 mechanism, encoded);
	cr_expect_str_eq(user_of(element), user, "%s: %s", mechanism, message);
}
#define EXPECT(mechanism, message, user) expect_message(mechanism, message, sizeof message - 1, user)

Test(sasl_name, P1_plain)
{
	EXPECT("PLAIN", "\0juliet\0secret", "juliet");
	EXPECT("PLAIN", "\0Juliet\0s", "juliet");
	EXPECT("PLAIN", "\0juliet\0", "juliet");
	EXPECT("PLAIN", "\0juliet\0a\0b", "juliet");
	EXPECT("PLAIN", "romeo@example.org\0admin\0secret", "romeo");
	EXPECT("PLAIN", "\0f\xc3\x9f\0secret", "fss");
	EXPECT("PLAIN", "\0juliet", "");
	EXPECT("PLAIN", "juliet", "");
	EXPECT("PLAIN", "\0\0secret", "");
	EXPECT("PLAIN", "\0a@b\0secret", "");
	EXPECT("PLAIN", "romeo\0admin\0secret", "");
	EXPECT("PLAIN", "", "");
	EXPECT("PLAIN2", "\0juliet\0secret", "");
	EXPECT("plain", "\0juliet\0secret", "");
}

Test(sasl_name, H1_H2_scram)
{
	EXPECT("EXTERNAL", "Romeo@example.org", "romeo");
	EXPECT("EXTERNAL", "example.org", "");
	EXPECT("EXTERNAL", "romeo", "");
	EXPECT("EXTERNALS", "romeo@example.org", "");
	EXPECT("SCRAM-SHA-1", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL", "user");
	EXPECT("SCRAM-SHA-256", "y,,n=user,r=x", "user");
	EXPECT("SCRAM-SHA-256-PLUS", "p=tls-exporter,,n=User,r=x", "user");
	EXPECT("SCRAM-SHA-1", "n,a=romeo@example.org,n=admin,r=x", "romeo");
	EXPECT("SCRAM-SHA-1", "n,,n=a=3Db=2Cc,r=x", "a=b,c");
	EXPECT("SCRAM-SHA-1", "n,,n=a=2cb,r=x", "");
	EXPECT("SCRAM-SHA-1", "n,,n=a=b,r=x", "");
	EXPECT("SCRAM-SHA-1", "n,,n=a=,r=x", "");
	EXPECT("SCRAM-SHA-1", "n,,n=a=3,r=x", "");
	EXPECT("SCRAM-SHA-1", "n,,m=x,n=user,r=x", "");
	EXPECT("SCRAM-SHA-1", "n,,n=user", "");
	EXPECT("SCRAM-SHA-1", "n,,n=,r=x", "");
	EXPECT("SCRAM-SHA-1", "x,,n=user,r=x", "");
	EXPECT("SCRAM-SHA-1", "n,b=romeo@example.org,n=user,r=x", "");
	EXPECT("SCRAM-SHA-1", "n,a=romeo,n=user,r=x", "");
	EXPECT("SCRAM-SHA-1", "n,", "");
	EXPECT("SCRAM-SHA-1", ",,n=user,r=x", "");
}

Test(sasl_name, tokens)
{
	EXPECT("HT-SHA-256-ENDP", "juliet\0token", "juliet");
	EXPECT("HT-SHA-256-ENDP", "juliet", "");
}

Test(sasl_name, other_mechanisms_do_not_tell)
{
	EXPECT("DIGEST-MD5", "\0juliet\0secret", "");
	EXPECT("", "\0juliet\0secret", "");
}

Test(sasl_name, A3_base64_is_strict)
{
	static const struct {
		const char *text, *user;
	} rows[] = {
		{"AGEAYg==", "a"}, /* NUL a NUL b */
		{"AGEAYmM=", "a"},
		{"AGEAYmNk", "a"},
		{"AGEA&#89;g==", "a"},
		{"<![CDATA[AGEAYg==]]>", "a"},
		{"AGEAYh==", ""}, /* bits in the padding */
		{"AGEAYmN=", ""},
		{"AGEAYg=", ""},
		{"AGEAYg", ""},
		{"AGEA Yg==", ""},
		{" AGEAYg==", ""},
		{"AGEAYg==\n", ""},
		{"AGEAYg==AGEA", ""},
		{"AGE=Yg==", ""},
		{"AGEAY===", ""},
		{"====", ""},
		{"=", ""},
		{"", ""},
		{"AGEAYg-_", ""},
		{"AGEAYg<x/>==", ""},
	};
	char element[200];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		snprintf(element, sizeof element,
			 "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>", rows[i].text);
		cr_expect_str_eq(user_of(element), rows[i].user, "%s", element);
	}
}

Test(sasl_name, the_tag_is_read_exactly)
{
#define AUTH(attributes) "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'" attributes ">AGEAYg==</auth>"
	cr_expect_str_eq(user_of(AUTH(" mechanism='PLAIN'")), "a");
	cr_expect_str_eq(user_of(AUTH("\n\tmechanism\r\n =\t \"PLAIN\"\n")), "a");
	cr_expect_str_eq(user_of(AUTH(" x=\"mechanism='SCRAM-'>\" mechanism='PLAIN'")), "a");
	cr_expect_str_eq(user_of(AUTH(" xml:mechanism='PLAIN' mechanisms='PLAIN' echanism='PLAIN'")), "");
	cr_expect_str_eq(user_of(AUTH(" y='1'")), "");
	cr_expect_str_eq(user_of("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>"), "");
	cr_expect_str_eq(
		user_of("<s:auth xmlns:s='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</s:auth>"), "a");
#define AUTH2(children) "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'>" children "</authenticate>"
	cr_expect_str_eq(user_of(AUTH2("<initial-response>AGEAYg==</initial-response>")), "a");
	cr_expect_str_eq(user_of(AUTH2("<initial-response/>")), "");
	cr_expect_str_eq(user_of(AUTH2("<initial-response />")), "");
	cr_expect_str_eq(user_of(AUTH2("<initial-response></initial-response>")), "");
	cr_expect_str_eq(user_of(AUTH2("<other>AGEAYg==</other>")), "");
	cr_expect_str_eq(user_of(AUTH2("AGEAYg==")), "");
}

Test(sasl_name, messages_longer_than_any)
{
	char message[3000];

	memset(message, 'a', sizeof message);
	memcpy(message, "n,,n=u,r=", 9);
	expect_message("SCRAM-SHA-1", message, 2048, "u");
	expect_message("SCRAM-SHA-1", message, 2052, "");
	message[0] = 0;
	memset(message + 1, 'a', 1023);
	message[1024] = 0;
	char longest[1024] = {0};
	memset(longest, 'a', 1023);
	expect_message("PLAIN", message, 1200, longest);
	message[1024] = 'a';
	message[1025] = 0;
	expect_message("PLAIN", message, 1200, "");
}
