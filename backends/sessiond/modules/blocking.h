/*
 * blocking: the blocking command (XEP-0191). What it blocks are the items of the account's default privacy list that
 * deny everything to one JID, so that both protocols show the same (XEP-0191, 5). A default list is made when there is
 * none.
 */
#ifndef MODULES_BLOCKING_H
#define MODULES_BLOCKING_H

#include "request.h"

void blocking_get(const struct request *);
void blocking_block(const struct request *);
void blocking_unblock(const struct request *);

#endif
