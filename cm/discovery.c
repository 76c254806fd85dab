#include "discovery.h"

#include "address.h"
#include "config_fault.h"
#include "frame_text.h"
#include "io.h"
#include "log.h"
#include "option.h"

#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLACE_BYTES = 128, HOST_BYTES = 256, FAULT_BYTES = 512, WEIGHT_MAX = 1000, TRY_MS = 2000, TRIES = 2 };
#define PLACES_ALLOWED "unix:/path, tls:address:port, or tcp:address:port on the loopback"

struct place {
	char address[PLACE_BYTES];
	uint32_t weight;
};
struct places {
	struct place at[POOL_BACKENDS_MAX];
	size_t count;
};

struct source {
	struct discovery *of;
	const struct config_backend *backend;
	char scheme[8]; /* "tls:" or "tcp:"; "" for a file */
	bool srv;
	struct places found, next; /* in force; as far as they have come */
	unsigned asking;	   /* questions that are out */
	uint64_t again_us;
	unsigned line;		 /* of the file, while it is read; 0: of no file */
	char fault[FAULT_BYTES]; /* the first one of this time; "": none */
	char said[FAULT_BYTES];	 /* the fault that was told last, as long as there is one */
};

struct discovery {
	const struct config *config;
	struct source *sources;
	size_t count;
	ares_channel channel;
	bool has_channel, changed;
};

/* ---- what was found */

static int place_compare(const void *one, const void *other)
{
	return strcmp(((const struct place *)one)->address, ((const struct place *)other)->address);
}

/* Plain TCP is for the loopback alone; and operators are shown addresses, as JSON, which has to be UTF-8. */
static bool place_may(const char *text)
{
	struct address address;

	return frame_text_is_good((const uint8_t *)text, strlen(text)) && address_parse_link(text, &address) &&
	       (strncmp(text, "tcp:", 4) != 0 || address_is_loopback(&address));
}

/* Of a file with file and line. */
static void fault_add(struct source *s, const char *found, const char *allowed)
{
	char at[FAULT_BYTES / 2] = "";

	if (s->line > 0)
		snprintf(at, sizeof at, "%s:%u: ", s->backend->address + strlen("file:"), s->line);
	if (s->fault[0] == '\0')
		snprintf(s->fault, sizeof s->fault, "%sfound %s, allowed %s", at, found, allowed);
}

static void place_add(struct source *s, const char *address, uint32_t weight)
{
	struct place *to = &s->next.at[s->next.count];
	char quoted[CONFIG_QUOTE_BYTES], most[32];

	snprintf(most, sizeof most, "%d in all", POOL_BACKENDS_MAX);
	if (s->next.count == POOL_BACKENDS_MAX) {
		fault_add(s, "one more address", most);
		return;
	}
	if (strlen(address) >= PLACE_BYTES || !place_may(address)) {
		fault_add(s, config_quote(address, quoted), PLACES_ALLOWED);
		return;
	}
	snprintf(to->address, sizeof to->address, "%s", address);
	to->weight = weight;
	for (size_t i = 0; i < s->next.count; i++)
		if (place_compare(to, &s->next.at[i]) == 0)
			return;
	s->next.count++;
}

static void fault_say(struct source *s)
{
	if (s->fault[0] != '\0' && strcmp(s->fault, s->said) != 0)
		log_event(CONFIG_LOG_WARNING, "discovery.failed", log_text("backend", s->backend->name),
			  log_text("address", s->backend->address), log_text("why", s->fault));
	memcpy(s->said, s->fault, sizeof s->said);
}

/* All answers are there. */
static void source_done(struct source *s)
{
	if (s->next.count == 0)
		fault_add(s, "no address", "one at least");
	fault_say(s);
	qsort(s->next.at, s->next.count, sizeof s->next.at[0], place_compare);
	if (s->next.count == 0 || (s->next.count == s->found.count &&
				   memcmp(s->next.at, s->found.at, s->next.count * sizeof s->next.at[0]) == 0))
		return;
	s->found = s->next;
	s->of->changed = true;
	log_event(CONFIG_LOG_INFO, "discovery.found", log_text("backend", s->backend->name),
		  log_count("addresses", s->found.count));
}

/* ---- files */

/* The next word, which ends where a blank is. NULL: there is none. */
static char *word_take(char **rest, const char *blanks)
{
	char *word;

	do
		word = strsep(rest, blanks);
	while (word != NULL && *word == '\0');
	return word;
}

/* An address, and perhaps a weight behind it. */
static void file_line(struct source *s, char *line)
{
	static const char blanks[] = " \t\r";
	char *rest = line, *address, *weight_text, *more, quoted[CONFIG_QUOTE_BYTES];
	unsigned weight = s->backend->weight;

	line[strcspn(line, "#\n")] = '\0';
	address = word_take(&rest, blanks);
	weight_text = word_take(&rest, blanks);
	more = word_take(&rest, blanks);
	if (more != NULL)
		fault_add(s, config_quote(more, quoted), "an address and perhaps a weight in each line");
	else if (weight_text != NULL && !option_number(weight_text, 1, WEIGHT_MAX, &weight))
		fault_add(s, config_quote(weight_text, quoted), "a weight of 1 to 1000 behind the address");
	else if (address != NULL)
		place_add(s, address, weight);
}

/* A file with a line that is wrong is not believed at all: it may be half written. */
static void file_read(struct source *s)
{
	const char *path = s->backend->address + strlen("file:");
	FILE *from = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;

	if (from == NULL)
		snprintf(s->fault, sizeof s->fault, "%s: found nothing (%s), allowed a file that can be read", path,
			 strerror(errno));
	for (s->line = 1; from != NULL && getline(&line, &room, from) > 0; s->line++)
		file_line(s, line);
	free(line);
	if (from != NULL)
		fclose(from);
	if (s->fault[0] != '\0')
		s->next.count = 0;
	source_done(s);
	s->line = 0;
}

/* ---- names */

struct question {
	struct source *source;
	uint32_t weight;
	uint16_t port;
};

static void answered(struct source *s)
{
	if (--s->asking == 0)
		source_done(s);
}

static void address_found(struct source *s, const struct sockaddr *at, uint16_t port, uint32_t weight)
{
	char host[INET6_ADDRSTRLEN], text[PLACE_BYTES];

	if (at->sa_family == AF_INET) {
		inet_ntop(AF_INET, &((const struct sockaddr_in *)at)->sin_addr, host, sizeof host);
		snprintf(text, sizeof text, "%s%s:%u", s->scheme, host, (unsigned)port);
	} else {
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)at)->sin6_addr, host, sizeof host);
		snprintf(text, sizeof text, "%s[%s]:%u", s->scheme, host, (unsigned)port);
	}
	place_add(s, text, weight);
}

/* An answer that failed leaves what is known of the others out, too: half of the addresses would be half of the truth.
 */
static void failed(struct source *s, int status)
{
	snprintf(s->fault, sizeof s->fault, "%s", ares_strerror(status));
	s->next.count = 0;
}

static void on_addresses(void *context, int status, int timeouts, struct ares_addrinfo *found)
{
	struct question *q = context;
	struct source *s = q->source;

	if (status == ARES_EDESTRUCTION) {
		free(q);
		return;
	}
	if (status != ARES_SUCCESS)
		failed(s, status);
	for (struct ares_addrinfo_node *at = found != NULL ? found->nodes : NULL; at != NULL && s->fault[0] == '\0';
	     at = at->ai_next)
		address_found(s, at->ai_addr, q->port, q->weight);
	if (found != NULL)
		ares_freeaddrinfo(found);
	free(q);
	answered(s);
}

static void ask_addresses(struct source *s, const char *host, uint16_t port, uint32_t weight)
{
	struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct question *q = malloc(sizeof *q);

	assert(q != NULL);
	*q = (struct question){s, weight, port};
	s->asking++;
	ares_getaddrinfo(s->of->channel, host, NULL, &hints, on_addresses, q);
}

static void targets_ask(struct source *s, const struct ares_srv_reply *all)
{
	unsigned best = UINT32_MAX;

	for (const struct ares_srv_reply *at = all; at != NULL; at = at->next)
		best = at->priority < best ? at->priority : best;
	for (const struct ares_srv_reply *at = all; at != NULL; at = at->next)
		if (at->priority == best)
			ask_addresses(s, at->host, at->port,
				      at->weight < 1		? 1
				      : at->weight > WEIGHT_MAX ? WEIGHT_MAX
								: at->weight);
}

static void on_targets(void *context, int status, int timeouts, unsigned char *bytes, int len)
{
	struct source *s = context;
	struct ares_srv_reply *all = NULL;

	if (status == ARES_EDESTRUCTION)
		return;
	if (status == ARES_SUCCESS)
		status = ares_parse_srv_reply(bytes, len, &all);
	if (status != ARES_SUCCESS)
		failed(s, status);
	else
		targets_ask(s, all);
	if (all != NULL)
		ares_free_data(all);
	answered(s);
}

/* "dns:tls:host:port": the host's end is the last colon. */
static void host_ask(struct source *s)
{
	const char *host = s->backend->address + strlen("dns:tls:"), *colon = strrchr(host, ':');
	char name[HOST_BYTES];

	snprintf(name, sizeof name, "%.*s", (int)(colon - host), host);
	ask_addresses(s, name, (uint16_t)strtoul(colon + 1, NULL, 10), s->backend->weight);
}

static void names_ask(struct source *s)
{
	if (!s->of->has_channel)
		return;
	if (!s->srv) {
		host_ask(s);
		return;
	}
	s->asking++;
	ares_query(s->of->channel, s->backend->address + strlen("srv:tls:"), ns_c_in, ns_t_srv, on_targets, s);
}

static void source_look(struct source *s)
{
	if (s->asking > 0 || io_now_us() < s->again_us)
		return;
	s->again_us = io_now_us() + s->of->config->discovery_interval_ms * 1000;
	s->next.count = 0;
	s->fault[0] = '\0';
	if (s->scheme[0] == '\0')
		file_read(s);
	else
		names_ask(s);
}

/* ---- all of it */

static void channel_end(struct discovery *d)
{
	if (d->has_channel)
		ares_destroy(d->channel);
	d->has_channel = false;
}

static void channel_begin(struct discovery *d)
{
	struct ares_options options = {.timeout = TRY_MS, .tries = TRIES};
	const char *servers = d->config->discovery_dns_server;

	d->has_channel = ares_init_options(&d->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) == ARES_SUCCESS;
	if (d->has_channel && strcmp(servers, "off") != 0)
		ares_set_servers_ports_csv(d->channel, servers);
}

static bool is_source(const char *address)
{
	return strncmp(address, "dns:", 4) == 0 || strncmp(address, "srv:", 4) == 0 ||
	       strncmp(address, "file:", 5) == 0;
}

static struct source source_of(struct discovery *d, const struct config_backend *b)
{
	struct source s = {.of = d, .backend = b, .srv = strncmp(b->address, "srv:", 4) == 0};

	if (strncmp(b->address, "file:", 5) != 0)
		snprintf(s.scheme, sizeof s.scheme, "%.4s", b->address + 4);
	return s;
}

/* What an earlier configuration found for the same. */
static void found_keep(struct source *now, const struct source *before, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(before[i].backend->name, now->backend->name) == 0 &&
		    strcmp(before[i].backend->address, now->backend->address) == 0)
			now->found = before[i].found;
}

struct discovery *discovery_new(void)
{
	struct discovery *d = calloc(1, sizeof *d);

	assert(d != NULL);
	ares_library_init(ARES_LIB_INIT_ALL);
	return d;
}

void discovery_free(struct discovery *d)
{
	if (d == NULL)
		return;
	channel_end(d);
	ares_library_cleanup();
	free(d->sources);
	free(d);
}

void discovery_set(struct discovery *d, const struct config *config)
{
	struct source *sources = calloc(config->backend_count + 1, sizeof *sources);
	size_t count = 0;

	assert(sources != NULL);
	channel_end(d); /* what is asked now nobody waits for any more */
	d->config = config;
	for (size_t i = 0; i < config->backend_count; i++) {
		if (!is_source(config->backends[i].address))
			continue;
		sources[count] = source_of(d, &config->backends[i]);
		found_keep(&sources[count++], d->sources, d->count);
	}
	free(d->sources);
	d->sources = sources;
	d->count = count;
	if (count > 0)
		channel_begin(d);
}

/* What the name servers have answered, and whom to ask again. Never waits. */
static void channel_look(struct discovery *d)
{
	ares_socket_t fds[ARES_GETSOCK_MAXNUM];
	unsigned mask = (unsigned)ares_getsock(d->channel, fds, ARES_GETSOCK_MAXNUM);

	for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
		bool in = mask >> i & 1, out = mask >> (i + ARES_GETSOCK_MAXNUM) & 1;
		struct pollfd one = {.fd = in || out ? fds[i] : -1,
				     .events = (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0))};

		if (one.fd >= 0 && poll(&one, 1, 0) > 0)
			ares_process_fd(d->channel, one.revents & POLLIN ? one.fd : ARES_SOCKET_BAD,
					one.revents & POLLOUT ? one.fd : ARES_SOCKET_BAD);
	}
	ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* what takes too long */
}

bool discovery_look(struct discovery *d)
{
	bool changed;

	for (size_t i = 0; i < d->count; i++)
		source_look(&d->sources[i]);
	if (d->has_channel)
		channel_look(d);
	changed = d->changed;
	d->changed = false;
	return changed;
}

struct fleet *discovery_fleet(const struct discovery *d)
{
	struct fleet *f = fleet_new(d->config);

	for (size_t i = 0; i < d->count; i++) {
		const struct source *s = &d->sources[i];

		for (size_t n = 0; n < s->found.count; n++) {
			char name[POOL_NAME_BYTES];

			snprintf(name, sizeof name, "%s/%s", s->backend->name, s->found.at[n].address);
			if (!fleet_add(f, s->backend, name, s->found.at[n].address, s->found.at[n].weight))
				log_event(CONFIG_LOG_ERROR, "link.too_many", log_text("backend", name));
		}
	}
	return f;
}
