/*
 * scope: what a stream header declares, for the elements of its stream (Namespaces in XML 1.0, section 6.1).
 *
 * A prefix that only the header declares is in scope in every element. An element that uses it means nothing without
 * the declaration; so whoever wants to send elements on keeps what the header declares, passes it to xml_next_within(),
 * and puts it into the elements that rely on it (RFC 6120, 4.8.5: forwarded stanzas stand alone).
 *
 *     on XML_HEADER     error = xml_scope_measure(bytes, &event, &size);
 *                       if (size) xml_scope_keep(scope = malloc(size), bytes, &event);
 *     then              xml_next_within(x, work, limits, scope ? scope : &xml_scope_usual, ...);
 *     on XML_ELEMENT    xml_splice_declarations(&splice);
 *
 * The memory is the caller's. It holds no pointers and may be moved or copied between elements; while one is partly
 * there, what it holds must stay the same. A stream that ends or restarts has a new header, and needs a new scope.
 *
 * The prefix `stream` is in every scope, since every header declares it; few elements rely on it. It does not count.
 */
#ifndef PARSER_XML_SCOPE_H
#define PARSER_XML_SCOPE_H

#include "xml.h"

enum {
	XML_SCOPE_MAX = 8,			     /* declarations of prefixes other than `stream` and `xml` */
	XML_SCOPE_BYTES_MAX = 1024,		     /* of them all, written as ` xmlns:p='name'` */
	XML_SCOPE_RUNS_MAX = (XML_SCOPE_MAX + 2) / 2 /* cuts of xml_splice_declarations(): neighbours are one */
};

/* The scope of a header that declares no prefix but `stream` (and `xml`). */
extern const struct xml_scope xml_scope_usual;

/*
 * The bytes of memory, at most some 1.2 KiB, that it takes to keep what a header declares; 0: nothing but the usual.
 * XML_ERROR_LIMIT_NAMESPACES: more declarations than XML_SCOPE_MAX, or longer ones than XML_SCOPE_BYTES_MAX; *ret was
 * not touched. `event` is XML_HEADER, and `bytes` those that it describes.
 */
enum xml_error xml_scope_measure(const uint8_t *bytes, const struct xml_event *event, size_t *ret);

/* Writes as many bytes as were measured, aligned to two. */
void xml_scope_keep(struct xml_scope *, const uint8_t *bytes, const struct xml_event *event);

/*
 * The namespace name of an element or of its first child, wherever it stands: in the buffer, in the scope, or in what
 * everybody knows (xml, and `stream` on a first-level element). Absent: it has none of its own, and is in the default
 * namespace, jabber:client.
 */
struct xml_namespace {
	const uint8_t *bytes;
	struct xml_range name; /* raw, in `bytes` */
};
struct xml_namespace xml_element_namespace(const uint8_t *bytes, const struct xml_event *);
struct xml_namespace xml_child_namespace(const uint8_t *bytes, const struct xml_event *);
/* Whether it is not absent, and this one. */
bool xml_namespace_is(struct xml_namespace, const char *text);

#endif
