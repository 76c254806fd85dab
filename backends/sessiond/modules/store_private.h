/*
 * store_private: XML that accounts keep on the server: the vCard (XEP-0054) and private storage (XEP-0049). A piece is
 * one element, known by its name and namespace, written to stand for itself in jabber:client. Calls answer false when
 * the database fails.
 */
#ifndef STORE_PRIVATE_H
#define STORE_PRIVATE_H

#include "store.h"

/* Replaces. */
bool private_put(struct store *, const char *account, const char *name, const char *ns, const char *xml);
/* A copy that the caller frees; NULL when there is none. */
bool private_get(struct store *, const char *account, const char *name, const char *ns, char **ret);
/* Bytes of all the account's pieces together, without this one. */
bool private_bytes(struct store *, const char *account, const char *name, const char *ns, size_t *ret);

#endif
