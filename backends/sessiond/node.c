#include "node.h"
#include "adopt.h"
#include "bound.h"
#include "share.h"
#include "store_node.h"
#include "store_session.h"
#include "utc.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

bool node_is_alone(const struct sessiond *server)
{
	return strcmp(server->settings.database, ":memory:") == 0;
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	memcpy(address.sun_path, path, strlen(path));
	return address;
}

bool node_open(struct sessiond *server, char error[static SESSIOND_ERROR_BYTES])
{
	int len = snprintf(server->node_path, sizeof server->node_path, "%s-node-%016" PRIx64,
			   server->settings.database, server->epoch);
	if (node_is_alone(server)) {
		server->node_path[0] = '\0';
		return true;
	}
	if ((size_t)len >= sizeof server->node_path) {
		server->node_path[0] = '\0';
		snprintf(error, SESSIOND_ERROR_BYTES, "the path of the database is too long for a socket beside it");
		return false;
	}
	struct sockaddr_un address = address_of(server->node_path);
	server->node_source =
		(struct source){SOURCE_NODE, socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
	if (server->node_source.fd >= 0 &&
	    bind(server->node_source.fd, (struct sockaddr *)&address, sizeof address) == 0 &&
	    server_watch(server, &server->node_source, EPOLLIN))
		return true;
	snprintf(error, SESSIOND_ERROR_BYTES, "%.128s: %s", server->node_path, strerror(errno));
	return false;
}

void node_close(struct sessiond *server)
{
	if (server->node_source.fd >= 0)
		close(server->node_source.fd);
	server->node_source.fd = -1;
	if (server->node_path[0])
		unlink(server->node_path);
}

void node_on_event(struct sessiond *server)
{
	char nothing[8];
	while (recv(server->node_source.fd, nothing, sizeof nothing, 0) >= 0)
		;
	server->has_work = true;
}

/* Who else */

static void node_read(void *context, int64_t id, const char *path)
{
	struct sessiond *server = context;
	if (server->other_count++ < SERVER_NODES_MAX) {
		struct node *node = &server->others[server->other_count - 1];
		*node = (struct node){.id = id};
		snprintf(node->path, sizeof node->path, "%s", path);
	}
}

bool nodes_read(struct sessiond *server)
{
	server->other_count = 0;
	if (!store_node_list(server->store, server->node, node_read, server))
		server_store_failed(server);
	bool all = server->other_count <= SERVER_NODES_MAX;
	if (!all)
		server->other_count = SERVER_NODES_MAX;
	return all;
}

void node_tell(struct sessiond *server, int kind, int64_t subject, const char *text)
{
	if (server->other_count > 0 &&
	    !store_change_add(server->store, server->node, (enum store_change_kind)kind, subject, text))
		server_store_failed(server);
}

void node_wake(struct sessiond *server, int64_t id)
{
	for (size_t i = 0; i < server->other_count; i++) {
		if (server->others[i].id == id)
			server->others[i].wake = true;
	}
}

/* Whoever cannot be woken is looked at in the next second. A socket that is full wakes its node anyway. */
void nodes_wake(struct sessiond *server)
{
	for (size_t i = 0; i < server->other_count; i++) {
		struct node *node = &server->others[i];
		struct sockaddr_un address = address_of(node->path);
		if (node->wake)
			sendto(server->node_source.fd, "w", 1, MSG_NOSIGNAL, (struct sockaddr *)&address,
			       sizeof address);
		node->wake = false;
	}
}

/* Nobody is bound there. */
static bool is_dead(const struct node *node)
{
	struct sockaddr_un address = address_of(node->path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	bool dead = connect(fd, (struct sockaddr *)&address, sizeof address) < 0 &&
		    (errno == ECONNREFUSED || errno == ENOENT);
	close(fd);
	return dead;
}

/* Its sessions wait for their gates to bring them, for as long as these do. */
static bool bury(struct sessiond *server, int64_t id)
{
	bool found;
	return store_node_remove(server->store, id, &found) &&
	       (!found || (store_session_abandon(server->store, id, utc_now_ms(), NODE_MARGIN_MS, server->node) &&
			   store_change_add(server->store, server->node, CHANGE_NODE, id, NULL)));
}

/* All sessions are read anew then: what this turn has made of them must be in the store before, also whose they are
 * now. */
void nodes_check(struct sessiond *server)
{
	bool buried = false;
	for (size_t i = 0; i < server->other_count; i++) {
		const struct node *node = &server->others[i];
		if (!is_dead(node))
			continue;
		bound_write(server, INT64_MAX);
		server_log(server, SESSIOND_WARNING, "node %" PRId64 " has died", node->id);
		unlink(node->path);
		if (!bury(server, node->id))
			server_store_failed(server);
		buried = true;
	}
	if (buried)
		share_read(server);
}

/* Joining and leaving */

static bool join(struct sessiond *server)
{
	int64_t before = server->node;
	server->node = 0;
	if ((before != 0 && !bury(server, before)) ||
	    !store_node_add(server->store, server->settings.name, server->node_path, &server->node) ||
	    !store_change_add(server->store, server->node, CHANGE_NODE, server->node, NULL))
		return false;
	share_read(server);
	nodes_check(server);
	adopt_expire(server);
	if (!nodes_read(server)) {
		server_log(server, SESSIOND_ERROR, "the database is served by %d others already", SERVER_NODES_MAX);
		return false;
	}
	return !server->store_failed && store_commit(server->store);
}

bool node_join(struct sessiond *server)
{
	server->store_failed = false;
	if (!store_begin(server->store))
		return false;
	int64_t before = server->node;
	if (join(server)) {
		for (size_t i = 0; i < server->other_count; i++)
			server->others[i].wake = true;
		nodes_wake(server);
		return true;
	}
	store_rollback(server->store);
	server->node = before;
	return false;
}

void node_leave(struct sessiond *server)
{
	if (server->node == 0 || !store_begin(server->store))
		return; /* the others notice */
	if (bury(server, server->node) && store_commit(server->store))
		server->node = 0;
	else
		store_rollback(server->store);
}
