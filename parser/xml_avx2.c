/*
 * The kernel for x86 CPUs with AVX2 and BMI: 32 bytes at a time. Compiled with its own flags; nothing here runs unless
 * the CPU was asked.
 */
#include "xml_state.h"

#include <immintrin.h>

enum { LANES = 32, WINDOW = 64, NAME_WINDOW = LANES };
typedef uint8_t lanes __attribute__((vector_size(LANES)));
typedef lanes lanes_truth;

static ALWAYS_INLINE lanes lanes_load(const uint8_t *p)
{
	return (lanes)_mm256_loadu_si256((const __m256i *)p);
}

static ALWAYS_INLINE lanes lanes_shuffle(lanes table, lanes v)
{
	return (lanes)_mm256_shuffle_epi8((__m256i)table, (__m256i)v);
}

static ALWAYS_INLINE lanes lanes_shifted(lanes v)
{
	return (lanes)_mm256_srli_epi16((__m256i)v, 4);
}

static ALWAYS_INLINE lanes lanes_less(lanes a, lanes b)
{
	return (lanes)_mm256_subs_epu8((__m256i)a, (__m256i)b);
}

static ALWAYS_INLINE lanes lanes_lower(lanes a, lanes b)
{
	return (lanes)_mm256_min_epu8((__m256i)a, (__m256i)b);
}

static ALWAYS_INLINE lanes lanes_least(lanes a, lanes b)
{
	return (lanes)_mm256_min_epi8((__m256i)a, (__m256i)b);
}

static ALWAYS_INLINE lanes_truth lanes_equal(lanes a, lanes b)
{
	return (lanes)_mm256_cmpeq_epi8((__m256i)a, (__m256i)b);
}

static ALWAYS_INLINE lanes_truth lanes_above(lanes a, lanes b)
{
	return (lanes)_mm256_cmpgt_epi8((__m256i)a, (__m256i)b);
}

static ALWAYS_INLINE bool lanes_any(lanes v, lanes_truth t)
{
	__m256i either = (__m256i)(v | t);
	return !_mm256_testz_si256(either, either);
}

static ALWAYS_INLINE uint64_t lanes_bits(lanes_truth truth)
{
	return (uint32_t)_mm256_movemask_epi8((__m256i)truth);
}

static ALWAYS_INLINE uint64_t window_bits(const lanes_truth truth[WINDOW / LANES])
{
	return lanes_bits(truth[0]) | lanes_bits(truth[1]) << 32;
}

static ALWAYS_INLINE uint64_t bits_first(uint64_t bits)
{
	return _tzcnt_u64(bits);
}

#define LANES_BEFORE(before, v, n)                                                                                     \
	((lanes)_mm256_alignr_epi8((__m256i)(v), _mm256_permute2x128_si256((__m256i)(before), (__m256i)(v), 0x21),     \
				   16 - (n)))

#include "xml_lanes.h"

#include "xml_body.h"

static uint32_t avx2_valid(const uint8_t *bytes, uint32_t from, uint32_t len)
{
	return lanes_valid(bytes, from, len);
}

static void avx2_walk(struct xml_walk *k, struct xml_work *w)
{
	window_walk(k, w);
}

const struct xml_kernel xml_kernel_avx2 = {"avx2", avx2_valid, avx2_walk};
