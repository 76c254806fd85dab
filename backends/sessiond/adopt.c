#include "adopt.h"
#include "bound.h"
#include "node.h"
#include "outbox.h"
#include "peer.h"
#include "utc.h"
#include <assert.h>

/* Whom the gate means: only what the store has can be adopted, since only there stands what was said and heard. */
static struct client *find(struct sessiond *server, const struct backend_session *at)
{
	int64_t id;
	if (!store_session_at(server->store, at->epoch, at->number, &id)) {
		server_store_failed(server);
		return NULL;
	}
	return id ? bound_find(server, id) : NULL;
}

/* The gate's numbers, which count modulo 2^32, beside ours. Whether both can be. */
static bool numbers_match(const struct store_progress *progress, const struct frame *adopt, int64_t *ret_taken)
{
	uint32_t received = frame_find_int(adopt, FIELD_RECEIVED, 0), acked = frame_find_int(adopt, FIELD_ACKED, 0);
	*ret_taken = progress->sent - (uint32_t)((uint32_t)progress->sent - received);
	return *ret_taken >= progress->acked && (int32_t)((uint32_t)progress->received - acked) >= 0;
}

static void take(struct client *client, struct backend_session *at, int64_t taken)
{
	bound_place(client, at);
	client->progress.acked = taken;
	bound_changed(client, CLIENT_CHANGED_STATE | CLIENT_CHANGED_ACKED);
	backend_adopt(at, (uint32_t)client->progress.received);
	outbox_again(client, taken);
	peer_mark(peer_of(at->link));
}

void adopt_take(struct sessiond *server, struct backend_session *at, const struct frame *adopt)
{
	struct client *client = find(server, at);
	int64_t taken;
	peer_mark(peer_of(at->link));
	at->user = NULL;
	/* A lesser serial has lingered on a link that its gate has given up since. */
	if (!client || at->serial <= client->serial) {
		backend_refuse(at, NULL);
		return;
	}
	assert(!client->at); /* the same session on a link of ours has been given up before */
	if (!client_is_ours(client) && !store_progress_get(server->store, client->id, &client->progress)) {
		server_store_failed(server);
		backend_refuse(at, NULL);
	} else if (numbers_match(&client->progress, adopt, &taken)) {
		take(client, at, taken);
	} else {
		backend_refuse(at, "the numbers cannot be");
		client_lost(client);
	}
}

void adopt_reattached(struct client *client)
{
	bound_place(client, client->at);
	bound_changed(client, CLIENT_CHANGED_STATE | CLIENT_CHANGED_PROGRESS);
	peer_mark(peer_of(client->at->link));
}

void adopt_over(struct client *client)
{
	if (client->id == 0) {
		client_lost(client);
		return;
	}
	client->at = NULL;
	client->until_ms = utc_now_ms() + client->patience_ms + NODE_MARGIN_MS;
	bound_changed(client, CLIENT_CHANGED_STATE);
}

void adopt_expire(struct sessiond *server)
{
	int64_t now_ms = utc_now_ms();
	for (struct client *client = server->attended; client; client = client->attended_next) {
		if (client->until_ms != 0 && client->until_ms <= now_ms && client_is_ours_or_nobodys(client))
			client_lost(client);
	}
	clients_reap(server);
}
