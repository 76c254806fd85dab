#include "base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* -1: no digit. */
static int base64_digit(char character)
{
	if (character >= 'A' && character <= 'Z')
		return character - 'A';
	if (character >= 'a' && character <= 'z')
		return character - 'a' + 26;
	if (character >= '0' && character <= '9')
		return character - '0' + 52;
	if (character == '+')
		return 62;
	return character == '/' ? 63 : -1;
}

/* Four characters, the last `padding` of them '='. */
static bool base64_decode_group(const char *text, unsigned padding, uint8_t *to)
{
	uint32_t bits = 0;
	for (unsigned i = 0; i < 4; i++) {
		int digit = i < 4 - padding ? base64_digit(text[i]) : 0;
		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
	}
	if (bits & ((1u << 8 * padding) - 1))
		return false;
	for (unsigned i = 0; i < 3 - padding; i++)
		to[i] = (uint8_t)(bits >> (16 - 8 * i));
	return true;
}

bool base64_decode(const char *text, size_t len, uint8_t *to, size_t *ret_len)
{
	if (len % 4 != 0)
		return false;
	size_t made = 0;
	for (size_t at = 0; at < len; at += 4) {
		unsigned padding = 0;
		if (at + 4 == len)
			padding = text[at + 3] != '=' ? 0 : text[at + 2] != '=' ? 1 : 2;
		if (!base64_decode_group(text + at, padding, to + made))
			return false;
		made += 3 - padding;
	}
	*ret_len = made;
	return true;
}

size_t base64_encode(const uint8_t *bytes, size_t len, char *to)
{
	size_t made = 0;
	for (size_t at = 0; at < len; at += 3) {
		size_t left = len - at;
		uint32_t bits = (uint32_t)bytes[at] << 16 | (left > 1 ? (uint32_t)bytes[at + 1] << 8 : 0) |
				(left > 2 ? bytes[at + 2] : 0);
		to[made++] = alphabet[bits >> 18];
		to[made++] = alphabet[bits >> 12 & 63];
		to[made++] = left > 1 ? alphabet[bits >> 6 & 63] : '=';
		to[made++] = left > 2 ? alphabet[bits & 63] : '=';
	}
	to[made] = '\0';
	return made;
}
