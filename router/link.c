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
	ret_send->len = frame_end(&hello);
	assert(ret_send->len > 0);
}

void link_init(struct link *link, enum link_end end, const struct link_self *self, uint64_t now_ms,
	       struct link_send *ret_send)
{
	*link = (struct link){.end = end, .heard_ms = now_ms};
	hello_write(self, ret_send);
}

/* The highest version that both speak. Ours are FRAME_VERSION and no other. */
static bool version_agree(const struct frame *hello)
{
	return frame_find_int(hello, FIELD_VERSION_MIN, 0) <= FRAME_VERSION &&
	       frame_find_int(hello, FIELD_VERSION_MAX, 0) >= FRAME_VERSION;
}

static void hello_take(struct link *link, const struct frame *hello, struct link_found *ret)
{
	if (!version_agree(hello)) {
		ret->is = LINK_BAD;
		ret->error = FRAME_ERROR_VERSION;
		return;
	}
	struct frame_value name;
	bool named = frame_find(hello, FIELD_NAME, &name);
	assert(named);
	assert(name.len < LINK_NAME_BYTES);
	memcpy(link->name, name.at, name.len);
	link->name[name.len] = '\0';
	link->epoch = frame_find_int(hello, FIELD_EPOCH, 0);
	link->version = FRAME_VERSION;
	link->up = true;
	ret->is = LINK_UP;
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
	default:
		ret->is = LINK_FRAME;
		ret->frame = *frame;
	}
}

/* May the peer send a frame of this type, and now? */
static enum frame_error turn_check(const struct link *link, enum frame_type type)
{
	if (!frame_is_from(type, peer_of(link)))
		return FRAME_ERROR_DIRECTION;
	return link->up == (type == FRAME_HELLO) ? FRAME_ERROR_ORDER : FRAME_ERROR_NONE;
}

/*
 * frame_read judges a head as soon as it is there, so the turn is judged then as well, before the payload: what is
 * wrong with a frame does not depend on how its bytes were cut, and a stranger without HELLO cannot make us wait for
 * megabytes.
 */
static enum frame_error error_first(const struct link *link, const uint8_t *bytes, size_t len, enum frame_error error)
{
	bool about_payload = error == FRAME_ERROR_FIELD || error == FRAME_ERROR_MISSING;
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

_Static_assert((int)LINK_HELLO_WITHIN_MS < (int)LINK_PING_AFTER_MS, "no PING before HELLO");

bool link_tick(struct link *link, uint64_t now_ms, struct link_send *ret_send)
{
	uint64_t silent = silent_ms(link, now_ms);
	ret_send->len = 0;
	if (silent >= (link->up ? LINK_DEAD_AFTER_MS : LINK_HELLO_WITHIN_MS))
		return false;
	if (!link->pinged && silent >= LINK_PING_AFTER_MS) {
		frame_head(ret_send->bytes, FRAME_PING, 0, 0);
		ret_send->len = FRAME_HEAD_BYTES;
		link->pinged = true;
	}
	return true;
}
