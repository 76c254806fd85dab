/*
 * orphan: sessions whose link was cut, and who wait for another one to the same session server, or to one that adopts
 * them (docs/link-protocol.md, section 7). What the session server has not acknowledged of a session, and what its
 * client said meanwhile, is here, in order. A client that goes while its session is an orphan leaves a ghost: the rest
 * of what it said, with CLOSE behind it, which is delivered all the same, if the same session server comes back.
 *
 *              the link is cut        a link is up: REATTACH       ATTACHED: what was not taken goes again
 *     (bound) ─────────────────► WAITING ─────────► ATTACHING ────────────────────────────────────────┬──► (bound)
 *            another epoch, or      │                   │ LOST                                        │
 *            away for too long      ▼                   ▼                  ADOPT             ATTACHED │
 *                                HOMELESS (adoption.h) ◄┘ ───────────────────────► ADOPTING ──────────┘
 *                                   │                                                 │ LOST
 *               no patience is left └──────────────────────────► LOST ◄───────────────┘
 *                                                the client is told to come again, at a pace
 *
 * The cut of a link over which it was asked for, or offered, makes it WAITING again, there.
 */
#ifndef PATH_ORPHAN_H
#define PATH_ORPHAN_H

#include "backlog.h"
#include "frame.h"
#include "pool.h"

struct client;
struct uplink;
struct worker;

enum {
	ORPHAN_GHOSTS = 256,	 /* lists of them, for each uplink */
	ORPHAN_ANSWER_MS = 5000, /* a session server's time for an answer, at least */
};
enum orphan_state { ORPHAN_WAITING, ORPHAN_ATTACHING, ORPHAN_HOMELESS, ORPHAN_ADOPTING, ORPHAN_LOST };

/* In the order in which they came. */
struct orphan_list {
	struct orphan *first, **end; /* end: where the next one is put; nothing, while there is none */
	uint32_t count;
};

struct orphan {
	struct orphan *next, **place;
	struct orphan_list *list; /* those of its uplink, its ghosts, or the worker's that are homeless or lost */
	struct client *client;	  /* NULL: a ghost */
	frame_session session;
	uint64_t until_ms; /* the end of patience; and of that for an answer */
	struct backlog backlog;
	uint32_t sent; /* frames of the session that were numbered */
	enum orphan_state state;
	bool forgotten; /* HOMELESS: its session server does not know it any more */
};

/*
 * The link is cut, or could not be had: every bound session that had it is an orphan now, if the configuration has any
 * patience. `was` is the pool's state of it before. To be called before its retained frames are forgotten. Those that
 * are not bound are left for the caller to end.
 */
void orphans_begin(struct worker *, struct uplink *, enum pool_state was);
/* A new link is up: its orphans are asked for, or are homeless when the session server has another epoch. */
void orphans_attach(struct worker *, struct uplink *);
/* ATTACHED or LOST. False: it is for nobody who has asked. */
bool orphans_answer(struct worker *, struct uplink *, const struct frame *);
/* Often: those that are lost are ended, at a pace; those that have waited long enough are homeless. */
void orphans_look(struct worker *);
/* Once a second: whose patience is over? */
void orphans_tick(struct worker *);
/* For adoption.h: from one list to another, at its end. */
void orphan_leave(struct orphan *);
void orphan_join(struct orphan_list *, struct orphan *);
/* For adoption.h: it was asked for, or offered (ATTACHING, ADOPTING). */
void orphan_asked(struct worker *, struct orphan *, enum orphan_state);
/* The uplink is forgotten; it has no clients. */
void orphans_forget(struct uplink *);

/* Where a frame of the orphan must be written that its client makes now. */
uint8_t *orphan_room(struct orphan *, size_t len);
/* Its client goes, and has said CLOSE: what is left is a ghost, or nothing. */
void orphan_abandon(struct worker *, struct client *);

#endif
