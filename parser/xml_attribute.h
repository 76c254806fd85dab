/*
 * Attributes' names as numbers: whether one was there before, and which of them the draft tells of. Part of the
 * tokenizer's body.
 */
#ifndef PARSER_XML_ATTRIBUTE_H
#define PARSER_XML_ATTRIBUTE_H

#include "xml_namespace.h"
#include "xml_state.h"

/* Up to eight bytes of a name as a number; names of up to eight bytes differ in it. At least eight can be read. */
static ALWAYS_INLINE uint64_t name_word(const struct xml_walk *k, uint32_t at, uint32_t len)
{
	uint32_t last = k->readable - 8;
	uint64_t word;
	if (__builtin_expect(at > last, 0)) {
		__builtin_memcpy(&word, k->bytes + last, 8);
		word >>= 8 * (at - last);
	} else {
		__builtin_memcpy(&word, k->bytes + at, 8);
	}
	return len >= 8 ? word : word & ~(~UINT64_C(0) << 8 * len);
}

/* Longer names may share a number, but not with one of up to eight bytes: no character has a byte 0xFF. */
static ALWAYS_INLINE uint64_t name_key(const struct xml_walk *k, uint32_t at, uint32_t len)
{
	uint64_t key = name_word(k, at, len);
	if (len > 8)
		key = (key + (name_word(k, at + len - 8, 8) ^ len) * UINT64_C(0x9E3779B97F4A7C15)) | UINT64_C(0xFF)
													     << 56;
	return key;
}

/* Six bits of a name's number. The factor gives the names of xml_attribute.def six bits that differ. */
#define ATTRIBUTE_HASH(key) ((uint64_t)(key)*UINT64_C(0xfa6cb89fcf335c2d) >> 58)

static ALWAYS_INLINE uint64_t attribute_bit(uint64_t key)
{
	return UINT64_C(1) << ATTRIBUTE_HASH(key);
}

#define WORD4(a, b, c, d)	     ((uint64_t)(a) | (uint64_t)(b) << 8 | (uint64_t)(c) << 16 | (uint64_t)(d) << 24)
#define WORD(a, b, c, d, e, f, g, h) (WORD4(a, b, c, d) | WORD4(e, f, g, h) << 32)

/* By hash. Places without a name hold 0, which is no name's number; the place that 0 itself has holds 1. */
static const uint64_t attribute_keys[64] = {
	[0] = 1,
#define ATTRIBUTE(note, word) [ATTRIBUTE_HASH(word)] = word,
#include "xml_attribute.def"
};
static const uint8_t attribute_notes[64] = {
#define ATTRIBUTE(note, word) [ATTRIBUTE_HASH(word)] = XML_NOTE_##note,
#include "xml_attribute.def"
};

/* Where the value of the attribute is noted. */
static ALWAYS_INLINE enum xml_note attribute_note(uint64_t key)
{
	bool known = attribute_keys[ATTRIBUTE_HASH(key)] == key;
	return known ? (enum xml_note)attribute_notes[ATTRIBUTE_HASH(key)] : XML_NOTE_NONE;
}

/* Names whose bit was seen are compared; there are at most XML_ATTRIBUTES_MAX. */
static inline bool attribute_is_twice(const struct xml_walk *k, const struct xml_work *w, uint64_t was_seen,
				      uint32_t at, uint32_t len, uint32_t count)
{
	if (was_seen == 0)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (w->attribute[i].len == len && xml_bytes_equal(k->bytes + w->attribute[i].at, k->bytes + at, len))
			return true;
	return false;
}

/* At the end of the first-level element's start tag. */
static ALWAYS_INLINE void noted_tell(struct xml_work *w)
{
	struct xml_event *draft = &w->draft;
	struct xml_range from = w->noted[XML_NOTE_FROM];
	uint32_t gap = w->noted_gap[XML_NOTE_FROM];
	draft->to = w->noted[XML_NOTE_TO];
	draft->from = from;
	draft->id = w->noted[XML_NOTE_ID];
	draft->type = w->noted[XML_NOTE_TYPE];
	draft->lang = w->noted[XML_NOTE_LANG];
	if (w->header)
		draft->version = w->noted[XML_NOTE_VERSION];
	if (from.at)
		draft->from_whole = (struct xml_range){gap, from.at + from.len + 1 - gap};
}

#endif
