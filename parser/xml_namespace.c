#include "xml_namespace.h"
#include "xml_char.h"
#include "xml_reference.h"

#include <assert.h>

/* What a prefix leads to: a declaration in scope, counted from 0, or one of these; those kept of the header, downwards.
 */
enum { NOT_DECLARED = -1, OF_XML = -2, KEPT = -3 };

/* Numbers of namespace names that are none of a declaration in the element. */
enum { NO_SPACE = UINT16_MAX - 1, SPACE_OF_XML = UINT16_MAX, SPACE_KEPT = 0x8000 };

bool xml_bytes_equal(const uint8_t *a, const uint8_t *b, uint32_t len)
{
	uint32_t i = 0;
	for (; i + 8 <= len; i += 8) {
		uint64_t x, y;
		__builtin_memcpy(&x, a + i, 8);
		__builtin_memcpy(&y, b + i, 8);
		if (x != y)
			return false;
	}
	for (; i < len; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

bool xml_text_is(const uint8_t *bytes, uint32_t at, uint32_t len, const char *text)
{
	for (uint32_t i = 0; i < len; i++)
		if (bytes[at + i] != (uint8_t)text[i] || text[i] == '\0')
			return false;
	return text[len] == '\0';
}

/* The next code point of a raw value. */
static uint32_t value_next(const uint8_t *bytes, uint32_t *at, uint32_t end)
{
	uint32_t code, unused_at;
	enum xml_error unused;
	if (bytes[*at] != '&') {
		*at += xml_char_decode(bytes + *at, &code);
		return code;
	}
	int used = xml_reference_read(bytes + *at + 1, end - *at - 1, &code, &unused, &unused_at);
	assert(used > 0);
	*at += 1 + (uint32_t)used;
	return code;
}

static bool value_has_reference(const uint8_t *bytes, struct xml_range value)
{
	for (uint32_t i = 0; i < value.len; i++)
		if (bytes[value.at + i] == '&')
			return true;
	return false;
}

static bool values_equal(const uint8_t *x, struct xml_range a, const uint8_t *y, struct xml_range b)
{
	if (!value_has_reference(x, a) && !value_has_reference(y, b))
		return a.len == b.len && xml_bytes_equal(x + a.at, y + b.at, a.len);
	uint32_t i = a.at, j = b.at, a_end = a.at + a.len, b_end = b.at + b.len;
	while (i < a_end && j < b_end)
		if (value_next(x, &i, a_end) != value_next(y, &j, b_end))
			return false;
	return i == a_end && j == b_end;
}

/* White space and controls are refused, literal or referenced: parsers that join name and namespace would split there.
 */
static bool value_is_plain(const uint8_t *bytes, struct xml_range value)
{
	for (uint32_t i = value.at; i < value.at + value.len;) {
		uint8_t c = bytes[i];
		if (c > ' ' && c < 0x7F && c != '&') {
			i++;
			continue;
		}
		uint32_t code = value_next(bytes, &i, value.at + value.len);
		if (code <= ' ' || (code >= 0x7F && code <= 0x9F))
			return false;
	}
	return true;
}

uint16_t xml_namespace_same(const struct xml_scope *scope, const uint8_t *bytes, struct xml_range value)
{
	for (uint16_t i = 0; i < scope->count; i++)
		if (values_equal(scope->text, xml_kept_name(&scope->kept[i]), bytes, value))
			return i;
	return XML_KEPT_NONE;
}

static const struct xml_scope *scope_in(const struct xml_work *w)
{
	return w->header ? NULL : w->scope;
}

static uint16_t first_of_same(const struct xml_work *w, const uint8_t *bytes, uint32_t declared)
{
	struct xml_range value = {w->declared[declared].at, w->declared[declared].len};
	const struct xml_scope *scope = scope_in(w);
	uint16_t kept = scope ? xml_namespace_same(scope, bytes, value) : XML_KEPT_NONE;
	if (kept != XML_KEPT_NONE)
		return SPACE_KEPT + kept;
	for (uint32_t i = 0; i < declared; i++) {
		const struct xml_declared *d = &w->declared[i];
		if (d->same == i + 1 && values_equal(bytes, (struct xml_range){d->at, d->len}, bytes, value))
			return d->same;
	}
	return (uint16_t)(declared + 1);
}

/*
 * The number of a declaration's namespace name: that of the header's declaration of the same name, or else that of the
 * first declaration in scope of the same name, counted from 1. Few elements ask, so declarations are compared when one
 * does; and then once each, the outer ones first.
 */
static uint16_t same_of(struct xml_work *w, const uint8_t *bytes, uint32_t declared)
{
	for (uint32_t i = 0; w->declared[declared].same == 0; i++)
		if (w->declared[i].same == 0)
			w->declared[i].same = first_of_same(w, bytes, i);
	return w->declared[declared].same;
}

enum xml_error xml_namespace_declare(struct xml_work *w, const struct xml_limits *limits, const uint8_t *bytes,
				     struct xml_range value)
{
	uint32_t prefix_at = w->colon ? w->colon + 1 : 0;
	uint32_t prefix_len = w->colon ? w->token + w->name_len - prefix_at : 0;
	if (!value_is_plain(bytes, value))
		return XML_ERROR_NAMESPACE_NAME;
	bool special = value.len >= sizeof(NS_XMLNS) - 1; /* references are longer than what they stand for */
	bool of_xml = special && xml_is_equal(bytes, value, NS_XML);
	bool prefix_xml = xml_text_is(bytes, prefix_at, prefix_len, "xml");
	if (of_xml != prefix_xml || (special && xml_is_equal(bytes, value, NS_XMLNS)))
		return XML_ERROR_PREFIX;
	if (xml_text_is(bytes, prefix_at, prefix_len, "xmlns") || (w->colon && value.len == 0))
		return XML_ERROR_PREFIX;
	if (prefix_xml)
		return XML_ERROR_NONE;
	if (w->namespaces >= limits->namespaces_max)
		return XML_ERROR_LIMIT_NAMESPACES;
	w->declared[w->namespaces++] = (struct xml_declared){value.at, value.len, prefix_at, (uint16_t)prefix_len, 0};
	if (prefix_len == 0)
		w->usual = w->namespaces;
	return XML_ERROR_NONE;
}

static int declared_find(const struct xml_work *w, const uint8_t *bytes, uint32_t at, uint32_t len)
{
	for (uint32_t i = w->namespaces; i-- > 0;) {
		const struct xml_declared *d = &w->declared[i];
		if (d->prefix_len == len && xml_bytes_equal(bytes + d->prefix_at, bytes + at, len))
			return (int)i;
	}
	return xml_text_is(bytes, at, len, "xml") ? OF_XML : NOT_DECLARED;
}

/* A declaration that an element relies on is noted in the draft. */
static int kept_find(struct xml_work *w, const uint8_t *prefix, uint32_t len)
{
	enum { PREFIX_AT = sizeof(" xmlns:") - 1 };
	const struct xml_scope *scope = scope_in(w);
	for (uint32_t i = 0; scope && i < scope->count; i++) {
		const struct xml_kept *kept = &scope->kept[i];
		if (kept->prefix_len != len || !xml_bytes_equal(scope->text + kept->at + PREFIX_AT, prefix, len))
			continue;
		w->draft.scope = scope;
		w->draft.relied_on |= (uint16_t)(1u << i);
		return KEPT - (int)i;
	}
	return NOT_DECLARED;
}

static int prefix_find(struct xml_work *w, const uint8_t *bytes, uint32_t at, uint32_t len)
{
	int found = declared_find(w, bytes, at, len);
	return found == NOT_DECLARED && len ? kept_find(w, bytes + at, len) : found;
}

static uint16_t space_of(struct xml_work *w, const uint8_t *bytes, int found)
{
	if (found == OF_XML)
		return SPACE_OF_XML;
	if (found <= KEPT)
		return SPACE_KEPT + w->scope->kept[KEPT - found].same;
	return same_of(w, bytes, (uint32_t)found);
}

static enum xml_error twice_check(const struct xml_work *w, const uint8_t *bytes, const uint16_t *spaces, uint32_t last)
{
	const struct xml_attribute *b = &w->attribute[last];
	for (uint32_t i = 0; i < last; i++) {
		const struct xml_attribute *a = &w->attribute[i];
		uint32_t len = b->len - b->prefix_len;
		if (spaces[i] == spaces[last] && a->len - a->prefix_len == (int)len &&
		    xml_bytes_equal(bytes + a->at + a->prefix_len, bytes + b->at + b->prefix_len, len))
			return XML_ERROR_ATTRIBUTE_TWICE;
	}
	return XML_ERROR_NONE;
}

/* Attributes without prefix, and declarations, are unique by their qualified names already. */
static enum xml_error attributes_resolve(struct xml_work *w, const uint8_t *bytes, uint32_t *ret_at)
{
	uint16_t spaces[XML_ATTRIBUTES_MAX];
	uint32_t seen = 0;
	for (uint32_t i = 0; i < w->attributes; i++) {
		const struct xml_attribute *a = &w->attribute[i];
		spaces[i] = NO_SPACE;
		if (a->prefix_len == 0 || xml_text_is(bytes, a->at, a->prefix_len, "xmlns"))
			continue;
		*ret_at = a->at;
		int found = prefix_find(w, bytes, a->at, a->prefix_len);
		if (found == NOT_DECLARED)
			return XML_ERROR_PREFIX;
		spaces[i] = space_of(w, bytes, found);
		if (seen++ > 0 && twice_check(w, bytes, spaces, i))
			return XML_ERROR_ATTRIBUTE_TWICE;
	}
	return XML_ERROR_NONE;
}

/* The header: stream:stream in the namespace of streams. */
static enum xml_error header_check(const struct xml_work *w, const uint8_t *bytes, int found)
{
	const struct xml_event *draft = &w->draft;
	struct xml_range ns = draft->ns, prefix = draft->prefix;
	bool of_streams = ns.at && xml_is_equal(bytes, ns, XML_NS_STREAMS);
	bool usual = xml_text_is(bytes, prefix.at, prefix.len, "stream");
	if (of_streams && !usual)
		return XML_ERROR_PREFIX;
	if (found == NOT_DECLARED && prefix.at && !usual)
		return XML_ERROR_PREFIX;
	bool named = xml_text_is(bytes, draft->name.at, draft->name.len, "stream");
	return of_streams && named ? XML_ERROR_NONE : XML_ERROR_NAMESPACE;
}

static struct xml_range namespace_range(const struct xml_work *w, int found)
{
	if (found < 0)
		return (struct xml_range){0, 0};
	return (struct xml_range){w->declared[found].at, w->declared[found].len};
}

static uint8_t namespace_from(int found)
{
	if (found <= KEPT)
		return (uint8_t)(XML_NS_FROM_SCOPE + (KEPT - found));
	return found == OF_XML ? XML_NS_FROM_XML : XML_NS_FROM_HERE;
}

static enum xml_error first_level_resolve(struct xml_work *w, const uint8_t *bytes, int found)
{
	struct xml_event *draft = &w->draft;
	draft->ns = namespace_range(w, found);
	draft->ns_from = namespace_from(found);
	if (w->header) {
		draft->content_ns = namespace_range(w, (int)w->usual - 1);
		return header_check(w, bytes, found);
	}
	bool usual = xml_text_is(bytes, draft->prefix.at, draft->prefix.len, "stream");
	draft->stream_prefix = usual && (found == NOT_DECLARED || xml_is_equal(bytes, draft->ns, XML_NS_STREAMS));
	return draft->prefix.at && found == NOT_DECLARED && !usual ? XML_ERROR_PREFIX : XML_ERROR_NONE;
}

enum xml_error xml_namespace_resolve(struct xml_work *w, const uint8_t *bytes, uint32_t *ret_at)
{
	const struct xml_open *open = &w->open[w->depth - 1];
	uint32_t prefix_len = w->prefix_len;
	bool first_child = w->depth == 2 && w->draft.child.at >= open->at && w->draft.child.at < open->at + open->len;
	enum xml_error error = XML_ERROR_NONE;
	*ret_at = open->at;
	if (prefix_len || w->depth == 1 || first_child) {
		/* The first level's `stream` is known to everybody: it relies on nothing. */
		bool known = w->depth == 1 && xml_text_is(bytes, open->at, prefix_len, "stream");
		int found = known ? declared_find(w, bytes, open->at, prefix_len)
				  : prefix_find(w, bytes, open->at, prefix_len);
		if (w->depth == 1)
			error = first_level_resolve(w, bytes, found);
		else if (prefix_len && found == NOT_DECLARED)
			error = XML_ERROR_PREFIX;
		if (first_child) {
			w->draft.child_ns = namespace_range(w, found);
			w->draft.child_ns_from = namespace_from(found);
		}
	}
	if (error == XML_ERROR_NONE && w->prefixed)
		error = attributes_resolve(w, bytes, ret_at);
	return error;
}
