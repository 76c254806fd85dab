#include "entry.h"

#include "log.h"
#include "worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool entry_is_trusted(struct worker *w, int fd)
{
	char host[ADDRESS_TEXT_BYTES] = "gone";
	struct address peer;
	uint16_t port = 0;

	if (address_of_peer(fd, &peer)) {
		for (size_t i = 0; i < w->trusted_count; i++)
			if (network_has(&w->trusted[i], &peer))
				return true;
		address_host(&peer, host, &port);
	}
	log_event(CONFIG_LOG_WARNING, "proxy.untrusted", log_text("address", host), log_count("port", port));
	return false;
}

static void header_put(struct login *login, const uint8_t *bytes, size_t len)
{
	login->header = realloc(login->header, login->header_len + len);
	assert(login->header != NULL);
	memcpy(login->header + login->header_len, bytes, len);
	login->header_len += len;
}

static void header_drop(struct login *login)
{
	free(login->header);
	login->header = NULL;
	login->header_len = 0;
}

static void origin_set(struct client *c, const struct address *from)
{
	struct client_aside *aside;

	if (from->len == 0)
		return;
	aside = client_aside(c);
	address_host(from, aside->host, &aside->port);
}

bool entry_read(struct worker *w, struct client *c, uint8_t **bytes, size_t *len)
{
	size_t had = c->login->header_len;
	struct client_end end = {.reason = REASON_PROXY};
	struct proxy_found found;
	enum proxy_is is;

	if (had > 0)
		header_put(c->login, *bytes, *len);
	is = proxy_read((enum proxy_version)c->proxy, had > 0 ? c->login->header : *bytes, had + *len, &found);
	if (is == PROXY_MORE && had == 0)
		header_put(c->login, *bytes, *len);
	if (is == PROXY_MORE)
		return false;
	header_drop(c->login);
	if (is == PROXY_BAD) {
		end.detail = found.why;
		client_close(w, c, &end);
		return false;
	}
	assert(found.used > had);
	origin_set(c, &found.client);
	c->proxy = PROXY_NONE;
	*bytes += found.used - had;
	*len -= found.used - had;
	return true;
}
