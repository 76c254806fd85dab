#include "metrics.h"

#include "ask.h"
#include "io.h"
#include "status.h"
#include "status_page.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 64 };

struct metrics {
	struct metrics_settings settings;
	struct MHD_Daemon *daemon;
	uint16_t port;
	char *status; /* of /status.json, as it was made at status_us; NULL: never */
	uint64_t status_us;
};

static const char text_type[] = "text/plain; charset=utf-8", page_type[] = "text/plain; version=0.0.4; charset=utf-8",
		  html_type[] = "text/html; charset=utf-8", data_type[] = "application/json";

/* Nothing from elsewhere, and nobody's frame. */
static const char html_policy[] = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
				  "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
				  "frame-ancestors 'none'";

/* Answers with text that is the response's from now on. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type, char *text,
			      size_t len)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	enum MHD_Result result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer_html(struct MHD_Connection *connection)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		status_page_bytes, (void *)(uintptr_t)status_page, MHD_RESPMEM_PERSISTENT);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, html_type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(response, "Content-Security-Policy", html_policy);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

static void status_renew(struct metrics *m)
{
	uint64_t now_us = io_now_us();
	json_t *all;
	if (m->status && now_us - m->status_us < METRICS_STATUS_MS * 1000)
		return;
	all = status_json(&m->settings);
	if (m->settings.ask)
		json_object_set_new(all, "backends", ask_backends(m->settings.ask));
	free(m->status);
	m->status = json_dumps(all, JSON_COMPACT);
	m->status_us = now_us;
	json_decref(all);
}

static enum MHD_Result answer_status(struct MHD_Connection *connection, struct metrics *m)
{
	status_renew(m);
	char *copy = m->status ? strdup(m->status) : NULL;
	return copy ? answer(connection, MHD_HTTP_OK, data_type, copy, strlen(copy)) : MHD_NO;
}

static enum MHD_Result answer_line(struct MHD_Connection *connection, unsigned status, const char *line)
{
	char *text;
	int len = asprintf(&text, "%s\n", line);
	return len < 0 ? MHD_NO : answer(connection, status, text_type, text, (size_t)len);
}

static enum MHD_Result answer_page(struct MHD_Connection *connection, const struct metrics_settings *settings)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	if (!to)
		return MHD_NO;
	metrics_print(settings, to);
	if (fclose(to) != 0) {
		free(text);
		return MHD_NO;
	}
	return answer(connection, MHD_HTTP_OK, page_type, text, len);
}

static enum MHD_Result answer_state(struct MHD_Connection *connection, const char *wrong)
{
	return answer_line(connection, wrong ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK, wrong ? wrong : "ok");
}

/* Answers before a body is read: none is wanted. */
static enum MHD_Result request_take(void *context, struct MHD_Connection *connection, const char *url,
				    const char *method, const char *version, const char *upload, size_t *upload_len,
				    void **request)
{
	const struct metrics_settings *s = &((struct metrics *)context)->settings;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_line(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD");
	if (strcmp(url, "/") == 0)
		return answer_html(connection);
	if (strcmp(url, "/status.json") == 0)
		return answer_status(connection, context);
	if (strcmp(url, "/metrics") == 0)
		return answer_page(connection, s);
	if (strcmp(url, "/healthz") == 0)
		return answer_state(connection, s->health(s->context));
	if (strcmp(url, "/readyz") == 0)
		return answer_state(connection, s->readiness(s->context));
	return answer_line(connection, MHD_HTTP_NOT_FOUND, "not found");
}

/* Reads "192.0.2.1:9109" or "[2001:db8::1]:9109". False: neither. */
static bool address_read(const char *text, struct sockaddr_storage *ret)
{
	char host[INET6_ADDRSTRLEN + 2];
	struct sockaddr_in *four = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	char *end;
	unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
	if (len == 0 || len >= sizeof host || !colon[1] || *end || port > UINT16_MAX)
		return false;
	memset(ret, 0, sizeof *ret);
	memcpy(host, text, len);
	host[len] = '\0';
	if (host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)port);
		return inet_pton(AF_INET6, host + 1, &six->sin6_addr) == 1;
	}
	four->sin_family = AF_INET;
	four->sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, host, &four->sin_addr) == 1;
}

/* A socket that listens, and its port; -1: errno says why not. */
static int socket_listen(const struct sockaddr_storage *address, uint16_t *ret_port)
{
	struct sockaddr_storage bound;
	socklen_t len = sizeof bound;
	int one = 1, fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	len = address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	if (bind(fd, (const struct sockaddr *)address, len) != 0 || listen(fd, BACKLOG) != 0 ||
	    (len = sizeof bound, getsockname(fd, (struct sockaddr *)&bound, &len)) != 0) {
		int why = errno;
		close(fd);
		errno = why;
		return -1;
	}
	*ret_port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
						      : ((struct sockaddr_in *)&bound)->sin_port);
	return fd;
}

/* Starts the library's thread with all signals blocked: signals are the main thread's. */
static struct MHD_Daemon *daemon_start(struct metrics *m, int fd)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	struct MHD_Daemon *started = MHD_start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC, 0, NULL, NULL, request_take, m,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)METRICS_CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)METRICS_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)METRICS_HEAD_BYTES, MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return started;
}

struct metrics *metrics_start(const struct metrics_settings *settings, char error[static METRICS_ERROR_BYTES])
{
	struct sockaddr_storage address;
	struct metrics *m = calloc(1, sizeof *m);
	assert(m);
	m->settings = *settings;
	if (!address_read(settings->address, &address)) {
		snprintf(error, METRICS_ERROR_BYTES, "%s is not an address", settings->address);
		free(m);
		return NULL;
	}
	int fd = socket_listen(&address, &m->port);
	if (fd >= 0)
		m->daemon = daemon_start(m, fd);
	if (m->daemon)
		return m;
	snprintf(error, METRICS_ERROR_BYTES, "cannot listen on %s: %s", settings->address,
		 fd < 0 ? strerror(errno) : "the HTTP library would not start");
	free(m); /* the socket was the library's as soon as it was called, also when it fails */
	return NULL;
}

uint16_t metrics_port(const struct metrics *m)
{
	return m->port;
}

void metrics_stop(struct metrics *m)
{
	if (!m)
		return;
	MHD_stop_daemon(m->daemon);
	free(m->status);
	free(m);
}
