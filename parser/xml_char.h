/*
 * Characters: UTF-8 (RFC 3629, section 4) and XML's Char (XML 1.0, production [2]), one at a time.
 */
#ifndef PARSER_XML_CHAR_H
#define PARSER_XML_CHAR_H

#include "xml.h"

enum {
	XML_CLASS_START = 1, /* may begin a name (below U+0080, without the colon) */
	XML_CLASS_NAME = 2,  /* may stand in one */
	XML_CLASS_SPACE = 4,
	XML_CLASS_BAD = 8 /* a control character that is no Char */
};
extern const uint8_t xml_class[256];

static inline bool byte_is_space(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Whether the second byte of a sequence may follow its first: no overlong form, no surrogate, nothing above U+10FFFF.
 */
static inline bool second_is_good(uint8_t first, uint8_t second)
{
	uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
	uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
	return second >= low && second <= high;
}

static inline uint32_t sequence_bytes(uint8_t first)
{
	return first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
}

/* Bytes of the character at p, of which at least one is available; 0: it is incomplete or bad. */
uint32_t xml_char_bytes(const uint8_t *p, uint32_t avail);
/*
 * Says of what xml_char_bytes() answered 0 for: XML_ERROR_NONE means incomplete; else the offset of the bad byte.
 */
enum xml_error xml_char_fault(const uint8_t *p, uint32_t avail, uint32_t *ret_at);
/* The code point of a character known to be good; answers its bytes. */
uint32_t xml_char_decode(const uint8_t *p, uint32_t *ret_code);
bool xml_code_is_char(uint32_t code);

/* Bytes of the character above U+007F at p (known to be good) if names may hold it (as the first, if `start`), else 0.
 */
uint32_t xml_name_char_bytes(const uint8_t *p, bool start);

#endif
