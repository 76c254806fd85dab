/*
 * desk: what operators ask of the running gate at its control socket (ops/control.h; docs/operating.md has the
 * commands). What may be done by any thread is done by control's; what is the main thread's is left on the desk, and
 * the main thread, woken by a signal, does it with its next look around.
 */
#ifndef DESK_H
#define DESK_H

#include "ask.h"
#include "bundled.h"
#include "config.h"
#include "control.h"
#include "fleet.h"
#include "metrics.h"

enum { DESK_NAMES_MAX = 64 };

/* What the gate does for the desk, on the main thread; `context` is the gate. */
struct desk_hands {
	const struct config *(*config)(void *context); /* the one in force */
	const char *(*reload)(void *context);	       /* NULL: done; otherwise why not */
	struct fleet *(*fleet)(void *context);	       /* as it is found now; the desk's to free */
	void (*hand_out)(void *context);	       /* gives every worker the fleet anew */
	void *context;
	const char *file;	       /* the configuration's */
	const struct bundled *bundled; /* NULL: it does not run */
};

struct desk;

/* Listens where the configuration says, and does nothing when that is off. NULL: `error` says why not. */
struct desk *desk_open(const struct desk_hands *, const struct ask *, const struct metrics_settings *,
		       char error[static CONTROL_ERROR_BYTES]);
/* The main thread's look at what was left there. DESK_SIGNAL says that there is something. */
void desk_look(struct desk *);
/* Session servers that operators have drained, and those they have let in again, are so in this fleet too. */
void desk_steer(const struct desk *, struct fleet *);
/* NULL is fine. */
void desk_close(struct desk *);

#define DESK_SIGNAL SIGUSR1

#endif
