/* up_own: what the files of up have of each other. */
#ifndef STARTALK_UP_OWN_H
#define STARTALK_UP_OWN_H

#include "st_text.h"
#include "st_up.h"

/* Each writes one element. False: there is no translation. */
bool st_up_iq(struct st_text *, const struct st_view *, const struct st_packet *);
bool st_up_presence(struct st_text *, const struct st_view *, const struct st_packet *);
bool st_up_message(struct st_text *, const struct st_view *, const struct st_packet *);

/* All headers of a body as attributes. False: one has a name that no table has, or one that is there already. */
bool st_put_headers(struct st_text *, const Startalk__MessageBody *);

/* Of a field that says nothing there is no attribute: NULL. */
static inline const char *st_nonempty(const char *text)
{
	return text == NULL || text[0] == '\0' ? NULL : text;
}

#endif
