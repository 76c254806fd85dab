/*
 * reload: reading configuration and certificate again while the gate runs. Nothing that is wrong takes effect: the old
 * stays in force, and the log says why.
 */
#ifndef RELOAD_H
#define RELOAD_H

#include "bundled.h"
#include "config.h"
#include "handshake.h"

/* Snapshots that workers may still look at live until the end. */
struct reload {
	struct config **old;
	size_t old_count;
};

/* The certificate that the configuration names. NULL: `error` says why not. */
struct tls_context *reload_context(const struct config *, char error[static TLS_ERROR_BYTES]);
/*
 * The file's configuration, to be used in place of `before`, which moves to the old ones; and its certificate, a
 * reference for the caller. The bundled session server, if it runs, is entered again. NULL: something is wrong; it was
 * logged.
 */
struct config *reload_read(struct reload *, const char *file, struct config *before, const struct bundled *,
			   struct tls_context **ret_context);
/* Frees the old snapshots. */
void reload_done(struct reload *);

#endif
