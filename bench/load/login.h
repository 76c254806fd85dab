/*
 * login: what a client says until it is online (RFC 6120: STARTTLS, SASL, bind), and what it does with elements after
 * that.
 */
#ifndef LOAD_LOGIN_H
#define LOAD_LOGIN_H

#include "load.h"

/* A stream header, at the start and at each restart. */
void login_stream_open(struct load *, struct client *);
/* An element came, in whatever state. It may end the client. */
void login_element(struct load *, struct client *, const struct xml_event *, const uint8_t *bytes);

/* Asks to be bound; and what follows once it is. */
void login_bind_ask(struct load *, struct client *);
void login_online(struct load *, struct client *);

#endif
