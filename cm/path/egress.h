/* egress: from frames to a client's bytes, on one page. See egress.c. */
#ifndef PATH_EGRESS_H
#define PATH_EGRESS_H

#include "uplink.h"

/* Bytes have come on a link: takes every whole frame out of uplink->in. */
void egress(struct worker *, struct uplink *);

#endif
