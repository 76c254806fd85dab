/*
 * What the tokenizer remembers between two calls: private to parser/.
 *
 * Offsets in struct xml_work count from the item's first byte, which is the buffer's first byte from the item's second
 * call on (what stood before it was dropped), so that they hold however the buffer moves.
 */
#ifndef PARSER_XML_STATE_H
#define PARSER_XML_STATE_H

#include "xml.h"

/* Where a call would cost more than what it calls. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

enum xml_phase {
	XML_PHASE_START,    /* nothing seen: a declaration or a header */
	XML_PHASE_HEADER,   /* white space or a declaration seen: only a header */
	XML_PHASE_ELEMENTS, /* the header seen, or xml_enter() */
	XML_PHASE_SPENT
};

struct __attribute__((may_alias)) xml_state {
	uint32_t valid; /* the buffer is characters of XML up to here; always between two characters */
	uint8_t phase;
	bool partial; /* struct xml_work holds the beginning of an item */
	struct xml_declaring {
		uint8_t step, matched, quote;
		bool spaced;
	} declaring;	   /* see xml_declaration.h */
	uint32_t declared; /* bytes of the declaration read */
};
_Static_assert(sizeof(struct xml_state) <= XML_STREAM_BYTES, "the stream's state fits the public struct");

/* All absent. It is copied: to clear as much, compilers use string instructions, which take their time to begin. */
extern const struct xml_event xml_event_none;

/* Where an item is. The order matters: content, then tags. */
enum xml_at {
	XML_AT_TEXT,
	XML_AT_LT,	  /* behind '<' */
	XML_AT_END,	  /* in an end tag's name, which began at token */
	XML_AT_END_SPACE, /* behind it */
	XML_AT_REFERENCE, /* in text, behind '&' at token */
	XML_AT_CDATA_MARK,
	XML_AT_CDATA,
	XML_AT_FOOTER, /* in </stream:stream>, behind the slash */
	XML_AT_NAME,   /* of an element; from here on: inside a start tag */
	XML_AT_TAG,    /* behind a name or value that ended at gap */
	XML_AT_ATTRIBUTE,
	XML_AT_EQUALS,
	XML_AT_QUOTE,
	XML_AT_VALUE,
	XML_AT_VALUE_REFERENCE, /* behind '&' at reference */
	XML_AT_SLASH,
	XML_AT_DONE
};

struct xml_open {
	uint32_t at; /* qualified name */
	uint16_t len;
	uint16_t namespaces; /* declarations in scope outside of it */
};

struct xml_attribute {
	uint32_t at; /* qualified name */
	uint16_t len, prefix_len;
};

struct xml_declared {
	uint32_t at, len;	   /* namespace name, raw */
	uint32_t prefix_at;	   /* 0: the default namespace, also below */
	uint16_t prefix_len, same; /* which namespace name it is: see same_of(); 0: not known so far */
};

/* Attributes that the draft tells of, and xmlns. */
enum xml_note {
	XML_NOTE_NONE,
	XML_NOTE_TO,
	XML_NOTE_FROM,
	XML_NOTE_ID,
	XML_NOTE_TYPE,
	XML_NOTE_LANG,
	XML_NOTE_VERSION,
	XML_NOTE_XMLNS,
	XML_NOTES
};

struct xml_work {
	/* What is nothing when an item begins: */
	struct xml_event draft; /* of the item, places counted from its first byte */
	struct xml_range none;	/* written where a value is not noted */
	uint32_t elements, depth, deepest;
	uint32_t attributes, namespaces;
	uint32_t usual; /* the default namespace declared last, counted from 1; 0: none. Asked up to the first child */
	uint32_t from_gap;   /* where the white space before its `from` begins; 0: it is one blank */
	uint32_t prefix_len; /* of the innermost element while in its start tag */

	/* What is set before it is read: */
	uint32_t pos;	   /* next byte to look at */
	uint32_t token;	   /* where the name, end tag name, reference or mark being read began */
	uint32_t colon;	   /* its colon; 0: none so far */
	uint32_t gap;	   /* end of the tag's last name or value */
	uint32_t name_len; /* of the attribute whose value is awaited: token and colon say the rest */
	uint32_t value, reference;
	uint32_t prefixed; /* attributes with a prefix in that tag */
	uint8_t at, quote;
	bool header;
	const struct xml_scope *scope; /* of this call; NULL: none. A header's own prefixes are not looked up in it */
	uint64_t key;		       /* of the attribute whose value is awaited */
	uint64_t seen;		       /* a bit for each of the element's attributes: see attribute_bit() */
	struct xml_open open[XML_DEPTH_MAX];
	struct xml_attribute attribute[XML_ATTRIBUTES_MAX];
	struct xml_declared declared[XML_NAMESPACES_MAX];
};

/* One call of a kernel: the item begins at bytes[0] with '<' and complete characters end at `end`. */
struct xml_walk {
	const uint8_t *bytes;
	uint32_t end;	   /* the automaton takes bytes below it */
	uint32_t readable; /* bytes that exist: loads may reach so far */
	uint32_t last;	   /* the last place at which a window may be loaded */
	const struct xml_limits *limits;
	enum xml_error error;
	uint32_t error_at;
};

/* What ends a run of bytes. */
enum stop {
	STOP_NAME,  /* all but letters, digits, '.', '-', '_' below U+0080 */
	STOP_QUOTE, /* '<', '&' and the quote that the value began with */
	STOP_APOSTROPHE,
	STOP_URI,   /* all but U+0021 to U+007E, and of these quotes and '<', '&' */
	STOP_BLANK, /* all but U+0021 to U+007E; U+007F only if a mark is none */
	STOP_TEXT,  /* '<', '&', '>' */
	STOP_MARK,  /* both quotes, '<', '&' */
	STOP_GT	    /* '>' */
};

/* STOP_QUOTE for '"', which is even, and STOP_APOSTROPHE for '\'', which is odd; and back, without a branch. */
static inline enum stop stop_of_quote(uint8_t quote)
{
	return (enum stop)(STOP_QUOTE + (quote & 1));
}

static inline uint8_t quote_of_stop(enum stop stop)
{
	return (uint8_t)('"' + (uint32_t)(stop - STOP_QUOTE) * ('\'' - '"'));
}

/* What an instruction set provides. */
struct xml_kernel {
	const char *name;
	/* The end of the complete characters of XML from `from` on, which must be between two characters. */
	uint32_t (*valid)(const uint8_t *bytes, uint32_t from, uint32_t len);
	/* Walks on; work->at == XML_AT_DONE: the item ends at work->pos; else walk->error is set, or more is needed. */
	void (*walk)(struct xml_walk *, struct xml_work *);
};
extern const struct xml_kernel xml_kernel_scalar;
#ifdef __x86_64__
extern const struct xml_kernel xml_kernel_avx512;
extern const struct xml_kernel xml_kernel_avx2;
extern const struct xml_kernel xml_kernel_sse42;
#endif
#ifdef __aarch64__
extern const struct xml_kernel xml_kernel_neon;
#endif

#endif
