/*
 * stanzagate-load: logs many XMPP clients in, exchanges messages between them, and says what it saw.
 */
#include "load.h"
#include "report.h"

#include <assert.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_GOOD = 0, EXIT_BAD = 1, EXIT_USAGE = 2 };

static void on_signal(int signal)
{
	load_interrupt();
}

static bool files_allow(unsigned clients)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return false;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < clients + 16ull) {
		fprintf(stderr, "%u clients need more open files than the limit of %llu (ulimit -n)\n", clients,
			(unsigned long long)limit.rlim_max);
		return false;
	}
	return true;
}

static bool address_find(const struct options *options, struct wire_target *to)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
	char port[8];
	int answer;

	snprintf(port, sizeof port, "%u", options->port);
	answer = getaddrinfo(options->host, port, &hints, &found);
	if (answer) {
		fprintf(stderr, "%s: %s\n", options->host, gai_strerror(answer));
		return false;
	}
	memcpy(&to->address, found->ai_addr, found->ai_addrlen);
	to->address_len = found->ai_addrlen;
	freeaddrinfo(found);
	if (options->source_addresses && to->address.ss_family != AF_INET) {
		fprintf(stderr, "--source-addresses wants an IPv4 --host\n");
		return false;
	}
	return true;
}

static bool trust_load(SSL_CTX *tls, const struct options *options)
{
	if (options->insecure)
		return true;
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	if (!options->ca[0])
		return SSL_CTX_set_default_verify_paths(tls);
	if (SSL_CTX_load_verify_file(tls, options->ca))
		return true;
	fprintf(stderr, "%s: no certificates could be read\n", options->ca);
	return false;
}

static SSL_CTX *tls_new(const struct options *options)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
	int version = !options->tls[0] ? 0 : strcmp(options->tls, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;

	assert(tls);
	SSL_CTX_set_min_proto_version(tls, version ? version : TLS1_2_VERSION);
	SSL_CTX_set_max_proto_version(tls, version);
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	if (trust_load(tls, options))
		return tls;
	SSL_CTX_free(tls);
	return NULL;
}

static bool load_open(struct load *load, const struct options *options)
{
	load->options = options;
	load->target = (struct wire_target){.name = options->domain,
					    .verify = !options->insecure,
					    .direct = options->direct,
					    .sources = options->source_addresses};
	if (!files_allow(options->clients) || !address_find(options, &load->target))
		return false;
	load->target.tls = tls_new(options);
	load->accounts = accounts_new(options->user_prefix, options->users, options->password, options->mechanism);
	if (!load->accounts)
		fprintf(stderr, "GNU SASL has no %s\n", options->mechanism);
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	load->clients = calloc(options->clients, sizeof *load->clients);
	load->dirty = calloc(options->clients, sizeof(struct client *));
	load->places = calloc(options->clients, sizeof *load->places);
	assert(load->places);
	for (unsigned i = 0; i < options->clients; i++)
		load->places[load->place_count++] = options->clients - 1 - i;
	load->buffer = malloc(LOAD_BUFFER_BYTES);
	xml_kernel_choose(NULL);
	load->work = aligned_alloc(64, xml_work_bytes());
	traffic_init(load);
	assert(load->clients && load->dirty && load->buffer && load->work);
	return load->target.tls && load->accounts && load->epoll >= 0;
}

static void load_close(struct load *load)
{
	for (unsigned i = 0; load->clients && i < load->options->clients; i++)
		client_end(load, &load->clients[i]);
	if (load->accounts)
		accounts_free(load->accounts);
	SSL_CTX_free(load->target.tls);
	traffic_free(&load->traffic);
	free(load->clients);
	free(load->places);
	free(load->dirty);
	free(load->buffer);
	free(load->work);
}

static int run(const struct options *options)
{
	struct load *load = calloc(1, sizeof *load);
	int answer = EXIT_USAGE;

	assert(load);
	if (load_open(load, options)) {
		load_run(load);
		report_print(stdout, load);
		answer = report_is_good(load) ? EXIT_GOOD : EXIT_BAD;
		load_hold(load, options->hold);
	}
	load_close(load);
	free(load);
	return answer;
}

int main(int argc, char **argv)
{
	struct options options;

	if (!options_read(argc, argv, &options))
		return EXIT_USAGE;
	if (options.help) {
		options_print_help();
		return EXIT_GOOD;
	}
	if (options.version) {
		printf("stanzagate-load %s\n", STANZAGATE_VERSION);
		return EXIT_GOOD;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	return run(&options);
}
