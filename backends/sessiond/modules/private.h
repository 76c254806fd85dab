/*
 * private: XML that a client keeps on the server for itself (XEP-0049): bookmarks, settings.
 */
#ifndef MODULES_PRIVATE_H
#define MODULES_PRIVATE_H

#include "request.h"

void private_storage_get(const struct request *);
void private_storage_set(const struct request *);

/* Stores one element for the sender's account and answers the request. */
void private_keep(const struct request *, const struct element *);

#endif
