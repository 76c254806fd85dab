/*
 * The tokenizer's side of the differential test, and the documents.
 */
#ifndef TESTS_XML_DIFFERENTIAL_H
#define TESTS_XML_DIFFERENTIAL_H

#include "xml_differential_reading.h"
#include "xml_probe.h"

enum { CUTS_MAX = 24 };

struct document {
	uint8_t bytes[DOCUMENT_BYTES_MAX];
	size_t len;
};

/* Our own: with every kernel, whole and at random cuts; *ret_same says whether they all saw what `probe` then holds. */
bool ours_read(const struct document *, const struct xml_limits *, uint64_t *state, struct probe *ret_probe,
	       struct reading *ret);

/* Near-valid documents, from a random state. */
void samples_add(struct value);
void samples_read(const char *path);
void document_make(struct document *, uint64_t *state);

#endif
