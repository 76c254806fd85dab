/*
 * identity: whom a client's certificate names (RFC 6120, 13.7.1.4), by ASN.1 alone: XmppAddr as a UTF8String of the OID
 * 1.3.6.1.5.5.7.8.5, dNSName, and SRVName as an IA5String (RFC 4985). A name that has a NUL, a space or a control
 * character in it, that is not in the type its OID demands, or that would not fit is left out. The subject is not
 * looked at.
 */
#ifndef NET_IDENTITY_H
#define NET_IDENTITY_H

#include "handshake.h"

#include <openssl/x509.h>

/* The certificate's names; whether it is to be believed is decided elsewhere. Freed with free(). */
struct tls_identity *identity_of(const X509 *);

#endif
