/*
 * Any bytes as elements; each that is accepted gets a `from` of ours in place of its own, in the parts in which it is
 * sent on: up to insert_at, ours, up to its own from, and what stands behind that. What comes out is one element with
 * exactly that from, and everything else as it was.
 */
#include "xml_probe.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#define STAMP "u@example.com/r&amp;"
#define FROM  " from='" STAMP "'"

enum { INPUT_BYTES_MAX = 4096, ROOM = INPUT_BYTES_MAX + sizeof(FROM) };

/* One attribute more than the first time may be there. */
static const struct xml_limits wide = {.element_bytes_max = 1 << 20,
				       .elements_max = 20000,
				       .depth_max = 64,
				       .attributes_max = 65,
				       .name_bytes_max = 1024,
				       .namespaces_max = 64};

static size_t append(uint8_t *to, size_t at, const void *bytes, size_t len)
{
	memcpy(to + at, bytes, len);
	return at + len;
}

static size_t splice(const uint8_t *bytes, const struct xml_event *e, uint8_t *to)
{
	uint32_t cut = e->from.at ? e->from_whole.at : e->end, behind = e->from.at ? cut + e->from_whole.len : e->end;
	assert(e->insert_at <= cut && cut <= behind && behind <= e->end);
	size_t len = append(to, 0, bytes + e->begin, e->insert_at - e->begin);
	len = append(to, len, FROM, strlen(FROM));
	len = append(to, len, bytes + e->insert_at, cut - e->insert_at);
	return append(to, len, bytes + behind, e->end - behind);
}

static void range_is_same(const uint8_t *a, struct xml_range x, const uint8_t *b, struct xml_range y)
{
	assert((x.at == 0) == (y.at == 0) && x.len == y.len && memcmp(a + x.at, b + y.at, x.len) == 0);
}

static void element_is_same(const uint8_t *a, const struct xml_event *x, const uint8_t *b, const struct xml_event *y)
{
	const struct xml_range before[] = {x->name, x->prefix, x->ns,	 x->to,	      x->id,
					   x->type, x->lang,   x->child, x->child_ns, x->text};
	const struct xml_range after[] = {y->name, y->prefix, y->ns,	y->to,	     y->id,
					  y->type, y->lang,   y->child, y->child_ns, y->text};
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
		range_is_same(a, before[i], b, after[i]);
	assert(x->elements == y->elements && x->depth == y->depth && x->empty == y->empty);
	assert(x->stream_prefix == y->stream_prefix);
}

static void element_check(const uint8_t *bytes, const struct xml_event *e)
{
	static struct probe again;
	static uint8_t spliced[ROOM];
	size_t len = splice(bytes, e, spliced);
	probe_run(&(struct probe_plan){.enter = true, .bytes = spliced, .len = len, .limits = &wide}, &again);
	const struct xml_event *now = &again.events[0];
	assert(again.count == 1 && now->is == XML_ELEMENT && again.taken == len && now->end == len);
	assert(now->from.len == strlen(STAMP) && memcmp(spliced + now->from.at, STAMP, now->from.len) == 0);
	assert(now->from_whole.at == now->insert_at && now->from_whole.len == strlen(FROM));
	element_is_same(bytes, e, spliced, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct probe seen;
	if (len > INPUT_BYTES_MAX)
		return 0;
	if (len / 4 >= PROBE_EVENTS_MAX - 1)
		len = 4 * (PROBE_EVENTS_MAX - 2);
	probe_run(&(struct probe_plan){.enter = true, .bytes = bytes, .len = len}, &seen);
	for (size_t i = 0; i < seen.count; i++)
		if (seen.events[i].is == XML_ELEMENT)
			element_check(bytes, &seen.events[i]);
	return 0;
}
