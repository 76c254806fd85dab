/*
 * The bound: bytes are sorted into the classes that a tokenizer needs to know of (markup, quotes, references, equals
 * signs, controls, those above U+007F), 64 at a time, and the masks are only counted.
 */
#include "peer.h"

#ifdef __x86_64__
#include <immintrin.h>

#define WITH_AVX2 __attribute__((target("avx2,popcnt,bmi,bmi2")))

WITH_AVX2 static inline uint64_t mask_of(__m256i low, __m256i high)
{
	return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

WITH_AVX2 static inline uint64_t mask_are(__m256i low, __m256i high, char c)
{
	__m256i all = _mm256_set1_epi8(c);
	return mask_of(_mm256_cmpeq_epi8(low, all), _mm256_cmpeq_epi8(high, all));
}

WITH_AVX2 static uint64_t block_count(const uint8_t *p)
{
	__m256i low = _mm256_loadu_si256((const __m256i *)p), high = _mm256_loadu_si256((const __m256i *)(p + 32));
	__m256i printable = _mm256_set1_epi8(0x20);
	uint64_t quotes = mask_are(low, high, '"') ^ mask_are(low, high, '\'') ^ mask_are(low, high, '=');
	uint64_t unusual = mask_of(_mm256_cmpgt_epi8(printable, low), _mm256_cmpgt_epi8(printable, high));
	uint64_t count = 0;
	count += (uint64_t)__builtin_popcountll(mask_are(low, high, '<'));
	count += (uint64_t)__builtin_popcountll(mask_are(low, high, '>'));
	count += (uint64_t)__builtin_popcountll(mask_are(low, high, '&'));
	return count + (uint64_t)__builtin_popcountll(quotes) + (uint64_t)__builtin_popcountll(unusual);
}
#else
static uint64_t block_count(const uint8_t *p)
{
	uint64_t count = 0;
	for (int i = 0; i < 64; i++)
		count += p[i] == '<' || p[i] == '>' || p[i] == '&' || p[i] == '\'' || p[i] == '"' || p[i] == '=' ||
			 p[i] < ' ' || p[i] >= 0x80;
	return count;
}
#endif

size_t stage1_run(const struct document *d, size_t piece)
{
	uint64_t count = 0;
	for (size_t at = 0; at < d->len; at += piece) {
		size_t len = d->len - at < piece ? d->len - at : piece;
		for (size_t i = 0; i < len; i += 64)
			count += block_count(d->bytes + at + i);
	}
	return count;
}
