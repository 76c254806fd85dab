/*
 * The end of the complete characters: what every kernel's `valid` does after its own fast part. Included by kernels.
 */
#ifndef PARSER_XML_VALID_H
#define PARSER_XML_VALID_H

#include "xml_char.h"

/* Bits of 0x80 where eight bytes are not all in U+0020 to U+007F. */
static inline uint64_t word_unusual(const uint8_t *p)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t word;
	__builtin_memcpy(&word, p, 8);
	return (word | (word - ones * 0x20)) & ones * 0x80;
}

static inline bool words_are_printable(const uint8_t *p)
{
	return (word_unusual(p) | word_unusual(p + 8) | word_unusual(p + 16) | word_unusual(p + 24)) == 0;
}

/*
 * Bytes of the character at p if it is printable, or of two or three bytes of which the first alone says which may
 * follow; else 0.
 */
static inline uint32_t usual_bytes(const uint8_t *p, uint32_t avail)
{
	if (p[0] >= ' ' && p[0] <= 0x7F)
		return 1;
	if (p[0] >= 0xC2 && p[0] <= 0xDF)
		return avail >= 2 && (p[1] & 0xC0) == 0x80 ? 2 : 0;
	if (p[0] <= 0xE0 || p[0] >= 0xEF || p[0] == 0xED)
		return 0;
	return avail >= 3 && (p[1] & 0xC0) == 0x80 && (p[2] & 0xC0) == 0x80 ? 3 : 0;
}

static inline uint32_t valid_end(const uint8_t *bytes, uint32_t from, uint32_t len)
{
	uint32_t at = from;
	for (;;) {
		while (at + 32 <= len && words_are_printable(bytes + at))
			at += 32;
		while (at + 8 <= len && word_unusual(bytes + at) == 0)
			at += 8;
		uint32_t stop = at + 8 < len ? at + 8 : len;
		while (at < stop) {
			uint32_t used = usual_bytes(bytes + at, len - at);
			if (used == 0)
				used = xml_char_bytes(bytes + at, len - at);
			if (used == 0)
				return at;
			at += used;
		}
		if (at >= len)
			return at;
	}
}

#endif
