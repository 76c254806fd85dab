#include "network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

enum { V4_AT = 12 };
static const uint8_t v4_head[V4_AT] = {[10] = 0xff, 0xff};

/* Splits at the slash: the address, and what is behind; NULL: nothing is. */
static bool split(const char *text, char host[static INET6_ADDRSTRLEN], const char **ret_bits)
{
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);

	if (len >= INET6_ADDRSTRLEN)
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	*ret_bits = slash != NULL ? slash + 1 : NULL;
	return true;
}

static bool bits_read(const char *text, unsigned max, unsigned *ret)
{
	unsigned number = 0;

	if (text == NULL) {
		*ret = max;
		return true;
	}
	if (strlen(text) == 0 || strlen(text) > 3 || (text[0] == '0' && text[1] != '\0'))
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		number = number * 10 + (unsigned)(*text - '0');
	}
	*ret = number;
	return number <= max;
}

static bool prefix_is_same(const uint8_t *one, const uint8_t *other, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	return memcmp(one, other, bytes) == 0 && (rest == 0 || (one[bytes] ^ other[bytes]) >> (8 - rest) == 0);
}

static bool is_clear_behind(const struct network *n)
{
	for (unsigned bit = n->bits; bit < 128; bit++)
		if (n->prefix[bit / 8] & 0x80 >> bit % 8)
			return false;
	return true;
}

bool network_parse(const char *text, struct network *ret)
{
	char host[INET6_ADDRSTRLEN];
	struct network n = {0};
	const char *bits_text;
	unsigned bits;

	if (!split(text, host, &bits_text))
		return false;
	memcpy(n.prefix, v4_head, V4_AT);
	if (inet_pton(AF_INET, host, n.prefix + V4_AT) == 1) {
		if (!bits_read(bits_text, 32, &bits))
			return false;
		bits += 8 * V4_AT;
	} else if (inet_pton(AF_INET6, host, n.prefix) != 1 || !bits_read(bits_text, 128, &bits)) {
		return false;
	}
	n.bits = (uint8_t)bits;
	if (!is_clear_behind(&n))
		return false;
	*ret = n;
	return true;
}

bool network_bytes(const struct address *address, uint8_t to[static 16])
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (address->at.ss_family == AF_INET) {
		memcpy(&v4, &address->at, sizeof v4);
		memcpy(to, v4_head, V4_AT);
		memcpy(to + V4_AT, &v4.sin_addr, 4);
	} else if (address->at.ss_family == AF_INET6) {
		memcpy(&v6, &address->at, sizeof v6);
		memcpy(to, &v6.sin6_addr, 16);
	} else {
		return false;
	}
	return true;
}

bool network_has(const struct network *n, const struct address *address)
{
	uint8_t bytes[16];

	return network_bytes(address, bytes) && network_has_bytes(n, bytes);
}

bool network_has_bytes(const struct network *n, const uint8_t bytes[static 16])
{
	return prefix_is_same(bytes, n->prefix, n->bits);
}

bool network_is_v4(const uint8_t bytes[static 16])
{
	return memcmp(bytes, v4_head, V4_AT) == 0;
}

bool network_is_loopback(const uint8_t bytes[static 16])
{
	static const uint8_t one[16] = {[15] = 1};

	return memcmp(bytes, one, sizeof one) == 0 || (network_is_v4(bytes) && bytes[V4_AT] == IN_LOOPBACKNET);
}
