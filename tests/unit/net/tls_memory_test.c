/*
 * What OpenSSL has freed is overwritten, and what it has moved is whole. A program of its own, since Criterion's has
 * used OpenSSL's memory before any test begins.
 */
#include "sanitized.h"
#include "tls_memory.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

static void moved_bytes_stay(void)
{
	char *bytes = OPENSSL_malloc(10);

	strcpy(bytes, "marked");
	for (size_t len = 20; len < 1 << 20; len *= 3) {
		bytes = OPENSSL_realloc(bytes, len);
		assert(strcmp(bytes, "marked") == 0);
	}
	bytes = OPENSSL_realloc(bytes, 16);
	assert(strcmp(bytes, "marked") == 0);
	OPENSSL_free(bytes);
	assert(OPENSSL_realloc(OPENSSL_malloc(4), 0) == NULL);
	OPENSSL_free(NULL);
}

/* The allocator leaves all but the first words of a freed block as they are. A sanitizer would not let us look. */
static void freed_bytes_are_gone(void)
{
#if !SANITIZED
	volatile char *bytes = OPENSSL_malloc(512);

	memset((char *)bytes, 'x', 512);
	OPENSSL_free((char *)bytes);
	for (size_t i = 64; i < 512; i++)
		assert(bytes[i] != 'x');
#endif
}

int main(void)
{
	assert(tls_memory_wipe_freed());
	moved_bytes_stay();
	freed_bytes_are_gone();
	return 0;
}
