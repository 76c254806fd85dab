/*
 * record_fuzz: a client's records of any make.
 *
 * The first byte chooses: bit 0 the TLS version, bits 1 and 2 the cipher, bit 3 what the rest is. Clear: bytes as they
 * come from the network. Set: a list of records that are sealed properly first, so that what they mean is reached: a
 * byte of type, a byte of padding, two bytes of length, the content. Whatever is opened must be what was sealed; what
 * the server seals in answer, the client's end must be able to open.
 */
#include "record_craft.h"
#include "record_crypto.h"

#include <stdlib.h>
#include <string.h>

enum { ALERT = 21, HANDSHAKE = 22, DATA = 23, CONTENT_MAX = RECORD_TEXT_MAX + 300 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

struct pair {
	struct record server, client;
};

static struct record_crypto *crypto;

static void demand(bool holds)
{
	if (!holds)
		abort();
}

static void found_check(const struct record *r, const struct record_found *found, const uint8_t *bytes, size_t len)
{
	demand(found->used <= len);
	demand((found->is == RECORD_MORE || found->is == RECORD_BAD) == (found->used == 0) || found->is == RECORD_END);
	demand(found->is != RECORD_TEXT ||
	       (found->text >= bytes && found->text + found->text_len <= bytes + found->used));
	demand(found->text_len <= RECORD_TEXT_MAX || found->is != RECORD_TEXT);
	demand(r->empty_in_a_row <= RECORD_EMPTY_MAX || found->is == RECORD_BAD || r->read_closed);
}

static void raw_open(struct pair *p, const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len + 1);
	struct record_found found;
	size_t at = 0;

	demand(copy);
	memcpy(copy, bytes, len);
	do {
		record_open(&p->server, crypto, copy + at, len - at, &found);
		found_check(&p->server, &found, copy + at, len - at);
		at += found.used;
	} while (found.is == RECORD_TEXT || found.is == RECORD_QUIET);
	free(copy);
}

/* What the server has to say after a record, the client's end understands. */
static void answer_open(struct pair *p)
{
	static uint8_t wire[8 + RECORD_SEAL_EXTRA];
	bool owed = p->server.update_owed;
	size_t len = record_seal(&p->server, crypto, (const uint8_t *)"<answer>", 8, wire);
	struct record_found found;

	demand(len > 0 && len <= sizeof wire);
	record_open(&p->client, crypto, wire, len, &found);
	if (owed) {
		demand(found.is == RECORD_QUIET);
		record_open(&p->client, crypto, wire + found.used, len - found.used, &found);
	}
	demand(found.is == RECORD_TEXT && found.text_len == 8 && memcmp(found.text, "<answer>", 8) == 0);
	p->client.empty_in_a_row = 0;
}

/* Seals one record and opens it; answers whether another may follow. */
static bool one_exchange(struct pair *p, uint8_t type, uint8_t padding, const uint8_t *content, size_t len)
{
	static uint8_t wire[CONTENT_MAX + 256 + RECORD_SEAL_EXTRA];
	size_t wire_len = record_craft(&p->client, crypto, type, content, len, padding, wire);
	struct record_found found;

	record_open(&p->server, crypto, wire, wire_len - 1, &found);
	demand(found.is == RECORD_MORE || found.is == RECORD_BAD);
	record_open(&p->server, crypto, wire, wire_len, &found);
	found_check(&p->server, &found, wire, wire_len);
	demand(found.is != RECORD_MORE && found.alert != RECORD_BAD_RECORD_MAC);
	/* In TLS 1.3 a type of zero is but padding: the type is further ahead. */
	while (p->server.version == RECORD_TLS13 && type == 0 && len > 0)
		type = content[--len];
	if (found.is == RECORD_TEXT)
		demand(type == DATA && found.text_len == len && memcmp(found.text, content, len) == 0);
	if (found.is == RECORD_QUIET)
		demand(type == ALERT || (type == HANDSHAKE && p->server.version == RECORD_TLS13));
	if (found.is == RECORD_END)
		return false;
	if (found.is == RECORD_QUIET && type == HANDSHAKE && p->server.read.sequence == 0) {
		demand(record_keys_update(record_keys(&p->client, RECORD_WRITE), p->client.cipher));
		p->client.write.sequence = 0;
	}
	if (found.is != RECORD_BAD)
		answer_open(p);
	return found.is != RECORD_BAD;
}

static void sealed_open(struct pair *p, const uint8_t *bytes, size_t len)
{
	while (len >= 4) {
		size_t wanted = (size_t)bytes[2] << 8 | bytes[3];
		size_t content_len = wanted < len - 4 ? wanted : len - 4;

		if (content_len > CONTENT_MAX)
			content_len = CONTENT_MAX;
		if (!one_exchange(p, bytes[0], p->server.version == RECORD_TLS13 ? bytes[1] : 0, bytes + 4,
				  content_len))
			return;
		bytes += 4 + content_len;
		len -= 4 + content_len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct pair p;

	if (!crypto)
		crypto = record_crypto_new();
	demand(crypto);
	if (len == 0)
		return 0;
	record_pair_make(bytes[0] & 1 ? RECORD_TLS13 : RECORD_TLS12, (bytes[0] >> 1 & 3) % RECORD_CIPHER_COUNT,
			 &p.server, &p.client);
	if (bytes[0] & 8)
		sealed_open(&p, bytes + 1, len - 1);
	else
		raw_open(&p, bytes + 1, len - 1);
	return 0;
}
