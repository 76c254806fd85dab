/*
 * link_tls: TLS on links to session servers, where the gate is the client: TLS 1.3 alone, the server's certificate
 * signed by an authority of our own choice, no session resumed. The context is used as those in handshake.h are:
 * handshake_new, handshake_peer_names, handshake_feed with no bytes to begin.
 */
#ifndef NET_LINK_TLS_H
#define NET_LINK_TLS_H

#include "handshake.h"

struct link_tls_settings {
	const char *ca_file;	      /* PEM: who may sign the certificates of session servers */
	const char *certificate_file; /* PEM: our own certificate and its chain; NULL: we show none */
	const char *key_file;	      /* PEM: its private key; NULL as it is */
};

/* Reads the files. NULL: the fault says what is wrong with which of them. A reference; see tls_context_unref. */
struct tls_context *link_tls_context(const struct link_tls_settings *, struct tls_fault *ret_fault);

#endif
