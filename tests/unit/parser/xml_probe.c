#include "xml_probe.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const struct xml_limits probe_limits = {
	.element_bytes_max = 1 << 20,
	.elements_max = 20000,
	.depth_max = 64,
	.attributes_max = 64,
	.name_bytes_max = 1024,
	.namespaces_max = 64,
};

const char *const *probe_kernels(void)
{
	static const char *const all[] = {"avx2", "avx512", "sse42", "neon", "scalar"};
	static const char *here[sizeof(all) / sizeof(all[0]) + 1];
	if (here[0])
		return here;
	size_t count = 0;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (xml_kernel_choose(all[i]))
			here[count++] = all[i];
	return here;
}

/* The end of readable memory. */
static uint8_t *memory_end(void)
{
	static uint8_t *end;
	if (end)
		return end;
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = PROBE_BYTES_MAX + 2 * page;
	uint8_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert(memory != MAP_FAILED);
	end = memory + size - page;
	assert(mprotect(end, page, PROT_NONE) == 0);
	return end;
}

/* Works are given out in turn, filled with rubbish. */
static struct xml_work *work_new(void)
{
	static struct xml_work *works[2];
	static size_t turn;
	size_t bytes = xml_work_bytes();
	turn = !turn;
	if (!works[turn])
		works[turn] = aligned_alloc(64, bytes);
	memset(works[turn], 0xA5, 512);
	return works[turn];
}

static void range_move(struct xml_range *range, size_t by)
{
	if (range->at)
		range->at += (uint32_t)by;
}

static void event_move(struct xml_event *e, size_t by)
{
	struct xml_range *ranges[] = {&e->name,	      &e->prefix, &e->ns,	&e->to,		&e->from,
				      &e->id,	      &e->type,	  &e->lang,	&e->from_whole, &e->version,
				      &e->content_ns, &e->child,  &e->child_ns, &e->text};
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		range_move(ranges[i], by);
	uint32_t places = e->is != XML_BAD;
	e->begin += (uint32_t)by * places;
	e->end += (uint32_t)by * places;
	e->insert_at += (uint32_t)by * (e->insert_at != 0);
	e->error_at += (uint32_t)by * (e->is == XML_BAD);
	e->used = 0; /* white space before an item may have gone with an earlier answer */
}

static void scope_keep(const uint8_t *bytes, const struct xml_event *header, struct probe *p)
{
	size_t size = 0;
	p->unkept = xml_scope_measure(bytes, header, &size);
	assert(size <= sizeof(p->scope));
	if (size)
		xml_scope_keep((struct xml_scope *)p->scope.bytes, bytes, header);
	p->kept = size;
}

static const struct xml_scope *scope_of(const struct probe_plan *plan, const struct probe *p)
{
	if (!plan->scoped)
		return NULL;
	return p->kept ? (const struct xml_scope *)p->scope.bytes : &xml_scope_usual;
}

static size_t piece_end(const struct probe_plan *plan, size_t fed)
{
	for (size_t i = 0; i < plan->cut_count; i++)
		if (plan->cuts[i] > fed && plan->cuts[i] < plan->len)
			return plan->cuts[i];
	return plan->piece && fed + plan->piece < plan->len ? fed + plan->piece : plan->len;
}

/* Calls until more is needed or all is over; whether to go on. */
static bool piece_take(const struct probe_plan *plan, struct xml *x, struct xml_work **work, size_t fed,
		       struct probe *p)
{
	for (;;) {
		size_t filled = fed - p->taken;
		uint8_t *buffer = memory_end() - plan->gap - filled;
		memcpy(buffer, plan->bytes + p->taken, filled);
		if (!xml_is_partial(x))
			*work = work_new();
		struct xml_event event;
		memset(&event, 0x5A, sizeof(event));
		xml_next_within(x, *work, plan->limits ? plan->limits : &probe_limits, scope_of(plan, p), buffer,
				filled, &event);
		if (plan->scoped && event.is == XML_HEADER)
			scope_keep(buffer, &event, p);
		memset(buffer, '<', filled);
		assert(event.used <= filled);
		size_t before = p->taken;
		p->taken += event.used;
		if (event.is == XML_MORE)
			return true;
		assert(p->count < PROBE_EVENTS_MAX);
		event_move(&event, before);
		p->events[p->count++] = event;
		if (event.is == XML_BAD || event.is == XML_FOOTER)
			return false;
	}
}

void probe_run(const struct probe_plan *plan, struct probe *ret)
{
	struct xml x;
	struct xml_work *work = NULL;
	assert(xml_kernel_choose(plan->kernel));
	assert(plan->len + plan->gap <= PROBE_BYTES_MAX);
	plan->enter ? xml_enter(&x) : xml_restart(&x);
	ret->count = 0;
	ret->taken = 0;
	ret->kept = 0;
	ret->unkept = XML_ERROR_NONE;
	size_t fed = 0;
	do {
		fed = piece_end(plan, fed);
	} while (piece_take(plan, &x, &work, fed, ret) && fed < plan->len);
	ret->partial = xml_is_partial(&x);
}

enum xml_error probe_error(const struct probe *p)
{
	bool bad = p->count && p->events[p->count - 1].is == XML_BAD;
	return bad ? p->events[p->count - 1].error : XML_ERROR_NONE;
}

static bool ranges_differ(struct xml_range a, struct xml_range b)
{
	return a.at != b.at || a.len != b.len;
}

static const char *difference(const struct xml_event *a, const struct xml_event *b)
{
#define FIELD(f)                                                                                                       \
	if (a->f != b->f)                                                                                              \
		return #f;
#define RANGE(f)                                                                                                       \
	if (ranges_differ(a->f, b->f))                                                                                 \
		return #f;
	FIELD(is)
	FIELD(error)
	FIELD(error_at)
	FIELD(begin)
	FIELD(end)
	RANGE(name)
	RANGE(prefix)
	RANGE(ns)
	RANGE(to)
	RANGE(from)
	RANGE(id)
	RANGE(type)
	RANGE(lang)
	RANGE(from_whole)
	FIELD(insert_at)
	FIELD(stream_prefix)
	FIELD(relied_on)
	FIELD(ns_from)
	FIELD(child_ns_from)
	RANGE(version)
	RANGE(content_ns)
	FIELD(empty)
	RANGE(child)
	RANGE(child_ns)
	RANGE(text)
	FIELD(elements)
	FIELD(depth)
	return NULL;
}

bool probe_is_same(const struct probe *a, const struct probe *b)
{
	for (size_t i = 0; i < a->count && i < b->count; i++) {
		const char *what = difference(&a->events[i], &b->events[i]);
		if (what) {
			fprintf(stderr, "event %zu differs in `%s` (errors %d at %u, %d at %u)\n", i, what,
				a->events[i].error, a->events[i].error_at, b->events[i].error, b->events[i].error_at);
			return false;
		}
	}
	/* Before a fault, white space may have been dropped or not. */
	bool taken_alike = a->taken == b->taken || probe_error(a) != XML_ERROR_NONE;
	if (a->count == b->count && taken_alike && a->partial == b->partial)
		return true;
	fprintf(stderr, "events %zu and %zu, bytes taken %zu and %zu, partial %d and %d\n", a->count, b->count,
		a->taken, b->taken, a->partial, b->partial);
	return false;
}

static bool way_is_same(struct probe_plan plan, const struct probe *expected)
{
	static struct probe seen;
	probe_run(&plan, &seen);
	if (probe_is_same(expected, &seen))
		return true;
	fprintf(stderr, "kernel %s, piece %zu, cut %zu, gap %zu of: %.*s\n", plan.kernel, plan.piece,
		plan.cut_count ? plan.cuts[0] : 0, plan.gap, (int)plan.len, (const char *)plan.bytes);
	return false;
}

static bool kernel_every_way(struct probe_plan plan, const struct probe *expected)
{
	bool same = way_is_same(plan, expected);
	size_t cut, step = plan.len / PROBE_CUTS_MAX + 1;
	plan.cuts = &cut;
	plan.cut_count = 1;
	for (cut = 1; same && cut < plan.len; cut += step)
		same = way_is_same(plan, expected);
	plan.cut_count = 0;
	for (plan.gap = 1; same && plan.len <= PROBE_SHORT_BYTES && plan.gap < 64; plan.gap++)
		same = way_is_same(plan, expected);
	plan.gap = 0;
	plan.piece = step;
	return same && way_is_same(plan, expected);
}

bool probe_every_way(const struct probe_plan *plan, struct probe *ret)
{
	struct probe_plan way = *plan;
	way.kernel = "scalar";
	probe_run(&way, ret);
	bool same = true;
	for (const char *const *kernel = probe_kernels(); same && *kernel; kernel++) {
		way.kernel = *kernel;
		same = kernel_every_way(way, ret);
	}
	return same;
}

void probe_text(const char *text, struct probe *ret)
{
	struct probe_plan plan = {.enter = true, .bytes = (const uint8_t *)text, .len = strlen(text)};
	if (!probe_every_way(&plan, ret))
		abort();
}

bool probe_range_is(const char *document, struct xml_range range, const char *text_or_null)
{
	if (!text_or_null || range.at == 0)
		return !text_or_null && range.at == 0 && range.len == 0;
	return range.len == strlen(text_or_null) && memcmp(document + range.at, text_or_null, range.len) == 0;
}

uint64_t probe_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}
