#include "outbox.h"
#include "attended.h"
#include "bound.h"
#include "inactive.h"
#include "management.h"
#include "stanza.h"
#include "store_outbox.h"
#include "utc.h"
#include <string.h>

/* It may be read later. */
static void pile_up(struct client *client)
{
	client->lost = true;
	client_shut(client, "resource-constraint", "too much has piled up that is not read");
}

static void check_waiting(struct client *client, int64_t waiting_bytes)
{
	if (waiting_bytes > (management_is_hibernating(client) ? CLIENT_WAITING_BYTES_MAX : CLIENT_OUTBOX_BYTES_MAX))
		pile_up(client);
}

/* Whether it is one by name: what we send has no prefixes. */
static bool is_stanza(const char *xml, size_t len)
{
	static const char *const names[] = {"<message", "<presence", "<iq"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		size_t name_len = strlen(names[i]);
		if (len > name_len && memcmp(xml, names[i], name_len) == 0 && strchr(" \t\r\n/>", xml[name_len]))
			return true;
	}
	return false;
}

/* Its numbers are yet to be known; `managed` says whether it has one. */
static struct store_element element_of(const struct client *client, const char *xml, size_t len)
{
	return (struct store_element){
		.at_ms = utc_now_ms(),
		.managed = client->managed && is_stanza(xml, len),
		.xml = xml,
		.len = len,
	};
}

/* False: the store failed. */
static bool put_ours(struct client *client, const char *xml, size_t len)
{
	struct store_progress *progress = &client->progress;
	struct store_element element = element_of(client, xml, len);
	element.number = progress->sent + 1;
	if (element.managed != 0)
		element.managed = progress->managed_out + 1;
	if (!store_outbox_put(client->session.server->store, client->id, &element)) {
		server_store_failed(client->session.server);
		return false;
	}
	progress->sent++;
	progress->managed_out += element.managed != 0;
	progress->waiting_bytes += (int64_t)len;
	bound_changed(client, CLIENT_CHANGED_PROGRESS);
	return true;
}

/* What it was said last is on its way. */
static void sent_ours(struct client *client)
{
	check_waiting(client, client->progress.waiting_bytes);
	management_ask(client);
}

static void send_ours(struct client *client, const char *xml, size_t len)
{
	if (!put_ours(client, xml, len))
		return;
	if (client->at && !client_pass(client, xml, len))
		pile_up(client);
	sent_ours(client);
}

bool outbox_is_open(const struct client *client)
{
	return client_is_ours(client) && !client->inactive && client_is_open(client);
}

void outbox_send_together(struct client *const *clients, size_t count, const char *xml, size_t len)
{
	for (size_t i = 0; i < count; i++) {
		if (clients[i]->session.server->store_failed || !put_ours(clients[i], xml, len))
			return; /* nothing of this turn counts */
	}
	if (count > 0)
		clients_pass(clients, count, xml, len);
	for (size_t i = 0; i < count; i++)
		sent_ours(clients[i]);
}

static void send_other(struct client *client, const char *xml, size_t len)
{
	struct store_element element = element_of(client, xml, len);
	int64_t waiting_bytes = 0;
	if (!store_outbox_post(client->session.server->store, client->id, &element, &waiting_bytes)) {
		server_store_failed(client->session.server);
		return;
	}
	bound_changed(client, CLIENT_CHANGED_MAIL);
	check_waiting(client, waiting_bytes);
}

void outbox_say(struct client *client, const char *xml, size_t len)
{
	if (client->session.server->store_failed || client->closed)
		return; /* nothing of this turn counts; or it is too much already */
	if (client_is_ours(client))
		send_ours(client, xml, len);
	else
		send_other(client, xml, len);
}

void outbox_send(struct client *client, const char *xml, size_t len)
{
	if (!client->inactive || !inactive_hold(client, xml, len))
		outbox_say(client, xml, len);
}

static void on_posted(void *context, const struct store_element *element)
{
	struct client *client = context;
	if (client->closed)
		return;
	client->progress.sent = element->number;
	if (element->managed != 0)
		client->progress.managed_out = element->managed;
	client->progress.waiting_bytes += (int64_t)element->len;
	if (client->at && !client_pass(client, element->xml, element->len))
		pile_up(client);
}

void outbox_collect(struct client *client)
{
	struct sessiond *server = client->session.server;
	if (!store_outbox_read(server->store, client->id, client->progress.sent, on_posted, client))
		server_store_failed(server);
	management_ask(client);
	attended_note(client);
}

static void on_again(void *context, const struct store_element *element)
{
	struct client *client = context;
	if (!client->closed && !client_pass(client, element->xml, element->len))
		pile_up(client);
}

void outbox_again(struct client *client, int64_t after)
{
	struct sessiond *server = client->session.server;
	if (!store_outbox_read(server->store, client->id, after, on_again, client))
		server_store_failed(server);
}

void outbox_resume(struct client *client, const char *xml, size_t len)
{
	struct store *store = client->session.server->store;
	struct store_progress *progress = &client->progress;
	struct store_element first = {.number = 1, .at_ms = utc_now_ms(), .xml = xml, .len = len};
	int64_t waiting_bytes;
	if (!store_outbox_renumber(store, client->id, progress->managed_acked, 2, &waiting_bytes) ||
	    !store_outbox_put(store, client->id, &first)) {
		server_store_failed(client->session.server);
		return;
	}
	progress->received = progress->acked = 0;
	progress->sent = 1 + progress->managed_out - progress->managed_acked;
	progress->waiting_bytes = waiting_bytes + (int64_t)len;
	outbox_again(client, 0);
}

/* What went before stream management has arrived, if the client went in peace, or has acknowledged what came later. */
static void on_undelivered(void *context, const struct store_element *element)
{
	const struct client *client = context;
	if (element->managed == 0 && (!client->lost || client->progress.managed_acked > 0))
		return;
	struct stanza_undelivered undelivered = {
		.full_jid = client->session.full_jid,
		.priority = client->priority,
		.at_ms = element->at_ms,
		.xml = element->xml,
		.len = element->len,
	};
	stanza_undelivered(client->session.server, &undelivered);
}

/* Of a session that is not ours the store knows best what was acknowledged. */
void outbox_return(struct client *client)
{
	struct sessiond *server = client->session.server;
	bool good = client_is_ours(client) || store_progress_get(server->store, client->id, &client->progress);
	if (!good || !outbox_forget(client) || !store_outbox_read(server->store, client->id, 0, on_undelivered, client))
		server_store_failed(server);
}

/* It is forgotten with the next work, in a second at the latest; at once when it is much. */
void outbox_acked(struct backend_session *at)
{
	struct client *client = at->user;
	if (!client || client->id == 0)
		return;
	client->progress.acked += (uint32_t)(at->acked - (uint32_t)client->progress.acked);
	bound_changed(client, CLIENT_CHANGED_ACKED);
	if (client->progress.waiting_bytes > CLIENT_WAITING_BYTES_MAX)
		client->session.server->has_work = true;
}

bool outbox_forget(struct client *client)
{
	int64_t bytes = 0;
	bool good = store_outbox_forget(client->session.server->store, client->id, &client->progress, &bytes);
	client->progress.waiting_bytes -= bytes;
	return good;
}
