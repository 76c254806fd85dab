/*
 * peer: the other end of one link, a gate's worker. It reads frames and hands them to clients, and writes once a turn.
 *
 * Back-pressure. What waits to be written to a link is bounded: above PEER_HIGH_BYTES nothing more is read from that
 * link, nor from a link whose frames have made bytes for it, until it has come down to PEER_LOW_BYTES. A link that
 * stays above for PEER_STUCK_MS is closed: its sessions are lost, which costs less than all others waiting for it.
 */
#ifndef SESSIOND_PEER_H
#define SESSIOND_PEER_H

#include "buffer.h"
#include "client.h"
#include "link.h"
#include "wire.h"

enum {
	PEER_READ_BYTES = 128 << 10, /* at most so much in one turn */
	PEER_HIGH_BYTES = 4 << 20,
	PEER_LOW_BYTES = 1 << 20,
	PEER_STUCK_MS = 15000,
};

struct peer {
	struct source source;
	struct wire wire;
	struct sessiond *server;
	struct peer *next, **place;
	struct link link;
	struct buffer in, out;
	struct table by_id;
	struct client *clients;
	uint32_t watched; /* epoll events */
	struct peer *dirty_next;
	bool dirty, broken;
	bool greeting; /* our HELLO was said; with TLS it waits until that is up */
	bool leaving;  /* we end the link when all is written, and wait for the gate to do so too */
	bool full;     /* above high water */
	uint64_t full_since_ms;
	struct peer *stalled_on; /* is full, and we have filled it */
};

/* A link that was accepted; takes the descriptor and the TLS on it (NULL: none), whatever comes of it. */
void peer_begin(struct sessiond *, int fd, SSL *tls);
void peer_on_events(struct peer *, uint32_t events);
/* About once a second. */
void peer_tick(struct peer *);
/* Appends a frame: head and payload, or one that frame_end made. */
void peer_send(struct peer *, enum frame_type, frame_session, const void *payload, size_t len);
void peer_send_frame(struct peer *, const uint8_t *frame, size_t len);
/* It is swept at the end of the turn. `why` goes to the log, NULL: nothing does. */
void peer_break(struct peer *, const char *why);

/* For all peers, at the end of a turn: writes; then ends those that are broken. False: there is more to write now. */
void peers_flush(struct sessiond *);
bool peers_sweep(struct sessiond *);

#endif
