#include "record_differential.h"

#include "record_crypto.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { RECORDS_MAX = 8, FLIGHT_MAX = RECORDS_MAX * (RECORD_WIRE_MAX + 64), SAMPLE_BYTES_MAX = 600 };

/* A flight: the text that was said, and how it looks on the wire. */
struct flight {
	size_t text_len, wire_len, records;
	uint8_t text[RECORDS_MAX * RECORD_TEXT_MAX], wire[FLIGHT_MAX];
};
static struct flight flight;
static uint8_t copy[FLIGHT_MAX + 65536], heard[RECORDS_MAX * RECORD_TEXT_MAX + 1];

uint64_t pair_random(struct pair *p, uint64_t end)
{
	return (random_next(&p->random) >> 16) % end;
}

bool differs(const struct pair *p, const char *what, uint64_t have, uint64_t wanted)
{
	const struct record *r = &p->peer->record;

	fprintf(stderr, "TLS 1.%d %s, record %lu opened, %lu sealed: %s: %lu, wanted %lu\n", r->version == 13 ? 3 : 2,
		record_cipher_name(r->cipher), p->tally->opened, p->tally->sealed, what, have, wanted);
	return false;
}

/* ---- a connection */

/* Of half of the records none has padding; of the others some have much. */
static size_t padding_choose(SSL *openssl, int type, size_t len, void *context)
{
	struct pair *p = context;
	size_t most = pair_random(p, 20) == 0 ? RECORD_TEXT_MAX : 300, padding;

	if (pair_random(p, 2) == 0)
		return 0;
	padding = pair_random(p, most);
	if (len + padding > RECORD_TEXT_MAX)
		padding = RECORD_TEXT_MAX - len;
	p->tally->padded += padding > 0;
	return padding;
}

void pair_begin(struct pair *p, const struct tls_settings *settings, enum record_version version,
		enum record_cipher cipher, uint64_t records_max)
{
	p->crypto = record_crypto_new();
	p->peer = peer_new_by(settings, false);
	assert(p->crypto);
	if (version == RECORD_TLS13)
		record_crypto_limit(p->crypto, records_max);
	peer_choose(p->peer, version, cipher);
	if (peer_shake(p->peer, SIZE_MAX) != HANDSHAKE_DONE || !peer_finish(p->peer))
		assert(!"the handshake");
	SSL_set_record_padding_callback(p->peer->client, padding_choose);
	SSL_set_record_padding_callback_arg(p->peer->client, p);
	p->tally->connections++;
}

bool pair_end(struct pair *p)
{
	struct record *r = &p->peer->record;
	struct record_found found = {0};
	size_t len, taken = 0;
	bool good;

	SSL_shutdown(p->peer->client);
	len = peer_client_says(p->peer, flight.wire, sizeof flight.wire);
	do { /* an answer to a KeyUpdate may stand before it */
		record_open(r, p->crypto, flight.wire + taken, len - taken, &found);
		taken += found.used;
	} while (found.is == RECORD_QUIET);
	good = found.is == RECORD_END || differs(p, "OpenSSL's close_notify", found.is, RECORD_END);
	len = record_seal_alert(r, p->crypto, RECORD_CLOSE_NOTIFY, flight.wire);
	peer_client_hears(p->peer, flight.wire, len);
	good = good && (SSL_shutdown(p->peer->client) == 1 || differs(p, "our close_notify", 0, 1));
	record_done(r);
	peer_free(p->peer);
	record_crypto_free(p->crypto);
	return good;
}

/* Mostly like stanzas, now and then as large as a record may be. */
static size_t len_choose(struct pair *p)
{
	switch (pair_random(p, 100)) {
	case 0:
		return 1 + pair_random(p, RECORD_TEXT_MAX);
	case 1:
		return RECORD_TEXT_MAX - pair_random(p, 3);
	case 2:
		return 1 + pair_random(p, 20);
	default:
		return 1 + pair_random(p, 400);
	}
}

static void text_make(struct pair *p)
{
	flight.records = pair_random(p, 3) == 0 ? 1 + pair_random(p, RECORDS_MAX) : 1;
	flight.text_len = flight.wire_len = 0;
	p->tally->coalesced += flight.records > 1;
}

static const uint8_t *text_more(struct pair *p, size_t len)
{
	uint8_t *to = flight.text + flight.text_len;

	random_fill(&p->random, to, len);
	flight.text_len += len;
	return to;
}

/* ---- from OpenSSL to us */

/* Reads the flight from a copy of its bytes, which come in the pieces that `pieces` cuts; into `heard`. */
struct reading {
	struct record record;
	size_t have, used, text_len, texts, updates;
	struct record_found found;
};

static bool reading_step(struct pair *p, struct reading *r)
{
	struct record_found *found = &r->found;

	record_open(&r->record, p->crypto, copy + r->used, r->have - r->used, found);
	if (found->is != RECORD_TEXT && found->is != RECORD_QUIET)
		return false;
	r->used += found->used;
	r->updates += found->is == RECORD_QUIET;
	r->texts += found->is == RECORD_TEXT;
	if (found->is == RECORD_QUIET)
		return true;
	if (found->text_len > 0)
		memcpy(heard + r->text_len, found->text, found->text_len);
	r->text_len += found->text_len;
	return true;
}

static bool reading_is_right(struct pair *p, const struct reading *r)
{
	if (r->used != flight.wire_len)
		return differs(p, r->found.is == RECORD_BAD ? "refused, after bytes" : "not taken, after bytes",
			       r->used, flight.wire_len);
	if (r->text_len != flight.text_len || memcmp(heard, flight.text, r->text_len) != 0)
		return differs(p, "another text, of bytes", r->text_len, flight.text_len);
	return r->texts == flight.records || differs(p, "texts", r->texts, flight.records);
}

/* At every single split: two pieces. */
static bool every_split(struct pair *p)
{
	for (size_t split = 0; split <= flight.wire_len; split++) {
		struct reading r = {.record = p->peer->record, .have = split};

		memcpy(copy, flight.wire, flight.wire_len);
		while (reading_step(p, &r))
			;
		if (r.found.is != RECORD_MORE)
			return differs(p, "refused before it was whole, at the split", split, 0);
		r.have = flight.wire_len;
		while (reading_step(p, &r))
			;
		if (!reading_is_right(p, &r))
			return differs(p, "the split", split, 0);
		p->tally->splits++;
	}
	return true;
}

/* The first record of the flight with one bit changed; zeros behind it, for whatever length it claims then. */
static bool every_flip(struct pair *p)
{
	size_t len = 5 + ((size_t)flight.wire[3] << 8 | flight.wire[4]);

	memset(copy + len, 0, 65536);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		struct record r = p->peer->record;
		struct record_found found;

		memcpy(copy, flight.wire, len);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		record_open(&r, p->crypto, copy, len + 65536, &found);
		if (found.is != RECORD_BAD || found.alert == 0 || found.text != NULL)
			return differs(p, "a changed bit was not refused", bit, found.is);
		p->tally->flips++;
	}
	return true;
}

static bool in_pieces(struct pair *p)
{
	struct reading r = {.record = p->peer->record};
	size_t pieces = 1 + pair_random(p, 5);

	memcpy(copy, flight.wire, flight.wire_len);
	while (r.have < flight.wire_len) {
		r.have = --pieces > 0 ? r.have + pair_random(p, flight.wire_len - r.have + 1) : flight.wire_len;
		while (reading_step(p, &r))
			;
	}
	p->peer->record = r.record;
	p->tally->opened += r.texts + r.updates;
	p->tally->updates_in += r.updates;
	p->tally->bytes_in += r.text_len;
	return reading_is_right(p, &r);
}

/* Whether it asked for a KeyUpdate of ours. */
static bool client_updates(struct pair *p)
{
	bool ask = pair_random(p, 2) == 0;

	if (p->peer->record.version == RECORD_TLS12 || pair_random(p, 200) != 0)
		return false;
	SSL_key_update(p->peer->client, ask ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
	return ask;
}

bool flight_in(struct pair *p)
{
	bool asked = false;

	text_make(p);
	for (size_t i = 0; i < flight.records; i++) {
		size_t len = len_choose(p);

		asked |= client_updates(p);
		if (SSL_write(p->peer->client, text_more(p, len), (int)len) != (int)len)
			return differs(p, "OpenSSL does not write", 0, len);
	}
	flight.wire_len = peer_client_says(p->peer, flight.wire, sizeof flight.wire);
	if (flight.wire_len < SAMPLE_BYTES_MAX && pair_random(p, 100) == 0 && !every_split(p))
		return false;
	if (flight.wire_len < SAMPLE_BYTES_MAX && pair_random(p, 300) == 0 && !every_flip(p))
		return false;
	if (!in_pieces(p))
		return false;
	return !asked || p->peer->record.update_owed || differs(p, "a KeyUpdate asked for is not owed", 0, 1);
}

/* ---- from us to OpenSSL */

static bool flight_seal(struct pair *p)
{
	for (size_t i = 0; i < flight.records; i++) {
		size_t len = len_choose(p);
		struct record *r = &p->peer->record;
		bool update_due =
			r->update_owed || r->write.sequence >= record_crypto_records_max(p->crypto, r->cipher);
		size_t sealed = record_seal(r, p->crypto, text_more(p, len), len, flight.wire + flight.wire_len);

		if (sealed < len || sealed > len + RECORD_SEAL_EXTRA)
			return differs(p, "sealed bytes", sealed, len);
		flight.wire_len += sealed;
		p->tally->updates_out += r->version == RECORD_TLS13 && update_due;
		p->tally->sealed += 1u + (r->version == RECORD_TLS13 && update_due);
		p->tally->bytes_out += len;
	}
	return true;
}

static size_t client_reads(struct pair *p, size_t have)
{
	int got;

	while ((got = SSL_read(p->peer->client, heard + have, (int)(sizeof heard - have))) > 0)
		have += (size_t)got;
	return have;
}

bool flight_out(struct pair *p)
{
	size_t have = 0, pieces = 1 + pair_random(p, 4);

	text_make(p);
	if (!flight_seal(p))
		return false;
	for (size_t at = 0; at < flight.wire_len;) {
		size_t left = flight.wire_len - at, part = --pieces > 0 ? pair_random(p, left + 1) : left;

		peer_client_hears(p->peer, flight.wire + at, part);
		at += part;
		have = client_reads(p, have);
	}
	if (have != flight.text_len || memcmp(heard, flight.text, have) != 0)
		return differs(p, "OpenSSL reads another text, of bytes", have, flight.text_len);
	return true;
}
