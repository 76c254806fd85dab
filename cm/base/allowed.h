/*
 * allowed: what is allowed, in words for people: "error, warning, info, debug". Pure; texts that have no room any more
 * are cut.
 */
#ifndef BASE_ALLOWED_H
#define BASE_ALLOWED_H

#include <stddef.h>

enum { ALLOWED_BYTES = 512 };

/* One more, of so many bytes, behind those that `list` has: a text, "" at first. */
void allowed_add(char list[static ALLOWED_BYTES], const char *text, size_t len);

#endif
