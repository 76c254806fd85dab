#include "account.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What SCRAM made of the password, and of which salt and count. */
struct derived {
	char *salt, *iterations, *salted;
};

struct accounts {
	Gsasl *sasl;
	const char *prefix, *password, *mechanism;
	unsigned users;
	struct derived *derived; /* of each account */
	struct derived *latest;	 /* of them; often it is right for others, too. NULL: none yet */
};

/* Behind a Gsasl_session's hook. */
struct login {
	struct accounts *accounts;
	unsigned user;
};

static int name_give(const struct login *login, Gsasl_session *session)
{
	char name[256];

	snprintf(name, sizeof name, "%s%u", login->accounts->prefix, login->user);
	return gsasl_property_set(session, GSASL_AUTHID, name);
}

static bool derived_is_for(const struct derived *derived, const char *salt, const char *iterations)
{
	return derived && derived->salted && strcmp(salt, derived->salt) == 0 &&
	       strcmp(iterations, derived->iterations) == 0;
}

/* All accounts have one password, and many one salt (users.c makes them so). NULL: it has to be computed. */
static const struct derived *derived_find(const struct login *login, Gsasl_session *session)
{
	const struct derived *own = &login->accounts->derived[login->user], *latest = login->accounts->latest;
	const char *salt = gsasl_property_fast(session, GSASL_SCRAM_SALT);
	const char *iterations = gsasl_property_fast(session, GSASL_SCRAM_ITER);

	if (!salt || !iterations)
		return NULL;
	if (derived_is_for(own, salt, iterations))
		return own;
	return derived_is_for(latest, salt, iterations) ? latest : NULL;
}

static int salted_give(const struct login *login, Gsasl_session *session)
{
	const struct derived *found = derived_find(login, session);

	return found ? gsasl_property_set(session, GSASL_SCRAM_SALTED_PASSWORD, found->salted) : GSASL_NO_CALLBACK;
}

static int property_give(Gsasl *sasl, Gsasl_session *session, Gsasl_property property)
{
	const struct login *login = gsasl_session_hook_get(session);

	switch (property) {
	case GSASL_AUTHID:
		return name_give(login, session);
	case GSASL_PASSWORD:
		return gsasl_property_set(session, GSASL_PASSWORD, login->accounts->password);
	case GSASL_SCRAM_SALTED_PASSWORD:
		return salted_give(login, session);
	default:
		return GSASL_NO_CALLBACK;
	}
}

struct accounts *accounts_new(const char *prefix, unsigned users, const char *password, const char *mechanism)
{
	struct accounts *accounts = calloc(1, sizeof *accounts);

	assert(accounts);
	*accounts = (struct accounts){.prefix = prefix, .users = users, .password = password, .mechanism = mechanism};
	accounts->derived = calloc(users, sizeof *accounts->derived);
	assert(accounts->derived);
	if (gsasl_init(&accounts->sasl) == GSASL_OK && gsasl_client_support_p(accounts->sasl, mechanism)) {
		gsasl_callback_set(accounts->sasl, property_give);
		return accounts;
	}
	accounts_free(accounts);
	return NULL;
}

static void derived_free(struct derived *derived)
{
	free(derived->salt);
	free(derived->iterations);
	free(derived->salted);
}

void accounts_free(struct accounts *accounts)
{
	for (unsigned i = 0; i < accounts->users; i++)
		derived_free(&accounts->derived[i]);
	free(accounts->derived);
	if (accounts->sasl)
		gsasl_done(accounts->sasl);
	free(accounts);
}

const char *accounts_mechanism(const struct accounts *accounts)
{
	return accounts->mechanism;
}

Gsasl_session *login_begin(struct accounts *accounts, unsigned user)
{
	struct login *login = malloc(sizeof *login);
	Gsasl_session *session;

	assert(login && user < accounts->users);
	if (gsasl_client_start(accounts->sasl, accounts->mechanism, &session) != GSASL_OK) {
		free(login);
		return NULL;
	}
	*login = (struct login){accounts, user};
	gsasl_session_hook_set(session, login);
	return session;
}

/* Once a login has computed it. */
static void derived_keep(const struct login *login, Gsasl_session *session)
{
	const char *salt = gsasl_property_fast(session, GSASL_SCRAM_SALT);
	const char *iterations = gsasl_property_fast(session, GSASL_SCRAM_ITER);
	const char *salted = gsasl_property_fast(session, GSASL_SCRAM_SALTED_PASSWORD);
	struct derived *own = &login->accounts->derived[login->user];

	if (!salt || !iterations || !salted || derived_find(login, session))
		return;
	derived_free(own);
	*own = (struct derived){strdup(salt), strdup(iterations), strdup(salted)};
	login->accounts->latest = own;
}

bool login_bind(Gsasl_session *session, const unsigned char exporter[static LOGIN_EXPORTER_BYTES])
{
	char *text;
	int rc = gsasl_base64_to((const char *)exporter, LOGIN_EXPORTER_BYTES, &text, NULL);

	if (rc == GSASL_OK) {
		rc = gsasl_property_set(session, GSASL_CB_TLS_EXPORTER, text);
		gsasl_free(text);
	}
	return rc == GSASL_OK;
}

bool login_step(Gsasl_session *session, const char *challenge, char **ret)
{
	const struct login *login = gsasl_session_hook_get(session);
	int answer = gsasl_step64(session, challenge, ret);

	if (answer != GSASL_OK && answer != GSASL_NEEDS_MORE)
		return false;
	derived_keep(login, session);
	return true;
}

void login_end(Gsasl_session *session)
{
	if (!session)
		return;
	free(gsasl_session_hook_get(session));
	gsasl_finish(session);
}
