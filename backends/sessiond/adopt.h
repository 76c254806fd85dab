/*
 * adopt: sessions that come from one link to another, and from one node to another (docs/link-protocol.md, section 7).
 * The store knows each session's owner, and how far it has come: who adopts a session writes himself into its row, and
 * the one before finds that before it does anything else (share.h).
 */
#ifndef SESSIOND_ADOPT_H
#define SESSIOND_ADOPT_H

#include "client.h"

/* ADOPT: answered with ATTACHED or LOST. */
void adopt_take(struct sessiond *, struct backend_session *, const struct frame *);
/* REATTACH has brought it back. */
void adopt_reattached(struct client *);
/* Its place on a link is gone, and its gate will ask for it anew. */
void adopt_over(struct client *);
/* About once a second: what nobody has come for in time ends. */
void adopt_expire(struct sessiond *);

#endif
