/*
 * probe: questions for presence, those the server asks for a user who comes online, and those that clients send (RFC
 * 6121, 4.3 and 4.6.6).
 */
#ifndef MODULES_PROBE_H
#define MODULES_PROBE_H

#include "incoming.h"

/* Sends a session that became available the presence of its contacts and of the account's other sessions. */
void probe_contacts(struct session *);
/* A presence stanza of type probe. An account that does not exist and one that has not agreed answer alike. */
void probe_handle(const struct incoming *);

#endif
