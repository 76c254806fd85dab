/*
 * Namespaces in XML 1.0: declarations in scope, prefixes, and attributes unique by namespace and local name.
 * Places count from the item's first byte.
 */
#ifndef PARSER_XML_NAMESPACE_H
#define PARSER_XML_NAMESPACE_H

#include "xml_state.h"

#define XML_NS_STREAMS "http://etherx.jabber.org/streams"

#define NS_XML	 "http://www.w3.org/XML/1998/namespace"
#define NS_XMLNS "http://www.w3.org/2000/xmlns/"
/* Eight bytes that both have at the same place. */
enum { NS_HOST = 7 };
#define NS_HOST_WORD UINT64_C(0x6F2E33772E777777) /* www.w3.o, its first byte lowest */

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
