#include "tls_memory.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *bytes_new(size_t len, const char *file, int line)
{
	return malloc(len);
}

/*
 * explicit_bzero(), without its calls where there is little: nine tenths of what OpenSSL frees have at most 128 bytes.
 */
static void wipe(void *bytes, size_t len)
{
	enum { LITTLE = 256, WORD = sizeof(uint64_t) };
	volatile uint64_t *words = bytes;

	if (len > LITTLE || len % WORD != 0) {
		explicit_bzero(bytes, len);
		return;
	}
	for (size_t i = 0; i < len / WORD; i++)
		words[i] = 0;
}

static void bytes_free(void *bytes, const char *file, int line)
{
	if (bytes == NULL)
		return;
	wipe(bytes, malloc_usable_size(bytes));
	free(bytes);
}

static void *bytes_resize(void *old, size_t len, const char *file, int line)
{
	size_t had = old != NULL ? malloc_usable_size(old) : 0;
	void *bytes;

	if (len == 0) {
		bytes_free(old, file, line);
		return NULL;
	}
	if (had >= len && had / 2 <= len)
		return old;
	bytes = malloc(len);
	if (bytes == NULL)
		return NULL;
	if (old != NULL)
		memcpy(bytes, old, had < len ? had : len);
	bytes_free(old, file, line);
	return bytes;
}

bool tls_memory_wipe_freed(void)
{
	return CRYPTO_set_mem_functions(bytes_new, bytes_resize, bytes_free) == 1;
}
