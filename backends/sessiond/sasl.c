#include "sasl.h"
#include "base64.h"
#include "certificate_user.h"
#include "text.h"
#include <assert.h>
#include <gsasl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum needs { NOTHING, TLS, BINDING, CERTIFICATE };

struct mechanism {
	const char *name;
	enum needs needs;
};
static const struct mechanism mechanisms[] = {
#define MECHANISM(name, needs) {name, needs},
#include "sasl.def"
};
enum { MECHANISM_COUNT = sizeof mechanisms / sizeof mechanisms[0] };
static_assert((int)MECHANISM_COUNT <= (int)SASL_MECHANISMS_MAX, "sasl_offers has room for all");

struct sasl_server {
	Gsasl *gsasl;
	struct passwords *passwords;
};

struct sasl {
	struct sasl_server *server;
	char *domain;
	struct sasl_kind kind;
	char *addresses; /* of its certificate; NULL: none */
	char exporter[BASE64_CHARACTERS(SASL_EXPORTER_BYTES)];

	/* The exchange that goes on: */
	const struct mechanism *mechanism; /* NULL: none */
	Gsasl_session *session;
	const char *message; /* the client's, while GNU SASL looks at it */
	bool greeted;	     /* the first message of the client has come */
	bool store_failed;
	char *name; /* bare JID of who the client says it is, or something that is none */
	bool name_good, known;
	struct store_account account;
	char *authzid, *password; /* PLAIN */

	char *text; /* of the last answer */
};

static bool is_scram(const struct mechanism *mechanism)
{
	return strncmp(mechanism->name, "SCRAM-", 6) == 0;
}

static bool is_sha1(const struct mechanism *mechanism)
{
	return strncmp(mechanism->name, "SCRAM-SHA-1", 11) == 0;
}

static bool is_external(const struct mechanism *mechanism)
{
	return mechanism->needs == CERTIFICATE;
}

static bool is_offered(const struct mechanism *mechanism, struct sasl_kind kind)
{
	switch (mechanism->needs) {
	case NOTHING:
		return true;
	case TLS:
		return kind.encrypted;
	case BINDING:
		return kind.encrypted && kind.binding;
	case CERTIFICATE:
		return kind.encrypted && kind.certificate;
	}
	return false;
}

void sasl_offers(struct sasl_kind kind, const char *ret[static SASL_MECHANISMS_MAX + 1])
{
	for (size_t i = 0; i < MECHANISM_COUNT; i++) {
		if (is_offered(&mechanisms[i], kind))
			*ret++ = mechanisms[i].name;
	}
	*ret = NULL;
}

/* The name's keys, when GNU SASL first asks for one of them; the name is a property by then. */
static bool keys_load(struct sasl *sasl, const char *authid)
{
	char local[JID_PART_BYTES_MAX + 1];
	sasl->name_good = jid_prepare_local(authid, strlen(authid), local);
	free(sasl->name);
	if (asprintf(&sasl->name, "%s@%s", sasl->name_good ? local : authid, sasl->domain) < 0)
		abort();
	sasl->store_failed = !passwords_account(sasl->server->passwords, sasl->name, &sasl->account, &sasl->known);
	return !sasl->store_failed;
}

static void key_put(Gsasl_session *session, Gsasl_property property, const uint8_t *bytes, size_t len)
{
	char text[BASE64_CHARACTERS(STORE_KEY_BYTES_MAX)];
	base64_encode(bytes, len, text);
	if (gsasl_property_set(session, property, text) != GSASL_OK)
		abort();
	OPENSSL_cleanse(text, sizeof text);
}

static int keys_put(struct sasl *sasl, Gsasl_session *session)
{
	const char *authid = gsasl_property_fast(session, GSASL_AUTHID);
	if (sasl->store_failed || !authid || !keys_load(sasl, authid))
		return GSASL_NO_CALLBACK;
	bool sha1 = is_sha1(sasl->mechanism);
	const struct store_keys *keys = sha1 ? &sasl->account.sha1 : &sasl->account.sha256;
	size_t key_len = sha1 ? 20 : 32;
	char iterations[16];
	snprintf(iterations, sizeof iterations, "%u", keys->iterations);
	if (gsasl_property_set(session, GSASL_SCRAM_ITER, iterations) != GSASL_OK)
		abort();
	key_put(session, GSASL_SCRAM_SALT, keys->salt, STORE_SALT_BYTES);
	key_put(session, GSASL_SCRAM_STOREDKEY, keys->stored_key, key_len);
	key_put(session, GSASL_SCRAM_SERVERKEY, keys->server_key, key_len);
	return GSASL_OK;
}

/*
 * PLAIN's password is not judged here, only taken: judging takes time, and sasl_verify does it. The authzid is what
 * stands before the message's first NUL; GNU SASL would put the name there when it is empty.
 */
static int simple_take(struct sasl *sasl, Gsasl_session *session)
{
	const char *authid = gsasl_property_fast(session, GSASL_AUTHID);
	const char *password = gsasl_property_fast(session, GSASL_PASSWORD);
	if (!authid || !password || sasl->password || !keys_load(sasl, authid))
		return GSASL_AUTHENTICATION_ERROR;
	sasl->authzid = text_copy(sasl->message);
	sasl->password = text_copy(password);
	return GSASL_OK;
}

static int property_wanted(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property)
{
	struct sasl *sasl = gsasl_session_hook_get(session);
	switch ((int)property) {
	case GSASL_SCRAM_ITER:
	case GSASL_SCRAM_SALT:
	case GSASL_SCRAM_STOREDKEY:
	case GSASL_SCRAM_SERVERKEY:
		return keys_put(sasl, session);
	case GSASL_CB_TLS_EXPORTER:
		return sasl->kind.binding ? gsasl_property_set(session, property, sasl->exporter) : GSASL_NO_CALLBACK;
	case GSASL_VALIDATE_SIMPLE:
		return simple_take(sasl, session);
	case GSASL_VALIDATE_EXTERNAL:
		return GSASL_OK; /* judged when the message is whole: answer_external */
	default:
		return GSASL_NO_CALLBACK;
	}
}

struct sasl_server *sasl_server_new(struct passwords *passwords)
{
	struct sasl_server *server = calloc(1, sizeof *server);
	if (!server)
		return NULL;
	server->passwords = passwords;
	if (gsasl_init(&server->gsasl) != GSASL_OK) {
		free(server);
		return NULL;
	}
	gsasl_callback_set(server->gsasl, property_wanted);
	return server;
}

void sasl_server_free(struct sasl_server *server)
{
	if (!server)
		return;
	gsasl_done(server->gsasl);
	free(server);
}

static bool names_anybody(const struct sasl_client *client)
{
	const char *lines = client->addresses ? client->addresses : "";
	struct jid jid;
	return certificate_user_next(&lines, client->domain, &jid);
}

struct sasl *sasl_new(struct sasl_server *server, const struct sasl_client *client)
{
	struct sasl *sasl = calloc(1, sizeof *sasl);
	if (!sasl || !(sasl->domain = strdup(client->domain)))
		abort();
	sasl->server = server;
	sasl->kind = (struct sasl_kind){.encrypted = client->encrypted,
					.binding = client->encrypted && client->exporter,
					.certificate = client->encrypted && names_anybody(client)};
	if (sasl->kind.certificate)
		sasl->addresses = text_copy(client->addresses);
	if (sasl->kind.binding)
		base64_encode(client->exporter, SASL_EXPORTER_BYTES, sasl->exporter);
	return sasl;
}

static void secret_free(char **secret)
{
	if (*secret)
		OPENSSL_cleanse(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

/* Drops the exchange; who the client is stays. */
static void exchange_end(struct sasl *sasl)
{
	char *password = sasl->session ? (char *)gsasl_property_fast(sasl->session, GSASL_PASSWORD) : NULL;
	if (password) /* GNU SASL would only free it */
		OPENSSL_cleanse(password, strlen(password));
	if (sasl->session)
		gsasl_finish(sasl->session);
	sasl->session = NULL;
	sasl->mechanism = NULL;
	sasl->greeted = sasl->store_failed = false;
	secret_free(&sasl->password);
	secret_free(&sasl->authzid);
	OPENSSL_cleanse(&sasl->account, sizeof sasl->account);
}

void sasl_free(struct sasl *sasl)
{
	if (!sasl)
		return;
	exchange_end(sasl);
	free(sasl->name);
	free(sasl->text);
	free(sasl->domain);
	free(sasl->addresses);
	free(sasl);
}

static void answer_failure(struct sasl *sasl, const char *condition, struct sasl_answer *ret)
{
	exchange_end(sasl);
	*ret = (struct sasl_answer){.is = SASL_FAILURE, .condition = condition};
}

static void answer_text(struct sasl *sasl, const char *data, size_t len)
{
	free(sasl->text);
	sasl->text = malloc(BASE64_CHARACTERS(len) + 1);
	if (!sasl->text)
		abort();
	if (base64_encode((const uint8_t *)data, len, sasl->text) == 0)
		memcpy(sasl->text, "=", sizeof "=");
}

/* A client acts as itself, and says so by its bare JID if at all (RFC 6120, 6.3.8). */
static bool authzid_is_own(const struct sasl *sasl, const char *authzid)
{
	struct jid jid;
	if (!authzid || authzid[0] == '\0')
		return true;
	return jid_parse(authzid, strlen(authzid), &jid) && strcmp(jid.text, sasl->name) == 0;
}

/* The client has proved its password, `proved`; what is left is whether it may be whom it wants to be. */
static void answer_verdict(struct sasl *sasl, bool proved, const char *authzid, struct sasl_answer *ret)
{
	if (!proved || !sasl->known || !sasl->name_good) {
		answer_failure(sasl, "not-authorized", ret);
	} else if (!authzid_is_own(sasl, authzid)) {
		answer_failure(sasl, "invalid-authzid", ret);
	} else {
		exchange_end(sasl);
		*ret = (struct sasl_answer){.is = SASL_SUCCESS, .text = sasl->text};
	}
}

/* Makes the user the name of the exchange. False: the store has failed. */
static bool external_name(struct sasl *sasl, const struct jid *user)
{
	free(sasl->name);
	sasl->name = text_copy(user->text);
	sasl->name_good = true;
	sasl->store_failed = !passwords_account(sasl->server->passwords, sasl->name, &sasl->account, &sasl->known);
	return !sasl->store_failed;
}

/*
 * XEP-0178, 2: the users of the domain in the certificate who have an account, or of these the one that the client asks
 * to be. One must be left.
 */
static const char *external_judge(struct sasl *sasl, const char *authzid)
{
	const char *lines = sasl->addresses;
	struct jid wanted, user, found;
	size_t count = 0;
	if (authzid && (!jid_parse(authzid, strlen(authzid), &wanted) || wanted.resource_at != 0))
		return "invalid-authzid";
	while (certificate_user_next(&lines, sasl->domain, &user)) {
		if ((authzid && strcmp(user.text, wanted.text) != 0) ||
		    (count > 0 && strcmp(user.text, found.text) == 0))
			continue;
		if (!external_name(sasl, &user))
			return "temporary-auth-failure";
		if (!sasl->known)
			continue;
		found = user;
		count++;
	}
	if (count > 1 || (count == 0 && authzid))
		return "invalid-authzid";
	if (count == 0)
		return "not-authorized";
	return external_name(sasl, &found) ? NULL : "temporary-auth-failure";
}

static void answer_external(struct sasl *sasl, struct sasl_answer *ret)
{
	const char *authzid = gsasl_property_fast(sasl->session, GSASL_AUTHZID);
	const char *condition = external_judge(sasl, authzid && authzid[0] != '\0' ? authzid : NULL);
	free(sasl->text);
	sasl->text = NULL;
	if (condition)
		answer_failure(sasl, condition, ret);
	else
		answer_verdict(sasl, true, NULL, ret);
}

static void answer_proved(struct sasl *sasl, struct sasl_answer *ret)
{
	if (is_external(sasl->mechanism)) {
		answer_external(sasl, ret);
		return;
	}
	if (is_scram(sasl->mechanism)) {
		answer_verdict(sasl, true, gsasl_property_fast(sasl->session, GSASL_AUTHZID), ret);
		return;
	}
	free(sasl->text);
	sasl->text = NULL;
	if (passwords_remember(sasl->server->passwords, sasl->name, &sasl->account, sasl->password))
		answer_verdict(sasl, true, sasl->authzid, ret);
	else
		*ret = (struct sasl_answer){.is = SASL_VERIFY};
}

void sasl_verify(struct sasl *sasl, struct sasl_answer *ret)
{
	assert(sasl->password);
	bool right = passwords_check(sasl->server->passwords, sasl->name, &sasl->account, sasl->password);
	answer_verdict(sasl, right, sasl->authzid, ret);
}

/* RFC 5802, 5.1: `=` and `,` in a name are `=3D` and `=2C`, and `=` stands for nothing else. */
static bool scram_name_is_good(const char *name, const char *end)
{
	while ((name = memchr(name, '=', (size_t)(end - name)))) {
		if (end - name < 3 || (memcmp(name, "=2C", 3) != 0 && memcmp(name, "=3D", 3) != 0))
			return false;
		name += 3;
	}
	return true;
}

/* The names in "flag,a=authzid,n=name,...": GNU SASL reads what is badly escaped as it likes. */
static bool scram_names_are_good(const char *data)
{
	const char *authzid = strchr(data, ',');
	const char *name = authzid ? strchr(authzid + 1, ',') : NULL;
	if (!name || strncmp(name, ",n=", 3) != 0)
		return false;
	if (name - authzid > 1 && (strncmp(authzid, ",a=", 3) != 0 || !scram_name_is_good(authzid + 3, name)))
		return false;
	return scram_name_is_good(name + 3, name + 3 + strcspn(name + 3, ","));
}

/*
 * RFC 5802, 6: the flag of channel binding must fit the mechanism that was chosen. GNU SASL lets a client claim a
 * binding with a mechanism that has none. `data` ends in NUL.
 */
static const char *scram_first_check(const struct sasl *sasl, const char *data)
{
	static const char exporter[] = "p=tls-exporter,";
	bool binding = sasl->mechanism->needs == BINDING;
	bool flag_good = binding ? strncmp(data, "p=", 2) == 0 : (data[0] == 'n' || data[0] == 'y') && data[1] == ',';
	if (!flag_good || !scram_names_are_good(data))
		return "malformed-request";
	return !binding || strncmp(data, exporter, strlen(exporter)) == 0 ? NULL : "not-authorized";
}

static const char *message_check(const struct sasl *sasl, const char *data, size_t len)
{
	if (len == 0 && !is_external(sasl->mechanism))
		return "malformed-request";
	if (!is_scram(sasl->mechanism))
		return NULL;
	/* `m` is reserved: who sends it wants something that we do not know (RFC 5802, 5.1). Values hold no comma. */
	if (memchr(data, '\0', len) || strstr(data, ",m="))
		return "malformed-request";
	return sasl->greeted ? NULL : scram_first_check(sasl, data);
}

static void message_step(struct sasl *sasl, const char *data, size_t len, struct sasl_answer *ret)
{
	const char *condition = message_check(sasl, data, len);
	if (condition) {
		answer_failure(sasl, condition, ret);
		return;
	}
	char *out = NULL;
	size_t out_len = 0;
	sasl->greeted = true;
	sasl->message = data;
	int rc = gsasl_step(sasl->session, data, len, &out, &out_len);
	sasl->message = NULL;
	if (rc == GSASL_OK || rc == GSASL_NEEDS_MORE)
		answer_text(sasl, out, out_len);
	gsasl_free(out);
	if (sasl->store_failed)
		answer_failure(sasl, "temporary-auth-failure", ret);
	else if (rc == GSASL_NEEDS_MORE)
		*ret = (struct sasl_answer){.is = SASL_CHALLENGE, .text = sasl->text};
	else if (rc == GSASL_OK)
		answer_proved(sasl, ret);
	else
		answer_failure(sasl, rc == GSASL_MECHANISM_PARSE_ERROR ? "malformed-request" : "not-authorized", ret);
}

/* `=` alone is an empty message (RFC 6120, 6.4.2). */
static void message_take(struct sasl *sasl, const char *text, struct sasl_answer *ret)
{
	size_t text_len = strlen(text), len = 0;
	uint8_t data[SASL_MESSAGE_MAX + 1];
	if (BASE64_BYTES(text_len) > SASL_MESSAGE_MAX) {
		answer_failure(sasl, "malformed-request", ret);
	} else if (strcmp(text, "=") != 0 && !base64_decode(text, text_len, data, &len)) {
		answer_failure(sasl, "incorrect-encoding", ret);
	} else {
		data[len] = '\0';
		message_step(sasl, (const char *)data, len, ret);
	}
	OPENSSL_cleanse(data, len);
}

static const struct mechanism *mechanism_find(const char *name)
{
	for (size_t i = 0; name && i < MECHANISM_COUNT; i++) {
		if (strcmp(mechanisms[i].name, name) == 0)
			return &mechanisms[i];
	}
	return NULL;
}

void sasl_begin(struct sasl *sasl, const char *mechanism, const char *text, struct sasl_answer *ret)
{
	exchange_end(sasl);
	const struct mechanism *chosen = mechanism_find(mechanism);
	if (chosen && chosen->needs == TLS && !sasl->kind.encrypted) {
		answer_failure(sasl, "encryption-required", ret);
		return;
	}
	if (!chosen || !is_offered(chosen, sasl->kind)) {
		answer_failure(sasl, "invalid-mechanism", ret);
		return;
	}
	if (gsasl_server_start(sasl->server->gsasl, chosen->name, &sasl->session) != GSASL_OK) {
		sasl->session = NULL;
		answer_failure(sasl, "temporary-auth-failure", ret);
		return;
	}
	gsasl_session_hook_set(sasl->session, sasl);
	sasl->mechanism = chosen;
	/* In all our mechanisms the client speaks first. */
	if (text[0] == '\0')
		*ret = (struct sasl_answer){.is = SASL_CHALLENGE, .text = ""};
	else
		message_take(sasl, text, ret);
}

void sasl_respond(struct sasl *sasl, const char *text, struct sasl_answer *ret)
{
	if (!sasl->session || sasl->password)
		answer_failure(sasl, "malformed-request", ret);
	else
		message_take(sasl, text, ret);
}

bool sasl_is_going(const struct sasl *sasl)
{
	return sasl->session != NULL;
}

void sasl_abort(struct sasl *sasl, struct sasl_answer *ret)
{
	answer_failure(sasl, "aborted", ret);
}

const char *sasl_jid(const struct sasl *sasl)
{
	assert(sasl->name && sasl->name_good);
	return sasl->name;
}
