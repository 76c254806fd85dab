/* The backend's end of a link, by hand: what the gate says, what is told of it, what goes out. */
#ifndef TEST_BACKEND_HAND_H
#define TEST_BACKEND_HAND_H

#include "backend.h"

enum { LINKS_MAX = 4, SESSIONS_MAX = 8, WAITING_MAX = 1000 };

extern struct backend backend;
extern struct backend_link links[LINKS_MAX];
extern size_t link_count; /* the last one is the one at hand */
extern struct backend_session *sessions[SESSIONS_MAX];
extern const uint64_t gate_epoch;
extern unsigned acked_calls; /* of note_acked */

void hand_begin(void);
/* All memory must have come back. */
void hand_end(void);

struct backend_link *the_link(void);
struct backend_link *link_begin(uint64_t now_ms);
/* A link on which HELLO was said, with this window (0: the usual one). */
struct backend_link *link_up(uint32_t window);
void gate_hello(struct backend_link *, uint32_t window, uint32_t patience_ms);
/* OPENED, and both STATEs said. */
struct backend_session *session_bound(struct backend_link *, frame_session);
void state_send(struct backend_session *, enum frame_stage);

void hears(struct backend_link *, const void *bytes, size_t len);
/* A frame with so many bytes of payload. */
void hears_frame(struct backend_link *, enum frame_type, frame_session, size_t len);
void hears_ack(struct backend_link *, uint64_t count);
void hears_open(struct backend_link *, frame_session);

/* A session that an event brings is put into `sessions`, by its number, and its user is its place there. */
void keep(const struct backend_event *);
struct backend_event next(struct backend_link *);
void expect(struct backend_link *, enum backend_is);

void out_drop(struct backend_link *);
/* The type of the first frame that went out, 0: none; and drops it. */
int went(struct backend_link *);
/* The session to which the first frame that went out is an element, 0: it is none; and drops it. */
frame_session went_to(struct backend_link *);
/* How many elements for the session stand before anything else, which is dropped with them. */
unsigned went_count(struct backend_link *, frame_session);

void note_acked(struct backend_session *);

#endif
