/*
 * disco: what the server and its accounts are and can (XEP-0030).
 */
#ifndef MODULES_DISCO_H
#define MODULES_DISCO_H

#include "request.h"

void disco_server_info(const struct request *);
/* An account tells itself and those who may see its presence; to others it does not exist. */
void disco_account_info(const struct request *);
void disco_items(const struct request *);
void disco_account_items(const struct request *);

#endif
