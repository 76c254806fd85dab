/*
 * reload: reading configuration and certificate again while the gate runs. Nothing that is wrong takes effect: the old
 * stays in force, and the log says why.
 */
#ifndef RELOAD_H
#define RELOAD_H

#include "bundled.h"
#include "config.h"
#include "config_fault.h"
#include "handshake.h"
#include "link_secret.h"
#include "link_tls.h"

enum { RELOAD_LOOK_MS = 1000 };

/* Snapshots that workers may still look at live until the end. */
struct reload {
	struct config **old;
	size_t old_count;
	uint64_t seen;	  /* of the certificates' files: a hash of what stat(2) says, when they were last read */
	uint64_t changed; /* the same when they were last looked at */
	uint64_t look_us; /* when to look next */
	struct tls_tickets *tickets; /* in force; NULL: none */
	bool tickets_own;	     /* made here, not read from a file */
	uint64_t rotate_us;	     /* when the keys made here change next */
};

/* What is made of the certificates that the configuration names; for links NULL when there is no link.ca. */
struct reload_tls {
	struct tls_context *clients, *links;
	struct link_secret secret; /* of length 0: none */
};
/* Gives both references back. */
void reload_tls_unref(struct reload_tls *);
/*
 * The certificates and keys that the configuration names; references. False: one at least cannot be used, and each has
 * a line in the faults, which are emptied first.
 */
bool reload_tls(struct reload *, const struct config *, struct reload_tls *ret, struct config_faults *);
/* Whether that would do, and nothing else: for those who only want to know. */
bool reload_tls_check(const struct config *, struct config_faults *);
/* Changes the ticket keys that were made here, when it is time. */
void reload_rotate(struct reload *, const struct config *);
enum reload_is { RELOAD_SAME, RELOAD_BAD, RELOAD_NEW };
/*
 * Reads the certificates again when their files have changed; they are looked at every RELOAD_LOOK_MS, and read once
 * two looks have found the same, so that one who writes several files is mostly done. NEW: they are good, references
 * for the caller. BAD: they are not (it was logged), and are not tried again before they change again.
 */
enum reload_is reload_renew(struct reload *, const struct config *, struct reload_tls *ret);
/*
 * The file's configuration, to be used in place of `before`, which moves to the old ones; and its certificates,
 * references for the caller. The bundled session server, if it runs, is entered again. NULL: something is wrong; it was
 * logged.
 */
struct config *reload_read(struct reload *, const char *file, struct config *before, const struct bundled *,
			   struct reload_tls *ret);
/* Frees the old snapshots. */
void reload_done(struct reload *);

#endif
