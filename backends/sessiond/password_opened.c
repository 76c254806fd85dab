#include "password_opened.h"
#include "base64.h"
#include "jid.h"
#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

enum { RSA_BYTES_MAX = 1024 };

struct password_key {
	EVP_PKEY *pkey;
};

static EVP_PKEY *pkey_read(const char *file)
{
	FILE *pem = fopen(file, "r");
	EVP_PKEY *pkey = pem ? PEM_read_PrivateKey(pem, NULL, NULL, (void *)"") : NULL;
	if (pem)
		fclose(pem);
	return pkey;
}

struct password_key *password_key_read(const char *file, char error[static STORE_ERROR_BYTES])
{
	EVP_PKEY *pkey = pkey_read(file);
	struct password_key *key = calloc(1, sizeof *key);
	if (key && pkey && EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA && EVP_PKEY_get_size(pkey) <= RSA_BYTES_MAX) {
		key->pkey = pkey;
		return key;
	}
	snprintf(error, STORE_ERROR_BYTES, "%.128s: not an RSA key of at most 8192 bits, in PEM", file);
	ERR_clear_error();
	EVP_PKEY_free(pkey);
	free(key);
	return NULL;
}

void password_key_free(struct password_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->pkey);
	free(key);
}

static bool decrypt(const struct password_key *key, const uint8_t *bytes, size_t len, uint8_t *to, size_t *ret_len)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key->pkey, NULL);
	bool good = context && EVP_PKEY_decrypt_init(context) == 1 &&
		    EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
		    EVP_PKEY_decrypt(context, to, ret_len, bytes, len) == 1;
	EVP_PKEY_CTX_free(context);
	ERR_clear_error();
	return good;
}

/* JSON (RFC 8259), as much as an object of strings and plain values needs. `at` ends in NUL. */

static const char *white_skip(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *found = c ? strchr(digits, c) : NULL;
	return found ? (int)((found - digits) % 16) : -1;
}

/* Of \uXXXX; surrogates are no passwords. */
static const char *unicode_read(const char *at, char **to)
{
	unsigned code = 0;
	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(*at);
		if (digit < 0)
			return NULL;
		code = code << 4 | (unsigned)digit;
		at++;
	}
	if (code == 0 || (code >= 0xd800 && code < 0xe000))
		return NULL;
	if (code >= 0x800)
		*(*to)++ = (char)(0xe0 | code >> 12);
	if (code >= 0x80)
		*(*to)++ = (char)(code >= 0x800 ? 0x80 | (code >> 6 & 0x3f) : 0xc0 | code >> 6);
	*(*to)++ = (char)(code >= 0x80 ? 0x80 | (code & 0x3f) : code);
	return at;
}

static const char *escape_read(const char *at, char **to)
{
	static const char letters[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
	const char *found = *at ? strchr(letters, *at) : NULL;
	if (*at == 'u')
		return unicode_read(at + 1, to);
	if (!found)
		return NULL;
	*(*to)++ = means[found - letters];
	return at + 1;
}

/* Behind the quote. What is written is never longer than what is read. */
static const char *string_read(const char *at, char *to)
{
	while (at && *at != '"') {
		if ((unsigned char)*at < 0x20)
			return NULL;
		if (*at == '\\')
			at = escape_read(at + 1, &to);
		else
			*to++ = *at++;
	}
	*to = '\0';
	return at ? at + 1 : NULL;
}

/* A number or a word; lists and objects are none of ours. */
static const char *plain_skip(const char *at)
{
	size_t len = strspn(at, "+-.0123456789Eabcdefghijklmnopqrstuvwxyz");
	return len > 0 ? at + len : NULL;
}

/* The value of a name that has a string; the first counts. False: it is no such object, or lacks the name. */
static bool json_find(const char *json, const char *name, char *to, char *spare)
{
	const char *at = white_skip(json);
	bool found = false;
	if (*at++ != '{')
		return false;
	for (at = white_skip(at); at && *at == '"'; at = white_skip(at + 1)) {
		at = string_read(at + 1, spare);
		bool wanted = at && !found && strcmp(spare, name) == 0;
		at = at ? white_skip(at) : NULL;
		if (!at || *at != ':')
			return false;
		at = white_skip(at + 1);
		found |= wanted && *at == '"';
		at = *at == '"' ? string_read(at + 1, wanted ? to : spare) : plain_skip(at);
		at = at ? white_skip(at) : NULL;
		if (!at || *at != ',')
			break;
	}
	return found && at && *at == '}' && *white_skip(at + 1) == '\0';
}

static bool is_user(const char *bare_jid, const char *user)
{
	char local[JID_PART_BYTES_MAX + 1];
	size_t len = strcspn(bare_jid, "@");
	return jid_prepare_local(user, strlen(user), local) && strlen(local) == len &&
	       memcmp(local, bare_jid, len) == 0;
}

bool password_open(const struct password_key *key, const char *bare_jid, const char *text,
		   char to[static PASSWORD_BYTES_MAX + 1])
{
	uint8_t bytes[BASE64_BYTES(2 * RSA_BYTES_MAX) + 1];
	char json[RSA_BYTES_MAX + 1], user[RSA_BYTES_MAX + 1], spare[RSA_BYTES_MAX + 1], password[RSA_BYTES_MAX + 1];
	size_t len = 0, json_len = RSA_BYTES_MAX;
	bool good = strlen(text) <= 2 * RSA_BYTES_MAX && base64_decode(text, strlen(text), bytes, &len) &&
		    decrypt(key, bytes, len, (uint8_t *)json, &json_len);
	json[good ? json_len : 0] = '\0';
	good = good && strlen(json) == json_len && json_find(json, "p", password, spare) &&
	       json_find(json, "u", user, spare) && is_user(bare_jid, user) && strlen(password) <= PASSWORD_BYTES_MAX;
	memcpy(to, good ? password : "", good ? strlen(password) + 1 : 1);
	OPENSSL_cleanse(json, sizeof json);
	OPENSSL_cleanse(spare, sizeof spare);
	OPENSSL_cleanse(password, sizeof password);
	return good;
}
