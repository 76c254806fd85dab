#include "proxy.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <string.h>

enum {
	LINE_BYTES_MAX = 107,
	HEAD_BYTES = 16,
	SIGNATURE_BYTES = 12,
	WORDS = 6, /* PROXY TCP4 source destination port port */
	TLV_HEAD_BYTES = 3,
	TLV_CRC32C = 3,
};
static const uint8_t signature[SIGNATURE_BYTES + 1] = "\r\n\r\n\0\r\nQUIT\n";

static enum proxy_is bad(struct proxy_found *ret, const char *why)
{
	ret->why = why;
	return PROXY_BAD;
}

static void client_set(struct proxy_found *ret, int family, const void *host, uint16_t port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	memset(&ret->client, 0, sizeof ret->client);
	if (family == AF_INET) {
		memcpy(&v4.sin_addr, host, sizeof v4.sin_addr);
		memcpy(&ret->client.at, &v4, ret->client.len = sizeof v4);
	} else {
		memcpy(&v6.sin6_addr, host, sizeof v6.sin6_addr);
		memcpy(&ret->client.at, &v6, ret->client.len = sizeof v6);
	}
}

/* ---- version 1 */

/* 0 to 65535, without a leading zero. */
static bool port_read(const char *text, uint16_t *ret)
{
	uint32_t number = 0;

	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		number = number * 10 + (uint32_t)(*text - '0');
		if (number > UINT16_MAX)
			return false;
	}
	*ret = (uint16_t)number;
	return true;
}

/* In TCP6 the last 32 bits are hexadecimal too: inet_pton alone would take them dotted. */
static bool host_read(int family, const char *text, struct in6_addr *ret)
{
	if (family == AF_INET6 && strchr(text, '.') != NULL)
		return false;
	return inet_pton(family, text, ret) == 1;
}

/* Cuts the line at each space. False: not exactly so many words. */
static bool words_cut(char *line, char *words[WORDS])
{
	for (size_t i = 0; i < WORDS; i++) {
		char *space = strchr(line, ' ');

		words[i] = line;
		if ((space == NULL) != (i == WORDS - 1))
			return false;
		if (space != NULL) {
			*space = '\0';
			line = space + 1;
		}
	}
	return true;
}

static enum proxy_is line_read(char *line, struct proxy_found *ret)
{
	static const char unknown[] = "PROXY UNKNOWN";
	struct in6_addr source, destination;
	uint16_t port, port_to;
	char *words[WORDS];
	int family;

	ret->client.len = 0;
	if (strncmp(line, unknown, strlen(unknown)) == 0 &&
	    (line[strlen(unknown)] == '\0' || line[strlen(unknown)] == ' '))
		return PROXY_DONE;
	if (!words_cut(line, words))
		return bad(ret, "a PROXY line of another shape");
	family = strcmp(words[1], "TCP4") == 0 ? AF_INET : strcmp(words[1], "TCP6") == 0 ? AF_INET6 : AF_UNSPEC;
	if (family == AF_UNSPEC || !host_read(family, words[2], &source) || !host_read(family, words[3], &destination))
		return bad(ret, "a PROXY line with another address");
	if (!port_read(words[4], &port) || !port_read(words[5], &port_to))
		return bad(ret, "a PROXY line with another port");
	client_set(ret, family, &source, port);
	return PROXY_DONE;
}

/* The line ends at its first CR or LF, and that is CR LF. */
static enum proxy_is v1_read(const uint8_t *bytes, size_t len, struct proxy_found *ret)
{
	char line[LINE_BYTES_MAX + 1];
	size_t end = 0, seen = len < LINE_BYTES_MAX ? len : LINE_BYTES_MAX;

	while (end < seen && bytes[end] != '\r' && bytes[end] != '\n')
		end++;
	if (end + 1 < seen ? bytes[end] != '\r' || bytes[end + 1] != '\n' : end < seen && bytes[end] == '\n')
		return bad(ret, "a PROXY line with a lone CR or LF");
	if (end + 1 >= seen)
		return len < LINE_BYTES_MAX ? PROXY_MORE : bad(ret, "a PROXY line without an end");
	memcpy(line, bytes, end);
	line[end] = '\0';
	ret->used = end + 2;
	return memchr(line, '\0', end) == NULL ? line_read(line, ret) : bad(ret, "a PROXY line with NUL");
}

/* ---- version 2 */

/* CRC-32C (RFC 4960, appendix B), four bits at a time; the four bytes at `zeroed` count as zero. */
static uint32_t crc32c(const uint8_t *bytes, size_t len, size_t zeroed)
{
	uint32_t table[16], crc = UINT32_MAX;

	for (uint32_t i = 0; i < 16; i++) {
		table[i] = i;
		for (int bit = 0; bit < 4; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0x82f63b78 : 0);
	}
	for (size_t i = 0; i < len; i++) {
		crc ^= i - zeroed < 4 ? 0 : bytes[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

static uint16_t big16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* They fill the header from `at` to its end. */
static enum proxy_is tlvs_read(const uint8_t *bytes, size_t at, size_t whole, struct proxy_found *ret)
{
	size_t sum_at = 0;

	while (at < whole) {
		size_t len;

		if (whole - at < TLV_HEAD_BYTES || whole - at - TLV_HEAD_BYTES < (len = big16(bytes + at + 1)))
			return bad(ret, "a PROXY header with a TLV over its end");
		at += TLV_HEAD_BYTES;
		if (bytes[at - TLV_HEAD_BYTES] == TLV_CRC32C) {
			if (len != 4 || sum_at != 0)
				return bad(ret, "a PROXY header with another CRC32c");
			sum_at = at;
		}
		at += len;
	}
	if (sum_at != 0 &&
	    crc32c(bytes, whole, sum_at) != ((uint32_t)big16(bytes + sum_at) << 16 | big16(bytes + sum_at + 2)))
		return bad(ret, "a PROXY header with a wrong CRC32c");
	return PROXY_DONE;
}

static enum proxy_is block_read(const uint8_t *bytes, size_t whole, struct proxy_found *ret)
{
	static const size_t host_bytes[] = {0, 4, 16, 108};
	unsigned family = bytes[13] >> 4, transport = bytes[13] & 15;
	size_t host_len, addresses_len;

	if ((bytes[12] & 15) == 0)
		return PROXY_DONE; /* LOCAL: the block is discarded, its family ignored */
	if (family > 3 || transport > 2)
		return bad(ret, "a PROXY header of an unknown family or transport");
	if (family == 0 || transport != 1)
		return PROXY_DONE;
	host_len = host_bytes[family];
	addresses_len = 2 * host_len + (family == 3 ? 0 : 4);
	if (whole - HEAD_BYTES < addresses_len)
		return bad(ret, "a PROXY header too short for its addresses");
	if (family != 3)
		client_set(ret, family == 1 ? AF_INET : AF_INET6, bytes + HEAD_BYTES,
			   big16(bytes + HEAD_BYTES + 2 * host_len));
	return tlvs_read(bytes, HEAD_BYTES + addresses_len, whole, ret);
}

static enum proxy_is v2_read(const uint8_t *bytes, size_t len, struct proxy_found *ret)
{
	size_t whole;

	if (len > SIGNATURE_BYTES && bytes[SIGNATURE_BYTES] >> 4 != 2)
		return bad(ret, "a PROXY header of an unknown version");
	if (len > SIGNATURE_BYTES && (bytes[SIGNATURE_BYTES] & 15) > 1)
		return bad(ret, "a PROXY header with an unknown command");
	if (len < HEAD_BYTES || len < (whole = HEAD_BYTES + (size_t)big16(bytes + 14)))
		return PROXY_MORE;
	ret->used = whole;
	ret->client.len = 0;
	return block_read(bytes, whole, ret);
}

/* ---- either */

static bool begins_like(const uint8_t *bytes, size_t len, const void *head, size_t head_len)
{
	return memcmp(bytes, head, len < head_len ? len : head_len) == 0;
}

enum proxy_is proxy_read(enum proxy_version version, const uint8_t *bytes, size_t len, struct proxy_found *ret)
{
	assert(version != PROXY_NONE);
	if (len == 0)
		return PROXY_MORE;
	if (version & PROXY_V2 && begins_like(bytes, len, signature, SIGNATURE_BYTES))
		return v2_read(bytes, len, ret);
	if (version & PROXY_V1 && begins_like(bytes, len, "PROXY ", 6))
		return v1_read(bytes, len, ret);
	return bad(ret, "no PROXY header");
}
