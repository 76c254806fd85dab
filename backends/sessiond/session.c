/* The registry: bound sessions by full JID, and users by bare JID. */
#include "client.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct session *session_find(struct sessiond *server, const char *full_jid)
{
	uint64_t hash = table_hash(&server->by_full, full_jid, strlen(full_jid));
	struct table_node *node = NULL;
	while ((node = table_find(&server->by_full, hash, node))) {
		struct client *client = table_entry(node, struct client, by_full);
		if (strcmp(client->session.full_jid, full_jid) == 0)
			return &client->session;
	}
	return NULL;
}

static struct user_entry *entry_find(struct sessiond *server, const char *bare_jid)
{
	uint64_t hash = table_hash(&server->by_bare, bare_jid, strlen(bare_jid));
	struct table_node *node = NULL;
	while ((node = table_find(&server->by_bare, hash, node))) {
		struct user_entry *entry = table_entry(node, struct user_entry, by_bare);
		if (strcmp(entry->user.bare_jid, bare_jid) == 0)
			return entry;
	}
	return NULL;
}

struct user *user_find(struct sessiond *server, const char *bare_jid)
{
	struct user_entry *entry = entry_find(server, bare_jid);
	return entry ? &entry->user : NULL;
}

static struct user *user_make(struct sessiond *server, const char *bare_jid)
{
	struct user_entry *entry = calloc(1, sizeof *entry);
	if (!entry)
		abort();
	entry->user.bare_jid = server_copy(bare_jid, strlen(bare_jid));
	table_insert(&server->by_bare, &entry->by_bare, table_hash(&server->by_bare, bare_jid, strlen(bare_jid)));
	return &entry->user;
}

void client_register(struct client *client, const char *full_jid)
{
	struct session *session = &client->session;
	struct sessiond *server = session->server;
	size_t bare_len = strlen(session->bare_jid);
	assert(session->stage == SESSION_AUTHENTICATED);
	assert(strncmp(full_jid, session->bare_jid, bare_len) == 0 && full_jid[bare_len] == '/');
	assert(!session_find(server, full_jid));
	session->full_jid = server_copy(full_jid, strlen(full_jid));
	session->resource = session->full_jid + bare_len + 1;
	session->stage = SESSION_BOUND;
	struct user *user = user_find(server, session->bare_jid);
	session->user = user ? user : user_make(server, session->bare_jid);
	session->user_next = session->user->sessions;
	session->user->sessions = session;
	session->user->session_count++;
	table_insert(&server->by_full, &client->by_full, table_hash(&server->by_full, full_jid, strlen(full_jid)));
}

static void user_drop(struct sessiond *server, struct user *user)
{
	struct user_entry *entry = (struct user_entry *)user; /* its first member */
	assert(user->session_count == 0);
	table_remove(&server->by_bare, &entry->by_bare);
	free(user->bare_jid);
	free(entry);
}

void client_unregister(struct client *client)
{
	struct session *session = &client->session;
	struct session **place = &session->user->sessions;
	while (*place != session)
		place = &(*place)->user_next;
	*place = session->user_next;
	table_remove(&session->server->by_full, &client->by_full);
	if (--session->user->session_count == 0)
		user_drop(session->server, session->user);
	session->user = NULL;
}
