#include "xml_differential_reading.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void item_begin(struct item *item, size_t at)
{
	item->header = false;
	item->empty = true;
	item->begin = at;
	item->elements = 0;
	item->depth = 0;
	memset(item->there, 0, sizeof(item->there));
}

void item_set(struct item *item, enum field field, struct value value)
{
	item->there[field] = value.bytes != NULL;
	item->len[field] = 0;
	if (value.bytes)
		item_append(item, field, value);
}

void item_append(struct item *item, enum field field, struct value value)
{
	if (!item->there[field])
		item->len[field] = 0;
	item->there[field] = true;
	size_t room = sizeof(item->bytes[field]) - item->len[field];
	size_t len = value.len < room ? value.len : room; /* more only if a DTD's entities were replaced */
	memcpy(item->bytes[field] + item->len[field], value.bytes, len);
	item->len[field] += len;
}

bool item_field_is_same(const struct item *a, const struct item *b, enum field field)
{
	if (!a->there[field] || !b->there[field])
		return a->there[field] == b->there[field];
	return a->len[field] == b->len[field] && memcmp(a->bytes[field], b->bytes[field], a->len[field]) == 0;
}

void reading_begin(struct reading *r)
{
	r->len = r->lines = r->lines_refused = 0;
	r->accepted = r->refused = false;
	r->why[0] = '\0';
}

static void reading_write(struct reading *r, const void *bytes, size_t len)
{
	if (r->len + len > r->cap) {
		r->cap = 2 * (r->len + len) + 4096;
		r->text = realloc(r->text, r->cap);
		assert(r->text);
	}
	memcpy(r->text + r->len, bytes, len);
	r->len += len;
}

static void reading_number(struct reading *r, char letter, size_t number)
{
	char text[32];
	size_t at = sizeof(text);
	text[--at] = ' ';
	do
		text[--at] = (char)('0' + number % 10);
	while (number /= 10);
	text[--at] = letter;
	reading_write(r, text + at, sizeof(text) - at);
}

static void reading_field(struct reading *r, const struct item *item, enum field field)
{
	static const char letters[FIELDS + 1] = "nNtfiylvcCx";
	if (!item->there[field])
		return;
	reading_number(r, letters[field], item->len[field]);
	reading_write(r, item->bytes[field], item->len[field]);
	reading_write(r, " ", 1);
}

void reading_add(struct reading *r, const struct item *item)
{
	reading_write(r, item->header ? "H " : "E ", 2);
	reading_number(r, '[', item->begin);
	reading_number(r, ')', item->end);
	for (enum field field = NS; field < FIELDS; field++)
		if (field != TEXT || (item->elements == 1 && !item->header))
			reading_field(r, item, field);
	if (!item->header) {
		reading_number(r, 'e', item->elements);
		reading_number(r, 'd', item->depth);
		reading_number(r, 'm', item->empty);
	}
	reading_write(r, "\n", 1);
	r->lines++;
}

void reading_refuse(struct reading *r, const char *why)
{
	if (r->refused)
		return;
	r->refused = true;
	r->lines_refused = r->lines;
	snprintf(r->why, sizeof(r->why), "%s", why);
}

bool reading_leads(const struct reading *a, const struct reading *b)
{
	return a->lines <= b->lines && a->len <= b->len && (a->len == 0 || memcmp(a->text, b->text, a->len) == 0);
}

static bool value_is(struct value value, const char *text)
{
	return value.bytes && value.len == strlen(text) && memcmp(value.bytes, text, value.len) == 0;
}

void outside_begin(struct outside *o, const uint8_t *bytes, struct reading *to)
{
	o->bytes = bytes;
	o->to = to;
	o->depth = 0;
	reading_begin(to);
}

void outside_open(struct outside *o, struct value ns, struct value name, size_t at)
{
	const struct value nothing = {(const uint8_t *)"", 0};
	struct item *item = &o->item;
	if (++o->depth <= 2)
		item_begin(item, at);
	item->header = o->depth == 1;
	if (o->depth == 1 || o->depth == 2) {
		item_set(item, NS, ns.bytes ? ns : nothing);
		item_set(item, NAME, name);
	} else if (o->depth == 3 && !item->there[CHILD]) {
		item_set(item, CHILD_NS, ns.bytes ? ns : nothing);
		item_set(item, CHILD, name);
	}
	item->elements++;
	item->empty = o->depth == 2;
	if (o->depth - 1 > item->depth)
		item->depth = (uint32_t)(o->depth - 1);
}

void outside_attribute(struct outside *o, struct value ns, struct value name, struct value value)
{
	static const char *const names[FIELDS] = {
		[TO] = "to", [FROM] = "from", [ID] = "id", [TYPE] = "type", [LANG] = "lang", [VERSION] = "version"};
	bool of_xml = value_is(ns, "http://www.w3.org/XML/1998/namespace");
	if (o->depth > 2 || (ns.bytes && !of_xml))
		return;
	for (enum field field = TO; field <= VERSION; field++)
		if (value_is(name, names[field]) && of_xml == (field == LANG) && (field != VERSION || o->depth == 1))
			item_set(&o->item, field, value);
}

void outside_opened(struct outside *o, size_t at)
{
	if (o->depth != 1)
		return;
	o->item.end = at;
	reading_add(o->to, &o->item);
}

void outside_text(struct outside *o, struct value value)
{
	if (o->depth < 2)
		return;
	o->item.empty = false;
	if (o->depth == 2)
		item_append(&o->item, TEXT, value);
}

void outside_close(struct outside *o, size_t at)
{
	if (o->depth-- != 2)
		return;
	o->item.end = at;
	reading_add(o->to, &o->item);
}
