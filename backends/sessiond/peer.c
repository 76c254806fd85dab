#include "peer.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static bool peer_is_stopped(const struct peer *peer)
{
	return peer->full || peer->stalled_on;
}

static void peer_watch(struct peer *peer, bool writable)
{
	uint32_t events = (peer_is_stopped(peer) ? 0 : EPOLLIN) | (writable ? EPOLLOUT : 0);
	if (events == peer->watched)
		return;
	server_rewatch(peer->server, &peer->source, events);
	peer->watched = events;
}

static void peer_mark(struct peer *peer)
{
	struct sessiond *server = peer->server;
	if (peer->dirty)
		return;
	peer->dirty = true;
	peer->dirty_next = server->dirty;
	server->dirty = peer;
}

static void peer_unmark(struct peer *peer)
{
	struct peer **place = &peer->server->dirty;
	if (!peer->dirty)
		return;
	while (*place != peer)
		place = &(*place)->dirty_next;
	*place = peer->dirty_next;
	peer->dirty = false;
}

/* Whoever's frame made these bytes waits as well. */
static void peer_check_high(struct peer *peer)
{
	struct peer *reading = peer->server->reading;
	if (buffer_len(&peer->out) <= PEER_HIGH_BYTES)
		return;
	if (!peer->full) {
		peer->full = true;
		peer->full_since_ms = peer->server->now_ms;
	}
	if (reading && reading != peer) {
		reading->stalled_on = peer;
		peer_mark(reading); /* so that it is no longer watched for bytes that nobody would read */
	}
}

void peer_send_frame(struct peer *peer, const uint8_t *frame, size_t len)
{
	if (peer->broken)
		return;
	buffer_add(&peer->out, frame, len);
	peer_mark(peer);
	peer_check_high(peer);
}

void peer_send(struct peer *peer, enum frame_type type, frame_session session, const void *payload, size_t len)
{
	if (peer->broken)
		return;
	uint8_t *to = buffer_room(&peer->out, FRAME_HEAD_BYTES + len);
	frame_head(to, type, session, len);
	if (len > 0)
		memcpy(to + FRAME_HEAD_BYTES, payload, len);
	peer->out.end += FRAME_HEAD_BYTES + len;
	peer_mark(peer);
	peer_check_high(peer);
}

void peer_break(struct peer *peer, const char *why)
{
	if (peer->broken)
		return;
	if (why)
		server_log(peer->server, SESSIOND_WARNING, "link of %s closed: %s",
			   peer->link.up ? peer->link.name : "a stranger", why);
	peer->broken = true;
	peer->server->broken = true;
}

/* Our HELLO; where a key is shared it goes with the TLS connection, which must be up. Until then only time counts. */
static void peer_greet(struct peer *peer)
{
	struct sessiond *server = peer->server;
	struct link_self self = {.name = server->settings.name,
				 .software = "stanzagate-sessiond " STANZAGATE_VERSION,
				 .epoch = server->epoch};
	struct link_send hello;
	struct link_key key;
	uint8_t binding[LINK_BINDING_BYTES];
	peer->greeting = wire_is_ready(&peer->wire);
	if (peer->greeting && server->secret) {
		bool bound = wire_binding(&peer->wire, binding);
		if ((peer->wire.tls && !bound) || !link_secret_key(server->secret, bound ? binding : NULL, &key)) {
			peer_break(peer, "the shared key cannot be used");
			return;
		}
		self.key = &key;
	}
	link_init(&peer->link, LINK_BACKEND, &self, server->now_ms, &hello);
	if (peer->greeting)
		peer_send_frame(peer, hello.bytes, hello.len);
}

void peer_begin(struct sessiond *server, int fd, SSL *tls)
{
	struct peer *peer = calloc(1, sizeof *peer);
	if (!peer || !table_init(&peer->by_id))
		abort();
	peer->source = (struct source){SOURCE_PEER, fd};
	wire_open(&peer->wire, fd, tls);
	peer->server = server;
	peer->watched = EPOLLIN;
	peer->place = &server->peers;
	peer->next = server->peers;
	if (peer->next)
		peer->next->place = &peer->next;
	server->peers = peer;
	server->peer_count++;
	peer_greet(peer);
	if (!server_watch(server, &peer->source, EPOLLIN))
		peer_break(peer, strerror(errno));
}

static void peer_send_domains(struct peer *peer)
{
	const struct sessiond *server = peer->server;
	uint8_t room[FRAME_HEAD_BYTES + 3 * SERVER_FEATURES_BYTES + 2048];
	for (size_t i = 0; i < server->settings.domain_count; i++) {
		struct frame_builder domain;
		frame_begin(&domain, room, sizeof room, FRAME_DOMAIN, 0);
		frame_put_text(&domain, FIELD_DOMAIN, server->settings.domains[i]);
		frame_put_text(&domain, FIELD_FEATURES, server->features);
		if (!server->settings.no_channel_binding)
			frame_put_text(&domain, FIELD_FEATURES_BINDING, server->features_binding);
		frame_put_text(&domain, FIELD_FEATURES_CERTIFICATE, server->features_certificate);
		size_t len = frame_end(&domain);
		assert(len > 0);
		peer_send_frame(peer, room, len);
	}
}

static struct client *peer_client(const struct peer *peer, frame_session id)
{
	uint64_t hash = table_hash(&peer->by_id, &id, sizeof id);
	struct table_node *node = NULL;
	while ((node = table_find(&peer->by_id, hash, node))) {
		struct client *client = table_entry(node, struct client, by_id);
		assert(!client->closed); /* reaped before the next frame */
		if (client->id == id)
			return client;
	}
	return NULL;
}

static void peer_on_open(struct peer *peer, const struct frame *frame)
{
	if (peer_client(peer, frame->session))
		peer_break(peer, "a session was opened twice");
	else
		client_open(peer, frame);
}

/* A session ends with its link here: the gate has its client connect again. */
static void peer_on_claim(struct peer *peer, const struct frame *frame)
{
	if (peer_client(peer, frame->session))
		peer_break(peer, frame_error_text(FRAME_ERROR_IN_USE));
	else
		peer_send(peer, FRAME_LOST, frame->session, NULL, 0);
}

/* Frames for sessions that we do not know are late ones for sessions that we have closed. */
static void peer_on_session_frame(struct peer *peer, const struct frame *frame)
{
	struct client *client = peer_client(peer, frame->session);
	if (!client)
		return;
	switch ((int)frame->type) {
	case FRAME_ELEMENT:
		client_element(client, frame->payload, frame->payload_len);
		break;
	case FRAME_CLOSE:
		client_closed_by_gate(client);
		break;
	case FRAME_PAUSE:
	case FRAME_RESUME:
		client_pause(client, frame->type == FRAME_PAUSE);
		break;
	}
}

static void peer_on_frame(struct peer *peer, const struct frame *frame)
{
	if (frame->type == FRAME_OPEN)
		peer_on_open(peer, frame);
	else if (frame->type == FRAME_REATTACH || frame->type == FRAME_ADOPT)
		peer_on_claim(peer, frame);
	else if (frame->session != 0)
		peer_on_session_frame(peer, frame);
	clients_reap(peer->server);
}

static void peer_on_found(struct peer *peer, const struct link_found *found)
{
	if (found->is == LINK_BAD) {
		peer_break(peer, frame_error_text(found->error));
		return;
	}
	if (found->send.len > 0)
		peer_send_frame(peer, found->send.bytes, found->send.len);
	if (found->is == LINK_UP) {
		server_log(peer->server, SESSIOND_INFO, "link of %s is up", peer->link.name);
		peer_send_domains(peer);
	} else if (found->is == LINK_FRAME) {
		peer_on_frame(peer, &found->frame);
	}
}

/* Frames are handled until there is no whole one, or somebody's outbox is full. */
static void peer_take(struct peer *peer)
{
	struct sessiond *server = peer->server;
	struct link_found found;
	uint64_t taken = peer->link.taken;
	server->reading = peer;
	while (buffer_len(&peer->in) > 0 && !peer->broken && !peer_is_stopped(peer)) {
		link_next(&peer->link, buffer_at(&peer->in), buffer_len(&peer->in), server->now_ms, &found);
		if (found.is == LINK_MORE)
			break;
		peer_on_found(peer, &found);
		buffer_drop(&peer->in, found.used);
	}
	server->reading = NULL;
	if (peer->link.taken > taken)
		peer_mark(peer); /* it is to be acknowledged */
}

static void peer_on_end(struct peer *peer)
{
	if (peer->link.up)
		server_log(peer->server, SESSIOND_INFO, "%s has ended its link", peer->link.name);
	peer_break(peer, NULL);
}

static void peer_read(struct peer *peer)
{
	uint8_t *to = buffer_room(&peer->in, PEER_READ_BYTES);
	ssize_t got = wire_receive(&peer->wire, to, PEER_READ_BYTES);
	if (got > 0)
		peer->in.end += (size_t)got;
	else if (got == 0)
		peer_on_end(peer);
	else if (errno != EAGAIN && errno != EINTR)
		peer_break(peer, wire_error(&peer->wire, errno));
	if (!peer->greeting && !peer->broken && wire_is_ready(&peer->wire))
		peer_greet(peer);
	peer_mark(peer);
}

void peer_on_events(struct peer *peer, uint32_t events)
{
	if (events & EPOLLOUT)
		peer_mark(peer);
	if (events & EPOLLIN && !peer_is_stopped(peer))
		peer_read(peer);
	else if (events & (EPOLLHUP | EPOLLERR))
		peer_break(peer, "connection lost");
	peer_take(peer);
}

/* Those who have waited for this one go on with what they have read already; bytes still in the socket come by epoll.
 */
static void peer_release(struct peer *full)
{
	full->full = false;
	for (struct peer *peer = full->server->peers; peer; peer = peer->next) {
		if (peer->broken || (peer != full && peer->stalled_on != full))
			continue;
		if (peer->stalled_on == full)
			peer->stalled_on = NULL;
		peer_take(peer);
		peer_mark(peer);
	}
}

/* Every frame that was read has been handled, its commits included. */
static void peer_ack(struct peer *peer)
{
	struct link_send ack;
	link_ack(&peer->link, peer->link.taken, &ack);
	buffer_add(&peer->out, ack.bytes, ack.len);
}

static void peer_write(struct peer *peer)
{
	peer_ack(peer);
	size_t len = buffer_len(&peer->out);
	if (len > 0) {
		ssize_t put = wire_send(&peer->wire, buffer_at(&peer->out), len);
		if (put < 0 && errno != EAGAIN && errno != EINTR) {
			peer_break(peer, wire_error(&peer->wire, errno));
			return;
		}
		if (put > 0) {
			buffer_drop(&peer->out, (size_t)put);
			/* While we do not read, that bytes are taken is the only sign of life. */
			if (peer_is_stopped(peer))
				peer->link.heard_ms = peer->server->now_ms;
		}
	}
	if (peer->full && buffer_len(&peer->out) <= PEER_LOW_BYTES)
		peer_release(peer);
	bool more = buffer_len(&peer->out) > 0 && wire_is_ready(&peer->wire);
	peer_watch(peer, more || wire_wants_room(&peer->wire));
	/* Closed outright, with something unread, the link would be reset, and what was sent last be lost. */
	if (peer->leaving && buffer_len(&peer->out) == 0)
		wire_finish(&peer->wire);
}

void peers_flush(struct sessiond *server)
{
	struct peer *dirty = server->dirty;
	server->dirty = NULL;
	while (dirty) {
		struct peer *peer = dirty;
		dirty = peer->dirty_next;
		peer->dirty = false;
		if (!peer->broken)
			peer_write(peer);
	}
}

void peer_tick(struct peer *peer)
{
	struct sessiond *server = peer->server;
	struct link_send send;
	if (peer->full && server->now_ms - peer->full_since_ms >= PEER_STUCK_MS)
		peer_break(peer, "it has not taken what was sent");
	if (peer->stalled_on)
		peer->link.heard_ms = server->now_ms;
	if (!link_tick(&peer->link, server->now_ms, &send))
		peer_break(peer, frame_error_text(FRAME_ERROR_SILENT));
	else if (send.len > 0)
		peer_send_frame(peer, send.bytes, send.len);
}

static void peer_end(struct peer *peer)
{
	struct sessiond *server = peer->server;
	while (peer->clients) {
		client_lost(peer->clients);
		clients_reap(server);
	}
	peer_release(peer);
	peer_unmark(peer);
	*peer->place = peer->next;
	if (peer->next)
		peer->next->place = peer->place;
	server->peer_count--;
	wire_close(&peer->wire);
	close(peer->source.fd);
	buffer_free(&peer->in);
	buffer_free(&peer->out);
	table_free(&peer->by_id);
	free(peer);
}

bool peers_sweep(struct sessiond *server)
{
	while (server->broken) {
		server->broken = false;
		for (struct peer *peer = server->peers, *next; peer; peer = next) {
			next = peer->next;
			if (peer->broken)
				peer_end(peer);
		}
	}
	return server->dirty == NULL;
}
