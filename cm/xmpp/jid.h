/*
 * jid: addresses of XMPP, "local@domain/resource" (RFC 6120; prepared by nodeprep, nameprep and resourceprep, RFC 6122,
 * which all deployed servers speak and RFC 7622 keeps compatible). Pure; libidn does the preparing.
 */
#ifndef XMPP_JID_H
#define XMPP_JID_H

#include <stdbool.h>
#include <stddef.h>

enum {
	JID_PART_BYTES_MAX = 1023,		    /* each part, prepared, without NUL */
	JID_BYTES_MAX = 3 * JID_PART_BYTES_MAX + 2, /* a full JID, without NUL */
};

/* A prepared JID: NUL-terminated, with the places of its parts. text is the whole. */
struct jid {
	char text[JID_BYTES_MAX + 1];
	unsigned short local_len; /* 0: none; the local part starts the text */
	unsigned short domain_at, domain_len;
	unsigned short resource_at; /* 0: none */
	unsigned short len;
};

/* Parses and prepares. False: not a JID (nothing is said about ret then). The text need not end in NUL. */
bool jid_parse(const char *text, size_t len, struct jid *ret);
/* Prepares one part alone. `to` has JID_PART_BYTES_MAX + 1 bytes. False: empty, too long, or a character that is not
 * allowed. */
bool jid_prepare_local(const char *text, size_t len, char *to);
bool jid_prepare_domain(const char *text, size_t len, char *to);
bool jid_prepare_resource(const char *text, size_t len, char *to);

/* Length of the text without "/resource". */
size_t jid_bare_len(const struct jid *);

#endif
