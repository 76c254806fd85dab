/*
 * The kernel for x86 CPUs with AVX-512BW and BMI: 64 bytes at a time. Compiled with its own flags; nothing here runs
 * unless the CPU was asked.
 */
#include "xml_state.h"

#include <immintrin.h>

enum { LANES = 64, WINDOW = 64, NAME_WINDOW = LANES };
typedef uint8_t lanes __attribute__((vector_size(LANES)));
typedef uint64_t lanes_truth;

static ALWAYS_INLINE lanes lanes_load(const uint8_t *p)
{
	return (lanes)_mm512_loadu_si512((const __m512i *)p);
}

static ALWAYS_INLINE lanes lanes_shuffle(lanes table, lanes v)
{
	return (lanes)_mm512_shuffle_epi8((__m512i)table, (__m512i)v);
}

static ALWAYS_INLINE lanes lanes_shifted(lanes v)
{
	return (lanes)_mm512_srli_epi16((__m512i)v, 4);
}

static ALWAYS_INLINE lanes lanes_less(lanes a, lanes b)
{
	return (lanes)_mm512_subs_epu8((__m512i)a, (__m512i)b);
}

static ALWAYS_INLINE lanes lanes_lower(lanes a, lanes b)
{
	return (lanes)_mm512_min_epu8((__m512i)a, (__m512i)b);
}

static ALWAYS_INLINE lanes lanes_least(lanes a, lanes b)
{
	return (lanes)_mm512_min_epi8((__m512i)a, (__m512i)b);
}

static ALWAYS_INLINE lanes_truth lanes_equal(lanes a, lanes b)
{
	return _mm512_cmpeq_epi8_mask((__m512i)a, (__m512i)b);
}

static ALWAYS_INLINE lanes_truth lanes_above(lanes a, lanes b)
{
	return _mm512_cmpgt_epi8_mask((__m512i)a, (__m512i)b);
}

static ALWAYS_INLINE bool lanes_any(lanes v, lanes_truth t)
{
	return (_mm512_test_epi8_mask((__m512i)v, (__m512i)v) | t) != 0;
}

static ALWAYS_INLINE uint64_t lanes_bits(lanes_truth truth)
{
	return truth;
}

static ALWAYS_INLINE uint64_t window_bits(const lanes_truth truth[WINDOW / LANES])
{
	return truth[0];
}

static ALWAYS_INLINE uint64_t bits_first(uint64_t bits)
{
	return _tzcnt_u64(bits);
}

/* Bytes move within quarters: what goes before each is the quarter below it. */
#define LANES_BEFORE(before, v, n)                                                                                     \
	((lanes)_mm512_alignr_epi8((__m512i)(v), _mm512_alignr_epi64((__m512i)(v), (__m512i)(before), 6), 16 - (n)))

#include "xml_lanes.h"

#include "xml_body.h"

static uint32_t avx512_valid(const uint8_t *bytes, uint32_t from, uint32_t len)
{
	return lanes_valid(bytes, from, len);
}

static void avx512_walk(struct xml_walk *k, struct xml_work *w)
{
	window_walk(k, w);
}

const struct xml_kernel xml_kernel_avx512 = {"avx512", avx512_valid, avx512_walk};
