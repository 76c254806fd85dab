/*
 * vcard: the card of an account, for all to read (XEP-0054). One's own is empty until it is set; of others, no card and
 * no account look alike (3.3).
 */
#ifndef MODULES_VCARD_H
#define MODULES_VCARD_H

#include "request.h"

void vcard_get(const struct request *);
void vcard_set(const struct request *);

#endif
