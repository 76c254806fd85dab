/*
 * checkpoint: a thread that copies what is in SQLite's log (WAL) into the database, with a connection of its own, so
 * that who writes does not wait for that: SQLite by itself does it at the end of the commit after which the log is
 * long.
 *
 *     a commit of ours ──► are there so many pages in the log that were not looked at? ──► the thread copies (PASSIVE)
 *
 * Others write meanwhile. When nothing has been written since all was copied, the next to write begins the log from its
 * start. Where somebody writes all the time, that does not come about by itself: when the log has
 * CHECKPOINT_LONG_PAGES, the thread copies again what was written while it copied, takes the lock of those who write,
 * copies what is left then, and gives the lock back (RESTART). They wait so long: for a few pages, and for the disk to
 * have them. Whatever the thread does not get done it tries again CHECKPOINT_PAGES later; and from CHECKPOINT_PAGES_MAX
 * on whoever commits copies, as SQLite would do it by itself. So the log's file comes to some 35 MiB where much is
 * written, and little above 80 MiB in any case, unless somebody reads one state for longer than that takes to write, or
 * one transaction is longer; it does not become shorter.
 *
 * The thread is no nicer than others: whoever wakes up interrupts it at once all the same, and they must not wait for
 * their lock because it does not run.
 *
 * Several processes with one database each have such a thread; one works at a time.
 */
#ifndef SESSIOND_CHECKPOINT_H
#define SESSIOND_CHECKPOINT_H

#include "store.h"

enum {
	CHECKPOINT_PAGES = 1000, /* of 4 KiB: so many are waited for */
	CHECKPOINT_LONG_PAGES = 8 << 10,
	CHECKPOINT_PAGES_MAX = 20 << 10,
};

struct checkpoint;

/*
 * From now on the store's commits make no checkpoints by themselves. `file` is the store's, and not ":memory:". The
 * store must be closed after checkpoint_end. NULL: `error` says in one line what is wrong; nothing has changed.
 */
struct checkpoint *checkpoint_begin(struct store *, const char *file, char error[static STORE_ERROR_BYTES]);
/* Ends the thread, when it has done what it is at. The store's commits make checkpoints again. Accepts NULL. */
void checkpoint_end(struct checkpoint *);

/*
 * Whether something has failed that was not told yet; then ret says what. It is tried again, and is told again when it
 * has gone well in between. For the thread that has begun it; accepts NULL.
 */
bool checkpoint_has_failed(struct checkpoint *, char ret[static STORE_ERROR_BYTES]);

#endif
