#include "sessiond.h"
#include "adopt.h"
#include "attended.h"
#include "bound.h"
#include "checkpoint.h"
#include "jid.h"
#include "listener.h"
#include "management.h"
#include "negotiation.h"
#include "node.h"
#include "outbox.h"
#include "peer.h"
#include "share.h"
#include "store_node.h"
#include "tls.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	EVENTS_MAX = 64, /* of one turn */
	TICK_MS = 1000,
	REJOIN_MS = 100,
	LEAVE_MS = 2000,	    /* for telling the gates that we go */
	FORGET_BYTES_MAX = 1 << 20, /* of one turn: a few milliseconds */
	LOCK_MS = 20, /* others may hold the store so long in one turn, until it goes on without its work */
	CACHE_LINE = 64,
};

uint64_t server_clock_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

char *server_copy(const char *text, size_t len)
{
	char *copy = strndup(text, len);
	if (!copy)
		abort();
	return copy;
}

static void log_say(struct sessiond *server, enum sessiond_level level, struct sessiond_line line, const char *format,
		    va_list arguments)
{
	char text[1024];
	if (!server->settings.log)
		return;
	vsnprintf(text, sizeof text, format, arguments);
	line.text = text;
	server->settings.log(server->settings.log_context, level, &line);
}

void server_log(struct sessiond *server, enum sessiond_level level, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	log_say(server, level, (struct sessiond_line){.jid = "", .address = ""}, format, arguments);
	va_end(arguments);
}

void server_log_client(struct sessiond *server, const char *jid, const char *address, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	log_say(server, SESSIOND_INFO, (struct sessiond_line){.jid = jid, .address = address}, format, arguments);
	va_end(arguments);
}

bool server_watch(struct sessiond *server, struct source *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};
	return epoll_ctl(server->epoll, EPOLL_CTL_ADD, source->fd, &event) == 0;
}

void server_rewatch(struct sessiond *server, struct source *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};
	int done = epoll_ctl(server->epoll, EPOLL_CTL_MOD, source->fd, &event);
	assert(done == 0);
}

static void *memory_resize(void *nothing, void *old, size_t len)
{
	if (len == 0) {
		free(old);
		return NULL;
	}
	void *memory = realloc(old, len);
	if (!memory)
		abort();
	return memory;
}

/* For the modules */

struct store *sessiond_store(struct sessiond *server)
{
	return server->store;
}

const struct sessiond_settings *sessiond_settings_of(struct sessiond *server)
{
	return &server->settings;
}

bool sessiond_serves(struct sessiond *server, const char *domain)
{
	for (size_t i = 0; i < server->settings.domain_count; i++) {
		if (strcmp(server->settings.domains[i], domain) == 0)
			return true;
	}
	return false;
}

/* Beginning */

static bool settings_check(const struct sessiond_settings *settings, char error[static SESSIOND_ERROR_BYTES])
{
	const char *wrong = NULL;
	if (settings->domain_count == 0)
		wrong = "no domain to serve";
	else if (settings->listen_count == 0)
		wrong = "no address to listen on";
	else if (settings->tls.certificate && !settings->tls.key)
		wrong = "a certificate for links needs its key";
	else if (!settings->tls.ca != (settings->tls.gate_count == 0))
		wrong = "an authority for gates' certificates needs their names, and they need it";
	else if (settings->tls.certificate && !settings->tls.ca && !settings->secret)
		wrong = "TLS needs something to know gates by: an authority and names, or a shared key";
	else if (!settings->database)
		wrong = "no database";
	else if (settings->iterations < PASSWORD_ITERATIONS_MIN)
		wrong = "fewer than 4096 iterations for passwords";
	else if (!settings->name || settings->name[0] == '\0' || strlen(settings->name) >= LINK_NAME_BYTES)
		wrong = "no name, or one longer than 255 bytes";
	assert(settings->domain_count <= SESSIOND_DOMAIN_MAX && settings->listen_count <= SESSIOND_LISTEN_MAX);
	if (wrong)
		snprintf(error, SESSIOND_ERROR_BYTES, "%s", wrong);
	return !wrong;
}

/* Addresses are needed once only, and are not kept. */
static bool settings_copy(struct sessiond *server, const struct sessiond_settings *settings,
			  char error[static SESSIOND_ERROR_BYTES])
{
	char domain[JID_PART_BYTES_MAX + 1];
	server->settings = *settings;
	server->settings.name = server_copy(settings->name, strlen(settings->name));
	server->settings.database = server_copy(settings->database, strlen(settings->database));
	server->settings.domain_count = server->settings.listen_count = 0;
	for (size_t i = 0; i < settings->domain_count; i++) {
		const char *given = settings->domains[i];
		if (!jid_prepare_domain(given, strlen(given), domain)) {
			snprintf(error, SESSIOND_ERROR_BYTES, "%.128s: not a domain", given);
			return false;
		}
		if (!sessiond_serves(server, domain))
			server->settings.domains[server->settings.domain_count++] = server_copy(domain, strlen(domain));
	}
	return true;
}

static bool server_open_store(struct sessiond *server, char error[static SESSIOND_ERROR_BYTES])
{
	static_assert((int)STORE_ERROR_BYTES <= (int)SESSIOND_ERROR_BYTES, "the store's errors are passed on");
	server->store = store_open(server->settings.database, error);
	if (!server->store)
		return false;
	if (!node_is_alone(server))
		server->checkpoint = checkpoint_begin(server->store, server->settings.database, error);
	if (!server->checkpoint && !node_is_alone(server))
		return false;
	server->passwords = passwords_new(server->store, server->settings.iterations);
	if (server->passwords && !passwords_allow(server->passwords, server->settings.password_key,
						  server->settings.judge, server->settings.judge_context, error))
		return false;
	server->sasl = server->passwords ? sasl_server_new(server->passwords) : NULL;
	if (!server->sasl)
		snprintf(error, SESSIOND_ERROR_BYTES, "cannot prepare SASL: %.128s", store_error(server->store));
	return server->sasl != NULL;
}

static bool server_open_loop(struct sessiond *server, char error[static SESSIOND_ERROR_BYTES])
{
	size_t work = (xml_work_bytes() + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	server->xml_work = aligned_alloc(CACHE_LINE, work);
	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	server->wake = (struct source){SOURCE_WAKE, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	bool good = server->xml_work && table_init(&server->by_full) && table_init(&server->by_bare) &&
		    table_init(&server->by_id) &&
		    getrandom(&server->epoch, sizeof server->epoch, 0) == sizeof server->epoch && server->epoll >= 0 &&
		    server->wake.fd >= 0 && server_watch(server, &server->wake, EPOLLIN);
	if (!good)
		snprintf(error, SESSIOND_ERROR_BYTES, "cannot start: %s", strerror(errno));
	return good;
}

static bool server_read_secret(struct sessiond *server, char error[static SESSIOND_ERROR_BYTES])
{
	char why[LINK_SECRET_ERROR_BYTES];

	if (!server->settings.secret)
		return true;
	server->secret = calloc(1, sizeof *server->secret);
	assert(server->secret);
	if (link_secret_read(server->settings.secret, server->secret, why))
		return true;
	snprintf(error, SESSIOND_ERROR_BYTES, "%.190s: %s", server->settings.secret, why);
	return false;
}

static bool server_open_tls(struct sessiond *server, char error[static SESSIOND_ERROR_BYTES])
{
	if (!server_read_secret(server, error))
		return false;
	if (!server->settings.tls.certificate)
		return true;
	server->tls = tls_new(&server->settings.tls, error);
	return server->tls != NULL;
}

static bool server_listen(struct sessiond *server, const struct sessiond_settings *settings,
			  char error[static SESSIOND_ERROR_BYTES])
{
	for (size_t i = 0; i < settings->listen_count; i++) {
		server->listeners[i] = listener_open(server, settings->listen[i], error);
		if (!server->listeners[i])
			return false;
	}
	return true;
}

static bool server_join(struct sessiond *server, char error[static SESSIOND_ERROR_BYTES])
{
	if (!node_open(server, error))
		return false;
	server->joined = node_join(server);
	if (!server->joined) /* of anything else the log has said why */
		snprintf(error, SESSIOND_ERROR_BYTES, "cannot enter the database%s",
			 store_is_busy(server->store) ? ": others hold it" : "");
	store_wait(server->store, LOCK_MS);
	return server->joined;
}

struct sessiond *sessiond_new(const struct sessiond_settings *settings, char error[static SESSIOND_ERROR_BYTES])
{
	if (!settings_check(settings, error))
		return NULL;
	struct sessiond *server = calloc(1, sizeof *server);
	if (!server)
		abort();
	server->epoll = server->wake.fd = server->node_source.fd = -1;
	backend_init(&server->backend, &(struct memory){.resize = memory_resize}, CLIENT_WAITING_BYTES_MAX);
	server->backend.on_acked = outbox_acked;
	if (settings_copy(server, settings, error) && server_open_store(server, error) &&
	    server_open_loop(server, error) && server_open_tls(server, error) &&
	    server_listen(server, settings, error) && server_join(server, error)) {
		negotiation_features(server);
		return server;
	}
	sessiond_free(server);
	return NULL;
}

/* Working */

static void server_turn_clock(struct sessiond *server)
{
	server->now_ms = server_clock_us() / 1000;
}

static void server_on_event(struct sessiond *server, const struct epoll_event *event)
{
	struct source *source = event->data.ptr;
	switch (source->kind) {
	case SOURCE_WAKE:
		server->stopping = true;
		break;
	case SOURCE_LISTENER:
		listener_on_event((struct listener *)source); /* its first member */
		break;
	case SOURCE_PEER:
		peer_on_events((struct peer *)source, event->events);
		break;
	case SOURCE_NODE:
		node_on_event(server);
		break;
	}
}

static void checkpoint_tick(struct sessiond *server)
{
	char error[STORE_ERROR_BYTES];
	if (checkpoint_has_failed(server->checkpoint, error))
		server_log(server, SESSIOND_ERROR, "the database's log cannot be copied into it: %s", error);
}

static void server_tick(struct sessiond *server)
{
	if (server->now_ms < server->tick_ms)
		return;
	server->tick_ms = server->now_ms + TICK_MS;
	server->tick_due = server->has_work = true;
	for (struct peer *peer = server->peers; peer; peer = peer->next)
		peer_tick(peer);
	checkpoint_tick(server);
	if (server->tls)
		tls_tick(server->tls, server);
	for (size_t i = 0; i < SESSIOND_LISTEN_MAX; i++) {
		if (server->listeners[i])
			listener_tick(server->listeners[i]);
	}
}

static int server_wait_ms(const struct sessiond *server)
{
	if (server->has_work)
		return server->joined ? 0 : REJOIN_MS;
	if (negotiation_waits(server) || server->tick_ms <= server->now_ms)
		return 0;
	return (int)(server->tick_ms - server->now_ms);
}

/* Memory is forgotten, without a word to anybody: what counts is in the store. */
static void server_forget(struct sessiond *server)
{
	void *user;
	assert(!server->dying);
	peers_end(server);
	while (backend_over(&server->backend, UINT64_MAX, &user)) {
		struct client *client = user;
		client->at = NULL;
		if (client->id == 0)
			client_drop(client);
	}
	for (struct table_node *node; (node = table_next(&server->by_id, NULL));)
		client_drop(table_entry(node, struct client, by_id));
	backend_free(&server->backend);
}

void server_store_failed(struct sessiond *server)
{
	if (!server->store_failed)
		server_log(server, SESSIOND_ERROR, "the database: %s", store_error(server->store));
	server->store_failed = true;
}

/* As another start would do it: gates have their sessions adopted by who has this new epoch. */
static void server_begin_anew(struct sessiond *server)
{
	store_rollback(server->store);
	server_forget(server);
	server->joined = false;
	if (getrandom(&server->epoch, sizeof server->epoch, 0) != sizeof server->epoch)
		abort();
}

/* False: it cannot be done now. */
static bool work_begin(struct sessiond *server)
{
	if (!server->joined && !(server->joined = node_join(server)))
		return false;
	server->store_failed = false;
	if (store_begin(server->store)) {
		share_refresh(server);
		return true;
	}
	if (!store_is_busy(server->store)) {
		server_store_failed(server);
		server_begin_anew(server);
	}
	return false;
}

static void work_end(struct sessiond *server)
{
	bound_write(server, FORGET_BYTES_MAX);
	if (server->store_failed || !store_commit(server->store)) {
		server_store_failed(server);
		server_begin_anew(server);
		return;
	}
	peers_ack(server);
	nodes_wake(server);
}

static void work_tick(struct sessiond *server)
{
	server->tick_due = false;
	adopt_expire(server);
	management_tick(server);
	attended_sift(server);
	if (server->other_count == 0)
		return;
	nodes_check(server);
	if (!store_change_trim(server->store))
		server_store_failed(server);
}

static void server_work(struct sessiond *server)
{
	if (!server->has_work || !work_begin(server))
		return;
	server->has_work = false;
	peers_take(server);
	clients_lose(server);
	if (server->tick_due)
		work_tick(server);
	work_end(server);
}

static void server_turn(struct sessiond *server)
{
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(server->epoll, events, EVENTS_MAX, server_wait_ms(server));
	server_turn_clock(server);
	for (int i = 0; i < count; i++)
		server_on_event(server, &events[i]);
	negotiation_run(server, count <= 0 && !server->has_work);
	server_tick(server);
	server_work(server);
	peers_flush(server);
}

static void server_close_listeners(struct sessiond *server)
{
	for (size_t i = 0; i < SESSIOND_LISTEN_MAX; i++) {
		listener_close(server->listeners[i]);
		server->listeners[i] = NULL;
	}
}

/* Somebody else has it adopted, if its gate waits for that. */
static bool is_handed_over(const struct client *client)
{
	return client->session.server->settings.handover && client->id != 0 && client->patience_ms > 0;
}

static void link_leave(struct peer *peer)
{
	struct backend_session *session = peer->greeting && !peer->cut ? peer->link.sessions : NULL;
	peer_leave(peer, true);
	for (; session; session = session->next) {
		const struct client *client = session->user;
		if (client && !is_handed_over(client))
			client_shut(session->user, "system-shutdown", NULL);
	}
}

static void sessions_leave(struct sessiond *server)
{
	for (struct table_node *node = NULL; (node = table_next(&server->by_id, node));) {
		struct client *client = table_entry(node, struct client, by_id);
		if (client_is_ours(client) && !is_handed_over(client))
			client_shut(client, "system-shutdown", NULL);
	}
}

/* All are told before any leaves the registry: nobody gets the others' unavailable presence on top of his own end. */
static void server_leave(struct sessiond *server)
{
	server_close_listeners(server);
	store_wait(server->store, LEAVE_MS);
	server->has_work = true; /* what is said now is not to wait for the next tick */
	if (work_begin(server)) {
		for (struct peer *peer = server->peers; peer; peer = peer->next)
			link_leave(peer);
		sessions_leave(server);
		clients_reap(server);
		work_end(server);
	}
	epoll_ctl(server->epoll, EPOLL_CTL_DEL, server->wake.fd, NULL);
	for (uint64_t until_ms = server->now_ms + LEAVE_MS; server->peers && server->now_ms < until_ms;)
		server_turn(server);
	node_leave(server);
}

void sessiond_run(struct sessiond *server)
{
	server_turn_clock(server);
	server->tick_ms = server->now_ms + TICK_MS;
	while (!server->stopping)
		server_turn(server);
	server_leave(server);
}

void sessiond_stop(struct sessiond *server)
{
	int saved = errno;
	ssize_t put = write(server->wake.fd, &(uint64_t){1}, sizeof(uint64_t));
	assert(put == sizeof(uint64_t) || errno == EAGAIN);
	errno = saved;
}

void sessiond_free(struct sessiond *server)
{
	if (!server)
		return;
	server_close_listeners(server);
	server_forget(server);
	if (server->store)
		node_leave(server);
	node_close(server);
	tls_free(server->tls);
	if (server->secret)
		explicit_bzero(server->secret, sizeof *server->secret);
	free(server->secret);
	table_free(&server->by_full);
	table_free(&server->by_bare);
	table_free(&server->by_id);
	sasl_server_free(server->sasl);
	passwords_free(server->passwords);
	checkpoint_end(server->checkpoint);
	store_close(server->store);
	free(server->xml_work);
	if (server->epoll >= 0)
		close(server->epoll);
	if (server->wake.fd >= 0)
		close(server->wake.fd);
	for (size_t i = 0; i < server->settings.domain_count; i++)
		free((char *)server->settings.domains[i]);
	free((char *)server->settings.name);
	free((char *)server->settings.database);
	free(server);
}
