#include "siphash.h"

struct state {
	uint64_t v0, v1, v2, v3;
};

static uint64_t turn(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static uint64_t word_read(const uint8_t *at, size_t len)
{
	uint64_t word = 0;

	for (size_t i = 0; i < len; i++)
		word |= (uint64_t)at[i] << 8 * i;
	return word;
}

static void rounds(struct state *s, unsigned count)
{
	while (count-- > 0) {
		s->v0 += s->v1;
		s->v1 = turn(s->v1, 13) ^ s->v0;
		s->v0 = turn(s->v0, 32);
		s->v2 += s->v3;
		s->v3 = turn(s->v3, 16) ^ s->v2;
		s->v0 += s->v3;
		s->v3 = turn(s->v3, 21) ^ s->v0;
		s->v2 += s->v1;
		s->v1 = turn(s->v1, 17) ^ s->v2;
		s->v2 = turn(s->v2, 32);
	}
}

static void word_take(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	rounds(s, 2);
	s->v0 ^= word;
}

uint64_t siphash(const uint8_t key[static SIPHASH_KEY_BYTES], const void *bytes, size_t len)
{
	uint64_t k0 = word_read(key, 8), k1 = word_read(key + 8, 8);
	struct state s = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
			  k1 ^ 0x7465646279746573};
	const uint8_t *at = bytes;
	size_t rest = len;

	for (; rest >= 8; rest -= 8, at += 8)
		word_take(&s, word_read(at, 8));
	word_take(&s, word_read(at, rest) | (uint64_t)len << 56);
	s.v2 ^= 0xff;
	rounds(&s, 4);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
