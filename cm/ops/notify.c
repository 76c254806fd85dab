#include "notify.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static uint64_t number_of(const char *variable)
{
	const char *text = getenv(variable);

	return text == NULL ? 0 : strtoull(text, NULL, 10);
}

/* A path, or a name in the abstract space behind an @. */
static int socket_to(const char *name)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t len = name == NULL ? 0 : strlen(name);
	socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	int fd;

	if (len == 0 || len >= sizeof to.sun_path || (name[0] != '/' && name[0] != '@'))
		return -1;
	memcpy(to.sun_path, name, len);
	if (name[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, bytes) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

void notify_open(struct notify *n)
{
	uint64_t pid = number_of("WATCHDOG_PID"), within_us = number_of("WATCHDOG_USEC");
	bool mine = pid == 0 || pid == (uint64_t)getpid();

	*n = (struct notify){.fd = socket_to(getenv("NOTIFY_SOCKET")), .every_us = mine ? within_us / 2 : 0};
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
}

void notify_close(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

void notify_say(const struct notify *n, const char *lines)
{
	if (n->fd >= 0)
		send(n->fd, lines, strlen(lines), MSG_NOSIGNAL);
}

void notify_alive(struct notify *n, uint64_t now_us)
{
	if (n->every_us == 0 || now_us < n->next_us)
		return;
	n->next_us = now_us + n->every_us;
	notify_say(n, "WATCHDOG=1");
}
