#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 4096 };

/* Splits "host:port" or "[host]:port"; the host is copied. */
static bool split(const char *text, char host[static ADDRESS_TEXT_BYTES], uint16_t *ret_port)
{
	const char *colon = strrchr(text, ':');
	char *end;
	unsigned long port;
	size_t len;

	if (colon == NULL || colon[1] < '0' || colon[1] > '9')
		return false;
	port = strtoul(colon + 1, &end, 10);
	len = (size_t)(colon - text);
	if (*end != '\0' || port > 65535 || len == 0 || len >= ADDRESS_TEXT_BYTES)
		return false;
	if (text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	memcpy(host, text, len);
	host[len] = '\0';
	*ret_port = (uint16_t)port;
	return true;
}

bool address_parse(const char *text, struct address *ret)
{
	char host[ADDRESS_TEXT_BYTES];
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	uint16_t port;

	if (!split(text, host, &port))
		return false;
	v4.sin_port = v6.sin6_port = htons(port);
	memset(ret, 0, sizeof *ret);
	if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
		ret->len = sizeof v4;
		memcpy(&ret->at, &v4, sizeof v4);
		return true;
	}
	if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
		ret->len = sizeof v6;
		memcpy(&ret->at, &v6, sizeof v6);
		return true;
	}
	return false;
}

bool address_is_loopback(const struct address *a)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	memcpy(&v4, &a->at, sizeof v4);
	memcpy(&v6, &a->at, sizeof v6);
	if (a->at.ss_family == AF_INET)
		return ntohl(v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return a->at.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

bool address_link_is_tls(const char *text)
{
	return strncmp(text, "tls:", 4) == 0;
}

bool address_parse_link(const char *text, struct address *ret)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};

	if (strncmp(text, "tcp:", 4) == 0 || address_link_is_tls(text))
		return address_parse(text + 4, ret);
	if (strncmp(text, "unix:", 5) != 0 || text[5] == '\0' || strlen(text + 5) >= sizeof local.sun_path)
		return false;
	strncpy(local.sun_path, text + 5, sizeof local.sun_path - 1);
	memset(ret, 0, sizeof *ret);
	memcpy(&ret->at, &local, sizeof local);
	ret->len = sizeof local;
	return true;
}

void address_host(const struct address *a, char to[static ADDRESS_TEXT_BYTES], uint16_t *ret_port)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	*ret_port = 0;
	snprintf(to, ADDRESS_TEXT_BYTES, "unix");
	if (a->at.ss_family == AF_INET) {
		memcpy(&v4, &a->at, sizeof v4);
		inet_ntop(AF_INET, &v4.sin_addr, to, ADDRESS_TEXT_BYTES);
		*ret_port = ntohs(v4.sin_port);
	} else if (a->at.ss_family == AF_INET6) {
		memcpy(&v6, &a->at, sizeof v6);
		inet_ntop(AF_INET6, &v6.sin6_addr, to, ADDRESS_TEXT_BYTES);
		*ret_port = ntohs(v6.sin6_port);
	}
}

bool address_of_peer(int fd, struct address *ret)
{
	memset(ret, 0, sizeof *ret);
	ret->len = sizeof ret->at;
	return getpeername(fd, (struct sockaddr *)&ret->at, &ret->len) == 0;
}

/* What is accepted is set as its listener is. */
static int listen_on(int fd, struct address *a)
{
	int one = 1, unsent = ADDRESS_UNSENT_BYTES;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent) != 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&a->at, a->len) != 0 || listen(fd, LISTEN_BACKLOG) != 0)
		return -1;
	return getsockname(fd, (struct sockaddr *)&a->at, &a->len);
}

static void say_refused(const struct address *a, char error[static ADDRESS_ERROR_BYTES])
{
	const char *why = strerror(errno);
	char host[ADDRESS_TEXT_BYTES];
	uint16_t port;

	address_host(a, host, &port);
	snprintf(error, ADDRESS_ERROR_BYTES, "cannot listen on %s port %u: %s", host, (unsigned)port, why);
}

int address_listen(struct address *a, char error[static ADDRESS_ERROR_BYTES])
{
	int fd = socket(a->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && listen_on(fd, a) == 0)
		return fd;
	say_refused(a, error);
	if (fd >= 0)
		close(fd);
	return -1;
}

bool address_is_free(const struct address *a, char error[static ADDRESS_ERROR_BYTES])
{
	int fd = socket(a->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	bool is_free = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
		       bind(fd, (const struct sockaddr *)&a->at, a->len) == 0;

	if (!is_free)
		say_refused(a, error);
	if (fd >= 0)
		close(fd);
	return is_free;
}

int address_socket(const struct address *a)
{
	int fd = socket(a->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;

	if (fd >= 0 && a->at.ss_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}
