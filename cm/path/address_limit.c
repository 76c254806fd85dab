#include "address_limit.h"

#include "client.h"
#include "log.h"
#include "worker.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

enum { ADDRESS_BYTES = BUCKET_NAME_BYTES };

void address_limit_init(struct worker *w)
{
	uint8_t key[SIPHASH_KEY_BYTES];
	ssize_t got = getrandom(key, sizeof key, 0);

	assert(got == sizeof key);
	buckets_init(&w->address_limit.buckets, w->config->addresses_max == 0 ? 1 : (uint32_t)w->config->addresses_max,
		     key);
	explicit_bzero(key, sizeof key);
	address_limit_configure(w);
}

void address_limit_done(struct worker *w)
{
	buckets_done(&w->address_limit.buckets);
}

void address_limit_configure(struct worker *w)
{
	const struct config *config = w->config;
	struct address_limit *limit = &w->address_limit;

	buckets_set_rate(&limit->buckets, ADDRESS_LIMIT_CONNECTS, config->address_connects,
			 config->address_connects_burst);
	buckets_set_rate(&limit->buckets, ADDRESS_LIMIT_HANDSHAKES, config->address_handshakes,
			 config->address_handshakes_burst);
	for (size_t i = 0; i < config->exempt_count; i++) {
		bool good = network_parse(config->exempt[i].prefix, &limit->exempt[i]);

		assert(good); /* checked when the configuration was read */
	}
	limit->exempt_count = config->exempt_count;
}

static bool one_has(const struct network *networks, size_t count, const uint8_t *address)
{
	for (size_t i = 0; i < count; i++)
		if (network_has_bytes(&networks[i], address))
			return true;
	return false;
}

static bool is_exempt(const struct worker *w, const uint8_t *address)
{
	return (network_is_loopback(address) && !w->config->address_loopback) ||
	       one_has(w->trusted, w->trusted_count, address) ||
	       one_has(w->address_limit.exempt, w->address_limit.exempt_count, address);
}

/* The whole of an IPv4 address; of an IPv6 address the network. */
static void name_of(const struct worker *w, const uint8_t *address, uint8_t name[static ADDRESS_BYTES])
{
	memcpy(name, address, ADDRESS_BYTES);
	if (network_is_v4(address))
		return;
	for (uint64_t bit = w->config->address_ipv6_bits; bit < 8 * ADDRESS_BYTES; bit++)
		name[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

static bool take(struct worker *w, enum address_limit_kind kind, const uint8_t *address)
{
	uint8_t name[ADDRESS_BYTES];

	if (is_exempt(w, address))
		return true;
	name_of(w, address, name);
	return buckets_take(&w->address_limit.buckets, kind, name, w->now_us);
}

bool address_limit_accept(struct worker *w, const struct address *peer)
{
	char host[ADDRESS_TEXT_BYTES];
	uint8_t bytes[ADDRESS_BYTES];
	uint16_t port;

	if (w->config->address_connects == 0 || peer->len == 0 || !network_bytes(peer, bytes) ||
	    take(w, ADDRESS_LIMIT_CONNECTS, bytes))
		return true;
	counter_add(&w->counters, COUNTER_refused_address, 1);
	address_host(peer, host, &port);
	log_event(CONFIG_LOG_INFO, "client.refused", log_text("address", host), log_count("port", port),
		  log_text("reason", "address"));
	return false;
}

bool address_limit_client(struct worker *w, const struct client *c, enum address_limit_kind kind)
{
	uint8_t bytes[ADDRESS_BYTES];
	struct network origin;
	struct address peer;

	if (w->address_limit.buckets.each_us[kind] == 0)
		return true;
	if (client_is_told(c)) /* an address alone is a network of one */
		return !network_parse(c->aside->host, &origin) || take(w, kind, origin.prefix);
	return !client_peer(w, c, &peer) || !network_bytes(&peer, bytes) || take(w, kind, bytes);
}
