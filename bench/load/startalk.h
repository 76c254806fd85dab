/*
 * startalk: what a client says and hears that speaks Startalk's dialect (--protocol startalk) instead of XMPP.
 */
#ifndef LOAD_STARTALK_H
#define LOAD_STARTALK_H

#include "load.h"

bool startalk_is(const struct load *);
/* It is connected; and later TLS is there. */
void startalk_connected(struct load *, struct client *);
void startalk_secured(struct load *, struct client *);
/* Takes every whole frame; answers how many bytes these were. The client may be ended, or begin TLS. */
size_t startalk_read(struct load *, struct client *, const uint8_t *bytes, size_t len);
/* A message of traffic to a full JID, and a ping, by their ids. */
void startalk_chat(struct load *, struct client *, const char *to, const char *id, const char *body, size_t len);
void startalk_ping(struct load *, struct client *, const char *id);

#endif
