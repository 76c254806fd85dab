/* Logins by SCRAM, against GNU SASL's own server: what was derived from the password once is not derived again. */
#include "account.h"

#include <criterion/criterion.h>
#include <string.h>

static char password[16];
static const char *salt;

static int server_property(Gsasl *sasl, Gsasl_session *session, Gsasl_property property)
{
	switch (property) {
	case GSASL_SCRAM_ITER:
		return gsasl_property_set(session, property, "4096");
	case GSASL_SCRAM_SALT:
		return gsasl_property_set(session, property, salt);
	case GSASL_PASSWORD:
		return gsasl_property_set(session, property, "password");
	default:
		return GSASL_NO_CALLBACK;
	}
}

/* Whether an account logs in at a server that has this salt for it. */
static bool logs_in(struct accounts *accounts, unsigned user, const char *its_salt)
{
	Gsasl_session *client = login_begin(accounts, user), *server;
	char *said = NULL, *answer = NULL;
	bool good = true, over = false;
	Gsasl *sasl;

	salt = its_salt;
	cr_assert_eq(gsasl_init(&sasl), GSASL_OK);
	gsasl_callback_set(sasl, server_property);
	cr_assert_eq(gsasl_server_start(sasl, "SCRAM-SHA-256", &server), GSASL_OK);
	while (good && !over) {
		good = login_step(client, answer, &said);
		gsasl_free(answer);
		answer = NULL;
		int rc = good ? gsasl_step64(server, said, &answer) : GSASL_AUTHENTICATION_ERROR;
		good = rc == GSASL_OK || rc == GSASL_NEEDS_MORE;
		over = rc == GSASL_OK;
		gsasl_free(said);
		said = NULL;
	}
	gsasl_free(answer);
	gsasl_finish(server);
	gsasl_done(sasl);
	login_end(client);
	return good;
}

/* What is not derived again does not need the password any more. */
Test(account, what_was_derived_serves_for_all_accounts_with_that_salt)
{
	strcpy(password, "password");
	struct accounts *accounts = accounts_new("u", 4, password, "SCRAM-SHA-256");

	cr_assert(accounts);
	cr_assert(logs_in(accounts, 0, "c2FsdA=="));
	strcpy(password, "another");
	cr_expect(logs_in(accounts, 0, "c2FsdA=="));
	cr_expect(logs_in(accounts, 1, "c2FsdA=="));
	cr_expect_not(logs_in(accounts, 2, "c3VnYXI="), "what is not known has to be derived");
	strcpy(password, "password");
	cr_expect(logs_in(accounts, 2, "cGVwcGVy"));
	strcpy(password, "another");
	cr_expect(logs_in(accounts, 0, "c2FsdA=="), "its own is not forgotten when there is a later one");
	cr_expect(logs_in(accounts, 3, "cGVwcGVy"));
	accounts_free(accounts);
}
