/*
 * uplink: a worker's link to one session server: dialling, the link's automaton, and putting frames on it. What comes
 * back goes through egress.c.
 */
#ifndef PATH_UPLINK_H
#define PATH_UPLINK_H

#include "address.h"
#include "blame.h"
#include "conn.h"
#include "link.h"
#include "orphan.h"
#include "pace.h"
#include "retained.h"
#include "xml_splice.h"

struct worker;
struct client;

/* Where frames that are kept live: few and short-lived, they have the process's allocator. */
extern const struct memory uplink_memory;

enum { UPLINK_READ_BYTES = 65536, UPLINK_UNSENT_HIGH = 1 << 20, UPLINK_UNSENT_LOW = 256 << 10 };

struct uplink {
	struct conn conn; /* first: a conn of kind WORKER_UPLINK is an uplink */
	struct link link;
	struct retained retained; /* what the session server has not acknowledged, or has no room for yet */
	struct address address;
	struct pace pace, adopt_pace;
	struct blame blame;
	char *name, *address_text, *certificate_names; /* as in the fleet; NULL: the place is vacant */
	uint64_t by_ms; /* until it is connected and TLS is done, or until it has ended; 0: the link watches itself */
	uint8_t *in;	/* bytes read and not yet taken */
	size_t in_len, in_cap;
	struct client *choked; /* clients that wait until there is room again */
	struct orphan_list orphans, ghosts[ORPHAN_GHOSTS];
	uint64_t adopt_at_ms;	 /* while it has orphans and no link: when others may have them */
	uint64_t sessions_epoch; /* of the session server that its sessions are at: that of the last link */
	uint32_t serial;	 /* of the connection, so that completions of an earlier one find nothing */
	uint8_t index;
	bool live; /* the conn exists */
	bool tls;
	bool retired; /* no longer in the fleet, and replaced: it gets no new sessions, and ends with its last one */
	bool foreign; /* it claimed a domain that is not its, and that was logged */
};

/* Dials whatever is due, and says in *ret_wait_ms when to ask again. */
void uplinks_dial(struct worker *, uint64_t *ret_wait_ms);
/* Once a second: heartbeats. */
void uplinks_tick(struct worker *);
void uplink_complete(struct worker *, struct uplink *, enum conn_op, const struct io_done *);
/* Its conn has ended. */
void uplink_gone(struct worker *, struct uplink *);
/* The session server has handled so many numbered frames: there is room for more. */
void uplink_on_ack(struct worker *, struct uplink *, uint64_t count);
/* Its HELLO has come: sessions may be opened. */
void uplink_on_up(struct worker *, struct uplink *);
/*
 * Tells the session server what was taken, so that it may forget it: at once, or when much of the window is used. What
 * a client gets does not wait for that.
 */
void uplink_ack(struct worker *, struct uplink *, bool at_once);
/*
 * Connected, and whoever is there may be: the link begins. `binding` is its TLS's channel binding (32 bytes); NULL:
 * there is no TLS.
 */
void uplink_say_hello(struct worker *, struct uplink *, const uint8_t *binding);
/* Whether so much waits to be sent that no more is to be made. */
bool uplink_is_full(const struct uplink *);
/* Puts on the link what there is room for. */
void uplink_release(struct worker *, struct uplink *);
/* It has made a fault; if there are too many it gets no new sessions for a while. `what` is for the log. */
void uplink_blame(struct worker *, struct uplink *, enum blame_for, const char *what);
/* Ends it; its sessions are orphans (orphan.h). `why` is for the log. */
void uplink_fail(struct worker *, struct uplink *, const char *why);
/* Tells every session server that this gate is leaving. */
void uplinks_drain(struct worker *);
void uplinks_end(struct worker *);
void uplinks_cut(struct worker *); /* what does not end in peace */
bool uplinks_gone(const struct worker *);

/*
 * Opens a session for a client that begins to authenticate, at the session server of its user ("" when not known yet).
 * False: none serves the domain now, or it takes no more in this second.
 */
bool uplink_open(struct worker *, struct client *, const char *user);
/* What OPEN and ADOPT both say of a client's connection: where it is, and its TLS. */
void uplink_put_connection(struct worker *, struct frame_builder *, const struct client *);
/*
 * Frames of a client's session; nothing happens when it has none. uplink_element: one ELEMENT, its payload given in
 * parts. The client is choked when the link is too full.
 */
void uplink_element(struct worker *, struct client *, const struct xml_piece *parts, size_t count);
void uplink_close(struct worker *, struct client *, bool clean, const char *condition, const char *text);
void uplink_pause(struct worker *, struct client *, bool pause);

#endif
