/*
 * negotiation: what a client does before its session begins: SASL (RFC 6120, section 6), registration (register.h), and
 * binding a resource (section 7). The gate has checked and cut the elements, and does the stream restart after login.
 */
#ifndef SESSIOND_NEGOTIATION_H
#define SESSIOND_NEGOTIATION_H

#include "client.h"

/* One element, accepted by the tokenizer, of a client that is not bound. */
void negotiation_element(struct client *, const uint8_t *bytes, size_t len);

/* The requests of negotiation that come late: bind again, and the old session request. False: it is none of them. */
bool negotiation_take_bound(struct client *, const struct xml_event *, const uint8_t *bytes);

/* Whether a password waits to be checked. */
bool negotiation_waits(const struct sessiond *);
/*
 * Checks one, if there is nothing else to do (idle), or if the last one has been paid for: a check costs milliseconds,
 * and such work may take no more than a quarter of the thread's time from others, so that a flood of bad passwords does
 * not starve them.
 */
void negotiation_run(struct sessiond *, bool idle);
/* The client goes: it waits for nothing any more. */
void negotiation_forget(struct client *);

/* Fills in the features that a server offers before login. */
void negotiation_features(struct sessiond *);

#endif
