#include "ticket.h"

#include <assert.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NEW, CURRENT, OLD, NAME_BYTES = 16, IV_BYTES = 16 };

struct key {
	uint8_t name[NAME_BYTES], cipher[32], mac[32];
};
static_assert(sizeof(struct key) == TICKET_KEY_BYTES, "a key in a file is a key in memory");

struct tls_tickets {
	_Atomic unsigned owners;
	pthread_mutex_t lock;
	struct key keys[TICKET_KEYS];
};

static struct tls_tickets *tickets_make(void)
{
	struct tls_tickets *t = OPENSSL_secure_zalloc(sizeof *t);

	assert(t != NULL && pthread_mutex_init(&t->lock, NULL) == 0);
	t->owners = 1;
	return t;
}

struct tls_tickets *tls_tickets_new(void)
{
	struct tls_tickets *t = tickets_make();

	if (RAND_priv_bytes((uint8_t *)t->keys, sizeof t->keys) == 1)
		return t;
	tls_tickets_unref(t);
	return NULL;
}

static bool keys_are_good(const struct key keys[TICKET_KEYS])
{
	static const struct key none;

	for (size_t i = 0; i < TICKET_KEYS; i++) {
		if (memcmp(keys[i].cipher, none.cipher, 32) == 0 || memcmp(keys[i].mac, none.mac, 32) == 0)
			return false;
		for (size_t other = 0; other < i; other++)
			if (memcmp(keys[i].name, keys[other].name, NAME_BYTES) == 0)
				return false;
	}
	return true;
}

/* Unbuffered, so that no copy of the keys is left behind. */
static bool keys_read(FILE *from, struct key keys[TICKET_KEYS])
{
	char more;

	setvbuf(from, NULL, _IONBF, 0);
	return fread(keys, sizeof *keys, TICKET_KEYS, from) == TICKET_KEYS && fread(&more, 1, 1, from) == 0;
}

struct tls_tickets *tls_tickets_read(const char *file, struct tls_fault *ret_fault)
{
	struct tls_tickets *t = tickets_make();
	FILE *from = fopen(file, "rbe");
	const char *wrong = NULL;

	if (from == NULL)
		wrong = strerror(errno);
	else if (!keys_read(from, t->keys))
		wrong = "not three keys of 80 bytes";
	else if (!keys_are_good(t->keys))
		wrong = "a key of zeros, or two with one name";
	if (from != NULL)
		fclose(from);
	if (wrong == NULL)
		return t;
	ret_fault->file = file;
	snprintf(ret_fault->why, sizeof ret_fault->why, "%s", wrong);
	tls_tickets_unref(t);
	return NULL;
}

struct tls_tickets *tls_tickets_ref(struct tls_tickets *t)
{
	atomic_fetch_add_explicit(&t->owners, 1, memory_order_relaxed);
	return t;
}

void tls_tickets_unref(struct tls_tickets *t)
{
	if (t == NULL || atomic_fetch_sub_explicit(&t->owners, 1, memory_order_acq_rel) > 1)
		return;
	pthread_mutex_destroy(&t->lock);
	OPENSSL_secure_clear_free(t, sizeof *t);
}

bool tls_tickets_rotate(struct tls_tickets *t)
{
	struct key fresh;
	bool good = RAND_priv_bytes((uint8_t *)&fresh, sizeof fresh) == 1;

	if (good) {
		pthread_mutex_lock(&t->lock);
		t->keys[OLD] = t->keys[CURRENT];
		t->keys[CURRENT] = t->keys[NEW];
		t->keys[NEW] = fresh;
		pthread_mutex_unlock(&t->lock);
	}
	OPENSSL_cleanse(&fresh, sizeof fresh);
	return good;
}

/* Copies the key that is named, or the current one for NULL. Answers which it is; -1: none. */
static int key_find(struct tls_tickets *t, const unsigned char *name, struct key *ret)
{
	int found = name == NULL ? CURRENT : -1;

	pthread_mutex_lock(&t->lock);
	for (int i = 0; name != NULL && i < TICKET_KEYS; i++)
		if (memcmp(t->keys[i].name, name, NAME_BYTES) == 0)
			found = i;
	if (found >= 0)
		*ret = t->keys[found];
	pthread_mutex_unlock(&t->lock);
	return found;
}

static bool mac_set(EVP_MAC_CTX *mac, struct key *key)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof key->mac),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* Answers as OpenSSL wants it: 0 no such key, 1 done, 2 done and a fresh ticket is due, -1 failed. */
int ticket_key_choose(struct tls_tickets *t, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
		      EVP_MAC_CTX *mac, int sealing)
{
	struct key key;
	int found = key_find(t, sealing ? NULL : name, &key);
	bool good;

	if (found < 0)
		return 0;
	if (sealing)
		memcpy(name, key.name, NAME_BYTES);
	good = (!sealing || RAND_bytes(iv, IV_BYTES) == 1) &&
	       EVP_CipherInit_ex2(cipher, EVP_aes_256_cbc(), key.cipher, iv, sealing, NULL) == 1 && mac_set(mac, &key);
	OPENSSL_cleanse(&key, sizeof key);
	return !good ? -1 : found == OLD ? 2 : 1;
}
