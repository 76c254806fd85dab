/*
 * seal: how the inside of a frame is wrapped: as it is, compressed (gzip, RFC 1952), or enciphered with TEA (the
 * original one; D. Wheeler and R. Needham, "TEA, a Tiny Encryption Algorithm") with a key of zeroes: words of 32 bits,
 * big-endian, each block of eight bytes by itself, and what is left of the end in clear. TEA is no protection, and is
 * not meant as one: that is TLS's part. Pure; zlib compresses, in memory of the arena.
 */
#ifndef STARTALK_SEAL_H
#define STARTALK_SEAL_H

#include "st_arena.h"

#include <stdbool.h>

/* ProtoHeader.options; absent is PLAIN. Others do not exist. */
enum st_seal { ST_SEAL_PLAIN = 0, ST_SEAL_GZIP = 1, ST_SEAL_TEA = 5 };

enum { ST_SEAL_GZIP_ABOVE = 200 /* bytes: longer insides are compressed, others enciphered */ };

/* In place. */
void st_tea_seal(uint8_t *bytes, size_t len);
void st_tea_open(uint8_t *bytes, size_t len);

/*
 * One member of gzip, whole, and nothing behind it. Answers where the text is, in the arena; NULL: it is not that, or
 * its text is longer than bytes_max, or there is no room. No more than bytes_max and 64 KiB of the arena are used.
 */
uint8_t *st_gzip_open(struct st_arena *, const uint8_t *bytes, size_t len, size_t bytes_max, size_t *ret_len);
/* The same in the other direction. NULL: there is no room. Less than the text, 128 KiB and 1 KiB are used. */
uint8_t *st_gzip_seal(struct st_arena *, const uint8_t *text, size_t len, size_t *ret_len);

#endif
