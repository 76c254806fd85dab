/*
 * text: XML under construction, in one growing buffer. Who can not get memory can not serve: allocation failures abort.
 */
#ifndef MODULES_TEXT_H
#define MODULES_TEXT_H

#include <stddef.h>

/* Zero it to begin. `bytes` ends in NUL (not counted in len) once something was put. */
struct text {
	char *bytes;
	size_t len, cap;
};

/*
 * Appends. In `format` stand for themselves all characters but
 *   %s  a NUL-terminated string, escaped for an attribute's value in either quotes, and for text: what is read is what
 * was written, tabs and line ends included %t  the same for text alone, where tabs and line feeds can stand as they are
 *   %r  a NUL-terminated string, raw: markup that is known to be well-formed
 *   %b  const void * and size_t: raw bytes
 *   %u  unsigned
 *   %d  int
 */
void text_put(struct text *, const char *format, ...);
/* Gives the bytes back and makes it zero. */
void text_free(struct text *);

/* strdup and the first `len` bytes of a text, or abort. */
char *text_copy(const char *);
char *text_copy_len(const char *, size_t len);
/* malloc of count * size bytes, zeroed, or abort. */
void *text_memory(size_t count, size_t size);
/* realloc to count * size bytes, or abort. */
void *text_again(void *memory, size_t count, size_t size);

#endif
