/*
 * attended: the bound clients that the tick has to look at: those that end unless somebody comes for them, and those
 * that have not acknowledged everything (XEP-0198). All others, who may be a million, cost it nothing.
 */
#ifndef SESSIOND_ATTENDED_H
#define SESSIOND_ATTENDED_H

#include "client.h"

/* Whenever a client's row, owner, deadline or numbers have changed: from now on it is looked at, if it has to be. */
void attended_note(struct client *);
/* It is gone. */
void attended_forget(struct client *);
/* After a tick: those that need it no more are not looked at again. The first one and the next ones are in `server`. */
void attended_sift(struct sessiond *);

#endif
