/*
 * backend: the backend's end of the link protocol (docs/link-protocol.md), for session servers written in C: links,
 * sessions that outlive them, numbers, acknowledgements, credit, reattaching, adopting. Pure: it is given bytes and the
 * time, and says what happened and what to send. Sockets, TLS, XML, and what a session means are the caller's.
 *
 *     bytes of a link ──► backend_room, backend_heard ──► backend_next ──► events, until BACKEND_NOTHING
 *     backend_send, backend_fanout, ...  ──► backend_out ──► bytes for the link
 *
 * One round of a caller's loop: read what the links have; take the events of each and act on them; when what that led
 * to is stored, backend_ack for each; write what backend_out has. About once a second: backend_tick for each link,
 * backend_over. A transport that has ended: take what events are left, then backend_cut.
 *
 * Nothing here is safe to be called from two threads at once. Memory is asked for from `struct memory`, which does not
 * fail. Functions that are given a session must be given one that lives: from BACKEND_OPENED or BACKEND_ADOPT until
 * BACKEND_CLOSED, BACKEND_OVER, backend_over, a CLOSE of one's own, backend_refuse or backend_forget.
 */
#ifndef ROUTER_BACKEND_H
#define ROUTER_BACKEND_H

#include "backlog.h"
#include "link.h"
#include "retained.h"

enum {
	BACKEND_MARGIN_MS = 5000, /* so much longer than its gate's patience an orphan is kept */
	BACKEND_UNACKED_BYTES =
		128 << 10, /* of a session's elements, that its gate is given before it has taken them */
};

/* Fields that are not said to be the caller's are to be read at most. */
struct backend_session {
	void *user; /* the caller's */
	struct backend *backend;
	struct backend_link *link; /* NULL: an orphan, whose link was cut */
	uint64_t epoch;		   /* of the gate's worker */
	frame_session number;
	struct backend_session *chain; /* in the table */
	struct backend_session *next, **place;
	struct backend_session *due_next, **due_place; /* in its link's line, of those whose backlog may go on */
	struct backlog backlog;			       /* frames that cannot go now */
	uint64_t since; /* so many frames its link had been given before it came there: none of them is of this life */
	size_t unacked_bytes;	 /* of elements that its link was given, and that the gate has not taken */
	uint32_t sent, received; /* numbered frames since it is bound, over all links */
	uint32_t acked;		 /* of those that were sent: what the gate has said that it has taken */
	uint64_t orphan_until_ms;
	uint64_t serial; /* of the REATTACH or ADOPT by which it came to its link; 0: by OPEN */
	bool bound;
	bool paused;   /* the gate wants no elements */
	bool slow;     /* it was paused since its backlog was empty, or an orphan */
	bool holding;  /* we want none */
	bool closed;   /* our CLOSE was said; user is NULL */
	bool adopting; /* ADOPT came, and was not answered */
};

struct backend_link {
	void *user; /* the caller's */
	struct backend *backend;
	struct backend_link *next, **place;
	struct backend_session *sessions;
	struct backend_session *due, **due_end;
	struct link link;
	struct retained retained;
	struct bytes in, out;
	size_t looked_at;     /* of `in`: whole frames that the automaton has seen */
	size_t held_bytes;    /* of these numbered and not handed out */
	size_t used;	      /* of `in`: the frame that was handed out last */
	uint64_t handed;      /* numbered frames that were */
	uint32_t pauses;      /* PAUSE and RESUME that wait to be handed out */
	size_t behind_bytes;  /* in backlogs of sessions that are not slow */
	uint64_t stale;	      /* frames of sessions that are not on this link, so far */
	enum frame_error bad; /* the peer broke the protocol */
	uint32_t window;      /* ours */
	bool up_due;
};

struct backend {
	struct memory memory;
	size_t waiting_bytes_max; /* of a session */
	/*
	 * The caller's, NULL at first: the gate has taken the session's first session->acked frames. Called while
	 * backend_heard or backend_next run; must call nothing of this. Who stores what was sent forgets it then.
	 */
	void (*on_acked)(struct backend_session *);
	struct backend_link *links;
	struct backend_session **buckets;
	size_t bucket_count, session_count;
	struct backend_session *orphans; /* those that wait less long first */
	struct backend_session *over;
};

/*
 * A backend without links. waiting_bytes_max bounds what may wait for one session that is paused or an orphan, frames
 * that come again not counted.
 */
void backend_init(struct backend *, const struct memory *, size_t waiting_bytes_max);
/* Cuts every link, forgets every session, without a word to anybody, and gives all memory back. */
void backend_free(struct backend *);

/*
 * A link begins; our HELLO is in backend_out. `self` is used while this runs (of its key see link.h). The link's memory
 * is the caller's, and must live until backend_cut.
 */
void backend_begin(struct backend *, struct backend_link *, const struct link_self *self, uint64_t now_ms);
/*
 * The link has ended, or the caller ends it. Its bound sessions are orphans now, the others are over (see
 * backend_over).
 */
void backend_cut(struct backend_link *, uint64_t now_ms);

/*
 * Room for len bytes that the link may have; then how many came. ACK and PING are acted on at once, and so are PAUSE
 * and RESUME of a session that is on the link: what waits before them must not make a client wait, or its gate keep
 * more.
 */
uint8_t *backend_room(struct backend_link *, size_t len);
void backend_heard(struct backend_link *, size_t len, uint64_t now_ms);
/* About once a second: heartbeats. A link that is silent for too long gets BACKEND_DEAD. */
void backend_tick(struct backend_link *, uint64_t now_ms);

enum backend_is {
	BACKEND_NOTHING,    /* no more now */
	BACKEND_UP,	    /* the gate is known: name and epoch are in link->link. DOMAINs are to be sent. */
	BACKEND_OPENED,	    /* a new session; `frame` is its OPEN. session->user is to be set. */
	BACKEND_ELEMENT,    /* `frame` is an ELEMENT of the session */
	BACKEND_CLOSED,	    /* the gate has closed the session (`frame` is its CLOSE), and was answered: it is gone */
	BACKEND_REATTACHED, /* the session is an orphan no more: `link` has it */
	BACKEND_ADOPT,	    /* a session to be taken over; `frame` is the ADOPT. session->user is to be set, and
			       backend_adopt or      backend_refuse called, now or later. */
	BACKEND_OVER,	    /* an orphan is gone: its gate has it adopted anew */
	BACKEND_DRAIN,	    /* the gate is leaving */
	BACKEND_DEAD	    /* `link`, which may be another one, is dead: backend_cut must be called for it, now */
};
struct backend_event {
	enum backend_is is;
	struct backend_link *link;
	struct backend_session *session; /* NULL when it is gone */
	void *user;			 /* the session's, also when it is gone */
	struct frame frame;		 /* good until backend_room or backend_next of this link, or backend_cut */
	enum frame_error error;		 /* of DEAD: FRAME_ERROR_NONE, when its gate has a newer link */
};
/*
 * What the link's next frame means. To be called until it says BACKEND_NOTHING; or less often, by a caller that has too
 * much to write: frames are held meanwhile, within our window.
 */
void backend_next(struct backend_link *, struct backend_event *ret);
/* Whether it may say something else. What was heard may have been nothing but ACK and PING. */
bool backend_has_next(const struct backend_link *);
/* What backend_next has handed out on this link is handled: it will not be lost by a cut. */
void backend_ack(struct backend_link *);

/* Bytes to be written now; then how many were. */
size_t backend_out(const struct backend_link *, const uint8_t **ret);
void backend_written(struct backend_link *, size_t len);
/*
 * How many bytes wait, for the transport, for credit, or for a session's own acknowledgements (BACKEND_UNACKED_BYTES);
 * those not counted that wait because a client is slow. Who makes more while this is high is to be stopped.
 */
size_t backend_waiting(const struct backend_link *);

/* A whole frame of the link: DOMAIN, LOAD or DRAIN. */
void backend_say(struct backend_link *, const uint8_t *frame, size_t len);
/*
 * A whole frame of the session: ELEMENT, STATE, KEEP or CLOSE, copied. It goes now, or when it can, in its order: an
 * element of a bound session waits while BACKEND_UNACKED_BYTES of those before it are not known to have been taken. So
 * a gate keeps no more than that, and one element, beyond what it says PAUSE for. What sessions have waiting goes in
 * turns, in a quarter of the link's window. STATE with STAGE 2 makes the session one that outlives its link. CLOSE ends
 * it: the session must not be used any more; elements that wait because the gate has paused it are dropped. False: an
 * ELEMENT for which there is no room (waiting_bytes_max); nothing was queued.
 */
bool backend_send(struct backend_session *, const uint8_t *frame, size_t len);
/* The same, for an ELEMENT whose payload is given. */
bool backend_send_element(struct backend_session *, const void *xml, size_t len);
/* Whether an element of the session would go now, as far as it is up to it: then there is room for it. */
bool backend_is_open(const struct backend_session *);
/*
 * One element for many sessions, each of which is given once: as backend_send_element for each. Those that can take it
 * now (backend_is_open) get it in one frame a link. False: for one at least there was no room.
 */
bool backend_fanout(struct backend *, struct backend_session *const *, size_t count, const void *xml, size_t len);
/* The gate is to send no more elements of the session, or may again; that outlives the link, too. */
void backend_hold(struct backend_session *, bool hold);

/*
 * The answer to ADOPT: so many numbered frames of the gate count as handled, ACKED at least. What was sent to the
 * session meanwhile goes behind it.
 */
void backend_adopt(struct backend_session *, uint32_t received);
/* LOST, and the session is gone. The reason may be NULL. */
void backend_refuse(struct backend_session *, const char *reason);
/*
 * The session is given up without a word, since another backend has it, or since nobody waits for it: its gate will be
 * told LOST when it asks. What still comes for it is ignored.
 */
void backend_forget(struct backend_session *);

/*
 * Sessions that nobody will come back for: not bound when their link was cut, or orphans whose gate has lost its
 * patience. To be called until false, after backend_cut and about once a second. *ret_user is that of one that is gone
 * now.
 */
bool backend_over(struct backend *, uint64_t now_ms, void **ret_user);

/* The session of this name; NULL: there is none. */
struct backend_session *backend_find(const struct backend *, uint64_t epoch, frame_session number);

#endif
