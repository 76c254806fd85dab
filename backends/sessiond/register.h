/*
 * register: in-band registration (XEP-0077), when the settings allow it: accounts made before login, and removed or
 * given a new password after it. Only over an encrypted stream, and only so many new accounts a minute.
 */
#ifndef SESSIOND_REGISTER_H
#define SESSIOND_REGISTER_H

#include "client.h"
#include "element.h"

/* An iq of a client that has not logged in. False: it is not about registration, or that is not allowed. */
bool register_take(struct client *, const struct element *iq);
/* The same for a bound client. */
bool register_take_bound(struct client *, const struct xml_event *, const uint8_t *bytes);

#endif
