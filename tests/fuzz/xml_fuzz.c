/*
 * Any bytes as a stream. The first byte of the input says how the stream begins and which limits hold, the next seven
 * seed the cuts. Whole, byte by byte and cut at random, with every kernel: the same answers. What was accepted must
 * hold what the contract says of it, and be accepted again when it stands alone.
 *
 * A file that is replayed is read in all these ways. While fuzzing (FUZZ_ONE_WAY) a hash of the document chooses one,
 * which is held against the scalar kernel's reading of the whole: many inputs find more than many readings of one.
 */
#include "xml_probe.h"
#include "xml_splice.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { HEAD = 8, CUTS = 16, INPUT_BYTES_MAX = 4096, ELEMENTS = 1, TIGHT = 2, SCOPED = 4 };

static const struct xml_limits tight = {.element_bytes_max = 120,
					.elements_max = 4,
					.depth_max = 3,
					.attributes_max = 3,
					.name_bytes_max = 20,
					.namespaces_max = 2};

/* More attributes and declarations than the first time may be there. */
static const struct xml_limits wide = {.element_bytes_max = 1 << 20,
				       .elements_max = 20000,
				       .depth_max = 64,
				       .attributes_max = 65 + XML_SCOPE_MAX + 1,
				       .name_bytes_max = 1024,
				       .namespaces_max = 64 + XML_SCOPE_MAX + 1};

static void range_check(const struct xml_event *e, struct xml_range range)
{
	if (range.at == 0)
		assert(range.len == 0);
	else
		assert(range.at > e->begin && range.at + range.len < e->end);
}

static void event_check(const struct xml_event *e, size_t len)
{
	if (e->is == XML_BAD) {
		assert(e->error > XML_ERROR_NONE && e->error < XML_ERROR_COUNT && e->error_at < len);
		return;
	}
	const struct xml_range ranges[] = {e->name,	  e->prefix, e->ns,	  e->to,	 e->from,
					   e->id,	  e->type,   e->lang,	  e->from_whole, e->version,
					   e->content_ns, e->child,  e->child_ns, e->text};
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		range_check(e, ranges[i]);
	assert(e->begin < e->end && e->end <= len);
	assert(e->is == XML_FOOTER || (e->name.len > 0 && e->insert_at == e->name.at + e->name.len));
	assert(e->is != XML_ELEMENT || (e->elements >= e->depth && e->depth >= 1));
}

/* An element is a document of its own, with what it relies on, also when an attribute was spliced in. */
static void element_check(const struct probe_plan *plan, const struct xml_event *e)
{
	static struct probe alone;
	static uint8_t copy[INPUT_BYTES_MAX + XML_SCOPE_BYTES_MAX + 256];
	struct xml_piece pieces[XML_PIECES_MAX];
	struct xml_splice splice;
	xml_splice_begin(&splice, plan->bytes, e);
	xml_splice_insert(&splice, " zz_='1'", 8);
	xml_splice_declarations(&splice);
	size_t count = xml_splice_pieces(&splice, pieces), len = 0;
	for (size_t i = 0; i < count; len += pieces[i++].len)
		memcpy(copy + len, pieces[i].at, pieces[i].len);
	probe_run(&(struct probe_plan){.enter = true, .bytes = copy, .len = len, .limits = &wide}, &alone);
	assert(alone.count == 1 && alone.events[0].is == XML_ELEMENT && alone.taken == len);
	assert(alone.events[0].relied_on == 0 && (plan->scoped || e->relied_on == 0));
	uint8_t *raw = malloc(e->text.len + 1);
	assert(xml_unescape_text(plan->bytes, e->text, raw) <= e->text.len);
	free(raw);
}

static size_t cuts_make(uint64_t seed, size_t len, size_t cuts[static CUTS])
{
	size_t at = 0;
	for (size_t i = 0; i < CUTS; i++)
		cuts[i] = at += 1 + (size_t)(probe_random(&seed) % (1 + 2 * len / CUTS));
	return CUTS;
}

enum cut { CUT_NOWHERE, CUT_AT_RANDOM, CUT_EVERYWHERE, CUT_COUNT };

static void way_check(struct probe_plan plan, enum cut cut, uint64_t seed, const struct probe *whole)
{
	static struct probe seen;
	size_t cuts[CUTS];
	if (cut == CUT_AT_RANDOM) {
		plan.cut_count = cuts_make(seed | 1, plan.len, cuts);
		plan.cuts = cuts;
	}
	plan.piece = cut == CUT_EVERYWHERE;
	probe_run(&plan, &seen);
	if (!probe_is_same(whole, &seen))
		abort();
}

/* The way that is tried of so many; that number: all are. */
static size_t way_choose(const uint8_t *bytes, size_t len, size_t ways)
{
#ifdef FUZZ_ONE_WAY
	uint64_t hash = len + 1;
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001B3);
	return (hash >> 32) % ways;
#else
	return ways;
#endif
}

static void ways_check(struct probe_plan plan, uint64_t seed, const struct probe *whole)
{
	const char *const *kernels = probe_kernels();
	size_t ways = 0;
	while (kernels[ways / CUT_COUNT])
		ways += CUT_COUNT;
	size_t chosen = way_choose(plan.bytes, plan.len, ways);
	for (size_t way = 0; way < ways; way++) {
		plan.kernel = kernels[way / CUT_COUNT];
		if (chosen == way || chosen == ways)
			way_check(plan, (enum cut)(way % CUT_COUNT), seed, whole);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct probe whole;
	uint64_t seed = 0;
	if (len < HEAD || len > INPUT_BYTES_MAX)
		return 0;
	memcpy(&seed, bytes + 1, HEAD - 1);
	struct probe_plan plan = {
		.kernel = "scalar", .bytes = bytes + HEAD, .len = len - HEAD, .enter = bytes[0] & ELEMENTS};
	plan.limits = bytes[0] & TIGHT ? &tight : &probe_limits;
	plan.scoped = bytes[0] & SCOPED;
	if (plan.len / 4 >= PROBE_EVENTS_MAX - 1)
		plan.len = 4 * (PROBE_EVENTS_MAX - 2);
	probe_run(&plan, &whole);
	ways_check(plan, seed, &whole);
	for (size_t i = 0; i < whole.count; i++) {
		event_check(&whole.events[i], plan.len);
		if (whole.events[i].is == XML_ELEMENT)
			element_check(&plan, &whole.events[i]);
	}
	return 0;
}
