/*
 * archive: which messages are kept for their user to look up again (XEP-0313, 5), and what the user wants of it.
 *
 * Kept are messages of type normal and chat that have a body, or something else that counts as one (trait.def), when
 * the user's preferences allow it; those of contacts whom the user blocks are not. An archive that has no room loses
 * its oldest messages.
 */
#ifndef MODULES_ARCHIVE_H
#define MODULES_ARCHIVE_H

#include "request.h"

/* Whether messages are kept at all. */
bool archive_is_on(struct sessiond *);
/* Messages from before this are as good as forgotten. */
long long archive_since_ms(struct sessiond *);

/*
 * Keeps a message that an account has exchanged with `peer` (full or bare JID, prepared); `xml` is as in
 * store_archive.h. Answers its number, 0 when it was not to be kept or could not be.
 */
long long archive_keep(struct sessiond *, const char *account, const char *peer, const struct text *xml);

void archive_preferences_get(const struct request *);
void archive_preferences_set(const struct request *);

#endif
