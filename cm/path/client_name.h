/*
 * client_name: how people call a client: its session by number, and by JID as far as it is known. For logs and
 * operators; the link has names of its own (client_session).
 */
#ifndef PATH_CLIENT_NAME_H
#define PATH_CLIENT_NAME_H

#include "jid.h"

struct client;
struct worker;

enum { CLIENT_NAME_BYTES = 40, CLIENT_JID_BYTES = JID_BYTES_MAX + 1 };

/* "worker.place.generation": no later session of this process has the same. */
void client_name_write(const struct worker *, const struct client *, char to[static CLIENT_NAME_BYTES]);
/* The full JID; before it is bound what is known: the bare one, the domain, or "". */
void client_jid_write(const struct client *, char to[static CLIENT_JID_BYTES]);

#endif
