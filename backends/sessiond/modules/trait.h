/*
 * trait: what the children of a message say about storing and copying it (XEP-0280, 6.1; XEP-0313, 5.1; XEP-0334).
 */
#ifndef MODULES_TRAIT_H
#define MODULES_TRAIT_H

#include "element.h"

enum {
	TRAIT_BODY = 1,
	TRAIT_TALK = 2,
	TRAIT_STORE = 4,
	TRAIT_NO_COPY = 8,
	TRAIT_NO_ARCHIVE = 16,
	TRAIT_NO_KEEP = 32,
};

/* A set of the above; see trait.def. */
unsigned traits_of(const struct element *message);

#endif
