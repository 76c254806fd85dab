/* Logging in by a client's certificate (RFC 4422, A; XEP-0178, 2). */
#include "base64.h"
#include "fixture.h"
#include "sasl.h"
#include "stage.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct store *store;
static struct passwords *passwords;
static struct sasl_server *sasls;

static void begin(void)
{
	char error[STORE_ERROR_BYTES];
	fixture_begin(&fixture);
	fixture_account(&fixture, JULIET, FIXTURE_PASSWORD);
	fixture_account(&fixture, ROMEO, "juliet");
	store = store_open(fixture.database, error);
	cr_assert(store, "%s", error);
	passwords = passwords_new(store, PASSWORD_ITERATIONS_MIN);
	sasls = sasl_server_new(passwords);
	cr_assert(sasls);
}

static void end(void)
{
	sasl_server_free(sasls);
	passwords_free(passwords);
	store_close(store);
	fixture_end(&fixture);
}

TestSuite(external, .init = begin, .fini = end);

/* The message as it travels: "=" for an empty one. */
static const char *encoded(const char *authzid)
{
	static char text[512];
	if (base64_encode((const uint8_t *)authzid, strlen(authzid), text) == 0)
		return "=";
	return text;
}

/* Who it is that logs in so, or the condition. `late`: the message comes as a response. */
static const char *login(const char *addresses, const char *authzid, bool late)
{
	static char verdict[256];
	struct sasl *sasl = sasl_new(sasls, &(struct sasl_client){"example.com", true, NULL, addresses});
	struct sasl_answer answer;
	sasl_begin(sasl, "EXTERNAL", late ? "" : encoded(authzid), &answer);
	if (late) {
		cr_assert_eq(answer.is, SASL_CHALLENGE);
		cr_assert_str_eq(answer.text, "");
		sasl_respond(sasl, encoded(authzid), &answer);
	}
	if (answer.is == SASL_SUCCESS)
		cr_expect_null(answer.text);
	snprintf(verdict, sizeof verdict, "%s", answer.is == SASL_SUCCESS ? sasl_jid(sasl) : answer.condition);
	sasl_free(sasl);
	return verdict;
}

struct attempt {
	const char *addresses, *authzid, *verdict;
};

static const struct attempt attempts[] = {
	/* One user: no name is needed, and no other can be had. */
	{JULIET, "", JULIET},
	{JULIET, JULIET, JULIET},
	{JULIET, "Juliet@EXAMPLE.com", JULIET},
	{"Juliet@Example.com", "", JULIET},
	{JULIET, ROMEO, "invalid-authzid"},
	{JULIET, "juliet@example.org", "invalid-authzid"},
	{JULIET, "example.com", "invalid-authzid"},
	{JULIET, "juliet", "invalid-authzid"},
	{JULIET, JULIET "/balcony", "invalid-authzid"},
	{JULIET, "@", "invalid-authzid"},
	/* What the certificate says for other domains means nothing here. */
	{"romeo@example.org\nexample.com\n" JULIET "\n" ROMEO "/orchard", "", JULIET},
	{"romeo@example.org\n" JULIET, "romeo@example.org", "invalid-authzid"},
	/* Several: one must be chosen, of those who have accounts. */
	{JULIET "\n" ROMEO, "", "invalid-authzid"},
	{JULIET "\n" ROMEO, JULIET, JULIET},
	{JULIET "\n" ROMEO, ROMEO, ROMEO},
	{JULIET "\n" ROMEO "\n" JULIET, "", "invalid-authzid"},
	{JULIET "\n" JULIET, "", JULIET},
	{"nobody@example.com\n" JULIET, "", JULIET},
	{JULIET "\nnobody@example.com", "", JULIET},
	{JULIET "\nnobody@example.com", "nobody@example.com", "invalid-authzid"},
	/* Nobody. */
	{"nobody@example.com", "", "not-authorized"},
	{"nobody@example.com", "nobody@example.com", "invalid-authzid"},
	{"nobody@example.com", JULIET, "invalid-authzid"},
};

Test(external, who_may_be_whom)
{
	for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++)
		for (int late = 0; late < 2; late++)
			cr_expect_str_eq(login(attempts[i].addresses, attempts[i].authzid, late), attempts[i].verdict,
					 "%s as %s: %s", attempts[i].addresses, attempts[i].authzid,
					 login(attempts[i].addresses, attempts[i].authzid, late));
}

/* Without a certificate that names anybody of the domain, and without encryption, there is no such mechanism. */
Test(external, not_for_everybody)
{
	static const struct sasl_client clients[] = {
		{"example.com", true, NULL, NULL},
		{"example.com", true, NULL, ""},
		{"example.com", true, NULL, "juliet@example.org\nexample.com"},
		{"example.com", false, NULL, JULIET},
	};
	struct sasl_answer answer;
	for (size_t i = 0; i < sizeof clients / sizeof *clients; i++) {
		struct sasl *sasl = sasl_new(sasls, &clients[i]);
		sasl_begin(sasl, "EXTERNAL", encoded(JULIET), &answer);
		cr_expect_eq(answer.is, SASL_FAILURE, "%zu", i);
		cr_expect_str_eq(answer.condition, "invalid-mechanism");
		sasl_free(sasl);
	}
}

Test(external, messages_that_are_none)
{
	static const char *const table[][2] = {{"AA==", "malformed-request"},	      /* NUL */
					       {"anVsaWV0QA", "incorrect-encoding"},  /* no padding */
					       {"anVsaWV0\n", "incorrect-encoding"}}; /* a line feed */
	struct sasl *sasl = sasl_new(sasls, &(struct sasl_client){"example.com", true, NULL, JULIET});
	struct sasl_answer answer;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		sasl_begin(sasl, "EXTERNAL", table[i][0], &answer);
		cr_expect_eq(answer.is, SASL_FAILURE);
		cr_expect_str_eq(answer.condition, table[i][1], "%s: %s", table[i][0], answer.condition);
	}
	/* And another mechanism may follow. */
	sasl_begin(sasl, "PLAIN", "AGp1bGlldAByMG0zMCBteSByMG0zMA==", &answer);
	if (answer.is == SASL_VERIFY)
		sasl_verify(sasl, &answer);
	cr_expect_eq(answer.is, SASL_SUCCESS);
	sasl_free(sasl);
}

static void begin_stage(void)
{
	stage_begin(false);
}

TestSuite(external_talk, .init = begin_stage, .fini = stage_end);

Test(external_talk, over_the_link)
{
	struct frame frame;
	gate_open_certificate(&gate, 1, "example.com", JULIET "\nx@example.org");
	gate_put(&gate, 1, "<auth xmlns='" SASL_NS "' mechanism='EXTERNAL'>=</auth>");
	gate_expect(&gate, FRAME_STATE, 1, &frame);
	gate_expect_element(&gate, 1, "<success xmlns='" SASL_NS "'/>");
	gate_bind(&gate, 1, JULIET, "balcony");
	gate_open(&gate, 2, "example.com", NULL);
	login_fails(2, "EXTERNAL", "=", "invalid-mechanism");
}
