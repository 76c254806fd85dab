#include "entry.h"

#include "log.h"
#include "worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool entry_is_trusted(struct worker *w, const struct address *peer)
{
	char host[ADDRESS_TEXT_BYTES] = "gone";
	uint16_t port = 0;

	for (size_t i = 0; peer->len > 0 && i < w->trusted_count; i++)
		if (network_has(&w->trusted[i], peer))
			return true;
	if (peer->len > 0)
		address_host(peer, host, &port);
	counter_add(&w->counters, COUNTER_proxy_untrusted, 1);
	log_event(CONFIG_LOG_WARNING, "proxy.untrusted", log_text("address", host), log_count("port", port));
	return false;
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
	size_t had = c->login->held_len;
	struct client_end end = {.reason = REASON_PROXY};
	struct proxy_found found;
	enum proxy_is is;

	if (had > 0)
		login_hold(w, c->login, *bytes, *len);
	is = proxy_read((enum proxy_version)c->proxy, had > 0 ? c->login->held : *bytes, had + *len, &found);
	if (is == PROXY_MORE && had == 0)
		login_hold(w, c->login, *bytes, *len);
	if (is == PROXY_MORE)
		return false;
	login_drop(w, c->login);
	if (is == PROXY_BAD) {
		end.detail = found.why;
		client_close(w, c, &end);
		return false;
	}
	assert(found.used > had);
	origin_set(c, &found.client);
	if (client_is_told(c) && !address_limit_client(w, c, ADDRESS_LIMIT_CONNECTS)) {
		counter_add(&w->counters, COUNTER_refused_address, 1);
		client_close_for(w, c, REASON_ADDRESS_RATE);
		return false;
	}
	c->proxy = PROXY_NONE;
	*bytes += found.used - had;
	*len -= found.used - had;
	return true;
}
