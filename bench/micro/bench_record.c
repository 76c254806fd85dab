/*
 * bench-record: processor time of sealing and opening a TLS 1.3 record, beside OpenSSL's bare AEAD with a key set anew
 * for each record, which is what the thread's shared contexts make necessary. Rounds of both alternate; the middle of
 * the rounds is told. Exit status 1 when a small record costs more than 1.15 of the bare AEAD.
 */
#include "clock.h"
#include "record.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 31, BYTES_PER_ROUND = 1 << 20, RECORDS_MIN = 64, SMALL = 200 };
static const double ratio_max = 1.15;

struct bench {
	struct record_crypto *crypto;
	struct record ours, theirs; /* each other's mirror */
	EVP_CIPHER_CTX *seal, *open;
	size_t key_len, size, count;
	uint8_t *wire; /* count records, each in `step` bytes */
	size_t step;
	uint8_t text[RECORD_TEXT_MAX];
};

static const uint8_t key[32] = "a key of thirty-two bytes......", head[5] = {23, 3, 3, 0, 0};

static void demand(bool holds)
{
	if (holds)
		return;
	fputs("bench-record: something does not work\n", stderr);
	exit(2);
}

/* ---- ours */

static void ours_seal(struct bench *b)
{
	for (size_t i = 0; i < b->count; i++)
		demand(record_seal(&b->ours, b->crypto, b->text, b->size, b->wire + i * b->step) > 0);
}

static void ours_open(struct bench *b)
{
	struct record_found found;

	for (size_t i = 0; i < b->count; i++) {
		record_open(&b->theirs, b->crypto, b->wire + i * b->step, b->step, &found);
		demand(found.is == RECORD_TEXT && found.text_len == b->size);
	}
}

/* ---- bare */

static void nonce_make(uint8_t nonce[12], size_t i)
{
	memset(nonce, 7, 12);
	memcpy(nonce + 4, &i, 8);
}

static void bare_seal(struct bench *b)
{
	uint8_t nonce[12];
	int len;

	for (size_t i = 0; i < b->count; i++) {
		uint8_t *to = b->wire + i * b->step;

		nonce_make(nonce, i);
		demand(EVP_EncryptInit_ex(b->seal, NULL, NULL, key, nonce) == 1 &&
		       EVP_EncryptUpdate(b->seal, NULL, &len, head, sizeof head) == 1 &&
		       EVP_EncryptUpdate(b->seal, to, &len, b->text, (int)b->size + 1) == 1 &&
		       EVP_EncryptFinal_ex(b->seal, to + len, &len) == 1 &&
		       EVP_CIPHER_CTX_ctrl(b->seal, EVP_CTRL_AEAD_GET_TAG, 16, to + b->size + 1) == 1);
	}
}

static void bare_open(struct bench *b)
{
	uint8_t nonce[12];
	int len;

	for (size_t i = 0; i < b->count; i++) {
		uint8_t *at = b->wire + i * b->step;

		nonce_make(nonce, i);
		demand(EVP_DecryptInit_ex(b->open, NULL, NULL, key, nonce) == 1 &&
		       EVP_CIPHER_CTX_ctrl(b->open, EVP_CTRL_AEAD_SET_TAG, 16, at + b->size + 1) == 1 &&
		       EVP_DecryptUpdate(b->open, NULL, &len, head, sizeof head) == 1 &&
		       EVP_DecryptUpdate(b->open, at, &len, at, (int)b->size + 1) == 1 &&
		       EVP_DecryptFinal_ex(b->open, at + len, &len) == 1);
	}
}

/* ---- both */

static double ns_each(struct bench *b, void (*run)(struct bench *))
{
	uint64_t before = clock_ns();

	run(b);
	return (double)(clock_ns() - before) / (double)b->count;
}

/* Answers whether it is within the bound. */
static bool line_print(const char *cipher, const char *what, const struct bench *b, double ours[], double bare[])
{
	double one = clock_median(ours, ROUNDS), other = clock_median(bare, ROUNDS);
	bool good = b->size != SMALL || one <= ratio_max * other;

	printf("%-17s %-4s %6zu  %9.0f  %9.0f  %5.2f%s\n", cipher, what, b->size, one, other, one / other,
	       good ? "" : "  too much");
	return good;
}

static bool size_run(struct bench *b, const char *cipher, size_t size)
{
	double seal[ROUNDS], open[ROUNDS], bare_sealing[ROUNDS], bare_opening[ROUNDS];
	bool good;

	b->size = size;
	b->step = 5 + size + 1 + 16;
	b->count = BYTES_PER_ROUND / b->step > RECORDS_MIN ? BYTES_PER_ROUND / b->step : RECORDS_MIN;
	b->wire = malloc(b->count * b->step + RECORD_SEAL_EXTRA);
	demand(b->wire);
	for (size_t i = 0; i < ROUNDS; i++) {
		bare_sealing[i] = ns_each(b, bare_seal);
		bare_opening[i] = ns_each(b, bare_open);
		seal[i] = ns_each(b, ours_seal);
		open[i] = ns_each(b, ours_open);
	}
	free(b->wire);
	good = line_print(cipher, "seal", b, seal, bare_sealing);
	return line_print(cipher, "open", b, open, bare_opening) && good;
}

static bool cipher_run(struct bench *b, enum record_cipher cipher)
{
	static const char *const names[] = {"AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"};
	static const size_t sizes[] = {SMALL, 1024, RECORD_TEXT_MAX};
	static const uint8_t one[48] = "one secret", other[48] = "another secret";
	EVP_CIPHER *bare = EVP_CIPHER_fetch(NULL, names[cipher], NULL);
	bool good = true;

	demand(bare && EVP_EncryptInit_ex(b->seal, bare, NULL, key, NULL) == 1 &&
	       EVP_DecryptInit_ex(b->open, bare, NULL, key, NULL) == 1);
	EVP_CIPHER_free(bare);
	demand(record_init13(&b->ours, cipher, one, other, 0, 0) &&
	       record_init13(&b->theirs, cipher, other, one, 0, 0));
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		good = size_run(b, names[cipher], sizes[i]) && good;
	return good;
}

int main(void)
{
	static struct bench b;
	bool good = true;

	b.crypto = record_crypto_new();
	b.seal = EVP_CIPHER_CTX_new();
	b.open = EVP_CIPHER_CTX_new();
	demand(b.crypto && b.seal && b.open);
	printf("TLS 1.3 records, ns of processor time each, middle of %d rounds\n", ROUNDS);
	printf("%-17s %-4s %6s  %9s  %9s  %5s\n", "cipher", "", "bytes", "record", "bare EVP", "ratio");
	for (enum record_cipher cipher = 0; cipher < RECORD_CIPHER_COUNT; cipher++)
		good = cipher_run(&b, cipher) && good;
	record_done(&b.ours);
	record_done(&b.theirs);
	record_crypto_free(b.crypto);
	EVP_CIPHER_CTX_free(b.seal);
	EVP_CIPHER_CTX_free(b.open);
	return good ? 0 : 1;
}
