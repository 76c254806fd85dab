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

/*
 * A name's number; those of up to seven bytes have '=' behind them. Longer ones may share a number, but not with one of
 * up to eight bytes: no character has a byte 0xFF.
 */
static ALWAYS_INLINE uint64_t name_key(const struct xml_walk *k, uint32_t at, uint32_t len)
{
	uint64_t key = name_word(k, at, len);
	if (len < 8)
		key |= (uint64_t)'=' << 8 * len;
	if (len > 8)
		key = (key + (name_word(k, at + len - 8, 8) ^ len) * UINT64_C(0x9E3779B97F4A7C15)) | UINT64_C(0xFF)
													     << 56;
	return key;
}

/* Six bits of a name's number. The factor gives the names of xml_attribute.def six bits that differ. */
#define ATTRIBUTE_HASH(key) ((uint64_t)(key)*UINT64_C(0x4997f6fdabee1dc9) >> 58)

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

/* Where in struct xml_work a note is taken of a first-level element's value. */
enum {
	NOTED_NONE = offsetof(struct xml_work, none),
	NOTED_TO = offsetof(struct xml_work, draft.to),
	NOTED_FROM = offsetof(struct xml_work, draft.from),
	NOTED_ID = offsetof(struct xml_work, draft.id),
	NOTED_TYPE = offsetof(struct xml_work, draft.type),
	NOTED_LANG = offsetof(struct xml_work, draft.lang),
	NOTED_VERSION = NOTED_NONE, /* of the header only: see note_take() */
	NOTED_XMLNS = NOTED_NONE
};
static const uint16_t attribute_noted[64] = {
#define ATTRIBUTE(note, word) [ATTRIBUTE_HASH(word)] = NOTED_##note,
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

static ALWAYS_INLINE void value_note(struct xml_work *w, uint16_t noted, struct xml_range value)
{
	*(struct xml_range *)((uint8_t *)w + noted) = value;
}

/* The value of the attribute read last. */
static inline void note_take(struct xml_work *w, enum xml_note note, struct xml_range value)
{
	static const uint16_t noted[XML_NOTES] = {
		[XML_NOTE_NONE] = NOTED_NONE,	 [XML_NOTE_TO] = NOTED_TO,	[XML_NOTE_FROM] = NOTED_FROM,
		[XML_NOTE_ID] = NOTED_ID,	 [XML_NOTE_TYPE] = NOTED_TYPE,	[XML_NOTE_LANG] = NOTED_LANG,
		[XML_NOTE_VERSION] = NOTED_NONE, [XML_NOTE_XMLNS] = NOTED_NONE,
	};
	value_note(w, noted[note], value);
	if (note == XML_NOTE_VERSION && w->header)
		w->draft.version = value;
	if (note == XML_NOTE_FROM)
		w->from_gap = w->gap;
}

/* At the end of the first-level element's start tag. */
static ALWAYS_INLINE void from_tell(struct xml_work *w)
{
	struct xml_range from = w->draft.from;
	if (from.at == 0)
		return;
	uint32_t gap = w->from_gap ? w->from_gap : from.at - (uint32_t)sizeof("from='");
	w->draft.from_whole = (struct xml_range){gap, from.at + from.len + 1 - gap};
}

#endif
