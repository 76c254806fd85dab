/* egress: from frames to a client's bytes, on one page. See egress.c. */
#ifndef PATH_EGRESS_H
#define PATH_EGRESS_H

#include "uplink.h"

/* Bytes have come on a link: takes every whole frame out of uplink->in. */
void egress(struct worker *, struct uplink *);

/* The next element of some XML that was in a frame; false: there is none. Good until the next call. */
bool egress_element(struct worker *, const uint8_t *bytes, size_t len, struct xml_event *ret);

#endif
