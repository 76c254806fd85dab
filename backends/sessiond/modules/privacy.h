/*
 * privacy: a client's view of its privacy lists (XEP-0016): names, contents, changes, and which list is active for the
 * session or the default of the account. Who may pass is the business of privacy_rule.h.
 */
#ifndef MODULES_PRIVACY_H
#define MODULES_PRIVACY_H

#include "request.h"

void privacy_get(const struct request *);
void privacy_set(const struct request *);

#endif
