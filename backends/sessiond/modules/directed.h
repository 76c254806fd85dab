/*
 * directed: presence with an address (RFC 6121, 4.6). Who got it without being a subscriber is told when the session
 * goes.
 */
#ifndef MODULES_DIRECTED_H
#define MODULES_DIRECTED_H

#include "incoming.h"

/* Presence with `to`, without type or of type unavailable. */
void directed_handle(const struct incoming *, bool available);
/* Sends unavailable presence (without to) to all who are remembered and have not been told as subscribers, and forgets
 * them. */
void directed_end(struct session *, bool subscribers_told, const char *xml, size_t len);
/* Whether this JID, full or bare, got presence from the session and not yet its end. */
bool directed_reached(const struct session *, const char *jid);

#endif
