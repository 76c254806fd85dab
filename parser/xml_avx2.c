/*
 * The kernel for x86 CPUs with AVX2 and BMI: 32 bytes at a time. Compiled with its own flags; nothing here runs unless
 * the CPU was asked.
 */
#include "xml_state.h"
#include "xml_valid.h"

#include <immintrin.h>

enum { LANES = 32 };
typedef __m256i lanes;
typedef uint32_t lanes_mask;

static inline lanes lanes_load(const uint8_t *p)
{
	return _mm256_loadu_si256((const __m256i *)p);
}

static inline lanes lanes_all(uint8_t c)
{
	return _mm256_set1_epi8((char)c);
}

static inline lanes_mask lanes_mask_of(lanes v)
{
	return (uint32_t)_mm256_movemask_epi8(v);
}

static inline lanes lanes_are(lanes v, uint8_t c)
{
	return _mm256_cmpeq_epi8(v, lanes_all(c));
}

static inline uint32_t lanes_first(lanes_mask mask)
{
	return (uint32_t)__builtin_ctz(mask);
}

/* The same sixteen bytes in both halves, as byte shuffles want them. */
#define TABLE(...) _mm256_setr_epi8(__VA_ARGS__, __VA_ARGS__)

static inline lanes lanes_high(lanes v)
{
	return _mm256_and_si256(_mm256_srli_epi16(v, 4), lanes_all(0x0F));
}

/*
 * A byte may stand in a name if the sets of its halves meet. Sets by the upper half: 1 is 2x, 2 is 3x, 4 is 4x and 6x,
 * 8 is 5x, 16 is 7x. A shuffle answers 0 for bytes above U+007F.
 */
static inline lanes_mask stops_name(lanes v)
{
	const lanes by_low = TABLE(26, 30, 30, 30, 30, 30, 30, 30, 30, 30, 28, 4, 4, 5, 5, 12);
	const lanes by_high = TABLE(0, 0, 1, 2, 4, 8, 4, 16, 0, 0, 0, 0, 0, 0, 0, 0);
	lanes sets = _mm256_and_si256(_mm256_shuffle_epi8(by_low, v), _mm256_shuffle_epi8(by_high, lanes_high(v)));
	return lanes_mask_of(_mm256_cmpeq_epi8(sets, _mm256_setzero_si256()));
}

static inline lanes_mask lanes_stops(lanes v, enum stop stop, uint8_t quote)
{
	if (stop == STOP_NAME)
		return stops_name(v);
	if (stop == STOP_GT)
		return lanes_mask_of(lanes_are(v, '>'));
	lanes markup = _mm256_or_si256(lanes_are(v, '<'), lanes_are(v, '&'));
	return lanes_mask_of(_mm256_or_si256(markup, lanes_are(v, stop == STOP_VALUE ? quote : '>')));
}

#include "xml_body.h"

/* v moved up by n bytes, with the last bytes of what stood before it below. */
#define BYTES_BEFORE(before, v, n) _mm256_alignr_epi8(v, _mm256_permute2x128_si256(before, v, 0x21), 16 - (n))

/*
 * What may be wrong with a byte and the one before it: one bit each, set in all three tables (upper and lower half of
 * the byte before, upper half of the byte) when the pair has that fault.
 */
enum {
	TOO_SHORT = 1 << 0,  /* a first byte, then none that continues */
	TOO_LONG = 1 << 1,   /* one below U+0080, then one that continues */
	OVERLONG_3 = 1 << 2, /* E0, then below A0 */
	TOO_LARGE = 1 << 3,  /* F4 90 and above, F5 and above */
	SURROGATE = 1 << 4,  /* ED, then A0 and above */
	OVERLONG_2 = 1 << 5, /* C0 and C1 */
	OVERLONG_4 = 1 << 6, /* F0, then below 90; F5 and above with such a byte */
	CONTINUED = 1 << 7   /* two that continue: right only as third or fourth byte */
};
enum { ANY_LOW = TOO_SHORT | TOO_LONG | CONTINUED };

static inline lanes pair_faults(lanes v, lanes before1)
{
	enum {
		L0 = ANY_LOW | OVERLONG_3 | OVERLONG_2 | OVERLONG_4,
		L1 = ANY_LOW | OVERLONG_2,
		L4 = ANY_LOW | TOO_LARGE,
		L5 = ANY_LOW | TOO_LARGE | OVERLONG_4,
		LD = L5 | SURROGATE,
		H8 = TOO_LONG | CONTINUED | OVERLONG_2 | OVERLONG_3 | OVERLONG_4,
		H9 = TOO_LONG | CONTINUED | OVERLONG_2 | OVERLONG_3 | TOO_LARGE,
		HA = TOO_LONG | CONTINUED | OVERLONG_2 | SURROGATE | TOO_LARGE
	};
	const lanes by_high_before =
		TABLE(TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, (char)CONTINUED,
		      (char)CONTINUED, (char)CONTINUED, (char)CONTINUED, TOO_SHORT | OVERLONG_2, TOO_SHORT,
		      TOO_SHORT | OVERLONG_3 | SURROGATE, TOO_SHORT | TOO_LARGE | OVERLONG_4);
	const lanes by_low_before =
		TABLE((char)L0, (char)L1, (char)ANY_LOW, (char)ANY_LOW, (char)L4, (char)L5, (char)L5, (char)L5,
		      (char)L5, (char)L5, (char)L5, (char)L5, (char)L5, (char)LD, (char)L5, (char)L5);
	const lanes by_high =
		TABLE(TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, (char)H8,
		      (char)H9, (char)HA, (char)HA, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT);
	lanes faults = _mm256_and_si256(_mm256_shuffle_epi8(by_high_before, lanes_high(before1)),
					_mm256_shuffle_epi8(by_low_before, _mm256_and_si256(before1, lanes_all(0x0F))));
	return _mm256_and_si256(faults, _mm256_shuffle_epi8(by_high, lanes_high(v)));
}

/* Not zero where the bytes are no UTF-8, or U+FFFE or U+FFFF. */
static inline lanes sequence_faults(lanes v, lanes before)
{
	lanes before1 = BYTES_BEFORE(before, v, 1);
	lanes before2 = BYTES_BEFORE(before, v, 2);
	lanes before3 = BYTES_BEFORE(before, v, 3);
	lanes third = _mm256_subs_epu8(before2, lanes_all(0xE0 - 0x80));
	lanes fourth = _mm256_subs_epu8(before3, lanes_all(0xF0 - 0x80));
	lanes must_continue = _mm256_and_si256(_mm256_or_si256(third, fourth), lanes_all(0x80));
	lanes faults = _mm256_xor_si256(must_continue, pair_faults(v, before1));
	lanes last_two = _mm256_and_si256(lanes_are(before2, 0xEF), lanes_are(before1, 0xBF));
	return _mm256_or_si256(faults, _mm256_and_si256(last_two, lanes_are(_mm256_or_si256(v, lanes_all(1)), 0xBF)));
}

/* Not zero at control characters other than tab, line feed and carriage return. */
static inline lanes control_faults(lanes v)
{
	lanes control = _mm256_cmpeq_epi8(_mm256_min_epu8(v, lanes_all(0x1F)), v);
	lanes space = _mm256_or_si256(_mm256_or_si256(lanes_are(v, '\t'), lanes_are(v, '\n')), lanes_are(v, '\r'));
	return _mm256_andnot_si256(space, control);
}

/* Passes blocks without fault; the sequence that the last of them may have cut is left to what follows. */
static uint32_t blocks_pass(const uint8_t *bytes, uint32_t from, uint32_t len)
{
	lanes before = _mm256_setzero_si256();
	uint32_t at = from;
	for (; len - at >= LANES; at += LANES) {
		lanes v = lanes_load(bytes + at);
		lanes faults = control_faults(v);
		if (lanes_mask_of(_mm256_or_si256(v, before)))
			faults = _mm256_or_si256(faults, sequence_faults(v, before));
		if (!_mm256_testz_si256(faults, faults))
			break;
		before = v;
	}
	while (at > from && bytes[at - 1] >= 0x80)
		if (bytes[--at] >= 0xC0)
			break;
	return at;
}

static uint32_t avx2_valid(const uint8_t *bytes, uint32_t from, uint32_t len)
{
	return valid_end(bytes, blocks_pass(bytes, from, len), len);
}

static void avx2_walk(struct xml_walk *k, struct xml_work *w)
{
	item_walk(k, w);
}

const struct xml_kernel xml_kernel_avx2 = {"avx2", avx2_valid, avx2_walk};
