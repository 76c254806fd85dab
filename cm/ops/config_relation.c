#include "config_relation.h"

#include "config_kind.h"
#include "config_source.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- clients */

/* A key that may not be what it is, if it stands in the file. */
static void refuse(const struct config *c, const char *key, int item, const char *allowed, struct config_faults *ret)
{
	if (config_source_find(c->source, key, item) != NULL)
		config_source_fault(c->source, key, item, NULL, allowed, ret);
}

/* Who sends PROXY headers says where clients are: that is never left to anybody. */
static void proxies_check(const struct config *c, struct config_faults *ret)
{
	for (size_t i = 0; i < c->listener_count && c->network_count == 0; i++)
		if (c->listeners[i].proxy != 0)
			refuse(c, "listeners[].proxy", (int)i, "no, unless proxy.trusted has networks", ret);
}

/* Startalk's clients begin in clear: those that would not have no way to be told. */
static void speech_check(const struct config *c, struct config_faults *ret)
{
	for (size_t i = 0; i < c->listener_count; i++)
		if (c->listeners[i].startalk && c->listeners[i].direct)
			refuse(c, "listeners[].tls", (int)i, "starttls, with protocol: startalk", ret);
}

static void clients_check(const struct config *c, struct config_faults *ret)
{
	if (c->tls_client_certificates != 0 && c->tls_client_ca == NULL)
		refuse(c, "tls.client_certificates", -1, "off, unless tls.client_ca is given", ret);
}

static void unread_check(const struct config *c, struct config_faults *ret)
{
	static const char key[] = "limits.unread_bytes_high";
	static const struct config_rule rule = {.kind = CONFIG_KIND_INT};
	char found[CONFIG_VALUE_BYTES];

	if (c->unread_bytes_high <= c->unread_bytes_max)
		return;
	config_value_show(&rule, &c->unread_bytes_high, found);
	config_source_fault(c->source, key, -1, found, "at most limits.unread_bytes_max", ret);
}

/* ---- pools */

static int pool_find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->pool_count; i++)
		if (c->pools[i].name != NULL && strcmp(c->pools[i].name, name) == 0)
			return (int)i;
	return -1;
}

static bool pool_is_used(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->backend_count; i++)
		if (c->backends[i].pool != NULL && name != NULL && strcmp(c->backends[i].pool, name) == 0)
			return true;
	return false;
}

/* The pool that needs no line, for whoever is in it: the backends that name none, and the bundled one. */
static void pools_default(struct config *c)
{
	bool used = c->backend_count == 0 || pool_is_used(c, "all");

	if (!used || pool_find(c, "all") >= 0 || c->pool_count == CONFIG_LIST_MAX)
		return;
	c->pools[c->pool_count++] = (struct config_pool){.name = strdup("all"), .failover = true};
	assert(c->pools[c->pool_count - 1].name != NULL);
}

static bool names_have(const char *names, const char *name, size_t name_len)
{
	for (size_t len; *names != '\0'; names += len + (names[len] == ' ')) {
		len = strcspn(names, " ");
		if (len == name_len && memcmp(names, name, len) == 0)
			return true;
	}
	return false;
}

/* The domain that both pools say that they serve, of *ret_len bytes; "any" for two that serve any. NULL: there is none.
 */
static const char *pools_meet(const struct config_pool *one, const struct config_pool *other, size_t *ret_len)
{
	const char *at = one->domains;

	*ret_len = strlen("any");
	if (at == NULL || other->domains == NULL)
		return at == other->domains ? "any" : NULL;
	for (; *at != '\0'; at += *ret_len + (at[*ret_len] == ' ')) {
		*ret_len = strcspn(at, " ");
		if (names_have(other->domains, at, *ret_len))
			return at;
	}
	return NULL;
}

static unsigned pool_line(const struct config *c, size_t which)
{
	const struct config_entry *entry = config_source_find(c->source, "pools[].domains", (int)which);

	if (entry == NULL)
		entry = config_source_find(c->source, "pools[]", (int)which);
	return entry == NULL ? 0 : entry->line;
}

/* The fault is that of a pool that stands in the file: all has no line when nobody gave it one. */
static void pools_compare(const struct config *c, size_t before, size_t which, struct config_faults *ret)
{
	bool implied = pool_line(c, which) == 0;
	size_t at = implied ? before : which, len;
	const char *domain = pools_meet(&c->pools[which], &c->pools[before], &len);
	char found[CONFIG_VALUE_BYTES];

	if (domain == NULL)
		return;
	if (implied) {
		snprintf(found, sizeof found, "any of pool %s, which pool all has", c->pools[at].name);
		config_source_fault(c->source, "pools[].domains", (int)at, found,
				    "domains by name: any is pool all's, which needs no line, of backends that name no "
				    "pool and of the bundled session server",
				    ret);
	} else {
		snprintf(found, sizeof found, "%.*s of pool %s, which pool %s (line %u) has", (int)len, domain,
			 c->pools[at].name, c->pools[before].name, pool_line(c, before));
		config_source_fault(c->source, "pools[].domains", (int)at, found,
				    "each domain, and any (no domains), in one pool", ret);
	}
}

/* Each backend is in a pool that there is, and each domain in one pool. */
static void pools_check(struct config *c, struct config_faults *ret)
{
	pools_default(c);
	for (size_t i = 0; i < c->backend_count; i++)
		if (c->backends[i].pool != NULL && pool_find(c, c->backends[i].pool) < 0)
			refuse(c, "backends[].pool", (int)i, "the name of a member of pools, or all", ret);
	if (ret->count > 0) /* domains that could not be read would seem to be any */
		return;
	for (size_t i = 0; i < c->pool_count; i++)
		for (size_t n = 0; n < i; n++)
			pools_compare(c, n, i, ret);
}

/* ---- links */

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* Of its own accord, or by the names it is found by. What a file has is not known. */
static bool link_is_tls(const char *address)
{
	bool found = begins(address, "dns:") || begins(address, "srv:");

	return begins(address + (found ? 4 : 0), "tls:");
}

/* Links with TLS need somebody to believe; others have no certificate that could have a name. */
static void link_check(const struct config *c, int item, struct config_faults *ret)
{
	const struct config_backend *b = &c->backends[item];

	if (b->address == NULL)
		return;
	if (link_is_tls(b->address) && c->link_ca == NULL)
		refuse(c, "backends[].address", item, "tls only when link.ca is given", ret);
	if (b->certificate_names != NULL && !link_is_tls(b->address) && !begins(b->address, "file:"))
		refuse(c, "backends[].certificate_names", item,
		       "none, unless the address has TLS (tls:, dns:tls:, srv:tls:)", ret);
}

static void links_check(const struct config *c, struct config_faults *ret)
{
	for (size_t i = 0; i < c->backend_count; i++)
		link_check(c, (int)i, ret);
	if ((c->link_certificate == NULL) != (c->link_key == NULL))
		refuse(c, c->link_key != NULL ? "link.key" : "link.certificate", -1,
		       "link.certificate and link.key, both or none", ret);
}

void config_relations_check(struct config *c, struct config_faults *ret)
{
	unread_check(c, ret);
	proxies_check(c, ret);
	speech_check(c, ret);
	clients_check(c, ret);
	links_check(c, ret);
	pools_check(c, ret);
}

/* ---- what is hardly meant */

void config_relations_doubt(const struct config *c, struct config_faults *ret)
{
	char found[CONFIG_VALUE_BYTES], quoted[CONFIG_QUOTE_BYTES];

	config_faults_init(ret);
	for (size_t i = 0; i < c->backend_count; i++) {
		const char *address = c->backends[i].address;

		if (!begins(address, "file:") || access(address + strlen("file:"), R_OK) == 0)
			continue;
		snprintf(found, sizeof found, "%s (%s)", config_quote(address, quoted), strerror(errno));
		config_source_fault(c->source, "backends[].address", (int)i, found,
				    "a file that can be read, sooner or later", ret);
	}
	for (size_t i = 0; i < c->pool_count && c->backend_count > 0; i++) {
		if (pool_is_used(c, c->pools[i].name))
			continue;
		snprintf(found, sizeof found, "%s, which no backend is in", config_quote(c->pools[i].name, quoted));
		config_source_fault(c->source, "pools[].name", (int)i, found,
				    "a pool that backends name; users of its domains have no session server", ret);
	}
}
