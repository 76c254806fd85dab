/* ingress: from a client's bytes to frames, on one page. See ingress.c. */
#ifndef PATH_INGRESS_H
#define PATH_INGRESS_H

#include "client.h"

/* Bytes have come from a client's socket. */
void ingress(struct worker *, struct client *, uint8_t *bytes, size_t len);
/* A step of its handshake was made. */
void ingress_step(struct worker *, struct client *, struct handshake_step *);
/* The session server has answered: what the client sent meanwhile is taken up. */
void ingress_go_on(struct worker *, struct client *);
/* Takes every whole element (dialect.h); answers how many bytes were taken. */
size_t ingress_take_elements(struct worker *, struct client *, uint8_t *text, size_t len);
/* The tokenizer found this in the bytes, which is not XML_MORE: it is acted upon. */
void ingress_found(struct worker *, struct client *, const struct xml_event *, const uint8_t *bytes);
/* A stanza of a bound client goes to its session server, with the client's own `from`. */
void ingress_pass_stamped(struct worker *, struct client *, const struct xml_event *, const uint8_t *bytes);
/* Gives what a client has kept back. NULL is fine. */
void partial_free(struct worker *, struct partial *);

#endif
