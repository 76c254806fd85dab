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
		key = (key + (name_word(k, at + len - 8, 8) ^ len) * UINT64_C(0x9E3779B97F4A7C15)) | UINT64_C(0xFF) << 56;
	return key;
}

/* Six bits of a name's number. The factor gives names that XMPP uses often six bits that differ. */
#define ATTRIBUTE_HASH(key) ((uint64_t)(key)*UINT64_C(0x8132d62f0f44b481) >> 58)

static ALWAYS_INLINE uint64_t attribute_bit(uint64_t key)
{
	return UINT64_C(1) << ATTRIBUTE_HASH(key);
}

/* Names whose bit was seen are compared; there are at most XML_ATTRIBUTES_MAX. */
static ALWAYS_INLINE bool attribute_is_twice(const struct xml_walk *k, const struct xml_work *w, uint64_t was_seen,
				      uint32_t at, uint32_t len, uint32_t count)
{
	if (__builtin_expect(was_seen == 0, 1))
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (w->attribute[i].len == len &&
		    xml_bytes_equal(k->bytes + w->attribute[i].at, k->bytes + at, len))
			return true;
	return false;
}

#define WORD2(a, b)	  ((uint64_t)(a) | (uint64_t)(b) << 8)
#define WORD4(a, b, c, d) (WORD2(a, b) | WORD2(c, d) << 16)
#define WORD_TO		  WORD2('t', 'o')
#define WORD_FROM	  WORD4('f', 'r', 'o', 'm')
#define WORD_ID		  WORD2('i', 'd')
#define WORD_TYPE	  WORD4('t', 'y', 'p', 'e')
#define WORD_VERSION	  (WORD4('v', 'e', 'r', 's') | WORD4('i', 'o', 'n', 0) << 32)
#define WORD_XMLNS	  (WORD4('x', 'm', 'l', 'n') | (uint64_t)'s' << 32)

/* Where the value of an attribute without prefix is noted, without a branch. */
static ALWAYS_INLINE enum xml_note attribute_note(uint64_t key)
{
	static const uint8_t note_of[64] = {
		[ATTRIBUTE_HASH(WORD_TO)] = XML_NOTE_TO,	   [ATTRIBUTE_HASH(WORD_FROM)] = XML_NOTE_FROM,
		[ATTRIBUTE_HASH(WORD_ID)] = XML_NOTE_ID,	   [ATTRIBUTE_HASH(WORD_TYPE)] = XML_NOTE_TYPE,
		[ATTRIBUTE_HASH(WORD_VERSION)] = XML_NOTE_VERSION, [ATTRIBUTE_HASH(WORD_XMLNS)] = XML_NOTE_XMLNS,
	};
	static const uint64_t key_of[XML_NOTES] = {
		[XML_NOTE_TO] = WORD_TO,     [XML_NOTE_FROM] = WORD_FROM,	[XML_NOTE_ID] = WORD_ID,
		[XML_NOTE_TYPE] = WORD_TYPE, [XML_NOTE_VERSION] = WORD_VERSION, [XML_NOTE_XMLNS] = WORD_XMLNS,
	};
	uint32_t note = note_of[ATTRIBUTE_HASH(key)];
	return (enum xml_note)(note & -(uint32_t)(key_of[note] == key));
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
