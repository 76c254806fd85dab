/*
 * iq: requests and their answers (RFC 6120, 8.2.3 and 10.3.3; RFC 6121, 8.5).
 *
 * What is for a full JID is passed on, without asking whether the two share presence: clients exchange requests also in
 * rooms and in chats between strangers; privacy lists are the means against it. All else the server answers, from the
 * table modules.def.
 */
#ifndef MODULES_IQ_H
#define MODULES_IQ_H

#include "incoming.h"

void iq_handle(const struct incoming *);

#endif
