#include "record.h"

#include "record_crypto.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

static_assert(sizeof(struct record) <= 208, "every connection has one");

enum { HEADER_BYTES = 5 };
enum handshake_message { MESSAGE_CLIENT_HELLO = 1, MESSAGE_TICKET = 4, MESSAGE_KEY_UPDATE = 24 };
enum alert_level { LEVEL_WARNING = 1, LEVEL_FATAL = 2 };

/* Bytes of keys in one direction. */
static size_t keys_bytes(const struct record *r)
{
	const struct record_suite *suite = record_suite(r->cipher);

	return AEAD_NONCE_BYTES + suite->key_len + (size_t)(r->version == RECORD_TLS13 ? suite->secret_len : 0);
}

size_t record_bytes(const struct record *r)
{
	return offsetof(struct record, keys) + 2 * keys_bytes(r);
}

struct record_keys record_keys(struct record *r, enum record_direction direction)
{
	uint8_t *at = r->keys + (direction == RECORD_WRITE ? keys_bytes(r) : 0);
	uint8_t *key = at + AEAD_NONCE_BYTES;

	return (struct record_keys){at, key,
				    r->version == RECORD_TLS13 ? key + record_suite(r->cipher)->key_len : NULL};
}

bool record_init13(struct record *r, enum record_cipher cipher, const uint8_t *read_secret, const uint8_t *write_secret,
		   uint64_t read_sequence, uint64_t write_sequence)
{
	size_t secret_len = record_suite(cipher)->secret_len;
	struct record_keys read, write;

	*r = (struct record){.version = RECORD_TLS13, .cipher = cipher};
	read = record_keys(r, RECORD_READ);
	write = record_keys(r, RECORD_WRITE);
	memcpy(read.secret, read_secret, secret_len);
	memcpy(write.secret, write_secret, secret_len);
	if (!record_keys_derive(read, cipher) || !record_keys_derive(write, cipher)) {
		record_done(r);
		return false;
	}
	r->read.sequence = read_sequence;
	r->write.sequence = write_sequence;
	return true;
}

/* With the nonce of record 0 behind the salt, `iv xor sequence` is the nonce of every cipher and version. */
void record_init12(struct record *r, enum record_cipher cipher, const uint8_t *key_block, const uint8_t *nonce_used,
		   uint64_t read_sequence, uint64_t write_sequence)
{
	size_t key_len = record_suite(cipher)->key_len, iv_len = record_suite(cipher)->iv12_len;
	const uint8_t *ivs = key_block + 2 * key_len;
	struct record_keys read, write;

	*r = (struct record){.version = RECORD_TLS12, .cipher = cipher};
	read = record_keys(r, RECORD_READ);
	write = record_keys(r, RECORD_WRITE);
	memcpy(read.key, key_block, key_len);
	memcpy(write.key, key_block + key_len, key_len);
	memcpy(read.iv, ivs, iv_len);
	memcpy(write.iv, ivs + iv_len, iv_len);
	if (iv_len < AEAD_NONCE_BYTES)
		memcpy(write.iv + iv_len, nonce_used, AEAD_NONCE_BYTES - iv_len);
	r->read.sequence = read_sequence;
	r->write.sequence = write_sequence;
}

void record_done(struct record *r)
{
	OPENSSL_cleanse(r, record_bytes(r));
}

/* Bytes of nonce that stand in the record before its text. */
static size_t explicit_len(const struct record *r)
{
	return r->version == RECORD_TLS12 ? AEAD_NONCE_BYTES - record_suite(r->cipher)->iv12_len : 0;
}

static void number_put(uint8_t *to, uint64_t value, int bytes)
{
	while (bytes-- > 0) {
		to[bytes] = (uint8_t)value;
		value >>= 8;
	}
}

/*
 * What this side uses the AEAD with for its next record. `header` is that record's; text_len counts the text alone. In
 * TLS 1.3 the header is authenticated as it stands (RFC 8446, 5.2), in TLS 1.2 the sequence number, and the header with
 * the length of the text (RFC 5246, 6.2.3.3).
 */
static struct aead_use use_of(struct record *r, enum record_direction direction, const uint8_t *header, size_t text_len)
{
	struct record_keys keys = record_keys(r, direction);
	struct aead_use use = {.cipher = r->cipher, .key = keys.key};
	uint8_t sequence[8];

	number_put(sequence, direction == RECORD_READ ? r->read.sequence : r->write.sequence, 8);
	memcpy(use.nonce, keys.iv, AEAD_NONCE_BYTES);
	for (int i = 0; i < 8; i++)
		use.nonce[4 + i] ^= sequence[i];
	if (r->version == RECORD_TLS13) {
		use.beside_len = HEADER_BYTES;
		memcpy(use.beside, header, HEADER_BYTES);
		return use;
	}
	use.beside_len = 8 + HEADER_BYTES;
	memcpy(use.beside, sequence, 8);
	memcpy(use.beside + 8, header, 3);
	number_put(use.beside + 11, text_len, 2);
	return use;
}

static uint32_t body_len(const uint8_t *header)
{
	return (uint32_t)header[3] << 8 | header[4];
}

/* Whether the header may stand before a record; else the alert. Nothing of the body is needed for it. */
static uint8_t header_check(const struct record *r, const uint8_t *header)
{
	size_t extra_max = r->version == RECORD_TLS13 ? 256 : explicit_len(r) + AEAD_TAG_BYTES;
	bool type_known = header[0] == RECORD_CONTENT_DATA ||
			  (r->version == RECORD_TLS12 &&
			   (header[0] == RECORD_CONTENT_ALERT || header[0] == RECORD_CONTENT_HANDSHAKE));

	if (!type_known)
		return RECORD_UNEXPECTED_MESSAGE;
	if (header[1] != 3 || header[2] != 3)
		return RECORD_PROTOCOL_VERSION;
	if (body_len(header) > RECORD_TEXT_MAX + extra_max)
		return RECORD_RECORD_OVERFLOW;
	if (body_len(header) < explicit_len(r) + AEAD_TAG_BYTES)
		return RECORD_BAD_RECORD_MAC;
	return 0;
}

/* TLS 1.3 hides the type behind the text, and zeros behind the type (RFC 8446, 5.4). */
static uint8_t padding_strip(struct record_found *found, uint8_t *ret_type)
{
	uint32_t len = found->text_len;

	if (len > RECORD_TEXT_MAX + 1)
		return RECORD_RECORD_OVERFLOW;
	while (len > 0 && found->text[len - 1] == 0)
		len--;
	if (len == 0)
		return RECORD_UNEXPECTED_MESSAGE;
	*ret_type = found->text[len - 1];
	found->text_len = len - 1;
	return 0;
}

/* Decrypts the record that stands whole in the bytes. Answers an alert, or 0 with text and type set. */
static uint8_t body_open(struct record *r, struct record_crypto *crypto, uint8_t *bytes, struct record_found *found,
			 uint8_t *ret_type)
{
	uint32_t before = (uint32_t)explicit_len(r);
	uint32_t len = body_len(bytes) - before - AEAD_TAG_BYTES;
	struct aead_use use = use_of(r, RECORD_READ, bytes, len);

	if (r->read.sequence == UINT64_MAX)
		return RECORD_INTERNAL_ERROR;
	memcpy(use.nonce + AEAD_NONCE_BYTES - before, bytes + HEADER_BYTES, before);
	if (!aead_open(crypto, &use, bytes + HEADER_BYTES + before, len))
		return RECORD_BAD_RECORD_MAC;
	r->read.sequence++;
	found->text = bytes + HEADER_BYTES + before;
	found->text_len = len;
	*ret_type = bytes[0];
	return r->version == RECORD_TLS13 ? padding_strip(found, ret_type) : 0;
}

static void refuse(struct record_found *found, uint8_t alert)
{
	*found = (struct record_found){.is = RECORD_BAD, .alert = alert};
}

/* A record that moves nothing forward. A few in a row are odd; many are an attack on our time. */
static void quiet_take(struct record *r, enum record_is is, struct record_found *found)
{
	found->is = is;
	if (++r->empty_in_a_row > RECORD_EMPTY_MAX)
		refuse(found, RECORD_UNEXPECTED_MESSAGE);
}

static void data_take(struct record *r, struct record_found *found)
{
	if (r->update_had > 0) {
		refuse(found, RECORD_UNEXPECTED_MESSAGE);
	} else if (found->text_len == 0) {
		quiet_take(r, RECORD_TEXT, found);
	} else {
		r->empty_in_a_row = 0;
		found->is = RECORD_TEXT;
	}
}

/* The level counts in TLS 1.2 only; in TLS 1.3 all but these two are fatal (RFC 8446, 6). */
static bool alert_is_quiet(const struct record *r, uint8_t level, uint8_t description)
{
	return r->version == RECORD_TLS13 ? description == RECORD_USER_CANCELED : level == LEVEL_WARNING;
}

static void alert_take(struct record *r, struct record_found *found)
{
	const uint8_t *alert = found->text;

	if (found->text_len != 2)
		refuse(found, found->text_len ? RECORD_DECODE_ERROR : RECORD_UNEXPECTED_MESSAGE);
	else if (r->version == RECORD_TLS12 && alert[0] != LEVEL_WARNING && alert[0] != LEVEL_FATAL)
		refuse(found, RECORD_ILLEGAL_PARAMETER);
	else if (alert[1] == RECORD_CLOSE_NOTIFY)
		found->is = RECORD_END;
	else if (alert_is_quiet(r, alert[0], alert[1]))
		quiet_take(r, RECORD_QUIET, found);
	else {
		refuse(found, 0);
		found->peer_alert = alert[1];
	}
}

/* The message is the same but for its last byte, so that of a fragment only the length need be kept. */
static uint8_t update_byte_check(uint8_t byte, uint8_t at)
{
	static const uint8_t start[] = {MESSAGE_KEY_UPDATE, 0, 0, 1};

	if (at == sizeof start)
		return byte <= 1 ? 0 : RECORD_ILLEGAL_PARAMETER;
	if (byte == start[at])
		return 0;
	return at == 0 ? RECORD_UNEXPECTED_MESSAGE : RECORD_DECODE_ERROR;
}

/* The peer has changed its key. What follows the message in its record would be under no key: it may not be there. */
static uint8_t update_take(struct record *r, uint8_t request, uint32_t behind)
{
	if (behind > 0)
		return RECORD_UNEXPECTED_MESSAGE;
	if (!record_keys_update(record_keys(r, RECORD_READ), r->cipher))
		return RECORD_INTERNAL_ERROR;
	r->read.sequence = 0;
	r->update_had = 0;
	r->update_asked = false;
	if (request)
		r->update_owed = true;
	return 0;
}

/* Whole NewSessionTickets and nothing else. */
static bool tickets_are_all(const uint8_t *text, uint32_t len)
{
	uint32_t whole;

	for (; len >= 4 && text[0] == MESSAGE_TICKET; text += whole, len -= whole) {
		whole = 4 + ((uint32_t)text[1] << 16 | (uint32_t)text[2] << 8 | text[3]);
		if (whole > len)
			return false;
	}
	return len == 0;
}

static uint8_t message_take(struct record *r, const uint8_t *text, uint32_t len)
{
	uint8_t alert = 0;

	if (len == 0)
		return RECORD_UNEXPECTED_MESSAGE;
	if (r->version == RECORD_TLS12)
		return text[0] == MESSAGE_CLIENT_HELLO ? RECORD_NO_RENEGOTIATION : RECORD_UNEXPECTED_MESSAGE;
	if (r->client && r->update_had == 0 && tickets_are_all(text, len))
		return 0;
	for (uint32_t i = 0; i < len && !alert; i++) {
		bool last = r->update_had == 4;

		alert = update_byte_check(text[i], r->update_had++);
		if (last && !alert)
			return update_take(r, text[i], len - i - 1);
	}
	return alert;
}

static void content_take(struct record *r, uint8_t type, struct record_found *found)
{
	uint8_t alert;

	switch (type) {
	case RECORD_CONTENT_DATA:
		data_take(r, found);
		break;
	case RECORD_CONTENT_ALERT:
		alert_take(r, found);
		break;
	case RECORD_CONTENT_HANDSHAKE:
		alert = message_take(r, found->text, found->text_len);
		if (alert)
			refuse(found, alert);
		else
			quiet_take(r, RECORD_QUIET, found);
		break;
	default:
		refuse(found, RECORD_UNEXPECTED_MESSAGE);
	}
}

void record_open(struct record *r, struct record_crypto *crypto, uint8_t *bytes, size_t len, struct record_found *ret)
{
	uint8_t alert, type;

	*ret = (struct record_found){.is = RECORD_MORE};
	if (r->read_closed) {
		*ret = (struct record_found){.is = RECORD_END, .used = (uint32_t)len};
		return;
	}
	if (len < HEADER_BYTES)
		return;
	alert = header_check(r, bytes);
	if (!alert && len < HEADER_BYTES + body_len(bytes))
		return;
	if (!alert)
		alert = body_open(r, crypto, bytes, ret, &type);
	ret->used = HEADER_BYTES + body_len(bytes);
	if (alert)
		refuse(ret, alert);
	else
		content_take(r, type, ret);
	r->read_closed = ret->is == RECORD_END || ret->is == RECORD_BAD;
}

void record_hear(struct record *r, uint8_t type, uint8_t *content, size_t len, struct record_found *ret)
{
	*ret = (struct record_found){.is = RECORD_END};
	if (r->read_closed)
		return;
	ret->text = content;
	ret->text_len = (uint32_t)len;
	if (type == RECORD_CONTENT_DATA)
		refuse(ret, RECORD_INTERNAL_ERROR);
	else
		content_take(r, type, ret);
	r->read_closed = ret->is == RECORD_END || ret->is == RECORD_BAD;
}

/* One record, at the write side's next number. 0: the sequence is used up or OpenSSL refused; the side is closed then.
 */
static size_t one_seal(struct record *r, struct record_crypto *crypto, enum record_content type, const uint8_t *text,
		       size_t len, uint8_t *to)
{
	bool hidden = r->version == RECORD_TLS13;
	size_t before = explicit_len(r), body = before + len + hidden + AEAD_TAG_BYTES;
	struct aead_use use;

	to[0] = hidden ? RECORD_CONTENT_DATA : type;
	to[1] = to[2] = 3;
	number_put(to + 3, body, 2);
	use = use_of(r, RECORD_WRITE, to, len);
	memcpy(to + HEADER_BYTES, use.nonce + AEAD_NONCE_BYTES - before, before);
	if (r->write.sequence == UINT64_MAX ||
	    !aead_seal(crypto, &use, text, len, hidden ? (int)type : AEAD_NO_TYPE, to + HEADER_BYTES + before)) {
		r->write_closed = true;
		return 0;
	}
	r->write.sequence++;
	return HEADER_BYTES + body;
}

static bool is_worn(const struct record *r, const struct record_crypto *crypto, const struct record_side *side)
{
	return side->sequence >= record_crypto_records_max(crypto, r->cipher);
}

bool record_is_worn(const struct record *r, const struct record_crypto *crypto)
{
	return is_worn(r, crypto, &r->read) || is_worn(r, crypto, &r->write);
}

/* Ours, and the question for the peer's when the peer has sealed too much under its own and was not asked yet. */
static size_t update_make(struct record *r, const struct record_crypto *crypto, uint8_t *to)
{
	bool ask = is_worn(r, crypto, &r->read) && !r->update_asked;
	const uint8_t message[RECORD_UPDATE_BYTES] = {MESSAGE_KEY_UPDATE, 0, 0, 1, ask};

	if (!r->update_owed && !ask && !is_worn(r, crypto, &r->write))
		return 0;
	memcpy(to, message, sizeof message);
	r->update_owed = false;
	r->update_asked |= ask;
	return sizeof message;
}

/* Behind a KeyUpdate of ours. False: OpenSSL refused, and nothing may be sealed any more. */
static bool write_key_next(struct record *r)
{
	r->write_closed = !record_keys_update(record_keys(r, RECORD_WRITE), r->cipher);
	r->write.sequence = 0;
	return !r->write_closed;
}

static size_t update_seal(struct record *r, struct record_crypto *crypto, uint8_t *to)
{
	uint8_t message[RECORD_UPDATE_BYTES];
	size_t len = update_make(r, crypto, message);

	if (len == 0)
		return 0;
	len = one_seal(r, crypto, RECORD_CONTENT_HANDSHAKE, message, sizeof message, to);
	if (len > 0)
		write_key_next(r);
	return len;
}

size_t record_update(struct record *r, struct record_crypto *crypto, uint8_t to[static RECORD_UPDATE_BYTES])
{
	size_t len = r->write_closed || r->version == RECORD_TLS12 ? 0 : update_make(r, crypto, to);

	return len == 0 || write_key_next(r) ? len : 0;
}

size_t record_seal_owed(struct record *r, struct record_crypto *crypto, uint8_t *to)
{
	if (r->write_closed || r->version == RECORD_TLS12)
		return 0;
	return update_seal(r, crypto, to);
}

size_t record_seal(struct record *r, struct record_crypto *crypto, const uint8_t *text, size_t len, uint8_t *to)
{
	size_t update, data = 0;

	assert(len <= RECORD_TEXT_MAX);
	if (r->version == RECORD_TLS12 && record_is_worn(r, crypto))
		return 0;
	update = record_seal_owed(r, crypto, to);
	if (!r->write_closed)
		data = one_seal(r, crypto, RECORD_CONTENT_DATA, text, len, to + update);
	return data ? update + data : 0;
}

size_t record_alert(struct record *r, uint8_t description, uint8_t to[static RECORD_ALERT_BYTES])
{
	bool warning = description == RECORD_CLOSE_NOTIFY || description == RECORD_USER_CANCELED ||
		       description == RECORD_NO_RENEGOTIATION;

	if (r->write_closed)
		return 0;
	to[0] = warning ? LEVEL_WARNING : LEVEL_FATAL;
	to[1] = description;
	r->write_closed = true;
	return RECORD_ALERT_BYTES;
}

size_t record_seal_alert(struct record *r, struct record_crypto *crypto, uint8_t description, uint8_t *to)
{
	uint8_t alert[RECORD_ALERT_BYTES];

	if (record_alert(r, description, alert) == 0)
		return 0;
	return one_seal(r, crypto, RECORD_CONTENT_ALERT, alert, sizeof alert, to);
}
