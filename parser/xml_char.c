#include "xml_char.h"

/* The letters name the classes: N is START and NAME, D is NAME only, S is SPACE, B is BAD. */
#define N (XML_CLASS_START | XML_CLASS_NAME)
#define D XML_CLASS_NAME
#define S XML_CLASS_SPACE
#define B XML_CLASS_BAD
const uint8_t xml_class[256] = {
	[0x00 ... 0x08] = B, ['\t'] = S, ['\n'] = S,	    [0x0B ... 0x0C] = B, ['\r'] = S,
	[0x0E ... 0x1F] = B, [' '] = S,	 ['-'] = D,	    ['.'] = D,		 ['0' ... '9'] = D,
	['A' ... 'Z'] = N,   ['_'] = N,	 ['a' ... 'z'] = N,
};

static bool sequence_is_good(const uint8_t *p, uint32_t bytes)
{
	if (!second_is_good(p[0], p[1]))
		return false;
	for (uint32_t i = 2; i < bytes; i++)
		if ((p[i] & 0xC0) != 0x80)
			return false;
	return !(p[0] == 0xEF && p[1] == 0xBF && p[2] >= 0xBE);
}

uint32_t xml_char_bytes(const uint8_t *p, uint32_t avail)
{
	if (p[0] < 0x80)
		return xml_class[p[0]] & XML_CLASS_BAD ? 0 : 1;
	uint32_t bytes = sequence_bytes(p[0]);
	return bytes <= avail && bytes != 0 && sequence_is_good(p, bytes) ? bytes : 0;
}

enum xml_error xml_char_fault(const uint8_t *p, uint32_t avail, uint32_t *ret_at)
{
	uint32_t bytes = sequence_bytes(p[0]);
	if (bytes <= 1) {
		*ret_at = 0;
		return bytes == 1 ? XML_ERROR_CHARACTER : XML_ERROR_ENCODING;
	}
	for (uint32_t i = 1; i < bytes; i++) {
		if (i >= avail)
			return XML_ERROR_NONE;
		if (i == 1 ? !second_is_good(p[0], p[1]) : (p[i] & 0xC0) != 0x80) {
			*ret_at = i;
			return XML_ERROR_ENCODING;
		}
	}
	*ret_at = 2;
	return XML_ERROR_CHARACTER; /* U+FFFE or U+FFFF: nothing else is left */
}

uint32_t xml_char_decode(const uint8_t *p, uint32_t *ret_code)
{
	uint32_t bytes = sequence_bytes(p[0]);
	uint32_t code = bytes == 1 ? p[0] : p[0] & (0xFFu >> (bytes + 1));
	for (uint32_t i = 1; i < bytes; i++)
		code = code << 6 | (p[i] & 0x3F);
	*ret_code = code;
	return bytes;
}

bool xml_code_is_char(uint32_t code)
{
	if (code < 0x20)
		return code == '\t' || code == '\n' || code == '\r';
	return code < 0xD800 || (code >= 0xE000 && code < 0xFFFE) || (code >= 0x10000 && code <= 0x10FFFF);
}

static const struct name_range {
	uint16_t first, last;
	bool start;
} name_ranges[] = {
#define START			      true
#define INSIDE			      false
#define NAME_RANGE(first, last, kind) {first, last, kind},
#include "xml_name.def"
};

uint32_t xml_name_char_bytes(const uint8_t *p, bool start)
{
	uint32_t code, bytes = xml_char_decode(p, &code);
	uint32_t low = 0, high = sizeof(name_ranges) / sizeof(name_ranges[0]);
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		const struct name_range *range = &name_ranges[middle];
		if (code < range->first)
			high = middle;
		else if (code > range->last)
			low = middle + 1;
		else
			return range->start || !start ? bytes : 0;
	}
	return 0;
}
