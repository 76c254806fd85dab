/*
 * listener: a socket at which clients arrive, of one worker alone. Connections are asked for one by one, a few at a
 * time, so that those whose turn has not come stay with the kernel (turns.h).
 */
#ifndef PATH_LISTENER_H
#define PATH_LISTENER_H

#include "io.h"
#include "proxy.h"

#include <stdbool.h>
#include <stdint.h>

struct worker;

struct listener {
	int fd;
	bool direct;
	bool startalk;		  /* its clients speak Startalk's dialect */
	enum proxy_version proxy; /* the header that clients come with */
	uint8_t accepting;	  /* accepts with the kernel: a bit for each */
	uint64_t again_ms;	  /* not before, since the kernel had no descriptors or memory */
};

/*
 * Asks for connections at each, as long as not too many handshakes wait. Lowers *wait_ms to when one that failed is to
 * be asked again.
 */
void listeners_accept(struct worker *, uint64_t *wait_ms);
/* One has come, or could not. What comes while the worker drains is closed. */
void listener_complete(struct worker *, struct listener *, const struct io_done *);
/* Takes back what was asked for. They have ended when the kernel has nothing of it any more; sockets stay open. */
void listeners_end(struct worker *);
bool listeners_ended(const struct worker *);

#endif
