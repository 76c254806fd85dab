#include "base64.h"
#include "fixture.h"
#include "password_opened.h"
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fixture fixture;
static struct store *store;
static struct passwords *passwords;
static EVP_PKEY *pkey;
static char key_file[512], error[STORE_ERROR_BYTES];

static void begin(void)
{
	fixture_begin(&fixture);
	fixture_account(&fixture, FIXTURE_JID, FIXTURE_PASSWORD);
	store = store_open(fixture.database, error);
	passwords = passwords_new(store, PASSWORD_ITERATIONS_MIN);
	pkey = EVP_RSA_gen(1024);
	snprintf(key_file, sizeof key_file, "%s.pem", fixture.database);
	FILE *file = fopen(key_file, "w");
	cr_assert(passwords && pkey && file && PEM_write_PrivateKey(file, pkey, NULL, NULL, 0, NULL, NULL) == 1);
	fclose(file);
}

static void end(void)
{
	EVP_PKEY_free(pkey);
	passwords_free(passwords);
	store_close(store);
	remove(key_file);
	fixture_end(&fixture);
}

TestSuite(password, .init = begin, .fini = end);

/* As a client encrypts it. */
static const char *encrypted(const char *json)
{
	static char text[BASE64_CHARACTERS(1024)];
	uint8_t bytes[1024];
	size_t len = sizeof bytes;
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pkey, NULL);
	cr_assert(EVP_PKEY_encrypt_init(context) == 1 &&
		  EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
		  EVP_PKEY_encrypt(context, bytes, &len, (const uint8_t *)json, strlen(json)) == 1);
	EVP_PKEY_CTX_free(context);
	base64_encode(bytes, len, text);
	return text;
}

static bool is_right(const char *text)
{
	struct store_account account;
	bool known;
	cr_assert(passwords_account(passwords, FIXTURE_JID, &account, &known) && known);
	return passwords_check(passwords, FIXTURE_JID, &account, text);
}

Test(password, encrypted_ones_are_opened)
{
	char json[256];
	snprintf(json, sizeof json, "{ \"a\" : \"testapp\", \"p\":\"%s\",\"u\":\"Juliet\", \"d\": 17 }",
		 FIXTURE_PASSWORD);
	cr_assert_not(is_right(encrypted(json)), "without a key");
	cr_assert(passwords_allow(passwords, key_file, NULL, NULL, error), "%s", error);
	cr_assert(is_right(encrypted(json)));
	cr_assert(is_right(encrypted(json)), "which is another text");
	cr_assert(is_right(FIXTURE_PASSWORD));
	cr_assert_not(is_right(encrypted("{\"p\":\"wrong\",\"u\":\"juliet\"}")));
	cr_assert_not(is_right("wrong"));
}

Test(password, encrypted_ones_are_for_one_user)
{
	struct password_key *key = password_key_read(key_file, error);
	char to[PASSWORD_BYTES_MAX + 1] = "?";
	cr_assert(password_open(key, FIXTURE_JID, encrypted("{\"u\":\"juliet\",\"p\":\"x\"}"), to));
	cr_assert_str_eq(to, "x");
	cr_assert_not(password_open(key, FIXTURE_JID, encrypted("{\"u\":\"romeo\",\"p\":\"x\"}"), to));
	cr_assert_str_eq(to, "");
	cr_assert_not(password_open(key, FIXTURE_JID, encrypted("{\"p\":\"x\"}"), to));
	password_key_free(key);
}

Test(password, what_is_in_them_is_json)
{
	static const struct {
		const char *json, *password; /* NULL: none */
	} cases[] = {
		{"{\"u\":\"juliet\",\"p\":\"\\u4f60\\u00e9\\\"\\\\\\/\\n\\u0041\"}", "\xe4\xbd\xa0\xc3\xa9\"\\/\nA"},
		{"{\"u\":\"juliet\",\"x\":null,\"y\":-1.5E3,\"z\":true,\"p\":\"\"}", ""},
		{"{\"u\":\"juliet\",\"p\":\"x\"", NULL},
		{"{\"u\":\"juliet\",\"p\":\"x\"} more", NULL},
		{"{\"u\":\"juliet\",\"p\":\"\\ud83d\"}", NULL},
		{"{\"u\":\"juliet\",\"p\":\"\\u12\"}", NULL},
		{"{\"u\":\"juliet\",\"p\":17}", NULL},
		{"{\"u\":\"juliet\",\"p\"}", NULL},
		{"{\"u\":\"juliet\",\"p\":\"a\nb\"}", NULL},
		{"[\"u\"]", NULL},
		{"{", NULL},
		{"", NULL},
	};
	struct password_key *key = password_key_read(key_file, error);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char to[PASSWORD_BYTES_MAX + 1];
		bool good = password_open(key, FIXTURE_JID, encrypted(cases[i].json), to);
		cr_assert_eq(good, cases[i].password != NULL, "%s", cases[i].json);
		if (good)
			cr_assert_str_eq(to, cases[i].password);
	}
	password_key_free(key);
}

Test(password, what_is_not_encrypted_with_the_key_is_no_secret_of_it)
{
	struct password_key *key = password_key_read(key_file, error);
	char to[PASSWORD_BYTES_MAX + 1], text[600];
	const char *good = encrypted("{\"u\":\"juliet\",\"p\":\"x\"}");
	for (size_t i = 0; i < strlen(good); i += 7) {
		strcpy(text, good);
		text[i] = text[i] == 'A' ? 'B' : 'A';
		cr_assert_not(password_open(key, FIXTURE_JID, text, to), "%zu", i);
		text[i] = '\0';
		cr_assert_not(password_open(key, FIXTURE_JID, text, to), "%zu", i);
	}
	memset(text, 'A', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	cr_assert_not(password_open(key, FIXTURE_JID, text, to));
	password_key_free(key);
}

Test(password, a_key_is_rsa_and_private)
{
	FILE *file = fopen(key_file, "w");
	EVP_PKEY *other = EVP_EC_gen("P-256");
	PEM_write_PrivateKey(file, other, NULL, NULL, 0, NULL, NULL);
	fclose(file);
	cr_assert_null(password_key_read(key_file, error));
	cr_assert_not(passwords_allow(passwords, key_file, NULL, NULL, error));
	file = fopen(key_file, "w");
	PEM_write_PUBKEY(file, pkey);
	fclose(file);
	cr_assert_null(password_key_read(key_file, error));
	cr_assert_null(password_key_read("/nowhere", error));
	EVP_PKEY_free(other);
}

static enum sessiond_verdict judge(void *context, const char *bare_jid, const char *password)
{
	cr_assert_str_eq(bare_jid, FIXTURE_JID);
	++*(int *)context;
	if (strcmp(password, "{\"nauth\":1}") == 0)
		return SESSIOND_VERDICT_RIGHT;
	return password[0] == '{' ? SESSIOND_VERDICT_WRONG : SESSIOND_VERDICT_NONE;
}

Test(password, others_may_judge)
{
	int asked = 0;
	cr_assert(passwords_allow(passwords, NULL, judge, &asked, error));
	cr_assert(is_right("{\"nauth\":1}"));
	cr_assert_not(is_right("{\"nauth\":2}"));
	cr_assert(is_right(FIXTURE_PASSWORD));
	cr_assert_not(is_right("wrong"));
	cr_assert_eq(asked, 4);
}
