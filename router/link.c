#include "link.h"

#include <assert.h>
#include <string.h>

static enum frame_from peer_of(const struct link *link)
{
	return link->end == LINK_GATE ? FRAME_FROM_BACKEND : FRAME_FROM_GATE;
}

static uint64_t silent_ms(const struct link *link, uint64_t now_ms)
{
	return now_ms > link->heard_ms ? now_ms - link->heard_ms : 0;
}

static uint32_t or_usual(uint32_t given, uint32_t usual)
{
	return given > 0 ? given : usual;
}

static void hello_write(const struct link_self *self, struct link_send *ret_send)
{
	struct frame_builder hello;
	frame_begin(&hello, ret_send->bytes, sizeof ret_send->bytes, FRAME_HELLO, 0);
	frame_put_int(&hello, FIELD_VERSION_MIN, FRAME_VERSION);
	frame_put_int(&hello, FIELD_VERSION_MAX, FRAME_VERSION);
	frame_put_int(&hello, FIELD_EPOCH, self->epoch);
	frame_put_text(&hello, FIELD_NAME, self->name);
	if (self->software)
		frame_put_text(&hello, FIELD_SOFTWARE, self->software);
	frame_put_int(&hello, FIELD_WINDOW, or_usual(self->window, LINK_WINDOW));
	if (self->patience_ms > 0)
		frame_put_int(&hello, FIELD_PATIENCE_MS, self->patience_ms);
	if (self->key)
		frame_put(&hello, FIELD_NONCE, self->key->nonce, sizeof self->key->nonce);
	ret_send->len = frame_end(&hello);
	assert(ret_send->len > 0);
}

void link_init(struct link *link, enum link_end end, const struct link_self *self, uint64_t now_ms,
	       struct link_send *ret_send)
{
	*link = (struct link){.end = end,
			      .heard_ms = now_ms,
			      .hello_within_ms = or_usual(self->hello_within_ms, LINK_HELLO_WITHIN_MS),
			      .ping_after_ms = or_usual(self->ping_after_ms, LINK_PING_AFTER_MS),
			      .dead_after_ms = or_usual(self->dead_after_ms, LINK_DEAD_AFTER_MS)};
	assert(self->window == 0 || self->window >= LINK_WINDOW_MIN);
	if (self->key) {
		assert(self->key->mac);
		assert(self->key->binding_len == 0 || self->key->binding_len == LINK_BINDING_BYTES);
		link->key = *self->key;
	}
	hello_write(self, ret_send);
}

/* The highest version that both speak. Ours are FRAME_VERSION and no other. */
static bool version_agree(const struct frame *hello)
{
	return frame_find_int(hello, FIELD_VERSION_MIN, 0) <= FRAME_VERSION &&
	       frame_find_int(hello, FIELD_VERSION_MAX, 0) >= FRAME_VERSION;
}

/* What an end proves the key with: its role, the nonce that it was given, its own, and the TLS connection. */
static void proof_make(const struct link *link, bool ours, uint8_t ret[static LINK_PROOF_BYTES])
{
	uint8_t text[1 + 2 * LINK_NONCE_BYTES + LINK_BINDING_BYTES];
	bool by_gate = ours == (link->end == LINK_GATE);
	text[0] = by_gate ? 'g' : 'b';
	memcpy(text + 1, ours ? link->nonce : link->key.nonce, LINK_NONCE_BYTES);
	memcpy(text + 1 + LINK_NONCE_BYTES, ours ? link->key.nonce : link->nonce, LINK_NONCE_BYTES);
	memcpy(text + 1 + 2 * LINK_NONCE_BYTES, link->key.binding, link->key.binding_len);
	link->key.mac(link->key.context, text, 1 + 2 * LINK_NONCE_BYTES + link->key.binding_len, ret);
}

/* Both have a key, or neither; with one the proofs are exchanged before anything else. */
static enum frame_error key_agree(struct link *link, const struct frame *hello, struct link_send *ret_send)
{
	struct frame_value nonce;
	bool has = frame_find(hello, FIELD_NONCE, &nonce);
	if (has != (link->key.mac != NULL) || (has && nonce.len != LINK_NONCE_BYTES))
		return FRAME_ERROR_PROOF;
	if (!has)
		return FRAME_ERROR_NONE;
	memcpy(link->nonce, nonce.at, LINK_NONCE_BYTES);
	frame_head(ret_send->bytes, FRAME_PROOF, 0, LINK_PROOF_BYTES);
	proof_make(link, true, ret_send->bytes + FRAME_HEAD_BYTES);
	ret_send->len = FRAME_HEAD_BYTES + LINK_PROOF_BYTES;
	return FRAME_ERROR_NONE;
}

static enum frame_error hello_agree(struct link *link, const struct frame *hello, struct link_send *ret_send)
{
	if (!version_agree(hello))
		return FRAME_ERROR_VERSION;
	if (frame_find_int(hello, FIELD_WINDOW, 0) < LINK_WINDOW_MIN)
		return FRAME_ERROR_FIELD;
	return key_agree(link, hello, ret_send);
}

static void hello_take(struct link *link, const struct frame *hello, struct link_found *ret)
{
	ret->error = hello_agree(link, hello, &ret->send);
	if (ret->error != FRAME_ERROR_NONE) {
		ret->is = LINK_BAD;
		return;
	}
	struct frame_value name;
	bool named = frame_find(hello, FIELD_NAME, &name);
	assert(named);
	assert(name.len < LINK_NAME_BYTES);
	memcpy(link->name, name.at, name.len);
	link->name[name.len] = '\0';
	link->epoch = frame_find_int(hello, FIELD_EPOCH, 0);
	link->window = frame_find_int(hello, FIELD_WINDOW, 0);
	link->patience_ms = frame_find_int(hello, FIELD_PATIENCE_MS, 0);
	link->version = FRAME_VERSION;
	link->greeted = true;
	link->up = !link->key.mac;
	ret->is = link->up ? LINK_UP : LINK_QUIET;
}

/* Every byte is looked at, whatever the first ones were: how long it takes tells nothing. */
static bool is_equal_slowly(const uint8_t *a, const uint8_t *b, size_t len)
{
	volatile uint8_t differs = 0;
	for (size_t i = 0; i < len; i++)
		differs |= a[i] ^ b[i];
	return differs == 0;
}

static void proof_take(struct link *link, const struct frame *proof, struct link_found *ret)
{
	uint8_t expected[LINK_PROOF_BYTES];
	proof_make(link, false, expected);
	link->up = is_equal_slowly(proof->payload, expected, LINK_PROOF_BYTES);
	ret->is = link->up ? LINK_UP : LINK_BAD;
	ret->error = link->up ? FRAME_ERROR_NONE : FRAME_ERROR_PROOF;
}

static void given_take(struct link *link, const struct frame *frame, struct link_found *ret)
{
	if (frame_is_numbered(frame->type)) {
		link->taken++;
		link->taken_bytes += FRAME_HEAD_BYTES + frame->payload_len;
	}
	ret->is = LINK_FRAME;
	ret->frame = *frame;
}

static void ping_answer(const struct frame *ping, struct link_send *ret_send)
{
	frame_head(ret_send->bytes, FRAME_PONG, 0, ping->payload_len);
	memcpy(ret_send->bytes + FRAME_HEAD_BYTES, ping->payload, ping->payload_len);
	ret_send->len = FRAME_HEAD_BYTES + ping->payload_len;
}

static void frame_take(struct link *link, const struct frame *frame, struct link_found *ret)
{
	switch (frame->type) {
	case FRAME_HELLO:
		hello_take(link, frame, ret);
		break;
	case FRAME_PING:
		ping_answer(frame, &ret->send);
		ret->is = LINK_QUIET;
		break;
	case FRAME_PONG:
		ret->is = LINK_QUIET;
		break;
	case FRAME_PROOF:
		proof_take(link, frame, ret);
		break;
	default:
		given_take(link, frame, ret);
	}
}

/* May the peer send a frame of this type, and now? */
static enum frame_error turn_check(const struct link *link, enum frame_type type)
{
	if (!frame_is_from(type, peer_of(link)))
		return FRAME_ERROR_DIRECTION;
	if (link->greeted == (type == FRAME_HELLO))
		return FRAME_ERROR_ORDER;
	if (link->greeted && !link->up)
		return type == FRAME_PROOF ? FRAME_ERROR_NONE : FRAME_ERROR_PROOF;
	return type == FRAME_PROOF ? FRAME_ERROR_ORDER : FRAME_ERROR_NONE;
}

/*
 * frame_read judges a head as soon as it is there, so the turn is judged then as well, before the payload: what is
 * wrong with a frame does not depend on how its bytes were cut, and a stranger without HELLO cannot make us wait for
 * megabytes.
 */
static enum frame_error error_first(const struct link *link, const uint8_t *bytes, size_t len, enum frame_error error)
{
	bool about_payload = error == FRAME_ERROR_FIELD || error == FRAME_ERROR_MISSING || error == FRAME_ERROR_FANOUT;
	if (len < FRAME_HEAD_BYTES || (error != FRAME_ERROR_NONE && !about_payload))
		return error;
	enum frame_error turn = turn_check(link, bytes[4]);
	return turn != FRAME_ERROR_NONE ? turn : error;
}

void link_next(struct link *link, const uint8_t *bytes, size_t len, uint64_t now_ms, struct link_found *ret)
{
	struct frame frame;
	ret->is = LINK_MORE;
	ret->used = 0;
	ret->send.len = 0;
	size_t used = frame_read(bytes, len, &frame, &ret->error);
	ret->error = error_first(link, bytes, len, ret->error);
	if (ret->error != FRAME_ERROR_NONE) {
		ret->is = LINK_BAD;
		return;
	}
	if (used == 0)
		return;
	frame_take(link, &frame, ret);
	if (ret->is == LINK_BAD)
		return;
	ret->used = used;
	link->heard_ms = now_ms;
	link->pinged = false;
}

void link_ack(struct link *link, uint64_t handled, struct link_send *ret_send)
{
	assert(handled >= link->acked && handled <= link->taken);
	ret_send->len = 0;
	if (handled == link->acked)
		return;
	frame_ack(ret_send->bytes, handled);
	ret_send->len = FRAME_ACK_BYTES;
	link->acked = handled;
	link->taken_bytes = 0;
}

bool link_tick(struct link *link, uint64_t now_ms, struct link_send *ret_send)
{
	uint64_t silent = silent_ms(link, now_ms);
	ret_send->len = 0;
	if (silent >= (link->up ? link->dead_after_ms : link->hello_within_ms))
		return false;
	if (link->up && !link->pinged && silent >= link->ping_after_ms) {
		frame_head(ret_send->bytes, FRAME_PING, 0, 0);
		ret_send->len = FRAME_HEAD_BYTES;
		link->pinged = true;
	}
	return true;
}
