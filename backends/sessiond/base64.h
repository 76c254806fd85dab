/* base64 of RFC 4648, section 4, read as strictly as RFC 6120, 13.9.1 wants it: one text for one string of bytes. */
#ifndef SESSIOND_BASE64_H
#define SESSIOND_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room that base64_decode needs for a text of so many characters, and base64_encode for so many bytes, with its NUL. */
#define BASE64_BYTES(characters) ((characters) / 4 * 3)
#define BASE64_CHARACTERS(bytes) (((bytes) + 2) / 3 * 4 + 1)

/*
 * False: a length that is no multiple of four, a character of no alphabet (white space is none), padding anywhere but
 * at the end, or bits set behind the last byte. An empty text is no bytes.
 */
bool base64_decode(const char *text, size_t len, uint8_t *to, size_t *ret_len);
/* Answers the length of the text, which ends in NUL. */
size_t base64_encode(const uint8_t *bytes, size_t len, char *to);

#endif
