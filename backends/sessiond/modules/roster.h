/*
 * roster: the list of contacts as the client sees and edits it (RFC 6121, section 2), without versions (2.6).
 */
#ifndef MODULES_ROSTER_H
#define MODULES_ROSTER_H

#include "request.h"
#include "store_roster.h"

void roster_get(const struct request *);
void roster_set(const struct request *);

/* Sends an item, if it is listed, to all interested sessions of the account (2.1.6). */
void roster_push(struct sessiond *, const char *account, const struct roster_item *);

#endif
