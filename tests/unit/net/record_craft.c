#include "record_craft.h"

#include "record_crypto.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct record record_mirror(const struct record *r)
{
	struct record other = *r;
	size_t len = (record_bytes(r) - offsetof(struct record, keys)) / 2;

	other.read = r->write;
	other.write = r->read;
	memcpy(other.keys, r->keys + len, len);
	memcpy(other.keys + len, r->keys, len);
	return other;
}

void record_pair_make(enum record_version version, enum record_cipher cipher, struct record *ret_server,
		      struct record *ret_client)
{
	static const uint8_t nonce[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	uint8_t secrets[96];

	for (size_t i = 0; i < sizeof secrets; i++)
		secrets[i] = (uint8_t)(i * 7 + 1);
	if (version == RECORD_TLS12)
		record_init12(ret_server, cipher, secrets, nonce, 1, 1);
	else if (!record_init13(ret_server, cipher, secrets, secrets + 48, 0, 0))
		abort();
	*ret_client = record_mirror(ret_server);
}

size_t record_craft(struct record *sender, struct record_crypto *crypto, uint8_t type, const void *content, size_t len,
		    size_t padding, uint8_t *to)
{
	bool hidden = sender->version == RECORD_TLS13;
	size_t before = !hidden && sender->cipher != RECORD_CHACHA20_POLY1305 ? 8 : 0;
	size_t inner_len = hidden ? len + 1 + padding : len, body = before + inner_len + AEAD_TAG_BYTES;
	uint8_t *inner = calloc(1, inner_len + 1);
	uint8_t header[5] = {hidden ? 23 : type, 3, 3, (uint8_t)(body >> 8), (uint8_t)body};
	struct record_keys keys = record_keys(sender, RECORD_WRITE);
	struct aead_use use = {.cipher = sender->cipher, .key = keys.key};

	assert(inner);
	memcpy(inner, content, len);
	inner[len] = hidden ? type : 0;
	memcpy(use.nonce, keys.iv, sizeof use.nonce);
	use.beside_len = hidden ? 5 : 13;
	for (int i = 0; i < 8; i++) {
		uint8_t byte = (uint8_t)(sender->write.sequence >> (56 - 8 * i));

		use.nonce[4 + i] ^= byte;
		use.beside[i] = byte;
	}
	memcpy(use.beside + (hidden ? 0 : 8), header, 5);
	if (!hidden) {
		use.beside[11] = (uint8_t)(len >> 8);
		use.beside[12] = (uint8_t)len;
	}
	memcpy(to, header, 5);
	memcpy(to + 5, use.nonce + 12 - before, before);
	if (!aead_seal(crypto, &use, inner, inner_len, AEAD_NO_TYPE, to + 5 + before))
		abort();
	free(inner);
	sender->write.sequence++;
	return 5 + body;
}
