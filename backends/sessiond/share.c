#include "share.h"
#include "bound.h"
#include "client.h"
#include "node.h"
#include "outbox.h"
#include "store_node.h"
#include "text.h"
#include <stdlib.h>
#include <string.h>

/* While one row is read. */
struct reading {
	struct sessiond *server;
	const char *condition; /* for the client of a session that was ours; NULL: it is not here */
};

/* Another node has it: the stream that is still here ends, or is not here any more. */
static void leave(struct client *client, const char *condition)
{
	bound_unchanged(client);
	if (client->at && condition)
		client_say_close(client, condition, NULL);
	else if (client->at)
		backend_forget(client->at);
	client->at = NULL;
}

static void gone(struct client *client, const char *condition)
{
	leave(client, condition);
	client_drop(client);
}

/* Whoever has had the name before is gone; that is yet to be read. */
static struct client *add(struct sessiond *server, const struct store_session *row)
{
	struct session *old = session_find(server, row->full_jid);
	if (old)
		gone(client_of(old), "conflict");
	return bound_from(server, row);
}

static void on_row(void *context, const struct store_session *row)
{
	const struct reading *reading = context;
	struct sessiond *server = reading->server;
	struct client *client = bound_find(server, row->id);
	if (client)
		client->read_mark = server->read_mark;
	if (client && client_is_ours(client) && row->owner == server->node)
		return;
	if (!client)
		client = add(server, row);
	else if (client_is_ours(client))
		leave(client, reading->condition);
	bound_read(client, row);
	client->read_mark = server->read_mark;
}

static void on_session(struct sessiond *server, int64_t id, const char *condition)
{
	struct reading reading = {server, condition};
	bool found;
	if (!store_session_read(server->store, id, on_row, &reading, &found)) {
		server_store_failed(server);
		return;
	}
	struct client *client = bound_find(server, id);
	if (!found && client)
		gone(client, condition);
}

/* What makes us do something waits until all changes have been read, and it is known which sessions are ours. */
struct later {
	struct store_change *changes;
	size_t count;
};

/* Takes the text. */
static void put_off(struct later *later, struct store_change *change)
{
	if ((later->count & (later->count - 1)) == 0)
		later->changes =
			text_again(later->changes, later->count ? 2 * later->count : 1, sizeof *later->changes);
	later->changes[later->count++] = *change;
	change->text = NULL;
}

static void on_mail(struct sessiond *server, int64_t id)
{
	struct client *client = bound_find(server, id);
	if (client && client_is_ours(client))
		outbox_collect(client);
}

/* Those of a node that has died are nobody's: it would have ended them. */
static void on_account(struct sessiond *server, const char *bare_jid)
{
	nodes_check(server);
	struct user *user = user_find(server, bare_jid);
	for (struct session *session = user ? user->sessions : NULL; session; session = session->user_next) {
		struct client *client = client_of(session);
		if (!client_is_ours_or_nobodys(client))
			continue;
		client->lost = client->owner == 0;
		session_close(session, "not-authorized", "the account has been changed");
	}
}

static void act(struct sessiond *server, const struct later *later)
{
	for (size_t i = 0; i < later->count && !server->store_failed; i++) {
		const struct store_change *change = &later->changes[i];
		if (change->kind == CHANGE_MAIL)
			on_mail(server, change->subject);
		else
			on_account(server, change->text);
	}
}

static void later_free(struct later *later)
{
	for (size_t i = 0; i < later->count; i++)
		free(later->changes[i].text);
	free(later->changes);
}

static void on_change(struct sessiond *server, struct store_change *change, struct later *later)
{
	switch (change->kind) {
	case CHANGE_NODE:
		nodes_read(server);
		break;
	case CHANGE_SESSION:
		on_session(server, change->subject, change->text);
		break;
	case CHANGE_MAIL:
	case CHANGE_ACCOUNT:
		put_off(later, change);
		break;
	}
}

/* Our own are there, too. False: there are no more. */
static bool take_next(struct sessiond *server, struct later *later)
{
	struct store_change change;
	bool lost;
	if (!store_change_next(server->store, server->change, &change, &lost)) {
		server_store_failed(server);
		return false;
	}
	if (lost)
		share_read(server);
	else if (change.id != 0) {
		server->change = change.id;
		if (change.node != server->node)
			on_change(server, &change, later);
	}
	free(change.text);
	return change.id != 0 && !lost && !server->store_failed;
}

void share_refresh(struct sessiond *server)
{
	struct later later = {0};
	if (!store_is_changed(server->store))
		return;
	while (take_next(server, &later))
		;
	act(server, &later);
	later_free(&later);
	clients_reap(server);
}

static void forget_unread(struct sessiond *server)
{
	struct table_node *node = table_next(&server->by_id, NULL);
	while (node) {
		struct client *client = table_entry(node, struct client, by_id);
		node = table_next(&server->by_id, node);
		if (client->read_mark != server->read_mark)
			gone(client, NULL);
		else if (client_is_ours(client))
			outbox_collect(client);
	}
}

void share_read(struct sessiond *server)
{
	struct reading reading = {server, NULL};
	server->read_mark++;
	nodes_read(server);
	if (!store_session_list(server->store, on_row, &reading) || !store_change_last(server->store, &server->change))
		server_store_failed(server);
	else
		forget_unread(server);
	clients_reap(server);
}
