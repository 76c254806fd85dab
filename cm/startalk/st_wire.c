#include "st_wire.h"

/* ---- text */

static bool is_continuation(uint8_t byte)
{
	return (byte & 0xc0) == 0x80;
}

static bool code_is_good(uint32_t code, size_t len)
{
	static const uint32_t least[] = {[1] = 0, [2] = 0x80, [3] = 0x800, [4] = 0x10000};

	if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) || code == 0xfffe ||
	    code == 0xffff)
		return false;
	return code >= 0x20 || code == '\t' || code == '\n' || code == '\r';
}

/* Bytes of the character that stands first; 0: it is none. */
static size_t character(const uint8_t *bytes, size_t len)
{
	uint8_t first = bytes[0];
	size_t need = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	uint32_t code = need == 1 ? first : first & (0xffu >> (need + 1));

	if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || need > len)
		return 0;
	for (size_t i = 1; i < need; i++) {
		if (!is_continuation(bytes[i]))
			return 0;
		code = code << 6 | (bytes[i] & 0x3f);
	}
	return code_is_good(code, need) ? need : 0;
}

bool st_text_is_good(const uint8_t *bytes, size_t len)
{
	size_t step;

	for (size_t at = 0; at < len; at += step)
		if ((step = character(bytes + at, len - at)) == 0)
			return false;
	return true;
}

/* ---- fields */

enum wire { WIRE_VARINT = 0, WIRE_EIGHT = 1, WIRE_BYTES = 2, WIRE_FOUR = 5 };

struct reading {
	const uint8_t *at, *end;
};

static bool varint_read(struct reading *r, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; r->at < r->end && shift < 70; shift += 7) {
		uint8_t byte = *r->at++;

		value |= (uint64_t)(byte & 0x7f) << (shift < 63 ? shift : 63);
		if (!(byte & 0x80)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

static bool skip(struct reading *r, uint64_t len, struct reading *ret)
{
	if (len > (uint64_t)(r->end - r->at))
		return false;
	*ret = (struct reading){r->at, r->at + len};
	r->at += len;
	return true;
}

/* A field's value; *ret is set for those of bytes. */
static bool value_read(struct reading *r, unsigned wire, struct reading *ret)
{
	struct reading none;
	uint64_t value;

	switch (wire) {
	case WIRE_VARINT:
		return varint_read(r, &value);
	case WIRE_EIGHT:
		return skip(r, 8, &none);
	case WIRE_FOUR:
		return skip(r, 4, &none);
	case WIRE_BYTES:
		return varint_read(r, &value) && skip(r, value, ret);
	}
	return false;
}

static bool wire_fits(const ProtobufCFieldDescriptor *field, unsigned wire)
{
	bool bytes = field->type == PROTOBUF_C_TYPE_MESSAGE || field->type == PROTOBUF_C_TYPE_STRING ||
		     field->type == PROTOBUF_C_TYPE_BYTES;

	if (bytes)
		return wire == WIRE_BYTES;
	return wire == WIRE_VARINT || (wire == WIRE_BYTES && field->label == PROTOBUF_C_LABEL_REPEATED);
}

static bool message_is_good(const ProtobufCMessageDescriptor *d, struct reading r, unsigned depth, size_t *fields)
{
	while (r.at < r.end) {
		const ProtobufCFieldDescriptor *field;
		struct reading inside = {0};
		uint64_t tag;

		if (++*fields > ST_WIRE_FIELDS_MAX || !varint_read(&r, &tag) || tag >> 3 == 0 ||
		    tag >> 3 > 0x1fffffff || !value_read(&r, tag & 7, &inside))
			return false;
		field = protobuf_c_message_descriptor_get_field(d, (unsigned)(tag >> 3));
		if (field == NULL)
			continue;
		if (!wire_fits(field, tag & 7))
			return false;
		if (field->type == PROTOBUF_C_TYPE_STRING &&
		    !st_text_is_good(inside.at, (size_t)(inside.end - inside.at)))
			return false;
		if (field->type == PROTOBUF_C_TYPE_MESSAGE &&
		    (depth == ST_WIRE_DEPTH_MAX || !message_is_good(field->descriptor, inside, depth + 1, fields)))
			return false;
	}
	return true;
}

bool st_wire_is_good(const ProtobufCMessageDescriptor *d, const uint8_t *bytes, size_t len)
{
	size_t fields = 0;

	return len == 0 || message_is_good(d, (struct reading){bytes, bytes + len}, 1, &fields);
}
