#include "certificate_user.h"

#include <string.h>

static bool is_user(const struct jid *jid, const char *domain)
{
	return jid->local_len > 0 && jid->resource_at == 0 && jid->domain_len == strlen(domain) &&
	       memcmp(jid->text + jid->domain_at, domain, jid->domain_len) == 0;
}

bool certificate_user_next(const char **lines, const char *domain, struct jid *ret)
{
	struct jid jid;

	while (**lines != '\0') {
		const char *line = *lines;
		size_t len = strcspn(line, "\n");

		*lines += len + (line[len] == '\n');
		if (jid_parse(line, len, &jid) && is_user(&jid, domain)) {
			*ret = jid;
			return true;
		}
	}
	return false;
}

bool certificate_user_only(const char *lines, const char *domain, struct jid *ret)
{
	struct jid first, other;

	if (!certificate_user_next(&lines, domain, &first))
		return false;
	while (certificate_user_next(&lines, domain, &other))
		if (strcmp(first.text, other.text) != 0)
			return false;
	*ret = first;
	return true;
}
