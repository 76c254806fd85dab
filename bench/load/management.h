/*
 * management: stream management (XEP-0198), for clients that leave and come back with --resume-streams. They leave
 * without a word, as whoever loses its network, and resume their stream when they are back; where that is refused, they
 * bind anew. They send nothing that would have to be sent again.
 */
#ifndef LOAD_MANAGEMENT_H
#define LOAD_MANAGEMENT_H

#include "load.h"

/* Whether this client's stream is one to be resumed. */
bool management_is_on(const struct load *, const struct client *);
/* Features are here, after login. True: it asks to resume its stream, and does not bind. */
bool management_resume(struct load *, struct client *);
/* It is bound: asks for a stream that can be resumed. */
void management_enable(struct load *, struct client *);
/* An answer to either. */
void management_answer(struct load *, struct client *, const struct xml_event *, const uint8_t *bytes);
/* Counts a stanza for a client that is online, and answers requests. True: it was no stanza. */
bool management_hear(struct load *, struct client *, const struct xml_event *, const uint8_t *bytes);
/* What a client keeps while it is away; NULL is fine. */
void management_free(struct management *);

#endif
