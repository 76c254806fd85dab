/* The tokenizer's own reading, from every kernel and at random cuts. */
#include "xml_differential.h"

#include <stdio.h>
#include <string.h>

static struct value attribute_read(const uint8_t *bytes, struct xml_range range, uint8_t *to)
{
	if (range.at == 0)
		return (struct value){NULL, 0};
	return (struct value){to, xml_unescape_value(bytes, range, to)};
}

struct fields {
	enum field field;
	struct xml_range range;
};

static void attributes_set(struct item *item, const uint8_t *bytes, const struct xml_event *e)
{
	static uint8_t to[DOCUMENT_BYTES_MAX];
	const struct fields fields[] = {{TO, e->to},	 {FROM, e->from}, {ID, e->id},
					{TYPE, e->type}, {LANG, e->lang}, {VERSION, e->version}};
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (e->is == XML_HEADER || fields[i].field != VERSION)
			item_set(item, fields[i].field, attribute_read(bytes, fields[i].range, to));
}

/* A namespace that the tokenizer leaves open is the default of the header. */
static void namespace_set(struct item *item, enum field field, const uint8_t *bytes, struct xml_namespace ns,
			  struct xml_range usual)
{
	static uint8_t to[DOCUMENT_BYTES_MAX];
	struct value value = ns.name.at ? attribute_read(ns.bytes, ns.name, to) : attribute_read(bytes, usual, to);
	item_set(item, field, value.bytes ? value : (struct value){to, 0});
}

static struct value raw(const uint8_t *bytes, struct xml_range range)
{
	return (struct value){range.at ? bytes + range.at : NULL, range.len};
}

static void element_set(struct item *item, const uint8_t *bytes, const struct xml_event *e,
			const struct xml_event *head)
{
	static uint8_t to[DOCUMENT_BYTES_MAX];
	item->elements = e->elements;
	item->depth = e->depth;
	item->empty = e->empty;
	item_set(item, CHILD, raw(bytes, e->child));
	if (e->child.at)
		namespace_set(item, CHILD_NS, bytes, xml_child_namespace(bytes, e), head->content_ns);
	if (e->elements == 1 && e->text.len)
		item_set(item, TEXT, (struct value){to, xml_unescape_text(bytes, e->text, to)});
}

static void event_add(struct reading *r, const uint8_t *bytes, const struct xml_event *e, const struct xml_event *head)
{
	static struct item item;
	item_begin(&item, e->begin);
	item.header = e->is == XML_HEADER;
	item.end = e->end;
	namespace_set(&item, NS, bytes, xml_element_namespace(bytes, e), head->content_ns);
	item_set(&item, NAME, raw(bytes, e->name));
	attributes_set(&item, bytes, e);
	if (!item.header)
		element_set(&item, bytes, e, head);
	reading_add(r, &item);
}

static size_t cuts_make(uint64_t *state, size_t len, size_t cuts[static CUTS_MAX])
{
	size_t count = probe_random(state) % CUTS_MAX, at = 0;
	for (size_t i = 0; i < count; i++)
		cuts[i] = at += 1 + (size_t)(probe_random(state) % (1 + 2 * len / (count + 1)));
	return count;
}

static bool kernels_agree(struct probe_plan plan, uint64_t *state, const struct probe *expected)
{
	static struct probe seen;
	size_t cuts[CUTS_MAX];
	plan.cuts = cuts;
	for (const char *const *kernel = probe_kernels(); *kernel; kernel++) {
		plan.kernel = *kernel;
		plan.cut_count = cuts_make(state, plan.len, cuts);
		plan.piece = probe_random(state) % 64 ? 0 : 1;
		plan.gap = probe_random(state) % 64;
		probe_run(&plan, &seen);
		if (!probe_is_same(expected, &seen)) {
			fprintf(stderr, "kernel %s differs\n", plan.kernel);
			return false;
		}
	}
	return true;
}

bool ours_read(const struct document *d, const struct xml_limits *limits, uint64_t *state, struct probe *ret_probe,
	       struct reading *ret)
{
	struct probe_plan plan = {
		.kernel = "scalar", .scoped = true, .bytes = d->bytes, .len = d->len, .limits = limits};
	const struct xml_event *head = &ret_probe->events[0];
	probe_run(&plan, ret_probe);
	reading_begin(ret);
	for (size_t i = 0; i < ret_probe->count; i++)
		if (ret_probe->events[i].is == XML_HEADER || ret_probe->events[i].is == XML_ELEMENT)
			event_add(ret, d->bytes, &ret_probe->events[i], head);
	ret->accepted = ret_probe->count && ret_probe->events[ret_probe->count - 1].is == XML_FOOTER;
	if (probe_error(ret_probe) != XML_ERROR_NONE)
		reading_refuse(ret, xml_error_text(probe_error(ret_probe)));
	return kernels_agree(plan, state, ret_probe);
}
