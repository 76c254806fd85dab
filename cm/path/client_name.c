#include "client_name.h"

#include "client.h"
#include "worker.h"

#include <stdio.h>
#include <string.h>

void client_name_write(const struct worker *w, const struct client *c, char to[static CLIENT_NAME_BYTES])
{
	const char *slash = strrchr(w->name, '/');
	frame_session session = client_session(c);

	snprintf(to, CLIENT_NAME_BYTES, "%.8s.%u.%u", slash == NULL ? "0" : slash + 1,
		 (unsigned)(session >> WORKER_INDEX_SHIFT), (unsigned)(uint32_t)session);
}

/* As its stamp has it, without the escapes. */
void client_jid_write(const struct client *c, char to[static CLIENT_JID_BYTES])
{
	enum { AT = sizeof " from='" - 1 };
	struct xml_range value = {AT, (uint32_t)c->stamp_from_len - AT - 1};
	size_t len = 0;

	if (client_was_bound(c))
		len = xml_unescape_value((const uint8_t *)c->stamp, value, (uint8_t *)to);
	else if (c->login != NULL)
		len = (size_t)snprintf(to, CLIENT_JID_BYTES, "%s",
				       c->login->stream.from[0] != '\0' ? c->login->stream.from
									: c->login->stream.domain);
	to[len] = '\0';
}
