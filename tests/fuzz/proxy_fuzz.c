/*
 * proxy_fuzz: what somebody puts before a client's first byte. The first byte chooses the versions that are taken. The
 * verdict may not change with how the bytes arrive: one that is final stays so with more bytes behind, and whatever
 * comes before it is MORE.
 */
#include "proxy.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void demand(bool holds)
{
	if (!holds)
		abort();
}

/* In memory of exactly this size. */
static enum proxy_is read_exactly(enum proxy_version version, const uint8_t *bytes, size_t len, struct proxy_found *ret)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	enum proxy_is is;

	demand(copy);
	memcpy(copy, bytes, len);
	is = proxy_read(version, copy, len, ret);
	free(copy);
	return is;
}

static void done_check(const struct proxy_found *found, size_t len)
{
	char host[ADDRESS_TEXT_BYTES];
	uint16_t port;

	demand(found->used > 0 && found->used <= len);
	if (found->client.len > 0)
		address_host(&found->client, host, &port);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct proxy_found whole, part;
	enum proxy_version version;
	enum proxy_is is, was = PROXY_MORE;

	if (len == 0)
		return 0;
	version = (enum proxy_version)(1 + bytes[0] % 3);
	is = read_exactly(version, bytes + 1, len - 1, &whole);
	demand(is != PROXY_MORE || len - 1 < PROXY_BYTES_MAX);
	if (is == PROXY_DONE)
		done_check(&whole, len - 1);
	for (size_t i = 0; i < len - 1 && i < 600; i++) {
		enum proxy_is now = read_exactly(version, bytes + 1, i, &part);

		demand(was == PROXY_MORE || now == was);
		if (now == PROXY_DONE)
			demand(is == PROXY_DONE && part.used == whole.used);
		was = now;
	}
	demand(was == PROXY_MORE || is == was);
	return 0;
}
