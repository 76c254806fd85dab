#include "password.h"
#include "password_opened.h"
#include <gsasl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SHA256_BYTES = 32, REMEMBERED = 4096 };

struct passwords {
	struct store *store;
	unsigned iterations;
	struct password_key *key; /* NULL: passwords are not encrypted */
	sessiond_judge *judge;
	void *judge_context;
	uint8_t secret[STORE_SECRET_BYTES]; /* of what is made up */
	uint8_t remember_key[SHA256_BYTES]; /* of what is remembered; as old as the process */
	uint8_t remembered[REMEMBERED][SHA256_BYTES];
};

struct salted {
	const EVP_MD *md;
	int bytes;
	uint8_t key[EVP_MAX_MD_SIZE];
};

static bool is_hmac(const EVP_MD *md, const uint8_t *key, int key_len, const char *text, uint8_t *to)
{
	return HMAC(md, key, key_len, (const uint8_t *)text, strlen(text), to, NULL) != NULL;
}

/* StoredKey and ServerKey of a prepared password, with the salt and iterations that are in `keys` (RFC 5802, 3). */
static bool keys_derive(const EVP_MD *md, const char *prepared, struct store_keys *keys)
{
	int bytes = EVP_MD_get_size(md);
	uint8_t salted[EVP_MAX_MD_SIZE], client_key[EVP_MAX_MD_SIZE];
	bool good = PKCS5_PBKDF2_HMAC(prepared, (int)strlen(prepared), keys->salt, STORE_SALT_BYTES,
				      (int)keys->iterations, md, bytes, salted) == 1 &&
		    is_hmac(md, salted, bytes, "Client Key", client_key) &&
		    is_hmac(md, salted, bytes, "Server Key", keys->server_key) &&
		    EVP_Digest(client_key, (size_t)bytes, keys->stored_key, NULL, md, NULL) == 1;
	OPENSSL_cleanse(salted, sizeof salted);
	OPENSSL_cleanse(client_key, sizeof client_key);
	return good;
}

/* malloc'ed. NULL: not a password. */
static char *password_prepare(const char *password, Gsasl_saslprep_flags flags)
{
	char *prepared = NULL;
	size_t len = strlen(password);
	if (len == 0 || len > PASSWORD_BYTES_MAX || gsasl_saslprep(password, flags, &prepared, NULL) != GSASL_OK)
		return NULL;
	if (prepared[0] != '\0')
		return prepared;
	free(prepared);
	return NULL;
}

static void password_forget(char *password)
{
	OPENSSL_cleanse(password, strlen(password));
	free(password);
}

static bool keys_make(const EVP_MD *md, const char *prepared, unsigned iterations, struct store_keys *keys)
{
	keys->iterations = iterations;
	return getrandom(keys->salt, sizeof keys->salt, 0) == sizeof keys->salt && keys_derive(md, prepared, keys);
}

bool password_keys(const char *password, unsigned iterations, struct store_account *ret)
{
	struct store_account account = {0};
	char *prepared = password_prepare(password, 0);
	if (!prepared)
		return false;
	bool good = keys_make(EVP_sha1(), prepared, iterations, &account.sha1) &&
		    keys_make(EVP_sha256(), prepared, iterations, &account.sha256);
	password_forget(prepared);
	if (good)
		*ret = account;
	return good;
}

struct passwords *passwords_new(struct store *store, unsigned iterations)
{
	struct passwords *passwords = calloc(1, sizeof *passwords);
	if (!passwords)
		return NULL;
	passwords->store = store;
	passwords->iterations = iterations;
	if (store_secret(store, passwords->secret) &&
	    getrandom(passwords->remember_key, sizeof passwords->remember_key, 0) == sizeof passwords->remember_key &&
	    getrandom(passwords->remembered, sizeof passwords->remembered[0], 0) > 0)
		return passwords;
	passwords_free(passwords);
	return NULL;
}

void passwords_free(struct passwords *passwords)
{
	if (!passwords)
		return;
	password_key_free(passwords->key);
	OPENSSL_cleanse(passwords, sizeof *passwords);
	free(passwords);
}

bool passwords_allow(struct passwords *passwords, const char *key_file, sessiond_judge *judge, void *judge_context,
		     char error[static STORE_ERROR_BYTES])
{
	passwords->judge = judge;
	passwords->judge_context = judge_context;
	passwords->key = key_file ? password_key_read(key_file, error) : NULL;
	return passwords->key || !key_file;
}

/* One keyed hash over texts, each with its NUL, so that no two lists of texts look the same. */
static void texts_hash(const uint8_t key[static SHA256_BYTES], const char *const *texts, size_t count,
		       const uint8_t *more, size_t more_len, uint8_t to[static SHA256_BYTES])
{
	uint8_t bytes[8192];
	size_t len = 0;
	for (size_t i = 0; i < count; i++) {
		size_t text_len = strnlen(texts[i], 3072) + 1;
		memcpy(bytes + len, texts[i], text_len);
		len += text_len;
	}
	if (more_len > 0)
		memcpy(bytes + len, more, more_len);
	HMAC(EVP_sha256(), key, SHA256_BYTES, bytes, len + more_len, to, NULL);
	OPENSSL_cleanse(bytes, len);
}

static void keys_make_up(const struct passwords *passwords, const char *bare_jid, const char *hash,
			 struct store_keys *ret)
{
	uint8_t salt[SHA256_BYTES];
	texts_hash(passwords->secret, (const char *[]){"salt", hash, bare_jid}, 3, NULL, 0, salt);
	memcpy(ret->salt, salt, sizeof ret->salt);
	texts_hash(passwords->secret, (const char *[]){"stored", hash, bare_jid}, 3, NULL, 0, ret->stored_key);
	texts_hash(passwords->secret, (const char *[]){"server", hash, bare_jid}, 3, NULL, 0, ret->server_key);
	ret->iterations = passwords->iterations;
}

bool passwords_account(struct passwords *passwords, const char *bare_jid, struct store_account *ret, bool *ret_known)
{
	struct store_account account;
	keys_make_up(passwords, bare_jid, "SHA-1", &account.sha1);
	keys_make_up(passwords, bare_jid, "SHA-256", &account.sha256);
	if (!store_account_get(passwords->store, bare_jid, &account, ret_known))
		return false;
	*ret = account;
	return true;
}

static void remember_tag(const struct passwords *passwords, const char *bare_jid, const struct store_account *account,
			 const char *password, uint8_t to[static SHA256_BYTES])
{
	texts_hash(passwords->remember_key, (const char *[]){bare_jid, password}, 2, account->sha256.stored_key,
		   SHA256_BYTES, to);
}

static uint8_t *remember_slot(const struct passwords *passwords, const char *bare_jid)
{
	uint8_t hash[SHA256_BYTES];
	texts_hash(passwords->remember_key, (const char *[]){"slot", bare_jid}, 2, NULL, 0, hash);
	return (uint8_t *)passwords->remembered[(hash[0] << 8 | hash[1]) % REMEMBERED];
}

bool passwords_remember(const struct passwords *passwords, const char *bare_jid, const struct store_account *account,
			const char *password)
{
	uint8_t tag[SHA256_BYTES];
	remember_tag(passwords, bare_jid, account, password, tag);
	return CRYPTO_memcmp(tag, remember_slot(passwords, bare_jid), SHA256_BYTES) == 0;
}

/* The account's own password. */
static bool own_check(struct passwords *passwords, const char *bare_jid, const struct store_account *account,
		      const char *password)
{
	char *prepared = password_prepare(password, GSASL_ALLOW_UNASSIGNED);
	struct store_keys keys = account->sha256;
	/* What is not a password costs the same time as one that is wrong. */
	bool good = keys_derive(EVP_sha256(), prepared ? prepared : "-", &keys) && prepared &&
		    CRYPTO_memcmp(keys.stored_key, account->sha256.stored_key, SHA256_BYTES) == 0;
	if (good)
		remember_tag(passwords, bare_jid, account, password, remember_slot(passwords, bare_jid));
	if (prepared)
		password_forget(prepared);
	OPENSSL_cleanse(&keys, sizeof keys);
	return good;
}

/* Encrypted, it is another text each time: what is remembered is what was in it. */
static bool opened_check(struct passwords *passwords, const char *bare_jid, const struct store_account *account,
			 const char *text)
{
	char opened[PASSWORD_BYTES_MAX + 1];
	bool is = password_open(passwords->key, bare_jid, text, opened);
	bool good = (is && passwords_remember(passwords, bare_jid, account, opened)) ||
		    own_check(passwords, bare_jid, account, is ? opened : text);
	OPENSSL_cleanse(opened, sizeof opened);
	return good;
}

bool passwords_check(struct passwords *passwords, const char *bare_jid, const struct store_account *account,
		     const char *password)
{
	enum sessiond_verdict verdict = SESSIOND_VERDICT_NONE;
	if (passwords->judge)
		verdict = passwords->judge(passwords->judge_context, bare_jid, password);
	if (verdict != SESSIOND_VERDICT_NONE)
		return verdict == SESSIOND_VERDICT_RIGHT;
	if (passwords->key)
		return opened_check(passwords, bare_jid, account, password);
	return own_check(passwords, bare_jid, account, password);
}
