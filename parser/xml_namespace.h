/*
 * Namespaces in XML 1.0: declarations in scope, prefixes, and attributes unique by namespace and local name.
 * Places count from the item's first byte.
 */
#ifndef PARSER_XML_NAMESPACE_H
#define PARSER_XML_NAMESPACE_H

#include "xml_scope.h"
#include "xml_state.h"

#define XML_NS_STREAMS "http://etherx.jabber.org/streams"

#define NS_XML	 "http://www.w3.org/XML/1998/namespace"
#define NS_XMLNS "http://www.w3.org/2000/xmlns/"
/* Eight bytes that both have at the same place. */
enum { NS_HOST = 7 };
#define NS_HOST_WORD UINT64_C(0x6F2E33772E777777) /* www.w3.o, its first byte lowest */

/*
 * What a header declares: ` xmlns:p='name'` for each in `text`, `stream` first. Places are offsets into that.
 */
struct xml_scope {
	uint16_t count, bytes; /* of `kept`, and of `text` */
	struct xml_kept {
		uint16_t at; /* the declaration; its prefix is behind ` xmlns:` */
		uint16_t prefix_len, name_at, name_len;
		uint16_t same; /* the first one of the same namespace name */
	} kept[XML_SCOPE_MAX + 1];
	uint8_t text[];
};
enum { XML_KEPT_NONE = UINT16_MAX };

static inline struct xml_range xml_kept_name(const struct xml_kept *kept)
{
	return (struct xml_range){kept->name_at, kept->name_len};
}

/* The first one kept with the namespace name that `value`, raw, means; or XML_KEPT_NONE. */
uint16_t xml_namespace_same(const struct xml_scope *, const uint8_t *bytes, struct xml_range value);

bool xml_text_is(const uint8_t *bytes, uint32_t at, uint32_t len, const char *text);
/* Whether two ranges hold the same bytes. */
bool xml_bytes_equal(const uint8_t *a, const uint8_t *b, uint32_t len);

/*
 * Takes the declaration just read: work->token, colon and name_len say the attribute's name, `value` its value. Errors:
 * NAMESPACE_NAME, PREFIX (xml or xmlns bound, or a prefix bound to nothing), LIMIT_NAMESPACES.
 */
enum xml_error xml_namespace_declare(struct xml_work *, const struct xml_limits *, const uint8_t *bytes,
				     struct xml_range value);

/*
 * At the end of a start tag: resolves the prefixes of the innermost element and of its attributes, and names the
 * namespaces of the first-level element and of its first child in the draft. Errors: PREFIX, ATTRIBUTE_TWICE, and for
 * the header NAMESPACE; *ret_at is the place of the name at fault.
 */
enum xml_error xml_namespace_resolve(struct xml_work *, const uint8_t *bytes, uint32_t *ret_at);

#endif
