/*
 * siphash: SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012): where names that strangers
 * choose go in a table must not be theirs to foresee.
 */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

enum { SIPHASH_KEY_BYTES = 16 };

/* The same on every machine. The key is to be random and secret. */
uint64_t siphash(const uint8_t key[static SIPHASH_KEY_BYTES], const void *bytes, size_t len);

#endif
