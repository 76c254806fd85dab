#include "bound.h"
#include "attended.h"
#include "node.h"
#include "outbox.h"
#include "peer.h"
#include "store_node.h"
#include "text.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORGET_BYTES = 4 << 10 }; /* a client counts for so many beside its elements' */

/* What changes */

void bound_changed(struct client *client, unsigned what)
{
	struct sessiond *server = client->session.server;
	if (client->changed == 0) {
		client->changed_next = server->changed;
		server->changed = client;
	}
	client->changed |= what;
}

void bound_unchanged(struct client *client)
{
	struct client **place = &client->session.server->changed;
	if (client->changed == 0)
		return;
	while (*place != client)
		place = &(*place)->changed_next;
	*place = client->changed_next;
	client->changed = 0;
}

void session_changed(struct session *session)
{
	struct client *client = client_of(session);
	if (client->id != 0)
		bound_changed(client, CLIENT_CHANGED_STATE);
}

/* Rows */

static const struct {
	unsigned flag;
	size_t at;
} flags[] = {
	{SESSION_IS_CARBONS, offsetof(struct client, session.carbons)},
	{SESSION_IS_BLOCKLIST, offsetof(struct client, session.blocklist)},
	{SESSION_IS_INTERESTED, offsetof(struct client, session.interested)},
	{SESSION_IS_AVAILABLE, offsetof(struct client, session.available)},
	{SESSION_IS_MANAGED, offsetof(struct client, managed)},
	{SESSION_IS_RESUMABLE, offsetof(struct client, resumable)},
	{SESSION_IS_INACTIVE, offsetof(struct client, inactive)},
};
enum { FLAGS = sizeof flags / sizeof flags[0] };

static unsigned flags_of(const struct client *client)
{
	unsigned found = 0;
	for (size_t i = 0; i < FLAGS; i++) {
		if (*(const bool *)((const char *)client + flags[i].at))
			found |= flags[i].flag;
	}
	return found;
}

static void flags_read(struct client *client, unsigned given)
{
	for (size_t i = 0; i < FLAGS; i++)
		*(bool *)((char *)client + flags[i].at) = given & flags[i].flag;
}

/* JIDs have no line feeds in them. */
static void directed_write(const struct session *session, struct text *to)
{
	for (size_t i = 0; i < session->directed_count; i++)
		text_put(to, i > 0 ? "\n%r" : "%r", session->directed[i]);
}

static void directed_forget(struct session *session)
{
	for (size_t i = 0; i < session->directed_count; i++)
		free(session->directed[i]);
	free(session->directed);
	session->directed = NULL;
	session->directed_count = 0;
}

/* The list has room for a power of two, as directed.c has it. */
static void directed_read(struct session *session, const char *lines)
{
	directed_forget(session);
	for (const char *at = lines; at; at = *at ? at + 1 : NULL) {
		size_t len = strcspn(at, "\n"), count = session->directed_count;
		if ((count & (count - 1)) == 0)
			session->directed =
				text_again(session->directed, count ? 2 * count : 1, sizeof *session->directed);
		session->directed[session->directed_count++] = text_copy_len(at, len);
		at += len;
	}
}

static struct store_session row_of(const struct client *client, const struct text *directed)
{
	const struct session *session = &client->session;
	return (struct store_session){
		.id = client->id,
		.full_jid = session->full_jid,
		.domain = session->domain,
		.lang = session->lang,
		.address = client->address,
		.owner = client->owner,
		.at_gate = client->at_gate,
		.gate = client->gate,
		.number = client->number,
		.serial = client->serial,
		.patience_ms = client->patience_ms,
		.until_ms = client->until_ms,
		.flags = flags_of(client),
		.priority = session->priority,
		.since_ms = session->since_ms,
		.presence = session->presence,
		.presence_len = session->presence_len,
		.directed = directed->bytes,
		.active_privacy_list = session->active_privacy_list,
		.resumption = client->resumable ? client->resumption : NULL,
		.resumption_ms = client->resumption_ms,
	};
}

static char *copy_or_null(const char *text)
{
	return text ? text_copy(text) : NULL;
}

void bound_read(struct client *client, const struct store_session *row)
{
	struct session *session = &client->session;
	client->owner = row->owner;
	client->at_gate = row->at_gate;
	client->gate = row->gate;
	client->number = row->number;
	client->serial = row->serial;
	client->patience_ms = row->patience_ms;
	client->until_ms = row->until_ms;
	flags_read(client, row->flags);
	snprintf(client->resumption, sizeof client->resumption, "%s", row->resumption ? row->resumption : "");
	client->resumption_ms = row->resumption_ms;
	session->priority = (int8_t)row->priority;
	session->since_ms = row->since_ms;
	free(session->presence);
	session->presence = row->presence ? text_copy_len(row->presence, row->presence_len) : NULL;
	session->presence_len = row->presence_len;
	directed_read(session, row->directed);
	free(session->active_privacy_list);
	session->active_privacy_list = copy_or_null(row->active_privacy_list);
	attended_note(client);
}

static void id_take(struct client *client, int64_t id)
{
	struct sessiond *server = client->session.server;
	client->id = id;
	table_insert(&server->by_id, &client->by_id, table_hash(&server->by_id, &id, sizeof id));
}

struct client *bound_from(struct sessiond *server, const struct store_session *row)
{
	struct client *client = client_make(server, NULL);
	client->session.bare_jid = text_copy_len(row->full_jid, strcspn(row->full_jid, "/"));
	client->session.domain = text_copy(row->domain);
	client->session.lang = copy_or_null(row->lang);
	client->session.stage = SESSION_AUTHENTICATED;
	snprintf(client->address, sizeof client->address, "%s", row->address);
	client_register(client, row->full_jid);
	id_take(client, row->id);
	return client;
}

struct client *bound_find(struct sessiond *server, int64_t id)
{
	uint64_t hash = table_hash(&server->by_id, &id, sizeof id);
	struct table_node *node = NULL;
	while ((node = table_find(&server->by_id, hash, node))) {
		struct client *client = table_entry(node, struct client, by_id);
		if (client->id == id)
			return client;
	}
	return NULL;
}

/* Beginning and end */

void bound_place(struct client *client, struct backend_session *at)
{
	client->at = at;
	at->user = client;
	client->owner = client->session.server->node;
	client->at_gate = true;
	client->gate = at->epoch;
	client->number = at->number;
	client->serial = at->serial;
	client->patience_ms = at->link->link.patience_ms;
	client->until_ms = 0;
	client->asking = false;
}

bool bound_begin(struct client *client)
{
	struct sessiond *server = client->session.server;
	int64_t id;
	bound_place(client, client->at);
	struct store_session row = row_of(client, &(struct text){0});
	if (!store_session_add(server->store, &row, &id)) {
		server_store_failed(server);
		return false;
	}
	id_take(client, id);
	node_tell(server, CHANGE_SESSION, id, NULL);
	return true;
}

void bound_forget(struct client *client)
{
	struct session *session = &client->session;
	bound_unchanged(client);
	attended_forget(client);
	if (client->id != 0)
		table_remove(&session->server->by_id, &client->by_id);
	client->id = 0;
	directed_forget(session);
	free(session->presence);
	free(session->active_privacy_list);
	session->presence = session->active_privacy_list = NULL;
}

void bound_end(struct client *client)
{
	struct sessiond *server = client->session.server;
	if (client->id == 0)
		return; /* the store failed when it began */
	if (client->lost || client->managed)
		outbox_return(client);
	if (!store_session_remove(server->store, client->id))
		server_store_failed(server);
	node_tell(server, CHANGE_SESSION, client->id, client->condition[0] ? client->condition : NULL);
	if (!client_is_ours(client))
		node_wake(server, client->owner);
	bound_forget(client);
}

/* Writing */

static bool state_write(struct client *client)
{
	struct sessiond *server = client->session.server;
	struct text directed = {0};
	directed_write(&client->session, &directed);
	struct store_session row = row_of(client, &directed);
	bool good = store_session_put(server->store, &row);
	text_free(&directed);
	node_tell(server, CHANGE_SESSION, client->id, NULL);
	return good;
}

static bool progress_write(struct client *client)
{
	assert(!client->at || client->at->received == (uint32_t)client->progress.received);
	return store_progress_put(client->session.server->store, client->id, &client->progress);
}

static bool changes_write(struct client *client, unsigned changed)
{
	struct sessiond *server = client->session.server;
	bool good = true;
	if (changed & CLIENT_CHANGED_MAIL) {
		node_tell(server, CHANGE_MAIL, client->id, NULL);
		node_wake(server, client->owner);
	}
	if (changed & CLIENT_CHANGED_ACKED)
		good &= outbox_forget(client);
	if (changed & (CLIENT_CHANGED_ACKED | CLIENT_CHANGED_PROGRESS))
		good &= progress_write(client);
	if (changed & CLIENT_CHANGED_STATE)
		good &= state_write(client);
	return good;
}

static void bound_write_one(struct client *client)
{
	unsigned changed = client->changed;
	client->changed = 0;
	if (!changes_write(client, changed))
		server_store_failed(client->session.server);
	attended_note(client);
}

/* What has been acknowledged is known to the gate, too: nothing is lost when it is forgotten late. */
static bool can_wait(const struct client *client)
{
	return client->changed == CLIENT_CHANGED_ACKED;
}

void bound_write(struct sessiond *server, int64_t forget_bytes_max)
{
	for (struct client **place = &server->changed; *place && !server->store_failed;) {
		struct client *client = *place;
		if (can_wait(client) && forget_bytes_max <= 0) {
			place = &client->changed_next;
			continue;
		}
		*place = client->changed_next;
		int64_t waiting_bytes = client->progress.waiting_bytes;
		bound_write_one(client);
		forget_bytes_max -= FORGET_BYTES + waiting_bytes - client->progress.waiting_bytes;
	}
	server->has_work |= server->changed != NULL;
}
