/*
 * node: several session servers may serve one store, on one machine. Each is a node: it has a row in the store and a
 * socket beside the database, by which the others wake it, and by which they see that it lives: the kernel takes that
 * from whoever dies.
 */
#ifndef SESSIOND_NODE_H
#define SESSIOND_NODE_H

#include "server.h"

enum { NODE_MARGIN_MS = 5000 /* so much longer than its gate's patience a session is kept that nobody has */ };

/* Whether there can be no others: the database is in memory. */
bool node_is_alone(const struct sessiond *);
/* The socket, which is to be watched. False: `error` says why. */
bool node_open(struct sessiond *, char error[static SESSIOND_ERROR_BYTES]);
/* Closes it, and takes it away. */
void node_close(struct sessiond *);
/* We are in the store, and know what is there. False: the store failed, or holds too many of us. */
bool node_join(struct sessiond *);
/* We are not there any more; what sessions we have are nobody's. */
void node_leave(struct sessiond *);

/* Others must learn something: nobody is told when there is nobody. Within the turn's work. */
void node_tell(struct sessiond *, int kind, int64_t subject, const char *text);
/* This node has something to do, at once. */
void node_wake(struct sessiond *, int64_t id);
/* After the commit: wakes those who must be. */
void nodes_wake(struct sessiond *);
/* Reads anew who there is. False: there are more than we can have beside us. */
bool nodes_read(struct sessiond *);
/* About once a second, and when it matters, within the turn's work: who has died has no sessions any more. */
void nodes_check(struct sessiond *);
/* Somebody has woken us. */
void node_on_event(struct sessiond *);

#endif
