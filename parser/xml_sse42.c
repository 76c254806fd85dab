/*
 * The kernel for x86 CPUs with SSE4.2: 16 bytes at a time. Compiled with its own flags; nothing here runs unless the
 * CPU was asked.
 */
#include "xml_state.h"

#include <nmmintrin.h>

enum { LANES = 16, WINDOW = 64, NAME_WINDOW = LANES };
typedef uint8_t lanes __attribute__((vector_size(LANES)));
typedef lanes lanes_truth;

static ALWAYS_INLINE lanes lanes_load(const uint8_t *p)
{
	return (lanes)_mm_loadu_si128((const __m128i *)p);
}

static ALWAYS_INLINE lanes lanes_shuffle(lanes table, lanes v)
{
	return (lanes)_mm_shuffle_epi8((__m128i)table, (__m128i)v);
}

static ALWAYS_INLINE lanes lanes_shifted(lanes v)
{
	return (lanes)_mm_srli_epi16((__m128i)v, 4);
}

static ALWAYS_INLINE lanes lanes_less(lanes a, lanes b)
{
	return (lanes)_mm_subs_epu8((__m128i)a, (__m128i)b);
}

static ALWAYS_INLINE lanes lanes_lower(lanes a, lanes b)
{
	return (lanes)_mm_min_epu8((__m128i)a, (__m128i)b);
}

static ALWAYS_INLINE lanes lanes_least(lanes a, lanes b)
{
	return (lanes)_mm_min_epi8((__m128i)a, (__m128i)b);
}

static ALWAYS_INLINE lanes_truth lanes_equal(lanes a, lanes b)
{
	return (lanes)_mm_cmpeq_epi8((__m128i)a, (__m128i)b);
}

static ALWAYS_INLINE lanes_truth lanes_above(lanes a, lanes b)
{
	return (lanes)_mm_cmpgt_epi8((__m128i)a, (__m128i)b);
}

static ALWAYS_INLINE bool lanes_any(lanes v, lanes_truth t)
{
	__m128i either = (__m128i)(v | t);
	return !_mm_testz_si128(either, either);
}

static ALWAYS_INLINE uint64_t lanes_bits(lanes_truth truth)
{
	return (uint32_t)_mm_movemask_epi8((__m128i)truth);
}

static ALWAYS_INLINE uint64_t window_bits(const lanes_truth truth[WINDOW / LANES])
{
	return lanes_bits(truth[0]) | lanes_bits(truth[1]) << 16 | lanes_bits(truth[2]) << 32 |
	       lanes_bits(truth[3]) << 48;
}

static ALWAYS_INLINE uint64_t bits_first(uint64_t bits)
{
	return bits ? (uint64_t)__builtin_ctzll(bits) : 64;
}

#define LANES_BEFORE(before, v, n) ((lanes)_mm_alignr_epi8((__m128i)(v), (__m128i)(before), 16 - (n)))

#include "xml_lanes.h"

#include "xml_body.h"

static uint32_t sse42_valid(const uint8_t *bytes, uint32_t from, uint32_t len)
{
	return lanes_valid(bytes, from, len);
}

static void sse42_walk(struct xml_walk *k, struct xml_work *w)
{
	window_walk(k, w);
}

const struct xml_kernel xml_kernel_sse42 = {"sse42", sse42_valid, sse42_walk};
