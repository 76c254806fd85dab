/*
 * differential: what three readers make of the same document: the tokenizer, expat and libxml2.
 *
 * A reading is a text of one line for the stream header and one for each first-level element, with all that the
 * tokenizer tells of them, references replaced, namespaces resolved. Readers agree when their texts do.
 *
 * Knows nothing of xml.h: expat.h has names in common with it.
 */
#ifndef TESTS_XML_DIFFERENTIAL_READING_H
#define TESTS_XML_DIFFERENTIAL_READING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DOCUMENT_BYTES_MAX = 3600 };

/* A value, not terminated; NULL: absent. */
struct value {
	const uint8_t *bytes;
	size_t len;
};

enum field { NS, NAME, TO, FROM, ID, TYPE, LANG, VERSION, CHILD_NS, CHILD, TEXT, FIELDS };

/* One header or element, as it is being read. */
struct item {
	bool header, empty;
	size_t begin, end;
	uint32_t elements, depth;
	bool there[FIELDS];
	size_t len[FIELDS];
	uint8_t bytes[FIELDS][DOCUMENT_BYTES_MAX];
};

struct reading {
	char *text;
	size_t len, cap;
	size_t lines;
	bool accepted;	      /* the document is whole and right */
	bool refused;	      /* a fault was found before its end */
	size_t lines_refused; /* lines there were when it was found */
	char why[160];
};

void item_begin(struct item *, size_t at);
void item_set(struct item *, enum field, struct value);
void item_append(struct item *, enum field, struct value);
bool item_field_is_same(const struct item *, const struct item *, enum field);

void reading_begin(struct reading *);
void reading_add(struct reading *, const struct item *);
void reading_refuse(struct reading *, const char *why);
/* Whether the first `a->lines` lines of b are those of a. */
bool reading_leads(const struct reading *a, const struct reading *b);

/* A tree as expat and libxml2 tell it, boiled down to a reading. */
struct outside {
	struct reading *to;
	struct item item;
	size_t depth;	      /* the root is 1 */
	const uint8_t *bytes; /* the document */
};
void outside_begin(struct outside *, const uint8_t *bytes, struct reading *);
void outside_open(struct outside *, struct value ns, struct value name, size_t at);
void outside_attribute(struct outside *, struct value ns, struct value name, struct value value);
void outside_opened(struct outside *, size_t at);
void outside_text(struct outside *, struct value);
void outside_close(struct outside *, size_t at);

/* The document in pieces that end at each of the places given, ascending. */
struct pieces {
	const uint8_t *bytes;
	size_t len;
	const size_t *ends;
	size_t count;
};
void expat_read(const struct pieces *, struct reading *ret);
void libxml2_read(const struct pieces *, struct reading *ret);

#endif
