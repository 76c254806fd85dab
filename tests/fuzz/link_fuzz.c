/*
 * The peer's bytes, whatever they are. The first byte of the input says which end we are and whether HELLO was
 * already exchanged, the second how the rest is cut. Cut or whole, the link must say the same; and a frame that it
 * hands over must be one that can be built again, byte by byte.
 */
#include "link.h"
#include "pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { STEPS_MAX = 4096 };

struct step {
	enum link_is is;
	enum frame_error error;
	size_t used, send_len;
	frame_session session;
	enum frame_type type;
};

static struct step steps[2][STEPS_MAX];

static struct link link_make(uint8_t how)
{
	struct link link, other;
	struct link_send hello, ours;
	struct link_found found;
	enum link_end end = how & 1 ? LINK_GATE : LINK_BACKEND;
	const struct link_self self = {.name = "fuzz", .software = "fuzz", .epoch = 1};
	link_init(&link, end, &self, 0, &ours);
	link_init(&other, end == LINK_GATE ? LINK_BACKEND : LINK_GATE, &self, 0, &hello);
	if (how & 2) {
		link_next(&link, hello.bytes, hello.len, 0, &found);
		assert(found.is == LINK_UP);
	}
	return link;
}

/* Puts what frame_find finds into a new frame: the fields that fields.def names, in its order. */
static void fields_rebuild(const struct frame *frame)
{
	static uint8_t room[FRAME_HEAD_BYTES + FRAME_FIELDS_MAX];
	struct frame_builder b;
	struct frame_value value;
	frame_begin(&b, room, sizeof room, frame->type, frame->session);
#define FIELD(key, name, kind, bytes, in, meaning)                                                                     \
	if (frame_find(frame, key, &value))                                                                            \
		frame_put(&b, key, value.at, value.len);
#include "fields.def"
	size_t len = frame_end(&b);
	assert(len >= FRAME_HEAD_BYTES && len <= FRAME_HEAD_BYTES + frame->payload_len);
}

static void fanout_rebuild(const struct frame *frame, const uint8_t *bytes)
{
	static uint8_t head[FRAME_HEAD_BYTES + 2 + 7 * FRAME_FANOUT_MAX];
	static frame_session sessions[FRAME_FANOUT_MAX];
	struct frame_fanout fanout = frame_fanout(frame);
	size_t len = frame_fanout_head_bytes(fanout.count);
	for (uint32_t i = 0; i < fanout.count; i++)
		sessions[i] = frame_fanout_session(&fanout, i);
	frame_fanout_head(head, sessions, fanout.count, fanout.element_len);
	assert(memcmp(head, bytes, len) == 0);
	assert(fanout.element == bytes + len);
}

static bool is_of_fields(enum frame_type type)
{
	static const bool of_fields[] = {
#define NONE							   false
#define FIELDS							   true
#define BYTES(min, max)						   false
#define FRAME(id, name, from, session, numbered, payload, meaning) [id] = payload,
#include "frames.def"
#undef NONE
#undef FIELDS
#undef BYTES
	};
	return of_fields[type];
}

static struct pool_text text_find(const struct frame *frame, enum frame_field field)
{
	struct frame_value value;
	if (!frame_find(frame, field, &value))
		return (struct pool_text){NULL, 0};
	return (struct pool_text){(const char *)value.at, value.len};
}

/* A pool as small as can be, so that it is often full. */
static void domain_put(struct pool *pool, const struct frame *frame)
{
	struct pool_text domain = text_find(frame, FIELD_DOMAIN), features = text_find(frame, FIELD_FEATURES), got;
	bool put = pool_domain_put(pool, 0, domain,
				   (struct pool_text[]){features, text_find(frame, FIELD_FEATURES_BINDING),
							text_find(frame, FIELD_FEATURES_CERTIFICATE)},
				   true);
	assert(put == pool_features(pool, domain, POOL_PLAIN, &got));
	assert(!put || (got.len == features.len && memcmp(got.at, features.at, got.len) == 0));
	assert((pool_choose(pool, domain, features) == 0) == put);
}

static void frame_use(struct pool *pool, const struct link_found *found, const uint8_t *bytes)
{
	const struct frame *frame = &found->frame;
	uint8_t head[FRAME_HEAD_BYTES];
	frame_head(head, frame->type, frame->session, frame->payload_len);
	assert(memcmp(head, bytes, sizeof head) == 0);
	assert(frame->payload == bytes + FRAME_HEAD_BYTES);
	if (is_of_fields(frame->type))
		fields_rebuild(frame);
	if (frame->type == FRAME_DOMAIN)
		domain_put(pool, frame);
	if (frame->type == FRAME_FANOUT)
		fanout_rebuild(frame, bytes);
}

/* Hands over ever longer pieces, each in memory of its own, so that a look behind its end is seen. */
static size_t run(uint8_t how, const uint8_t *bytes, size_t len, size_t stride, struct step *to)
{
	struct pool pool;
	struct pool_domain domains[3];
	char text[64];
	struct link link = link_make(how);
	pool_init(&pool, domains, 3, text, sizeof text);
	pool_backend_add(&pool, "b", 0, 1, 0);
	pool_dialling(&pool, 0);
	pool_up(&pool, 0, NULL, 0);
	size_t count = 0, at = 0, shown = stride < len ? stride : len;
	while (count < STEPS_MAX) {
		struct link_found found;
		uint8_t *piece = malloc(shown - at + 1);
		memcpy(piece + 1, bytes + at, shown - at);
		link_next(&link, piece + 1, shown - at, 0, &found);
		assert(found.used <= shown - at);
		if (found.is == LINK_FRAME)
			frame_use(&pool, &found, piece + 1);
		free(piece);
		if (found.is == LINK_MORE) {
			assert(found.used == 0);
			if (shown == len)
				break;
			shown = len - shown > stride ? shown + stride : len;
			continue;
		}
		to[count] = (struct step){
			.is = found.is, .error = found.error, .used = found.used, .send_len = found.send.len};
		if (found.is == LINK_FRAME) {
			to[count].session = found.frame.session;
			to[count].type = found.frame.type;
		}
		count++;
		if (found.is == LINK_BAD)
			break;
		assert(found.used >= FRAME_HEAD_BYTES);
		at += found.used;
	}
	return count;
}

static bool step_is(const struct step *a, const struct step *b)
{
	return a->is == b->is && a->error == b->error && a->used == b->used && a->send_len == b->send_len &&
	       a->session == b->session && a->type == b->type;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	if (len < 2 || len > 1 << 17)
		return 0;
	uint8_t how = bytes[0];
	size_t stride = 1 + bytes[1] % 64;
	if (len / stride > 2000)
		stride = len / 2000;
	size_t whole = run(how, bytes + 2, len - 2, len, steps[0]);
	size_t cut = run(how, bytes + 2, len - 2, stride, steps[1]);
	assert(whole == cut);
	for (size_t i = 0; i < whole; i++)
		assert(step_is(&steps[0][i], &steps[1][i]));
	return 0;
}
