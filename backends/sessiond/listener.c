#include "listener.h"
#include "peer.h"
#include "tls.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 128 };

struct listener {
	struct source source;
	struct sessiond *server;
	char path[sizeof((struct sockaddr_un *)0)->sun_path]; /* "": none */
	bool paused, tls, local;
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
};

static bool port_parse(const char *text, in_port_t *ret)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || port > 65535)
		return false;
	*ret = htons((in_port_t)port);
	return true;
}

/* "192.0.2.1:port" or "[2001:db8::1]:port". Answers the length of the address, 0: it is none. */
static socklen_t host_parse(const char *text, union address *ret)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	if (len < 2 || len >= sizeof host)
		return 0;
	memcpy(host, text, len);
	host[len] = '\0';
	ret->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
	if (host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		bool good = inet_pton(AF_INET6, host + 1, &ret->v6.sin6_addr) == 1;
		return good && port_parse(colon + 1, &ret->v6.sin6_port) ? sizeof ret->v6 : 0;
	}
	ret->v4 = (struct sockaddr_in){.sin_family = AF_INET};
	bool good = inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1;
	return good && port_parse(colon + 1, &ret->v4.sin_port) ? sizeof ret->v4 : 0;
}

static bool is_loopback(const union address *address)
{
	return address->any.sa_family == AF_INET6 ? IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr)
						  : ntohl(address->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

static socklen_t tcp_parse(const char *text, union address *ret)
{
	socklen_t len = host_parse(text, ret);
	return len > 0 && is_loopback(ret) ? len : 0;
}

static socklen_t address_parse(const char *text, union address *ret)
{
	if (strncmp(text, "tcp:", 4) == 0)
		return tcp_parse(text + 4, ret);
	if (strncmp(text, "tls:", 4) == 0)
		return host_parse(text + 4, ret);
	if (strncmp(text, "unix:/", 6) != 0 || strlen(text + 5) >= sizeof ret->local.sun_path)
		return 0;
	ret->local = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(ret->local.sun_path, text + 5, strlen(text + 5));
	return sizeof ret->local;
}

/* A socket file that an earlier process has left is in the way of bind. One with somebody behind it stays. */
static void path_clear(const union address *address)
{
	struct stat status;
	if (lstat(address->local.sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
		return;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, &address->any, sizeof address->local) < 0 && errno == ECONNREFUSED)
		unlink(address->local.sun_path);
	close(fd);
}

/* Nobody can connect between bind and listen, so that the mode is there before the first one can. */
static bool listener_bind(struct listener *listener, const union address *address, socklen_t len)
{
	bool local = address->any.sa_family == AF_UNIX;
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	listener->source.fd = fd;
	if (fd < 0)
		return false;
	if (local)
		path_clear(address);
	else
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (bind(fd, &address->any, len) < 0)
		return false;
	if (local) {
		memcpy(listener->path, address->local.sun_path, sizeof address->local.sun_path);
		listener->local = true;
		if (chmod(listener->path, listener->server->settings.user_count > 0 ? 0666 : 0600) < 0)
			return false;
	}
	return listen(fd, BACKLOG) == 0 && server_watch(listener->server, &listener->source, EPOLLIN);
}

/* Over a Unix socket we look whose process it is, over TLS at a certificate or a key. */
static void listener_warn(const struct listener *listener, const char *text)
{
	if (!listener->local && !listener->tls && !listener->server->secret)
		server_log(listener->server, SESSIOND_WARNING,
			   "links at %.128s are not authenticated: whoever is on this machine may be a gate", text);
}

struct listener *listener_open(struct sessiond *server, const char *text, char error[static SESSIOND_ERROR_BYTES])
{
	union address address;
	socklen_t len = address_parse(text, &address);
	if (len == 0) {
		snprintf(error, SESSIOND_ERROR_BYTES,
			 "%.128s: not unix:/path, tls:host:port, tcp:127.0.0.1:port or tcp:[::1]:port", text);
		return NULL;
	}
	if (strncmp(text, "tls:", 4) == 0 && !server->tls) {
		snprintf(error, SESSIOND_ERROR_BYTES, "%.128s: TLS needs a certificate", text);
		return NULL;
	}
	struct listener *listener = calloc(1, sizeof *listener);
	if (!listener)
		abort();
	listener->source = (struct source){SOURCE_LISTENER, -1};
	listener->server = server;
	listener->tls = strncmp(text, "tls:", 4) == 0;
	if (listener_bind(listener, &address, len)) {
		listener_warn(listener, text);
		return listener;
	}
	snprintf(error, SESSIOND_ERROR_BYTES, "%.128s: %s", text, strerror(errno));
	listener_close(listener);
	return NULL;
}

void listener_close(struct listener *listener)
{
	if (!listener)
		return;
	if (listener->source.fd >= 0)
		close(listener->source.fd);
	if (listener->path[0])
		unlink(listener->path);
	free(listener);
}

static void listener_pause(struct listener *listener, bool paused)
{
	if (listener->paused == paused)
		return;
	listener->paused = paused;
	server_rewatch(listener->server, &listener->source, paused ? 0 : EPOLLIN);
}

static bool user_may(const struct sessiond *server, unsigned uid)
{
	if (uid == 0 || uid == geteuid())
		return true;
	for (size_t i = 0; i < server->settings.user_count; i++) {
		if (server->settings.users[i] == uid)
			return true;
	}
	return false;
}

/* Whoever is connected to a Unix socket must be one who may. */
static bool local_check(const struct listener *listener, int fd)
{
	struct ucred peer = {0};
	socklen_t len = sizeof peer;
	bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0;
	if (known && user_may(listener->server, peer.uid))
		return true;
	server_log(listener->server, SESSIOND_WARNING, "link refused: user %u may not be a gate", (unsigned)peer.uid);
	return false;
}

static void link_begin(struct listener *listener, int fd)
{
	struct sessiond *server = listener->server;
	SSL *tls = NULL;
	/* Fails on Unix sockets, which do not delay. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if ((listener->local && !local_check(listener, fd)) || (listener->tls && !(tls = tls_begin(server->tls, fd))))
		close(fd);
	else
		peer_begin(server, fd, tls);
}

static bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

void listener_on_event(struct listener *listener)
{
	struct sessiond *server = listener->server;
	int fd;
	while (server->peer_count < SERVER_PEERS_MAX &&
	       (fd = accept4(listener->source.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		link_begin(listener, fd);
	if (server->peer_count >= SERVER_PEERS_MAX || is_shortage(errno)) {
		server_log(server, SESSIOND_WARNING, "no more links can be accepted now");
		listener_pause(listener, true);
	}
}

void listener_tick(struct listener *listener)
{
	listener_pause(listener, false);
}
