#include "peer.h"
#include "adopt.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST_READ_BYTES = 16384 };

static bool peer_is_stopped(const struct peer *peer)
{
	return peer->full || peer->stalled_on;
}

static void peer_watch(struct peer *peer, bool writable)
{
	uint32_t events = (peer->ended ? 0 : EPOLLIN) | (writable ? EPOLLOUT : 0);
	if (events == peer->watched)
		return;
	server_rewatch(peer->server, &peer->source, events);
	peer->watched = events;
}

/* Whoever's frame made these bytes waits as well. */
static void peer_check_high(struct peer *peer)
{
	struct peer *reading = peer->server->reading;
	if (backend_waiting(&peer->link) <= PEER_HIGH_BYTES)
		return;
	if (!peer->full) {
		peer->full = true;
		peer->full_since_ms = peer->server->now_ms;
	}
	if (reading && reading != peer)
		reading->stalled_on = peer;
}

void peer_mark(struct peer *peer)
{
	struct sessiond *server = peer->server;
	if (peer->greeting && !peer->cut)
		peer_check_high(peer);
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

static const char *peer_name(const struct peer *peer)
{
	return peer->greeting && peer->link.link.up ? peer->link.link.name : "a stranger";
}

void peer_break(struct peer *peer, const char *why)
{
	if (peer->broken)
		return;
	if (why)
		server_log(peer->server, SESSIOND_WARNING, "link of %s closed: %s", peer_name(peer), why);
	peer->broken = true;
	peer->server->has_work = true;
}

/* Beginning */

/* Our HELLO; where a key is shared it goes with the TLS connection, which must be up. Until then only time counts. */
static void peer_greet(struct peer *peer)
{
	struct sessiond *server = peer->server;
	struct link_self self = {.name = server->settings.name,
				 .software = "stanzagate-sessiond " STANZAGATE_VERSION,
				 .epoch = server->epoch};
	struct link_key key;
	uint8_t binding[LINK_BINDING_BYTES];
	if (!wire_is_ready(&peer->wire))
		return;
	if (server->secret) {
		bool bound = wire_binding(&peer->wire, binding);
		if ((peer->wire.tls && !bound) || !link_secret_key(server->secret, bound ? binding : NULL, &key)) {
			peer_break(peer, "the shared key cannot be used");
			return;
		}
		self.key = &key;
	}
	backend_begin(&server->backend, &peer->link, &self, server->now_ms);
	peer->link.user = peer;
	peer->greeting = true;
	peer_mark(peer);
}

void peer_begin(struct sessiond *server, int fd, SSL *tls)
{
	struct peer *peer = calloc(1, sizeof *peer);
	if (!peer)
		abort();
	peer->source = (struct source){SOURCE_PEER, fd};
	wire_open(&peer->wire, fd, tls);
	peer->server = server;
	peer->begun_ms = server->now_ms;
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
		backend_say(&peer->link, room, len);
	}
	peer_mark(peer);
}

/* Reading */

static void peer_on_end(struct peer *peer)
{
	if (peer->greeting && peer->link.link.up)
		server_log(peer->server, SESSIOND_INFO, "%s has ended its link", peer_name(peer));
	peer->ended = true;
}

/* TLS shakes hands; its peer's first bytes may come with the last of that. */
static ssize_t peer_read_first(struct peer *peer)
{
	uint8_t first[FIRST_READ_BYTES];
	ssize_t got = wire_receive(&peer->wire, first, sizeof first);
	int saved = errno;
	peer_greet(peer);
	if (got > 0 && peer->greeting) {
		memcpy(backend_room(&peer->link, (size_t)got), first, (size_t)got);
		backend_heard(&peer->link, (size_t)got, peer->server->now_ms);
	}
	errno = saved;
	return got;
}

static ssize_t peer_read_more(struct peer *peer)
{
	ssize_t got = wire_receive(&peer->wire, backend_room(&peer->link, PEER_READ_BYTES), PEER_READ_BYTES);
	if (got > 0)
		backend_heard(&peer->link, (size_t)got, peer->server->now_ms);
	return got;
}

static void peer_read(struct peer *peer)
{
	ssize_t got = peer->greeting ? peer_read_more(peer) : peer_read_first(peer);
	if (got == 0)
		peer_on_end(peer);
	else if (got < 0 && errno != EAGAIN && errno != EINTR) {
		const char *why = wire_error(&peer->wire, errno);
		if (peer->greeting)
			server_log(peer->server, SESSIOND_WARNING, "link of %s closed: %s", peer_name(peer), why);
		else
			peer_break(peer, why);
		peer->ended = true;
	}
	peer_mark(peer);
}

void peer_on_events(struct peer *peer, uint32_t events)
{
	if (events & EPOLLOUT)
		peer_mark(peer);
	if (events & EPOLLIN && !peer->ended)
		peer_read(peer);
	else if (events & (EPOLLHUP | EPOLLERR))
		peer->ended = true;
	if (peer->ended || (peer->greeting && backend_has_next(&peer->link)))
		peer->server->has_work = true;
}

/* Taking */

static void peer_cut(struct peer *peer)
{
	if (peer->greeting && !peer->cut)
		backend_cut(&peer->link, peer->server->now_ms);
	peer->cut = true;
}

static void peer_on_dead(struct peer *peer, const struct backend_event *event)
{
	struct peer *dead = peer_of(event->link);
	peer_break(dead, event->error ? frame_error_text(event->error) : "the gate has a newer one");
	if (dead != peer)
		peer_cut(dead);
}

static void peer_on_event(struct peer *peer, const struct backend_event *event)
{
	switch (event->is) {
	case BACKEND_UP:
		server_log(peer->server, SESSIOND_INFO, "link of %s is up", peer_name(peer));
		peer_send_domains(peer);
		break;
	case BACKEND_DEAD:
		peer_on_dead(peer, event);
		break;
	case BACKEND_OPENED:
		client_open(event->session, &event->frame);
		break;
	case BACKEND_ELEMENT:
		client_element(event->session->user, event->frame.payload, event->frame.payload_len);
		break;
	case BACKEND_CLOSED:
		client_closed_by_gate(event->user, frame_find_int(&event->frame, FIELD_CLEAN, 0));
		break;
	case BACKEND_REATTACHED:
		adopt_reattached(event->session->user);
		break;
	case BACKEND_ADOPT:
		adopt_take(peer->server, event->session, &event->frame);
		break;
	case BACKEND_OVER:
		adopt_over(event->user);
		break;
	case BACKEND_DRAIN:
	case BACKEND_NOTHING:
		break;
	}
	clients_reap(peer->server);
}

/* Frames are handled until there is no whole one, or somebody has too much to be written. */
static void peer_take(struct peer *peer)
{
	struct sessiond *server = peer->server;
	struct backend_event event;
	server->reading = peer;
	while (peer->greeting && !peer->cut && !peer->broken && !server->store_failed &&
	       (peer->ended || !peer_is_stopped(peer))) {
		backend_next(&peer->link, &event);
		if (event.is == BACKEND_NOTHING)
			break;
		peer_on_event(peer, &event);
	}
	server->reading = NULL;
	peer_mark(peer);
}

static void peer_release(struct peer *full)
{
	full->full = false;
	for (struct peer *peer = full->server->peers; peer; peer = peer->next) {
		if (peer->stalled_on == full)
			peer->stalled_on = NULL;
	}
	full->server->has_work = true;
}

static void peer_end(struct peer *peer)
{
	struct sessiond *server = peer->server;
	peer_cut(peer);
	peer_release(peer);
	peer_unmark(peer);
	*peer->place = peer->next;
	if (peer->next)
		peer->next->place = peer->place;
	server->peer_count--;
	wire_close(&peer->wire);
	close(peer->source.fd);
	free(peer);
}

void peers_take(struct sessiond *server)
{
	for (struct peer *peer = server->peers; peer; peer = peer->next)
		peer_take(peer);
	for (struct peer *peer = server->peers, *next; peer; peer = next) {
		next = peer->next;
		if (peer->ended || peer->broken)
			peer_end(peer);
	}
}

void peers_end(struct sessiond *server)
{
	while (server->peers)
		peer_end(server->peers);
}

void peers_ack(struct sessiond *server)
{
	for (struct peer *peer = server->dirty; peer; peer = peer->dirty_next) {
		if (peer->greeting && !peer->cut)
			backend_ack(&peer->link);
	}
}

/* Writing */

static bool peer_write(struct peer *peer)
{
	const uint8_t *bytes;
	size_t len = peer->greeting ? backend_out(&peer->link, &bytes) : 0;
	if (len == 0)
		return false;
	ssize_t put = wire_send(&peer->wire, bytes, len);
	if (put < 0 && errno != EAGAIN && errno != EINTR) {
		peer_break(peer, wire_error(&peer->wire, errno));
		return false;
	}
	if (put > 0)
		backend_written(&peer->link, (size_t)put);
	return backend_out(&peer->link, &bytes) > 0;
}

static void peer_flush(struct peer *peer)
{
	bool more = peer_write(peer);
	if (peer->broken)
		return;
	if (peer->full && backend_waiting(&peer->link) <= PEER_LOW_BYTES)
		peer_release(peer);
	peer_watch(peer, (more && wire_is_ready(&peer->wire)) || wire_wants_room(&peer->wire));
	/* Closed outright, with something unread, the link would be reset, and what was sent last be lost. */
	if (peer->leaving && backend_waiting(&peer->link) == 0)
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
			peer_flush(peer);
	}
}

void peer_leave(struct peer *peer, bool end)
{
	uint8_t drain[FRAME_HEAD_BYTES];
	frame_head(drain, FRAME_DRAIN, 0, 0);
	if (peer->greeting && !peer->cut)
		backend_say(&peer->link, drain, sizeof drain);
	peer->leaving = end;
	peer_mark(peer);
}

void peer_tick(struct peer *peer)
{
	struct sessiond *server = peer->server;
	if (peer->full && server->now_ms - peer->full_since_ms >= PEER_STUCK_MS)
		peer_break(peer, "it has not taken what was sent");
	if (!peer->greeting && server->now_ms - peer->begun_ms >= LINK_HELLO_WITHIN_MS)
		peer_break(peer, frame_error_text(FRAME_ERROR_SILENT));
	if (!peer->greeting || peer->cut)
		return;
	backend_tick(&peer->link, server->now_ms);
	server->has_work = true;
	peer_mark(peer);
}
