/*
 * What jid_parse() accepts is a form of its own: prepared again it is the same, its parts prepared alone are the same,
 * and its parts are where it says.
 */
#include "jid.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void part_check(bool (*prepare)(const char *, size_t, char *), const char *text, size_t len)
{
	char part[JID_PART_BYTES_MAX + 1];

	require(len <= JID_PART_BYTES_MAX && prepare(text, len, part));
	require(strlen(part) == len && memcmp(part, text, len) == 0);
}

static void parts_check(const struct jid *jid)
{
	size_t bare = jid_bare_len(jid);

	require(strlen(jid->text) == jid->len && jid->len <= JID_BYTES_MAX);
	require(jid->domain_at == (jid->local_len ? jid->local_len + 1 : 0));
	require(jid->domain_at + jid->domain_len == bare && jid->domain_len);
	require(!jid->local_len || jid->text[jid->local_len] == '@');
	require(!jid->resource_at || (jid->text[bare] == '/' && jid->resource_at == bare + 1));
	part_check(jid_prepare_domain, jid->text + jid->domain_at, jid->domain_len);
	if (jid->local_len)
		part_check(jid_prepare_local, jid->text, jid->local_len);
	if (jid->resource_at)
		part_check(jid_prepare_resource, jid->text + jid->resource_at, jid->len - jid->resource_at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jid jid, again;

	if (!jid_parse((const char *)data, size, &jid))
		return 0;
	parts_check(&jid);
	require(jid_parse(jid.text, jid.len, &again));
	require(again.len == jid.len && strcmp(again.text, jid.text) == 0);
	return 0;
}
