/*
 * notify: what the service manager is told (sd_notify(3)'s protocol, over the socket that NOTIFY_SOCKET names): that
 * the gate is ready, that it ends, and that it lives. Without such a manager nothing happens.
 */
#ifndef OPS_NOTIFY_H
#define OPS_NOTIFY_H

#include <stdint.h>

struct notify {
	int fd;		   /* -1: nobody wants to know */
	uint64_t every_us; /* how often a sign of life is due; 0: never */
	uint64_t next_us;
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and takes them out of the environment. */
void notify_open(struct notify *);
void notify_close(struct notify *);
/* Lines such as "READY=1"; all of a text go together. */
void notify_say(const struct notify *, const char *lines);
/* A sign of life, when it is time: twice within what the manager allows. Only to be called while all is well. */
void notify_alive(struct notify *, uint64_t now_us);

#endif
