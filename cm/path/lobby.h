/*
 * lobby: where clients wait that want to log in and whose session server is not there just now, or takes no more in
 * this second. Who waits is asked nothing and read no further; in turn each is let in when there is room, and whoever
 * has waited for link.wait_ms_max is told temporary-auth-failure, and may try again in the same stream. So is who is in
 * the middle of it when the link is cut.
 */
#ifndef PATH_LOBBY_H
#define PATH_LOBBY_H

#include "client.h"
#include "xml_splice.h"

struct lobby_guest;
struct lobby {
	struct lobby_guest *first, *last;
	uint64_t next_ms; /* when to look again */
};

/*
 * A client that begins to authenticate as `user` ("" when not known yet), with this element: its session is opened and
 * the element sent at once, or it waits, or it is refused.
 */
void lobby_enter(struct worker *, struct client *, const char *user, const struct xml_splice *);
/* What is said to who cannot go on with what it began to authenticate with, and may try again; NULL: nothing can. */
const char *lobby_refusal(const struct xml_event *, const uint8_t *bytes);
/* Its session server is gone before it was bound, and its session with it: it is refused, or its stream ends. */
void lobby_return(struct worker *, struct client *);
/* What it says next has nobody to go to: it is refused now. */
void lobby_turn_away(struct worker *, struct client *);
/* Often: lets in those for whom there is room. */
void lobby_look(struct worker *);
void lobby_free(struct lobby *);

#endif
