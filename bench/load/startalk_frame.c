#include "startalk_frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { SEAL_GZIP = 1, SEAL_TEA = 5, GZIP_ABOVE = 200, GZIP_BITS = 15 + 16, PLAIN_MAX = 1 << 21, CYCLES = 32 };
enum { HEADER_OPTIONS = 2, HEADER_MESSAGE = 6, OUTER_SIGNAL = 2, OUTER_FROM = 3, OUTER_TO = 4, OUTER_MESSAGE = 5 };

/* ---- bytes that grow */

void sheet_free(struct sheet *sheet)
{
	free(sheet->bytes);
	*sheet = (struct sheet){0};
}

static void sheet_room(struct sheet *sheet, size_t more)
{
	if (sheet->cap - sheet->len >= more)
		return;
	sheet->cap = 2 * (sheet->len + more) + 64;
	sheet->bytes = realloc(sheet->bytes, sheet->cap);
	assert(sheet->bytes);
}

void sheet_put(struct sheet *sheet, const void *bytes, size_t len)
{
	sheet_room(sheet, len);
	if (len > 0)
		memcpy(sheet->bytes + sheet->len, bytes, len);
	sheet->len += len;
}

static void put_varint(struct sheet *sheet, uint64_t value)
{
	uint8_t bytes[10];
	size_t len = 0;

	for (; value >= 0x80; value >>= 7)
		bytes[len++] = (uint8_t)(value | 0x80);
	bytes[len++] = (uint8_t)value;
	sheet_put(sheet, bytes, len);
}

void sheet_number(struct sheet *sheet, unsigned field, uint64_t value)
{
	put_varint(sheet, field << 3);
	put_varint(sheet, value);
}

void sheet_bytes(struct sheet *sheet, unsigned field, const void *bytes, size_t len)
{
	put_varint(sheet, field << 3 | 2);
	put_varint(sheet, len);
	sheet_put(sheet, bytes, len);
}

void sheet_text(struct sheet *sheet, unsigned field, const char *text)
{
	if (text)
		sheet_bytes(sheet, field, text, strlen(text));
}

/* ---- seals */

static uint32_t load32(const uint8_t *from)
{
	uint32_t word;

	memcpy(&word, from, sizeof word);
	return __builtin_bswap32(word);
}

static void store32(uint8_t *to, uint32_t word)
{
	word = __builtin_bswap32(word);
	memcpy(to, &word, sizeof word);
}

static uint32_t tea_mix(uint32_t x, uint32_t sum)
{
	return (x << 4) ^ (x + sum) ^ (x >> 5);
}

/* With a key of zeroes; in place. */
static void tea(uint8_t *bytes, size_t len, bool opens)
{
	static const uint32_t delta = 0x9e3779b9;

	for (uint8_t *at = bytes; at + 8 <= bytes + len; at += 8) {
		uint32_t x = load32(at), y = load32(at + 4);

		for (uint32_t i = 1; i <= CYCLES; i++) {
			if (opens) {
				y -= tea_mix(x, delta * (CYCLES + 1 - i));
				x -= tea_mix(y, delta * (CYCLES + 1 - i));
			} else {
				x += tea_mix(y, delta * i);
				y += tea_mix(x, delta * i);
			}
		}
		store32(at, x);
		store32(at + 4, y);
	}
}

static void gzip(const struct sheet *plain, struct sheet *ret)
{
	z_stream z = {0};
	int is = deflateInit2(&z, 1, Z_DEFLATED, GZIP_BITS, 8, Z_DEFAULT_STRATEGY);

	assert(is == Z_OK);
	sheet_room(ret, deflateBound(&z, plain->len));
	z.next_in = plain->bytes;
	z.avail_in = (uInt)plain->len;
	z.next_out = ret->bytes + ret->len;
	z.avail_out = (uInt)(ret->cap - ret->len);
	is = deflate(&z, Z_FINISH);
	assert(is == Z_STREAM_END);
	ret->len += z.total_out;
	deflateEnd(&z);
}

static bool gunzip(const struct startalk_field *from, struct sheet *ret)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)from->bytes, .avail_in = (uInt)from->len};
	int is = inflateInit2(&z, GZIP_BITS);

	assert(is == Z_OK);
	is = Z_BUF_ERROR;
	for (size_t room = 4 * from->len + 256; is == Z_BUF_ERROR && room <= PLAIN_MAX; room *= 4) {
		sheet_room(ret, room);
		z.next_out = ret->bytes + z.total_out;
		z.avail_out = (uInt)(ret->cap - z.total_out);
		is = inflate(&z, Z_FINISH);
		ret->len = z.total_out;
	}
	inflateEnd(&z);
	return is == Z_STREAM_END;
}

void startalk_seal(const struct startalk_letter *letter, struct sheet *ret)
{
	static struct sheet plain, sealed, header; /* each process has one thread */

	plain.len = sealed.len = header.len = 0;
	sheet_number(&plain, OUTER_SIGNAL, (uint64_t)letter->signal);
	sheet_text(&plain, OUTER_FROM, letter->from);
	sheet_text(&plain, OUTER_TO, letter->to);
	sheet_bytes(&plain, OUTER_MESSAGE, letter->payload->bytes, letter->payload->len);
	sheet_number(&header, HEADER_OPTIONS, plain.len > GZIP_ABOVE ? SEAL_GZIP : SEAL_TEA);
	if (plain.len > GZIP_ABOVE)
		gzip(&plain, &sealed);
	else
		tea(plain.bytes, plain.len, false);
	if (plain.len > GZIP_ABOVE)
		sheet_bytes(&header, HEADER_MESSAGE, sealed.bytes, sealed.len);
	else
		sheet_bytes(&header, HEADER_MESSAGE, plain.bytes, plain.len);
	put_varint(ret, header.len);
	sheet_put(ret, header.bytes, header.len);
}

/* ---- reading */

static bool varint_next(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
	*ret = 0;
	for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
		uint8_t byte = *(*at)++;

		*ret |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

bool startalk_field_next(const uint8_t **at, const uint8_t *end, struct startalk_field *ret)
{
	uint64_t tag;

	if (!varint_next(at, end, &tag) || !varint_next(at, end, &ret->value))
		return false;
	ret->number = (unsigned)(tag >> 3);
	ret->bytes = NULL;
	ret->len = 0;
	if ((tag & 7) == 0)
		return true;
	if ((tag & 7) != 2 || ret->value > (uint64_t)(end - *at))
		return false;
	ret->bytes = *at;
	ret->len = ret->value;
	*at += ret->len;
	return true;
}

bool startalk_field_find(const uint8_t *bytes, size_t len, unsigned number, struct startalk_field *ret)
{
	const uint8_t *at = bytes;
	struct startalk_field field;

	while (startalk_field_next(&at, bytes + len, &field))
		if (field.number == number && field.bytes) {
			*ret = field;
			return true;
		}
	return false;
}

static bool header_open(const uint8_t *at, const uint8_t *end, struct sheet *plain)
{
	struct startalk_field field, message = {0};
	uint64_t seal = 0;

	plain->len = 0;
	while (startalk_field_next(&at, end, &field)) {
		if (field.number == HEADER_OPTIONS)
			seal = field.value;
		else if (field.number == HEADER_MESSAGE && field.bytes)
			message = field;
	}
	if (!message.bytes)
		return false;
	if (seal == SEAL_GZIP)
		return gunzip(&message, plain);
	sheet_put(plain, message.bytes, message.len);
	if (seal == SEAL_TEA)
		tea(plain->bytes, plain->len, true);
	return true;
}

size_t startalk_open(const uint8_t *bytes, size_t len, struct sheet *plain, bool *ret_good)
{
	const uint8_t *at = bytes;
	uint64_t frame_len;

	if (!varint_next(&at, bytes + len, &frame_len) || frame_len > (uint64_t)(bytes + len - at))
		return 0;
	*ret_good = header_open(at, at + frame_len, plain);
	return (size_t)(at - bytes) + frame_len;
}
