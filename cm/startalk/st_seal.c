#include "st_seal.h"

#include <zlib.h>

/* ---- TEA */

enum { BLOCK = 8, CYCLES = 32 };
static const uint32_t delta = 0x9e3779b9;

static uint32_t word_read(const uint8_t *from)
{
	return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static void word_write(uint8_t *to, uint32_t word)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(word >> (24 - 8 * i));
}

/* With a key of zeroes the key's words are not there. */
static uint32_t mix(uint32_t word, uint32_t sum)
{
	return word << 4 ^ (word + sum) ^ word >> 5;
}

void st_tea_seal(uint8_t *bytes, size_t len)
{
	for (; len >= BLOCK; bytes += BLOCK, len -= BLOCK) {
		uint32_t a = word_read(bytes), b = word_read(bytes + 4), sum = 0;

		for (int i = 0; i < CYCLES; i++) {
			sum += delta;
			a += mix(b, sum);
			b += mix(a, sum);
		}
		word_write(bytes, a);
		word_write(bytes + 4, b);
	}
}

void st_tea_open(uint8_t *bytes, size_t len)
{
	for (; len >= BLOCK; bytes += BLOCK, len -= BLOCK) {
		uint32_t a = word_read(bytes), b = word_read(bytes + 4), sum = delta * CYCLES;

		for (int i = 0; i < CYCLES; i++) {
			b -= mix(a, sum);
			a -= mix(b, sum);
			sum -= delta;
		}
		word_write(bytes, a);
		word_write(bytes + 4, b);
	}
}

/* ---- gzip */

enum {
	GZIP = 16,	     /* added to the bits of the window */
	INFLATE_WINDOW = 15, /* whatever the client's is */
	DEFLATE_WINDOW = 13, /* messages are short */
	DEFLATE_MEMORY = 6,
	DEFLATE_LEVEL = 3,
};

static void *take(void *arena, unsigned count, unsigned size)
{
	return st_arena_take(arena, (size_t)count * size);
}

static void give(void *arena, void *at)
{
	(void)arena;
	(void)at;
}

/* What zlib needs lies behind the text, and is forgotten. */
static bool inflate_into(struct st_arena *a, z_stream *z)
{
	size_t before = a->used;
	bool good;

	*z = (z_stream){.next_in = z->next_in,
			.avail_in = z->avail_in,
			.next_out = z->next_out,
			.avail_out = z->avail_out,
			.zalloc = take,
			.zfree = give,
			.opaque = a};
	good = inflateInit2(z, INFLATE_WINDOW + GZIP) == Z_OK && inflate(z, Z_FINISH) == Z_STREAM_END;
	a->used = before;
	return good && z->avail_in == 0;
}

uint8_t *st_gzip_open(struct st_arena *a, const uint8_t *bytes, size_t len, size_t bytes_max, size_t *ret_len)
{
	uint8_t *to = st_arena_take(a, bytes_max + 1);
	z_stream z = {.next_in = (Bytef *)(uintptr_t)bytes,
		      .avail_in = (uInt)len,
		      .next_out = to,
		      .avail_out = (uInt)bytes_max + 1};

	if (to == NULL || !inflate_into(a, &z) || z.total_out > bytes_max)
		return NULL;
	a->used = (size_t)(to - a->at) + z.total_out;
	*ret_len = z.total_out;
	return to;
}

static bool deflate_into(struct st_arena *a, z_stream *z, const uint8_t *text, size_t len)
{
	size_t before = a->used;
	bool good = deflateInit2(z, DEFLATE_LEVEL, Z_DEFLATED, DEFLATE_WINDOW + GZIP, DEFLATE_MEMORY,
				 Z_DEFAULT_STRATEGY) == Z_OK;

	if (good) {
		z->next_in = (Bytef *)(uintptr_t)text;
		z->avail_in = (uInt)len;
		good = deflate(z, Z_FINISH) == Z_STREAM_END;
	}
	a->used = before;
	return good;
}

uint8_t *st_gzip_seal(struct st_arena *a, const uint8_t *text, size_t len, size_t *ret_len)
{
	size_t cap = len + len / 64 + 128;
	uint8_t *to = st_arena_take(a, cap);
	z_stream z = {.next_out = to, .avail_out = (uInt)cap, .zalloc = take, .zfree = give, .opaque = a};

	if (to == NULL || !deflate_into(a, &z, text, len))
		return NULL;
	a->used = (size_t)(to - a->at) + z.total_out;
	*ret_len = z.total_out;
	return to;
}
