/*
 * orphan: sessions whose link was cut, and who wait for another one to the same session server
 * (docs/link-protocol.md, section 7). What the session server has not acknowledged of a session, and what its client
 * said meanwhile, is here, in order. A client that goes while its session is an orphan leaves a ghost: the rest of what
 * it said, with CLOSE behind it, which is delivered all the same.
 *
 *              the link is cut        a link is up: REATTACH       ATTACHED: what was not taken goes again
 *     (bound) ─────────────────► WAITING ─────────► ATTACHING ─────────────────────────────────────────► (bound)
 *                                   └───────────────────┴──► LOST ──► the client is told to come again, at a pace
 *                          no patience, or another epoch         LOST
 */
#ifndef PATH_ORPHAN_H
#define PATH_ORPHAN_H

#include "backlog.h"
#include "frame.h"

struct client;
struct uplink;
struct worker;

enum { ORPHAN_GHOSTS = 256 /* lists of them, for each uplink */ };
enum orphan_state { ORPHAN_WAITING, ORPHAN_ATTACHING, ORPHAN_LOST };

struct orphan {
	struct orphan *next, **place; /* among those of its uplink, its ghosts, or those of the worker that are lost */
	struct client *client;	      /* NULL: a ghost */
	frame_session session;
	uint64_t until_ms; /* the end of patience */
	struct backlog backlog;
	uint32_t sent; /* frames of the session that were numbered */
	enum orphan_state state;
};

/*
 * The link is cut: every bound session that had it is an orphan now, if the configuration has any patience. To be
 * called before its retained frames are forgotten. Those that are not bound are left for the caller to end.
 */
void orphans_begin(struct worker *, struct uplink *);
/* A new link is up: its orphans are asked for, or are lost when the session server has another epoch. */
void orphans_attach(struct worker *, struct uplink *);
/* ATTACHED or LOST. False: it is for nobody who has asked. */
bool orphans_answer(struct worker *, struct uplink *, const struct frame *);
/* Often: those that are lost are ended, at a pace. */
void orphans_look(struct worker *);
/* Once a second: whose patience is over? */
void orphans_tick(struct worker *);
/* The uplink is forgotten; it has no clients. */
void orphans_forget(struct uplink *);

/* Where a frame of the orphan must be written that its client makes now. */
uint8_t *orphan_room(struct orphan *, size_t len);
/* Its client goes, and has said CLOSE: what is left is a ghost, or nothing. */
void orphan_abandon(struct worker *, struct client *);

#endif
