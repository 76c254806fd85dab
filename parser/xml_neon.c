/*
 * The kernel for 64-bit ARM CPUs, all of which have NEON: 16 bytes at a time.
 */
#include "xml_state.h"

#include <arm_neon.h>

enum { LANES = 16, WINDOW = 64, NAME_WINDOW = LANES };
typedef uint8_t lanes __attribute__((vector_size(LANES)));
typedef lanes lanes_truth;

static ALWAYS_INLINE lanes lanes_load(const uint8_t *p)
{
	return (lanes)vld1q_u8(p);
}

static ALWAYS_INLINE lanes lanes_shuffle(lanes table, lanes v)
{
	return (lanes)vqtbl1q_u8((uint8x16_t)table, vandq_u8((uint8x16_t)v, vdupq_n_u8(0x0F)));
}

static ALWAYS_INLINE lanes lanes_shifted(lanes v)
{
	return (lanes)vshrq_n_u8((uint8x16_t)v, 4);
}

static ALWAYS_INLINE lanes lanes_less(lanes a, lanes b)
{
	return (lanes)vqsubq_u8((uint8x16_t)a, (uint8x16_t)b);
}

static ALWAYS_INLINE lanes lanes_lower(lanes a, lanes b)
{
	return (lanes)vminq_u8((uint8x16_t)a, (uint8x16_t)b);
}

static ALWAYS_INLINE lanes lanes_least(lanes a, lanes b)
{
	return (lanes)vminq_s8((int8x16_t)a, (int8x16_t)b);
}

static ALWAYS_INLINE lanes_truth lanes_equal(lanes a, lanes b)
{
	return (lanes)vceqq_u8((uint8x16_t)a, (uint8x16_t)b);
}

static ALWAYS_INLINE lanes_truth lanes_above(lanes a, lanes b)
{
	return (lanes)vcgtq_s8((int8x16_t)a, (int8x16_t)b);
}

static ALWAYS_INLINE bool lanes_any(lanes v, lanes_truth t)
{
	return vmaxvq_u8((uint8x16_t)(v | t)) != 0;
}

/* Each byte keeps the bit that is its place within eight; neighbours are added until eight make one byte. */
static ALWAYS_INLINE uint8x16_t bits_kept(lanes_truth truth)
{
	const uint8x16_t places = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
	return vandq_u8((uint8x16_t)truth, places);
}

static ALWAYS_INLINE uint64_t window_bits(const lanes_truth truth[WINDOW / LANES])
{
	uint8x16_t low = vpaddq_u8(bits_kept(truth[0]), bits_kept(truth[1]));
	uint8x16_t high = vpaddq_u8(bits_kept(truth[2]), bits_kept(truth[3]));
	uint8x16_t sums = vpaddq_u8(low, high);
	return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sums, sums)), 0);
}

static ALWAYS_INLINE uint64_t lanes_bits(lanes_truth truth)
{
	uint8x16_t kept = bits_kept(truth);
	return (uint64_t)vaddv_u8(vget_low_u8(kept)) | (uint64_t)vaddv_u8(vget_high_u8(kept)) << 8;
}

static ALWAYS_INLINE uint64_t bits_first(uint64_t bits)
{
	return bits ? (uint64_t)__builtin_ctzll(bits) : 64;
}

#define LANES_BEFORE(before, v, n) ((lanes)vextq_u8((uint8x16_t)(before), (uint8x16_t)(v), 16 - (n)))

#include "xml_lanes.h"

#include "xml_body.h"

static uint32_t neon_valid(const uint8_t *bytes, uint32_t from, uint32_t len)
{
	return lanes_valid(bytes, from, len);
}

static void neon_walk(struct xml_walk *k, struct xml_work *w)
{
	window_walk(k, w);
}

const struct xml_kernel xml_kernel_neon = {"neon", neon_valid, neon_walk};
