/* The test vectors of tests/vectors/link.txt, line by line. A file that cannot be read, or has bad bytes, fails the
 * test. */
#ifndef ROUTER_VECTORS_H
#define ROUTER_VECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { VECTORS_LINE_MAX = 4096 };

struct vectors {
	FILE *file;
	char line[VECTORS_LINE_MAX];
	const char *key, *value; /* of the line last read; value is "" where there is none */
};

void vectors_open(struct vectors *);
void vectors_close(struct vectors *);
/* The next block of this sort: value is its title. False: no more. */
bool vectors_block(struct vectors *, const char *sort);
/* The next line of the block. False: its end. */
bool vectors_line(struct vectors *);
/* The next line, which must have this key. */
const char *vectors_expect(struct vectors *, const char *key);

/* Hexadecimal to bytes, whose number it answers. */
size_t vectors_hex(const char *hex, uint8_t *to, size_t cap);
/* Numbers of frames, fields and errors from their names. */
int vectors_type(const char *name);
int vectors_field(const char *name); /* two digits stand for themselves */
int vectors_error(const char *name);

#endif
