/* What the files of backend.h share. */
#ifndef ROUTER_BACKEND_INSIDE_H
#define ROUTER_BACKEND_INSIDE_H

#include "backend.h"

/* Sessions by their names. A new one is in no list yet. */
struct backend_session *backend_session_add(struct backend *, uint64_t epoch, frame_session number);
/* Out of the table and its list; its memory is given back. Answers who its user was. */
void *backend_session_end(struct backend_session *);
/* From the list that it is in, if any, to the head of another, or to a place in its midst. */
void backend_session_move(struct backend_session *, struct backend_session **list);
void backend_sessions_free(struct backend *);

/*
 * An orphan goes on, on this link: what it was sent and has not received comes again, behind ATTACHED. has_received
 * false: it wants nothing any more. False: the number cannot be; nothing has happened.
 */
bool backend_session_attach(struct backend_session *, struct backend_link *, bool has_received, uint32_t received);
/* The gate has taken so many of the session's frames. */
void backend_session_acked(struct backend_session *, uint32_t acked);
/* A CLOSE came: the last thing that is sent is ours. */
void backend_session_answer_close(struct backend_session *);
/* Gives the sessions of a link that was cut what it has not got acknowledged. */
void backend_sessions_take_back(struct backend_link *);

/* backend_flow.c: what of a session goes on its link, and when. */

/* Whether it is on a link, and ADOPT was answered. */
static inline bool session_is_attached(const struct backend_session *session)
{
	return session->link && !session->adopting;
}
/* It comes to the link; nothing that the link was given before is its own. */
void backend_session_arrive(struct backend_session *, struct backend_link *);
/* It leaves its link, or ends: it stands in no line. */
void backend_session_depart(struct backend_session *);
/* Room for a frame of it on its link. */
uint8_t *backend_session_room_on_link(struct backend_session *, enum frame_type, size_t len);
/* Room in its backlog. NULL: an element, and too much waits already. */
uint8_t *backend_session_room_to_wait(struct backend_session *, enum frame_type, size_t len);
/* The gate pauses it, or takes that back. */
void backend_session_pause(struct backend_session *, bool paused);
/* What waits goes on, all at once, or as its turn comes. */
void backend_session_flush(struct backend_session *);
void backend_session_go_on(struct backend_session *);
/* The gate has taken the first `count` numbered frames of the link. False: that cannot be. */
bool link_acked(struct backend_link *, uint64_t count);

/* A frame that is not numbered, without a payload. */
void link_say(struct backend_link *, enum frame_type, frame_session);
void link_say_lost(struct backend_link *, frame_session, const char *reason);
/* Numbered frames go as far as there is credit. */
void link_release(struct backend_link *);

#endif
