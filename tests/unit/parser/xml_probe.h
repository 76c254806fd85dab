/*
 * probe: feeds a document to the tokenizer in pieces, as a connection would, and writes down what it answers, with all
 * places counted from the document's first byte. What a probe saw must not depend on the pieces.
 *
 * Every call gets a buffer that ends where memory ends (behind it lies a page that may not be read) and that has moved
 * since the call before; between elements every call gets another work.
 */
#ifndef TESTS_XML_PROBE_H
#define TESTS_XML_PROBE_H

#include "xml_scope.h"

enum {
	PROBE_EVENTS_MAX = 512,
	PROBE_BYTES_MAX = 1 << 20,
	PROBE_CUTS_MAX = 700,
	PROBE_SHORT_BYTES = 400,
	PROBE_SCOPE_BYTES = XML_SCOPE_BYTES_MAX + 256
};

struct probe_plan {
	const char *kernel;   /* NULL: the best */
	bool enter;	      /* elements only: no header is expected */
	bool scoped;	      /* what the header declares is kept, and elements are read in its scope */
	const uint8_t *bytes; /* at most PROBE_BYTES_MAX */
	size_t len;
	const struct xml_limits *limits; /* NULL: probe_limits */
	size_t piece;			 /* bytes appended at a time; 0: all that is left */
	const size_t *cuts;		 /* or: places to cut at, ascending */
	size_t cut_count;
	size_t gap; /* bytes left free between the buffer's end and memory's: to shift alignment */
};

struct probe {
	size_t count;
	struct xml_event events[PROBE_EVENTS_MAX]; /* all but XML_MORE */
	size_t taken;				   /* bytes dropped in the end, those of the last XML_MORE included */
	bool partial;
	enum xml_error unkept; /* scoped: the header declares too much; the usual scope holds */
	size_t kept;	       /* bytes of the scope; 0: the usual one */
	union {
		uint16_t align;
		uint8_t bytes[PROBE_SCOPE_BYTES];
	} scope; /* what was kept; nothing else refers to it than the events */
};

extern const struct xml_limits probe_limits;

/* Kernels that run here: NULL behind the last. */
const char *const *probe_kernels(void);

void probe_run(const struct probe_plan *, struct probe *ret);
/* Whether two probes saw the same; if not, says on stderr what differs. */
bool probe_is_same(const struct probe *, const struct probe *);
/*
 * Runs the plan's document with every kernel: whole, byte by byte, cut in two at every byte (at PROBE_CUTS_MAX of them
 * when it is long), and, when it is short (PROBE_SHORT_BYTES), at 64 alignments. Whether all saw what *ret then holds;
 * if not, says so.
 */
bool probe_every_way(const struct probe_plan *, struct probe *ret);
/* Feeds a text as elements, every way; fails the assertion when ways differ. */
void probe_text(const char *text, struct probe *ret);

/* Whether the range of the document equals the text; NULL: whether it is absent. */
bool probe_range_is(const char *document, struct xml_range, const char *text_or_null);

/* The error that the probe ended with; XML_ERROR_NONE if with none. */
enum xml_error probe_error(const struct probe *);

/* xorshift64: the next pseudo-random number. */
uint64_t probe_random(uint64_t *state);

#endif
