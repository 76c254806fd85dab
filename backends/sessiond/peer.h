/*
 * peer: the other end of one link, a gate's worker: the socket under a link of router/backend.h. It reads whenever
 * there is something, hands events to clients in the turn's work, and writes once a turn.
 *
 * Back-pressure. What waits to be written to a link is bounded: above PEER_HIGH_BYTES no more frames are taken from
 * that link, nor from a link whose frames have made bytes for it, until it has come down to PEER_LOW_BYTES; they wait,
 * within our window. A link that stays above for PEER_STUCK_MS is closed: its sessions are orphans then, which costs
 * less than all others waiting for it.
 */
#ifndef SESSIOND_PEER_H
#define SESSIOND_PEER_H

#include "backend.h"
#include "client.h"
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
	struct backend_link link; /* once `greeting` */
	uint64_t begun_ms;
	uint32_t watched; /* epoll events */
	struct peer *dirty_next;
	bool dirty;
	bool greeting; /* our HELLO was said; with TLS it waits until that is up */
	bool ended;    /* the gate has ended it: what was read is taken, then it is cut */
	bool broken;   /* it is cut without that */
	bool cut;      /* it was: sessions have left it */
	bool leaving;  /* we end the link when all is written, and wait for the gate to do so too */
	bool full;     /* above high water */
	uint64_t full_since_ms;
	struct peer *stalled_on; /* is full, and we have filled it */
};

/* A link that was accepted; takes the descriptor and the TLS on it (NULL: none), whatever comes of it. */
void peer_begin(struct sessiond *, int fd, SSL *tls);
/* Reads. */
void peer_on_events(struct peer *, uint32_t events);
/* About once a second. */
void peer_tick(struct peer *);
/* DRAIN; with `end` the link ends when all is written. */
void peer_leave(struct peer *, bool end);
/* It ends in the turn's work. `why` goes to the log, NULL: nothing does. */
void peer_break(struct peer *, const char *why);

/* What was sent to a session of this link is to be written in this turn. */
void peer_mark(struct peer *);
static inline struct peer *peer_of(const struct backend_link *link)
{
	return link->user;
}

/* For all peers: takes what was read, and ends links; acknowledges what was taken; writes. */
void peers_take(struct sessiond *);
void peers_ack(struct sessiond *);
void peers_flush(struct sessiond *);
/* Ends all links, with nothing of what waits written. */
void peers_end(struct sessiond *);

#endif
