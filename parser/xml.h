/*
 * xml: a streaming tokenizer for the XML that XMPP allows.
 *
 * It finds the first-level elements (stanzas and nonzas) of a stream, proves that they are well-formed, and names
 * the few places in them that routing needs. It builds no tree, copies nothing, allocates nothing, and calls nobody.
 *
 * Accepted is exactly: XML 1.0 (fourth edition names) with Namespaces, in UTF-8, without comments, processing
 * instructions, DTD, and entity references other than lt gt amp apos quot (RFC 6120, section 11). An XML
 * declaration is allowed once, before the stream header. Between first-level elements only white space may stand.
 *
 * The caller's buffer. Its first byte is the first byte not yet taken. Each call passes the whole buffer: the bytes
 * of the earlier call, unchanged (they may have moved in memory), and whatever was appended since. The tokenizer
 * remembers how far it has come, and looks at no byte twice. After every answer the caller drops `used` bytes from the
 * front. It may be called at any time, also with nothing new. It reads nothing behind `len`.
 *
 *     for (;;) {
 *         xml_next(x, work, buffer, filled, &event);
 *         drop the first event.used bytes of the buffer
 *         if (event.is == XML_MORE) wait for more bytes
 *         ...
 *     }
 *   (offsets in an event count from the buffer's start as it was passed, so use them before dropping)
 *
 * Two structs hold the state. `struct xml` belongs to one stream for its whole life and is small (XML_STREAM_BYTES at
 * most). `struct xml_work` is larger and matters only while an element is partly there: xml_is_partial() says whether
 * the work last used must stay with this stream until its next call. Otherwise any work will do, so that a thread needs
 * one of its own and one for each stream that is in the middle of an element.
 *
 * Streams. Before the header xml_next() expects one: answers XML_HEADER once. Then XML_ELEMENT for each first-level
 * element, and XML_FOOTER for </stream:stream>. After XML_FOOTER or XML_BAD the state is spent: only xml_restart() or
 * xml_enter() may follow.
 *
 * Scope. xml_next() knows nothing of what the header declares: a prefix that is not declared in the element is refused
 * (XML_ERROR_PREFIX), with one exception: the first-level element itself may carry the prefix `stream`. Elements
 * so are documents of their own as soon as the default namespace jabber:client is given (RFC 6120, 4.8.5).
 * xml_next_within() takes a scope that the caller keeps (see xml_scope.h), finds prefixes in it too, and says which of
 * its declarations an element relies on.
 *
 * Limits are checked as bytes arrive: the verdict for a document does not depend on how it was cut. A document with
 * several faults is refused for the first, in the order of its bytes; what precedes a fault is answered before it.
 *
 * Stricter than XML, since readers behind us disagree: a namespace name holds no white space and no control character,
 * literal or referenced; a character reference has at most 16 digits.
 */
#ifndef PARSER_XML_H
#define PARSER_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { XML_STREAM_BYTES = 16 };

/* What a stream may cost. A value at the limit is accepted, one above is XML_ERROR_LIMIT_... */
struct xml_limits {
	uint32_t element_bytes_max; /* a first-level element or the header, from '<' to '>'; at most 16 MiB */
	uint32_t elements_max;	    /* elements in a first-level element, itself included */
	uint16_t depth_max;	    /* the first-level element is depth 1; at most XML_DEPTH_MAX */
	uint16_t attributes_max;    /* attributes of one element, xmlns included; at most XML_ATTRIBUTES_MAX */
	uint16_t name_bytes_max;    /* a qualified name, prefix and colon included */
	uint16_t namespaces_max;    /* declarations in scope at once; at most XML_NAMESPACES_MAX */
};
enum { XML_DEPTH_MAX = 256, XML_ATTRIBUTES_MAX = 128, XML_NAMESPACES_MAX = 128 };

/* Some bytes of the caller's buffer. at == 0 means absent (no value can stand at the buffer's first byte). */
struct xml_range {
	uint32_t at, len;
};

/* Why a stream is not acceptable; names, RFC 6120 conditions and texts are in xml_error.def. */
enum xml_error {
#define XML_ERROR(name, condition, text) XML_ERROR_##name,
#include "xml_error.def"
	XML_ERROR_COUNT
};

enum xml_is {
	XML_MORE,    /* no complete item; used counts what may be dropped: white space (a keepalive), a whole XML
			declaration. Nothing else is set */
	XML_HEADER,  /* <stream:stream ...> (an XML declaration before it is part of `used`) */
	XML_ELEMENT, /* a complete first-level element */
	XML_FOOTER,  /* </stream:stream> */
	XML_BAD	     /* not acceptable: error and error_at are set; nothing more can be read from this stream */
};

struct xml_scope; /* opaque: see xml_scope.h */

/*
 * What xml_next() found. All places are offsets into the buffer as passed. Values are raw: between the quotes, with
 * references not replaced (xml_unescape_value, xml_unescape_text and xml_is_equal read them).
 */
struct xml_event {
	enum xml_is is;
	uint32_t used;	     /* bytes to drop from the front, leading white space included */
	uint32_t begin, end; /* the item itself is [begin, end) */

	/* HEADER and ELEMENT: */
	struct xml_range name;	 /* local name, without prefix */
	struct xml_range prefix; /* absent: none */
	struct xml_range ns;	 /* its namespace name; absent: the default, jabber:client, inherited from the stream */
	struct xml_range to, from, id, type, lang; /* attributes without prefix, and xml:lang */
	struct xml_range from_whole; /* the whole from attribute: white space before it, name, =, quotes and value */
	uint32_t insert_at; /* where an attribute may be spliced in: right behind the element's qualified name */
	bool stream_prefix; /* ELEMENT: the prefix is the `stream` of the header (its namespace that of streams) */
	uint16_t relied_on; /* ELEMENT: declarations of `scope` that prefixes in it refer to, a bit for each */

	/* HEADER: */
	struct xml_range version;
	struct xml_range content_ns; /* the default namespace declared; absent: none */

	/* ELEMENT: */
	bool empty;		   /* no child elements and nothing else between the tags: <a/> or <a></a> */
	uint8_t ns_from;	   /* enum xml_ns_from: where the namespace name is; `ns` is absent unless it is here */
	uint8_t child_ns_from;	   /* the same for `child_ns` */
	struct xml_range child;	   /* local name of the first child element; absent: none */
	struct xml_range child_ns; /* its namespace name; absent: as for ns */
	struct xml_range text;	   /* everything between start and end tag, raw (markup and all); absent when <a/> */
	uint32_t elements;	   /* how many there are, itself included */
	uint32_t depth;		   /* deepest nesting, 1 for an element without children */

	/* BAD (nothing else is set): */
	enum xml_error error;
	uint32_t error_at; /* offset of the byte that made it unacceptable */

	/* ELEMENT that relies on any of it: what xml_next_within() was given; else NULL. */
	const struct xml_scope *scope;
};

/*
 * Where a namespace name is; xml_element_namespace() of xml_scope.h knows how to get there. Without a scope, nothing
 * but the prefix `xml` leads out of the buffer.
 */
enum xml_ns_from {
	XML_NS_FROM_HERE, /* in the buffer; or absent: the default */
	XML_NS_FROM_XML,  /* the prefix is `xml` */
	XML_NS_FROM_SCOPE /* the scope's first declaration, then the others */
};

struct xml {
	uint64_t opaque[XML_STREAM_BYTES / 8];
};
struct xml_work; /* opaque; xml_work_bytes() of 64-byte aligned memory, contents arbitrary */

size_t xml_work_bytes(void);

/*
 * Chooses the fastest kernel this CPU runs, or the one named (`avx2`, `avx512`, `sse42`, `neon`, `scalar`); call it
 * once, before anything else, from one thread. Answers the name chosen, NULL when the named one is unknown or does not
 * run here (nothing was changed).
 */
const char *xml_kernel_choose(const char *name_or_null);

/* Before a stream's first byte, and again at a stream restart: an XML declaration and a header are expected. */
void xml_restart(struct xml *);
/* As if a header had just been read: elements are expected (for elements that travel alone, in frames). */
void xml_enter(struct xml *);

/* The heart: see above. `len` is at most 32 MiB. Limits may differ from call to call (they grow after login). */
void xml_next(struct xml *, struct xml_work *, const struct xml_limits *, const uint8_t *bytes, size_t len,
	      struct xml_event *ret);

/*
 * The same, in the scope of a stream header; NULL: none, which is what xml_next() does. While an element is partly
 * there, each call gets the same scope, wherever it is in memory. A header's own prefixes are not looked up in it.
 */
void xml_next_within(struct xml *, struct xml_work *, const struct xml_limits *, const struct xml_scope *,
		     const uint8_t *bytes, size_t len, struct xml_event *ret);

/* Whether the work last used holds a part of this stream's next item. */
bool xml_is_partial(const struct xml *);

/*
 * Whether a name or an attribute's raw value, read as xml_unescape_value() reads it, equals the text (NUL-terminated).
 */
bool xml_is_equal(const uint8_t *bytes, struct xml_range, const char *text);

/*
 * What a raw value of an attribute means (XML 1.0, section 3.3.3): references are replaced; a tab or line end that
 * stands there itself becomes a blank, CR LF one; what a reference stands for stays. Writes at most `range.len` bytes
 * to `to`, which must not overlap the input, and answers how many. The input must have come from an accepted item.
 */
size_t xml_unescape_value(const uint8_t *bytes, struct xml_range, uint8_t *to);

/*
 * The same for text between tags, without elements in it: references are replaced, the marks of CDATA sections left
 * out, and line ends that stand there themselves become LF (section 2.11).
 */
size_t xml_unescape_text(const uint8_t *bytes, struct xml_range, uint8_t *to);

/*
 * Escapes & < > ' " for use in text or in an attribute's value. Answers the bytes needed; nothing is written unless
 * they all fit into cap. `to` may be NULL when cap is 0. The input must be UTF-8 of XML's characters.
 */
size_t xml_escape(const uint8_t *text, size_t len, uint8_t *to, size_t cap);

/* RFC 6120 condition and English text of an error. */
const char *xml_error_condition(enum xml_error);
const char *xml_error_text(enum xml_error);

#endif
