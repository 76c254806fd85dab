/*
 * adoption: sessions that another session server is to take over (ADOPT; docs/link-protocol.md, section 7): their own
 * has forgotten them, or has been away for link.adopt_after_ms. Each is offered to the one that would get its user if
 * he logged in now, so that all of a user's sessions come together again; as many in a second as link.adopt_per_s says,
 * and so few in a turn of the loop that others are served, too. Who has none to go to waits; the home that comes back
 * before that has its sessions again.
 */
#ifndef PATH_ADOPTION_H
#define PATH_ADOPTION_H

#include "orphan.h"

/* The client's orphan, of whichever list, waits to be adopted from now on. */
void adoption_await(struct worker *, struct orphan *);
/* Often: offers those whose turn it is. */
void adoptions_look(struct worker *);
/* How long nobody has to look, at most `wait_ms`. */
uint64_t adoptions_wait_ms(const struct worker *, uint64_t wait_ms);

#endif
