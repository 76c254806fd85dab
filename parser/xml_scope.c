#include "xml_scope.h"
#include "xml_namespace.h"
#include "xml_splice.h"

#include <assert.h>

#define DECLARATION_MARK   " xmlns:"
#define STREAM_DECLARATION DECLARATION_MARK "stream='" XML_NS_STREAMS "'"

enum {
	MARK_BYTES = sizeof(DECLARATION_MARK) - 1,
	STREAM_BYTES = sizeof(STREAM_DECLARATION) - 1,
	PREFIX_STREAM_BYTES = sizeof("stream") - 1,
	STREAM_NAME_AT = MARK_BYTES + PREFIX_STREAM_BYTES + 2
};

/* The header of every stream declares `stream` as this. */
#define STREAM_KEPT                                                                                                    \
	{                                                                                                              \
		.at = 0, .prefix_len = PREFIX_STREAM_BYTES, .name_at = STREAM_NAME_AT,                                 \
		.name_len = sizeof(XML_NS_STREAMS) - 1, .same = 0                                                      \
	}

const struct xml_scope xml_scope_usual = {
	.count = 1, .bytes = STREAM_BYTES, .kept = {STREAM_KEPT}, .text = STREAM_DECLARATION};

static const uint8_t name_of_xml[] = " " NS_XML, name_of_streams[] = " " XML_NS_STREAMS;

/* The next attribute that declares a prefix other than `stream` and `xml`; *ret_prefix is its prefix. */
static bool declaration_next(const uint8_t *bytes, uint32_t *at, struct xml_range *ret_prefix,
			     struct xml_attribute_place *ret)
{
	enum { COLON = sizeof("xmlns") - 1 };
	while (xml_attribute_next(bytes, at, ret)) {
		if (ret->name.len <= COLON || !xml_text_is(bytes, ret->name.at, COLON + 1, "xmlns:"))
			continue;
		*ret_prefix = (struct xml_range){ret->name.at + COLON + 1, ret->name.len - COLON - 1};
		if (!xml_text_is(bytes, ret_prefix->at, ret_prefix->len, "stream") &&
		    !xml_text_is(bytes, ret_prefix->at, ret_prefix->len, "xml"))
			return true;
	}
	return false;
}

/* As it is kept: with one blank before it, and its own quotes. */
static uint32_t declaration_bytes(struct xml_range prefix, struct xml_range value)
{
	return MARK_BYTES + prefix.len + sizeof("=''") - 1 + value.len;
}

enum xml_error xml_scope_measure(const uint8_t *bytes, const struct xml_event *event, size_t *ret)
{
	struct xml_attribute_place place;
	struct xml_range prefix;
	uint32_t at = event->insert_at, count = 0, len = 0;
	assert(event->is == XML_HEADER);
	while (declaration_next(bytes, &at, &prefix, &place)) {
		len += declaration_bytes(prefix, place.value);
		if (++count > XML_SCOPE_MAX || len > XML_SCOPE_BYTES_MAX)
			return XML_ERROR_LIMIT_NAMESPACES;
	}
	*ret = count ? sizeof(struct xml_scope) + STREAM_BYTES + len : 0;
	return XML_ERROR_NONE;
}

static void scope_write(struct xml_scope *scope, const void *bytes, uint32_t len)
{
	__builtin_memcpy(scope->text + scope->bytes, bytes, len);
	scope->bytes = (uint16_t)(scope->bytes + len);
}

static void scope_add(struct xml_scope *scope, const uint8_t *bytes, struct xml_range prefix, struct xml_range value)
{
	struct xml_kept *kept = &scope->kept[scope->count];
	kept->at = scope->bytes;
	kept->prefix_len = (uint16_t)prefix.len;
	kept->name_len = (uint16_t)value.len;
	scope_write(scope, DECLARATION_MARK, MARK_BYTES);
	scope_write(scope, bytes + prefix.at, prefix.len);
	scope_write(scope, "=", 1);
	kept->name_at = (uint16_t)(scope->bytes + 1);
	scope_write(scope, bytes + value.at - 1, value.len + 2);
	kept->same = xml_namespace_same(scope, scope->text, xml_kept_name(kept));
	if (kept->same == XML_KEPT_NONE)
		kept->same = scope->count;
	scope->count++;
}

void xml_scope_keep(struct xml_scope *scope, const uint8_t *bytes, const struct xml_event *event)
{
	struct xml_attribute_place place;
	struct xml_range prefix;
	uint32_t at = event->insert_at;
	assert(event->is == XML_HEADER);
	*scope = (struct xml_scope){.count = 1, .kept = {STREAM_KEPT}};
	scope_write(scope, STREAM_DECLARATION, STREAM_BYTES);
	while (declaration_next(bytes, &at, &prefix, &place))
		scope_add(scope, bytes, prefix, place.value);
}

static uint32_t kept_end(const struct xml_scope *scope, uint32_t kept)
{
	return kept + 1 < scope->count ? scope->kept[kept + 1].at : scope->bytes;
}

void xml_splice_declarations(struct xml_splice *splice)
{
	const struct xml_scope *scope = splice->event->scope;
	uint32_t relied = splice->event->relied_on;
	while (relied) {
		uint32_t first = (uint32_t)__builtin_ctz(relied), last = first;
		while (relied >> (last + 1) & 1)
			last++;
		uint32_t begin = scope->kept[first].at;
		xml_splice_insert(splice, scope->text + begin, kept_end(scope, last) - begin);
		relied &= ~UINT32_C(0) << (last + 1);
	}
}

/* `from` says where a name is that is not in the buffer. */
static struct xml_namespace namespace_find(const uint8_t *bytes, const struct xml_event *event, struct xml_range name,
					   uint32_t from)
{
	if (from == XML_NS_FROM_XML)
		return (struct xml_namespace){name_of_xml, {1, sizeof(NS_XML) - 1}};
	if (from >= XML_NS_FROM_SCOPE)
		return (struct xml_namespace){event->scope->text,
					      xml_kept_name(&event->scope->kept[from - XML_NS_FROM_SCOPE])};
	return (struct xml_namespace){bytes, name};
}

struct xml_namespace xml_element_namespace(const uint8_t *bytes, const struct xml_event *event)
{
	if (event->stream_prefix && event->ns.at == 0)
		return (struct xml_namespace){name_of_streams, {1, sizeof(XML_NS_STREAMS) - 1}};
	return namespace_find(bytes, event, event->ns, event->ns_from);
}

struct xml_namespace xml_child_namespace(const uint8_t *bytes, const struct xml_event *event)
{
	return namespace_find(bytes, event, event->child_ns, event->child_ns_from);
}

bool xml_namespace_is(struct xml_namespace ns, const char *text)
{
	return ns.name.at && xml_is_equal(ns.bytes, ns.name, text);
}
