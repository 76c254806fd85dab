/*
 * carbon: copies of messages for the other sessions of an account (XEP-0280), each wrapped with its direction
 * (XEP-0297) in a message from the account itself. Clients believe no copy that comes from anybody else: what
 * clients send can not be taken for one, since the gate stamps `from` with a full JID.
 */
#ifndef MODULES_CARBON_H
#define MODULES_CARBON_H

#include "request.h"

void carbon_enable(const struct request *);
void carbon_disable(const struct request *);

enum carbon_direction { CARBON_SENT, CARBON_RECEIVED };

struct carbon {
	enum carbon_direction direction;
	const char *type;		/* of the message, raw; "" for none */
	const struct text *message;	/* for a default namespace of urn:xmpp:forward:0 */
	struct session *const *without; /* sessions that need no copy */
	size_t without_count;
};

/* Whether a session of the account has asked for copies. */
bool carbon_wanted(const struct user *);
/* `peer` is who sent a message that is received, else NULL: sessions that block it get no copy. */
void carbon_send(struct user *, const struct carbon *, const char *peer);

#endif
