#include "worker.h"

#include "adoption.h"
#include "client.h"
#include "listener.h"
#include "log.h"
#include "outbox.h"
#include "route.h"
#include "sanitized.h"

#include <assert.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	WAIT_MS_MAX = 1000,
	TRIM_AFTER_LOGINS = 256,
	TRIM_AFTER_LOGINS_CALM = 16,
	TRIM_AFTER_CHUNK_BYTES = 8 << 20,
};

uint64_t worker_descriptor_limit(void)
{
	struct rlimit limit = {0};

	getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur;
}

uint64_t worker_now_ms(const struct worker *w)
{
	return w->now_us / 1000;
}

uint32_t worker_now_s(const struct worker *w)
{
	return (uint32_t)((worker_now_ms(w) + 999) / 1000);
}

/* splitmix64: spreads redials and nothing that needs to be secret. */
uint64_t worker_random(struct worker *w)
{
	uint64_t z = w->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

enum { KINDS = 3 };

/* KINDS: it is called like none. */
static unsigned kind_of(const struct xml_event *event, const uint8_t *bytes)
{
	static const char *const kinds[KINDS] = {"message", "presence", "iq"};
	unsigned kind = 0;

	while (kind < KINDS && !xml_is_equal(bytes, event->name, kinds[kind]))
		kind++;
	return kind;
}

static bool is_stanza(unsigned kind, const struct xml_event *event, const uint8_t *bytes)
{
	return kind < KINDS && event->prefix.at == 0 &&
	       (event->ns.at == 0 || xml_is_equal(bytes, event->ns, "jabber:client"));
}

bool worker_count_stanza(struct worker *w, enum counter messages, const struct xml_event *event, const uint8_t *bytes)
{
	unsigned kind = kind_of(event, bytes);

	counter_add(&w->counters, messages + (enum counter)kind, 1);
	return is_stanza(kind, event, bytes);
}

bool worker_is_stanza(const struct xml_event *event, const uint8_t *bytes)
{
	return is_stanza(kind_of(event, bytes), event, bytes);
}

/* ---- settings */

static struct xml_limits limits_after_login(const struct config *config)
{
	return (struct xml_limits){.element_bytes_max = (uint32_t)config->stanza_bytes_max,
				   .elements_max = (uint32_t)config->stanza_elements_max,
				   .depth_max = (uint16_t)config->depth_max,
				   .attributes_max = (uint16_t)config->attributes_max,
				   .name_bytes_max = (uint16_t)config->name_bytes_max,
				   .namespaces_max = (uint16_t)config->namespaces_max};
}

static void config_take(struct worker *w, const struct config *config)
{
	w->config = config;
	w->net.kernel_use = (enum kernel_tls_use)config->tls_kernel;
	w->net.kernel_bytes_per_s = config->tls_kernel_bytes_per_s;
	w->limits = w->login_limits = limits_after_login(config);
	w->login_limits.element_bytes_max = (uint32_t)config->login_bytes_max;
	w->login_limits.elements_max = (uint32_t)config->login_elements_max;
	if (w->address_limit.buckets.places != NULL)
		address_limit_configure(w);
}

static void networks_take(struct worker *w)
{
	for (size_t i = 0; i < w->config->network_count; i++) {
		bool good = network_parse(w->config->networks[i].prefix, &w->trusted[i]);

		assert(good); /* checked when the configuration was read */
	}
	w->trusted_count = w->config->network_count;
}

static void presences_init(struct worker *w)
{
	uint8_t key[SIPHASH_KEY_BYTES];
	ssize_t got = getrandom(key, sizeof key, 0);

	assert(got == sizeof key);
	commons_init(&w->presences, &w->texts, key);
}

struct worker *worker_new(const struct config *config, struct tls_context *context, const struct listener *listeners,
			  size_t count, uint64_t epoch, const char *name)
{
	struct worker *w = calloc(1, sizeof *w);

	assert(w != NULL && count <= CONFIG_LIST_MAX);
	w->now_us = io_now_us();
	atomic_store(&w->orders.alive_us, w->now_us); /* whoever looks before its first turn gives it time */
	atomic_store(&w->orders.shaken_us, w->now_us);
	w->context = context;
	w->epoch = w->random = epoch;
	w->listener_count = count;
	memcpy(w->listeners, listeners, count * sizeof *listeners);
	snprintf(w->name, sizeof w->name, "%s", name);
	config_take(w, config);
	slab_init(&w->clients, sizeof(struct client), (uint32_t)config->clients_max);
	w->pool_domains = calloc(WORKER_DOMAINS, sizeof *w->pool_domains);
	w->pool_text = malloc(WORKER_TEXT_BYTES);
	w->work = aligned_alloc(64, (xml_work_bytes() + 63) / 64 * 64);
	w->frame_work = aligned_alloc(64, (xml_work_bytes() + 63) / 64 * 64);
	w->net.crypto = record_crypto_new();
	shelf_init(&w->net.records, true);
	presences_init(w);
	turns_init(&w->turns);
	assert(w->pool_domains != NULL && w->pool_text != NULL && w->work != NULL && w->frame_work != NULL);
	assert(w->net.crypto != NULL);
	pool_init(&w->pool, w->pool_domains, WORKER_DOMAINS, w->pool_text, WORKER_TEXT_BYTES);
	fleet_take(w, fleet_new(config));
	networks_take(w);
	address_limit_init(w);
	return w;
}

static void secret_free(struct link_secret *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, sizeof *secret);
	free(secret);
}

void worker_free(struct worker *w)
{
	if (w->net.io != NULL)
		io_free(w->net.io);
	for (size_t i = 0; i < w->pool.count; i++)
		fleet_forget(&w->uplinks[i]);
	lobby_free(&w->lobby);
	secret_free(w->link_secret);
	secret_free(w->orders.link_secret);
	fleet_free(w->fleet);
	fleet_free(w->orders.fleet);
	for (size_t i = 0; i < w->listener_count; i++)
		if (w->listeners[i].fd >= 0)
			close(w->listeners[i].fd);
	tls_context_unref(w->context);
	tls_context_unref(w->orders.context);
	tls_context_unref(w->link_context);
	tls_context_unref(w->orders.link_context);
	record_crypto_free(w->net.crypto);
	slab_done(&w->clients);
	shelf_done(&w->net.records);
	commons_done(&w->presences);
	shelf_done(&w->texts);
	address_limit_done(w);
	startalk_desk_done(&w->startalk);
	turns_done(w);
	inquiries_drop(w);
	free(w->pool_domains);
	free(w->pool_text);
	free(w->work);
	while (w->spare_count > 0)
		free(w->spare_works[--w->spare_count]);
	free(w->frame_work);
	free(w);
}

void worker_wake(struct worker *w)
{
	struct io *io = atomic_load(&w->orders.io);

	if (io != NULL)
		io_wake(io);
}

/* ---- the parts of a tick */

static void complete(struct worker *w, const struct io_done *done)
{
	enum conn_op op = (enum conn_op)(done->tag >> CONN_OP_SHIFT & 15);
	uint32_t index = (uint32_t)(done->tag >> WORKER_INDEX_SHIFT & 0xffffff);
	uint32_t serial = (uint32_t)done->tag;
	struct client *c;

	switch ((enum worker_kind)(done->tag >> WORKER_KIND_SHIFT)) {
	case WORKER_CLIENT:
		c = slab_get(&w->clients, (struct slab_handle){index, serial});
		if (c == NULL)
			break;
		client_complete(w, c, op, done);
		break;
	case WORKER_UPLINK:
		if (w->uplinks[index].live && w->uplinks[index].serial == serial)
			uplink_complete(w, &w->uplinks[index], op, done);
		break;
	case WORKER_LISTENER:
		listener_complete(w, &w->listeners[index], done);
		break;
	}
}

static void reap(struct worker *w)
{
	struct io_done done;

	while (io_next(w->net.io, &done)) {
		complete(w, &done);
		io_return(w->net.io, &done);
	}
}

static void sweep(struct worker *w)
{
	struct conn *c;

	while ((c = net_gone(&w->net)) != NULL) {
		if (c->tag >> WORKER_KIND_SHIFT == WORKER_CLIENT)
			client_free(w, (struct client *)c);
		else
			uplink_gone(w, (struct uplink *)c);
	}
}

static void gauges(struct worker *w)
{
	uint64_t waiting = (uint64_t)outboxes_waiting(), unsent = 0, avoided = 0;

	for (size_t i = 0; i < w->pool.count; i++) {
		if (w->uplinks[i].live) {
			unsent += conn_unsent(&w->uplinks[i].conn);
			waiting -= w->uplinks[i].conn.outbox.bytes;
		}
		avoided += w->pool.backends[i].avoided && !w->pool.backends[i].vacant;
	}
	counter_store(&w->counters.value[COUNTER_backends_avoided], avoided);
	counter_store(&w->counters.value[COUNTER_unread_bytes], waiting);
	counter_store(&w->counters.value[COUNTER_link_unread_bytes], unsent);
	counter_store(&w->counters.value[COUNTER_direct_descriptors], io_direct_used(w->net.io));
	counter_store(&w->counters.value[COUNTER_memory_client], slab_bytes(&w->clients));
	counter_store(&w->counters.value[COUNTER_memory_record], shelf_bytes(&w->net.records));
	counter_store(&w->counters.value[COUNTER_memory_text], shelf_bytes(&w->texts));
	counter_store(&w->counters.value[COUNTER_memory_addresses], buckets_bytes(&w->address_limit.buckets));
	counter_store(&w->counters.value[COUNTER_memory_chunk], (uint64_t)chunk_memory());
	counter_store(&w->counters.value[COUNTER_memory_receive], io_receive_memory());
}

/*
 * Logins leave the heap in pieces: OpenSSL's objects came and went between what stays. After many of them, and when
 * after some there was none for a second, what is free goes back to the system: some hundred bytes for each of 10,000
 * clients, measured.
 */
static bool is_trim_due_for_logins(struct worker *w)
{
	uint64_t logins = w->counters.value[COUNTER_logins], since = logins - w->trimmed_at;
	bool calm = logins == w->logins_seen;

	w->logins_seen = logins;
	return since >= (calm ? TRIM_AFTER_LOGINS_CALM : TRIM_AFTER_LOGINS) && w->handshakes == 0;
}

/* What waited for slow clients has gone, the most of it. */
static bool is_trim_due_for_chunks(struct worker *w, int64_t now)
{
	if (now > w->chunks_most)
		w->chunks_most = now;
	return w->chunks_most - now >= TRIM_AFTER_CHUNK_BYTES && now < w->chunks_most / 2;
}

static void trim(struct worker *w)
{
	int64_t chunk_bytes = chunk_memory();
	bool logins = is_trim_due_for_logins(w), chunks = is_trim_due_for_chunks(w, chunk_bytes);

	if (!logins && !chunks)
		return;
	if (logins)
		w->trimmed_at = w->counters.value[COUNTER_logins];
	w->chunks_most = chunk_bytes;
	if (!SANITIZED) /* glibc's heap is not in use then, and not made ready for several threads */
		malloc_trim(0);
}

static void each_second(struct worker *w)
{
	if (worker_now_ms(w) < w->second_ms)
		return;
	w->second_ms = worker_now_ms(w) + 1000;
	net_second(&w->net);
	uplinks_tick(w);
	orphans_tick(w);
	fleet_tick(w);
	trim(w);
	gauges(w);
}

static void timers(struct worker *w)
{
	struct wheel_node *node;

	while ((node = wheel_due(&w->wheel, worker_now_ms(w))) != NULL)
		client_timeout(w, (struct client *)((char *)node - offsetof(struct client, timer)));
	lobby_look(w);
	orphans_look(w);
	each_second(w);
}

/* ---- orders */

static void begin_drain(struct worker *w)
{
	struct slab_handle at = {0};
	struct client *c;

	w->drain_by_ms = worker_now_ms(w) + w->config->drain_ms_max + 1;
	atomic_store(&w->orders.listening, false);
	listeners_end(w);
	uplinks_drain(w);
	while ((c = slab_next(&w->clients, &at)) != NULL)
		client_close_for(w, c, REASON_SHUTDOWN);
}

/* Bound clients have no timer while being idle is unlimited: they need one when that ends. */
static void clients_reset_idle(struct worker *w)
{
	struct slab_handle at = {0};
	struct client *c;

	while ((c = slab_next(&w->clients, &at)) != NULL)
		if (c->stream.state == STREAM_BOUND)
			client_set_idle(w, c);
}

/* The links there are go on; those that have not proved the old key yet will not. */
static void secret_take(struct worker *w, struct link_secret *secret)
{
	for (size_t i = 0; i < w->pool.count; i++)
		if (w->uplinks[i].live && w->uplinks[i].by_ms == 0 && !w->uplinks[i].link.up)
			uplink_fail(w, &w->uplinks[i], "the shared key has changed");
	secret_free(w->link_secret);
	w->link_secret = secret;
}

static void orders_take(struct worker *w)
{
	struct config *config = atomic_exchange(&w->orders.config, NULL);
	struct tls_context *context = atomic_exchange(&w->orders.context, NULL);
	struct tls_context *link_context = atomic_exchange(&w->orders.link_context, NULL);
	struct link_secret *secret = atomic_exchange(&w->orders.link_secret, NULL);
	struct fleet *fleet = atomic_exchange(&w->orders.fleet, NULL);

	if (config != NULL) {
		config_take(w, config);
		clients_reset_idle(w);
	}
	if (context != NULL) {
		tls_context_unref(w->context);
		w->context = context;
	}
	if (link_context != NULL) {
		tls_context_unref(w->link_context);
		w->link_context = link_context;
	}
	if (secret != NULL)
		secret_take(w, secret);
	if (fleet != NULL)
		fleet_take(w, fleet);
	if (atomic_load(&w->orders.drain) && w->drain_by_ms == 0)
		begin_drain(w);
}

/* What still lives when its time is over is cut off. */
static void drain_by_force(struct worker *w)
{
	struct slab_handle at = {0};
	struct client *c;

	if (worker_now_ms(w) < w->drain_by_ms)
		return;
	while ((c = slab_next(&w->clients, &at)) != NULL)
		conn_terminate(&w->net, &c->conn, REASON_SHUTDOWN);
	uplinks_cut(w);
}

static bool drained(struct worker *w)
{
	if (w->drain_by_ms == 0)
		return false;
	drain_by_force(w);
	if (w->clients.used > 0 || !listeners_ended(w))
		return false;
	uplinks_end(w);
	return uplinks_gone(w);
}

/* ---- the tick */

static uint64_t wait_ms(struct worker *w)
{
	uint64_t wait_ms = WAIT_MS_MAX;

	if (w->drain_by_ms == 0) {
		uplinks_dial(w, &wait_ms);
		listeners_accept(w, &wait_ms);
	}
	if (w->net.dirty != NULL || turns_are_due(w) || inquiries_are_due(w))
		return 0;
	if (w->clients.used > 0 && wait_ms > WHEEL_STEP_MS)
		wait_ms = WHEEL_STEP_MS;
	wait_ms = adoptions_wait_ms(w, wait_ms);
	return wait_ms < WAIT_MS_MAX ? wait_ms : WAIT_MS_MAX;
}

/* How long the stanzas of this tick took until they were handed on (what waits behind an unfinished send counts as
 * such). */
static void count_latency(struct worker *w)
{
	uint64_t took_us;

	if (w->stanzas_up + w->stanzas_down == 0)
		return;
	took_us = io_now_us() - w->now_us;
	if (w->stanzas_up > 0)
		counter_latency_add(&w->counters.to_server, took_us, w->stanzas_up);
	if (w->stanzas_down > 0)
		counter_latency_add(&w->counters.to_client, took_us, w->stanzas_down);
	w->stanzas_up = w->stanzas_down = 0;
}

static void tick(struct worker *w)
{
	io_wait(w->net.io, wait_ms(w));
	w->now_us = io_now_us();
	atomic_store_explicit(&w->orders.alive_us, w->now_us, memory_order_relaxed);
	counter_add(&w->counters, COUNTER_ticks, 1);
	reap(w);
	orders_take(w);
	inquiries_turn(w);
	timers(w);
	turns_run(w);
	net_flush(&w->net);
	count_latency(w);
	sweep(w);
	atomic_store_explicit(&w->orders.serving, w->pool.domains_count > 0, memory_order_relaxed);
}

/*
 * A table for clients in the ring, where they do not count against the process's limit. Without it the limit is what
 * stands between clients and clients_max, and whoever runs the gate has to know it.
 */
static bool direct_begin(struct worker *w, struct io *io, char error[static WORKER_ERROR_BYTES])
{
	char why[IO_ERROR_BYTES];

	if (w->direct_wanted == 0 || io_direct_open(io, w->direct_wanted, why) > 0)
		return true;
	if (w->config->direct_descriptors == CONFIG_ON) {
		snprintf(error, WORKER_ERROR_BYTES, "%s", why);
		return false;
	}
	log_event(CONFIG_LOG_WARNING, "worker.descriptors", log_text("worker", w->name), log_text("why", why),
		  log_count("limit", worker_descriptor_limit()), log_count("clients_max", w->config->clients_max),
		  log_text("advice", "all clients of the process count against this limit of open files: raise it "
				     "(LimitNOFILE= or ulimit -n) or lower limits.clients_max"));
	return true;
}

bool worker_run(struct worker *w, char error[static WORKER_ERROR_BYTES])
{
	struct io *io = io_new(error);

	w->net.io = io;
	if (io == NULL || !direct_begin(w, io, error)) {
		atomic_store(&w->orders.done, true);
		return false;
	}
	w->net.counters = &w->counters;
	w->now_us = io_now_us();
	wheel_init(&w->wheel, worker_now_ms(w));
	log_event(CONFIG_LOG_INFO, "worker.started", log_text("worker", w->name), log_text("io_uring", io_features(io)),
		  log_count("direct_descriptors", io_direct_slots(io)));
	orders_take(w);
	if (!turns_begin(w)) {
		snprintf(error, WORKER_ERROR_BYTES, "no thread for handshakes can be made");
		atomic_store(&w->orders.done, true);
		return false;
	}
	atomic_store(&w->orders.io, io);
	atomic_store(&w->orders.listening, true);
	while (!drained(w))
		tick(w);
	turns_end(w);
	io_wait(io, 0); /* the last descriptors are closed */
	atomic_store(&w->orders.done, true);
	return true;
}
