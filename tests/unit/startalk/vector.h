/* The vectors of tests/vectors/startalk.txt, one after the other. */
#ifndef STARTALK_VECTOR_H
#define STARTALK_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VECTOR_BYTES_MAX = 4096 };

struct vector {
	char name[64];
	bool up;
	int seal;
	uint8_t frame[VECTOR_BYTES_MAX], plain[VECTOR_BYTES_MAX];
	size_t frame_len, plain_len;
	char fields[VECTOR_BYTES_MAX]; /* lines PATH=VALUE */
	char xml[VECTOR_BYTES_MAX];    /* "": none */
};

/* Calls for each; asserts that there are as many as there should be. */
void vectors_each(void (*)(const struct vector *));

#endif
