/*
 * certificate_user: the users whom a client's certificate names (RFC 6120, 13.7.1.4; XEP-0178, 2). The certificate's
 * XmppAddr names come as text, one in a line, as they travel on the link (CLIENT_CERT_XMPP_ADDR). A user of a domain is
 * a line that is a bare JID of it, with a local part; all other lines name nobody there. Pure.
 */
#ifndef XMPP_CERTIFICATE_USER_H
#define XMPP_CERTIFICATE_USER_H

#include "jid.h"

/* The next user of the domain (prepared); *lines, which end in NUL, move behind it. False: no more. */
bool certificate_user_next(const char **lines, const char *domain, struct jid *ret);
/* The one user whom they name; a name that comes twice counts once. False: none, or more than one. */
bool certificate_user_only(const char *lines, const char *domain, struct jid *ret);

#endif
