/*
 * bundled: the bundled session server as a thread of the gate, reached like any other backend: by a link over a Unix
 * socket, in a directory of its own that nobody else may enter.
 */
#ifndef BUNDLED_H
#define BUNDLED_H

#include "config.h"

struct bundled;

enum { BUNDLED_ERROR_BYTES = 512 };

/* Starts it. NULL: `error` says why not. */
struct bundled *bundled_start(const struct config *, char error[static BUNDLED_ERROR_BYTES]);
/* Enters it into a configuration that names no backend, as the one there is. */
void bundled_enter(const struct bundled *, struct config *);
/* Ends it and frees it. After the workers: they end its sessions. */
void bundled_stop(struct bundled *);

#endif
