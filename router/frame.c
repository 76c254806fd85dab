#include "frame.h"

#include "frame_text.h"

#include <assert.h>
#include <string.h>

enum { FIELD_HEAD_BYTES = 3, FRAME_TYPES = 32, COUNT_BYTES = 2, SESSION_BYTES = 7 };

struct frame_rule {
	const char *name;
	uint32_t payload_min, payload_max;
	uint8_t from;
	bool of_session, of_fields, numbered;
};

#define NONE		.payload_max = 0
#define FIELDS		.payload_max = FRAME_FIELDS_MAX, .of_fields = true
#define BYTES(min, max) .payload_min = min, .payload_max = max
static const struct frame_rule frame_rules[FRAME_TYPES] = {
#define FRAME(id, name_, from_, session, numbered_, payload, meaning)                                                  \
	[id] = {.name = #name_, .from = FRAME_FROM_##from_, .of_session = session, .numbered = numbered_, payload},
#include "frames.def"
};
#undef NONE
#undef FIELDS
#undef BYTES

enum field_kind {
	FIELD_KIND_FLAG = 1,
	FIELD_KIND_STAGE,
	FIELD_KIND_U16,
	FIELD_KIND_U32,
	FIELD_KIND_U64,
	FIELD_KIND_TEXT,
	FIELD_KIND_BYTES
};

/* One bit a frame: the upper half says which frames need the field, the lower which may carry it. */
#define MAY(name)  (1ull << FRAME_##name)
#define MUST(name) (MAY(name) | MAY(name) << FRAME_TYPES)
struct field_rule {
	uint64_t in;
	uint16_t bytes;
	uint8_t kind; /* 0: no such field */
};
static const struct field_rule field_rules[256] = {
#define FIELD(key, name, kind_, bytes_, in_, meaning) [key] = {.in = in_, .bytes = bytes_, .kind = FIELD_KIND_##kind_},
#include "fields.def"
};

static unsigned fields_needed(enum frame_type type)
{
	unsigned needed = 0;
#define FIELD(key, name, kind, bytes, in, meaning) needed += ((in) >> FRAME_TYPES >> type) & 1;
#include "fields.def"
	return needed;
}
#undef MAY
#undef MUST

static bool field_may(const struct field_rule *rule, enum frame_type type)
{
	return rule->in >> type & 1;
}

static bool field_must(const struct field_rule *rule, enum frame_type type)
{
	return rule->in >> FRAME_TYPES >> type & 1;
}

const char *frame_error_text(enum frame_error error)
{
	static const char *const texts[FRAME_ERROR_COUNT] = {
		[FRAME_ERROR_NONE] = "no error",
#define FRAME_ERROR(name, text) [FRAME_ERROR_##name] = text,
#include "frame_error.def"
	};
	assert(error < FRAME_ERROR_COUNT);
	return texts[error];
}

static const struct frame_rule *rule_of(enum frame_type type)
{
	assert((unsigned)type < FRAME_TYPES);
	assert(frame_rules[type].name);
	return &frame_rules[type];
}

const char *frame_type_name(enum frame_type type)
{
	return rule_of(type)->name;
}

bool frame_is_from(enum frame_type type, enum frame_from from)
{
	return rule_of(type)->from & from;
}

bool frame_is_numbered(enum frame_type type)
{
	return rule_of(type)->numbered;
}

static uint64_t number_read(const uint8_t *at, size_t len)
{
	uint64_t number = 0;
	for (size_t i = 0; i < len; i++)
		number = number << 8 | at[i];
	return number;
}

static void number_write(uint8_t *to, size_t len, uint64_t number)
{
	for (size_t i = len; i-- > 0; number >>= 8)
		to[i] = number & 0xff;
}

static bool value_is_allowed(const struct field_rule *rule, const uint8_t *at, size_t len)
{
	switch ((enum field_kind)rule->kind) {
	case FIELD_KIND_FLAG:
		return len == 1 && *at <= 1;
	case FIELD_KIND_STAGE:
		return len == 1 && *at >= FRAME_STAGE_AUTHENTICATED && *at <= FRAME_STAGE_BOUND;
	case FIELD_KIND_U16:
	case FIELD_KIND_U32:
	case FIELD_KIND_U64:
		return len == rule->bytes;
	case FIELD_KIND_TEXT:
		return len <= rule->bytes && frame_text_is_good(at, len);
	case FIELD_KIND_BYTES:
		return len <= rule->bytes;
	}
	return false;
}

/* The fields of a payload one after the other; false: no more, and then at == end unless the last one is cut short. */
struct field_walk {
	const uint8_t *at, *end;
	uint8_t key;
	struct frame_value value;
};

static bool field_next(struct field_walk *walk)
{
	size_t left = walk->end - walk->at;
	if (left < FIELD_HEAD_BYTES)
		return false;
	uint32_t len = number_read(walk->at + 1, 2);
	if (left - FIELD_HEAD_BYTES < len)
		return false;
	walk->key = *walk->at;
	walk->value = (struct frame_value){.at = walk->at + FIELD_HEAD_BYTES, .len = len};
	walk->at += FIELD_HEAD_BYTES + len;
	return true;
}

static bool field_is_right(const struct field_walk *walk, enum frame_type type)
{
	const struct field_rule *rule = &field_rules[walk->key];
	if (!rule->kind)
		return true;
	return field_may(rule, type) && value_is_allowed(rule, walk->value.at, walk->value.len);
}

static enum frame_error fields_check(enum frame_type type, const uint8_t *payload, size_t len)
{
	struct field_walk walk = {.at = payload, .end = payload + len};
	bool seen[256] = {false};
	unsigned needed = 0;
	while (field_next(&walk)) {
		if (seen[walk.key] || !field_is_right(&walk, type))
			return FRAME_ERROR_FIELD;
		seen[walk.key] = true;
		needed += field_must(&field_rules[walk.key], type);
	}
	if (walk.at != walk.end)
		return FRAME_ERROR_FIELD;
	return needed == fields_needed(type) ? FRAME_ERROR_NONE : FRAME_ERROR_MISSING;
}

static enum frame_error head_check(uint8_t type, frame_session session, size_t payload_len)
{
	if (type >= FRAME_TYPES || !frame_rules[type].name)
		return FRAME_ERROR_TYPE;
	const struct frame_rule *rule = &frame_rules[type];
	if (rule->of_session != (session != 0))
		return FRAME_ERROR_SESSION;
	if (payload_len < rule->payload_min || payload_len > rule->payload_max)
		return FRAME_ERROR_PAYLOAD;
	return FRAME_ERROR_NONE;
}

static enum frame_error fanout_check(const uint8_t *payload, size_t len)
{
	size_t count = number_read(payload, COUNT_BYTES);
	if (count < 1 || count > FRAME_FANOUT_MAX || len <= COUNT_BYTES + count * SESSION_BYTES)
		return FRAME_ERROR_FANOUT;
	for (size_t i = 0; i < count; i++)
		if (number_read(payload + COUNT_BYTES + i * SESSION_BYTES, SESSION_BYTES) == 0)
			return FRAME_ERROR_FANOUT;
	return FRAME_ERROR_NONE;
}

static enum frame_error payload_check(const struct frame *frame)
{
	if (frame_rules[frame->type].of_fields)
		return fields_check(frame->type, frame->payload, frame->payload_len);
	if (frame->type == FRAME_FANOUT)
		return fanout_check(frame->payload, frame->payload_len);
	return FRAME_ERROR_NONE;
}

size_t frame_read(const uint8_t *bytes, size_t len, struct frame *ret, enum frame_error *ret_error)
{
	*ret_error = FRAME_ERROR_NONE;
	if (len < FRAME_LENGTH_BYTES)
		return 0;
	size_t total = frame_len(bytes);
	if (total < FRAME_HEAD_BYTES || total > FRAME_HEAD_BYTES + FRAME_PAYLOAD_MAX) {
		*ret_error = FRAME_ERROR_LENGTH;
		return 0;
	}
	if (len < FRAME_HEAD_BYTES)
		return 0;
	struct frame frame = {.type = bytes[4],
			      .session = number_read(bytes + 5, SESSION_BYTES),
			      .payload = bytes + FRAME_HEAD_BYTES,
			      .payload_len = total - FRAME_HEAD_BYTES};
	*ret_error = head_check(bytes[4], frame.session, frame.payload_len);
	if (*ret_error != FRAME_ERROR_NONE || len < total)
		return 0;
	*ret_error = payload_check(&frame);
	if (*ret_error != FRAME_ERROR_NONE)
		return 0;
	*ret = frame;
	return total;
}

static void head_write(uint8_t *to, enum frame_type type, frame_session session, size_t payload_len)
{
	number_write(to, FRAME_LENGTH_BYTES, FRAME_HEAD_BYTES - FRAME_LENGTH_BYTES + payload_len);
	to[4] = type;
	number_write(to + 5, SESSION_BYTES, session);
}

void frame_head(uint8_t to[static FRAME_HEAD_BYTES], enum frame_type type, frame_session session, size_t payload_len)
{
	assert(session >> 56 == 0);
	assert(head_check(type, session, payload_len) == FRAME_ERROR_NONE);
	head_write(to, type, session, payload_len);
}

void frame_ack(uint8_t to[static FRAME_ACK_BYTES], uint64_t count)
{
	frame_head(to, FRAME_ACK, 0, sizeof count);
	number_write(to + FRAME_HEAD_BYTES, sizeof count, count);
}

uint64_t frame_ack_count(const struct frame *frame)
{
	assert(frame->type == FRAME_ACK);
	return number_read(frame->payload, frame->payload_len);
}

struct frame_fanout frame_fanout(const struct frame *frame)
{
	assert(frame->type == FRAME_FANOUT);
	uint32_t count = number_read(frame->payload, COUNT_BYTES), list = COUNT_BYTES + count * SESSION_BYTES;
	return (struct frame_fanout){.sessions = frame->payload + COUNT_BYTES,
				     .count = count,
				     .element = frame->payload + list,
				     .element_len = frame->payload_len - list};
}

frame_session frame_fanout_session(const struct frame_fanout *fanout, uint32_t index)
{
	assert(index < fanout->count);
	return number_read(fanout->sessions + (size_t)index * SESSION_BYTES, SESSION_BYTES);
}

size_t frame_fanout_head_bytes(uint32_t count)
{
	assert(count >= 1 && count <= FRAME_FANOUT_MAX);
	return FRAME_HEAD_BYTES + COUNT_BYTES + (size_t)count * SESSION_BYTES;
}

void frame_fanout_head(uint8_t *to, const frame_session *sessions, uint32_t count, size_t element_len)
{
	assert(element_len > 0);
	frame_head(to, FRAME_FANOUT, 0, frame_fanout_head_bytes(count) - FRAME_HEAD_BYTES + element_len);
	to += FRAME_HEAD_BYTES;
	number_write(to, COUNT_BYTES, count);
	for (uint32_t i = 0; i < count; i++) {
		assert(sessions[i] != 0 && sessions[i] >> 56 == 0);
		number_write(to + COUNT_BYTES + (size_t)i * SESSION_BYTES, SESSION_BYTES, sessions[i]);
	}
}

bool frame_find(const struct frame *frame, enum frame_field field, struct frame_value *ret)
{
	if (!rule_of(frame->type)->of_fields)
		return false;
	struct field_walk walk = {.at = frame->payload, .end = frame->payload + frame->payload_len};
	while (field_next(&walk)) {
		if (walk.key != field)
			continue;
		*ret = walk.value;
		return true;
	}
	return false;
}

uint64_t frame_find_int(const struct frame *frame, enum frame_field field, uint64_t absent)
{
	struct frame_value value;
	if (!frame_find(frame, field, &value))
		return absent;
	assert(value.len <= sizeof absent);
	return number_read(value.at, value.len);
}

void frame_begin(struct frame_builder *builder, uint8_t *to, size_t cap, enum frame_type type, frame_session session)
{
	assert(rule_of(type)->of_fields);
	assert(session >> 56 == 0);
	*builder = (struct frame_builder){.to = to, .cap = cap, .len = FRAME_HEAD_BYTES, .bad = cap < FRAME_HEAD_BYTES};
	if (!builder->bad)
		head_write(to, type, session, 0);
}

void frame_put(struct frame_builder *builder, enum frame_field field, const void *value, size_t len)
{
	if (builder->bad || len > UINT16_MAX || builder->cap - builder->len < FIELD_HEAD_BYTES + len) {
		builder->bad = true;
		return;
	}
	uint8_t *to = builder->to + builder->len;
	to[0] = field;
	number_write(to + 1, 2, len);
	if (len > 0)
		memcpy(to + FIELD_HEAD_BYTES, value, len);
	builder->len += FIELD_HEAD_BYTES + len;
}

void frame_put_text(struct frame_builder *builder, enum frame_field field, const char *text)
{
	frame_put(builder, field, text, strlen(text));
}

void frame_put_int(struct frame_builder *builder, enum frame_field field, uint64_t value)
{
	size_t len = field_rules[field & 0xff].bytes;
	assert(len > 0 && len <= sizeof value);
	uint8_t bytes[sizeof value];
	number_write(bytes, len, value);
	builder->bad |= len < sizeof value && value >> (8 * len) != 0;
	frame_put(builder, field, bytes, len);
}

size_t frame_end(struct frame_builder *builder)
{
	if (builder->bad)
		return 0;
	number_write(builder->to, FRAME_LENGTH_BYTES, builder->len - FRAME_LENGTH_BYTES);
	struct frame frame;
	enum frame_error error;
	return frame_read(builder->to, builder->len, &frame, &error) == builder->len ? builder->len : 0;
}
