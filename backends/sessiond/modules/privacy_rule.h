/*
 * privacy_rule: whether an account's privacy list lets something pass (XEP-0016, 2.2 and 2.10 to 2.13).
 *
 * The first item that is about the peer and the kind of stanza decides; when there is none, it passes. What is
 * exchanged with the account itself and with our domains always passes. When the database fails, nothing does.
 */
#ifndef MODULES_PRIVACY_RULE_H
#define MODULES_PRIVACY_RULE_H

#include "core.h"
#include "store_privacy.h"

/* A list as it applies to one session or account; it must be read again when the list may have changed. */
struct privacy_rule {
	struct sessiond *server;
	const char *account;
	struct privacy_list list;
	bool failed;
};

/* The session's active list, else the account's default. The session must outlive it. */
struct privacy_rule privacy_rule_of(const struct session *);
/* The account's default list. The name must outlive it. */
struct privacy_rule privacy_rule_default(struct sessiond *, const char *account);
void privacy_rule_free(struct privacy_rule *);
/* The peer is a prepared JID, full or bare. */
bool privacy_rule_allows(const struct privacy_rule *, const char *peer, enum privacy_kind);

/* All of it at once. */
bool privacy_allows(const struct session *, const char *peer, enum privacy_kind);
bool privacy_default_allows(struct sessiond *, const char *account, const char *peer, enum privacy_kind);

#endif
