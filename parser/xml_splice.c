#include "xml_splice.h"
#include "xml_char.h"
#include "xml_namespace.h"

#include <assert.h>

static uint32_t space_end(const uint8_t *bytes, uint32_t at)
{
	while (byte_is_space(bytes[at]))
		at++;
	return at;
}

static struct xml_range range_between(uint32_t begin, uint32_t end)
{
	return (struct xml_range){begin, end - begin};
}

bool xml_attribute_next(const uint8_t *bytes, uint32_t *at, struct xml_attribute_place *ret)
{
	uint32_t name = space_end(bytes, *at), name_end = name, quote, end;
	if (bytes[name] == '/' || bytes[name] == '>')
		return false;
	while (bytes[name_end] != '=' && !byte_is_space(bytes[name_end]))
		name_end++;
	quote = space_end(bytes, space_end(bytes, name_end) + 1);
	for (end = quote + 1; bytes[end] != bytes[quote]; end++)
		;
	ret->name = range_between(name, name_end);
	ret->value = range_between(quote + 1, end);
	ret->whole = range_between(*at, end + 1);
	*at = end + 1;
	return true;
}

bool xml_attribute_find(const uint8_t *bytes, const struct xml_event *event, const char *name,
			struct xml_attribute_place *ret)
{
	struct xml_attribute_place place;
	uint32_t at = event->insert_at;
	while (xml_attribute_next(bytes, &at, &place)) {
		if (!xml_text_is(bytes, place.name.at, place.name.len, name))
			continue;
		*ret = place;
		return true;
	}
	return false;
}

void xml_splice_begin(struct xml_splice *s, const uint8_t *bytes, const struct xml_event *event)
{
	assert(event->is == XML_ELEMENT);
	s->bytes = bytes;
	s->event = event;
	s->count = 0;
}

/* Cuts are kept in the order of their places; at the same place, what only puts in comes first, in the order given. */
static bool cut_is_behind(const struct xml_cut *cut, struct xml_range out)
{
	return cut->out.at > out.at || (cut->out.at == out.at && cut->out.len > 0);
}

static void cut_add(struct xml_splice *s, struct xml_range out, const void *text, size_t len)
{
	size_t i = s->count++;
	assert(i < XML_CUTS_MAX);
	assert(out.at >= s->event->insert_at && out.at + out.len < s->event->end);
	for (; i > 0 && cut_is_behind(&s->cuts[i - 1], out); i--)
		s->cuts[i] = s->cuts[i - 1];
	s->cuts[i] = (struct xml_cut){out, {text, len}};
}

void xml_splice_insert(struct xml_splice *s, const void *text, size_t len)
{
	cut_add(s, (struct xml_range){s->event->insert_at, 0}, text, len);
}

void xml_splice_replace(struct xml_splice *s, struct xml_range out, const void *text, size_t len)
{
	cut_add(s, out, text, len);
}

void xml_splice_remove(struct xml_splice *s, struct xml_range whole)
{
	assert(whole.len > 0);
	cut_add(s, whole, NULL, 0);
}

static size_t piece_add(struct xml_piece *pieces, size_t count, const uint8_t *at, size_t len)
{
	if (len == 0)
		return count;
	pieces[count] = (struct xml_piece){at, len};
	return count + 1;
}

size_t xml_splice_pieces(const struct xml_splice *s, struct xml_piece ret[static XML_PIECES_MAX])
{
	uint32_t at = s->event->begin;
	size_t count = 0;
	for (size_t i = 0; i < s->count; i++) {
		const struct xml_cut *cut = &s->cuts[i];
		assert(at <= cut->out.at);
		count = piece_add(ret, count, s->bytes + at, cut->out.at - at);
		count = piece_add(ret, count, cut->text.at, cut->text.len);
		at = cut->out.at + cut->out.len;
	}
	return piece_add(ret, count, s->bytes + at, s->event->end - at);
}
