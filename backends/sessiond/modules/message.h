/*
 * message: delivery of messages (RFC 6121, 8.5) and those kept for who is away (XEP-0160).
 *
 * Where the RFC leaves a choice: a message to a bare JID goes to the available sessions with the highest priority, all
 * of them if several share it; what can not be delivered is answered with service-unavailable, headlines to sessions
 * that are not there are dropped; a message without body is not kept.
 */
#ifndef MODULES_MESSAGE_H
#define MODULES_MESSAGE_H

#include "incoming.h"

void message_handle(const struct incoming *);
/* Sends what was kept for the account to a session that has become available with a priority of 0 or more. */
void message_deliver_kept(struct session *);

#endif
