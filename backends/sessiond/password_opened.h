/*
 * password_opened: passwords that clients encrypt before they send them in PLAIN: base64 of RSA (PKCS#1 v1.5, RFC 8017,
 * 7.2) of a JSON object in which "p" is the password and "u" the user, as clients of Startalk do.
 */
#ifndef SESSIOND_PASSWORD_OPENED_H
#define SESSIOND_PASSWORD_OPENED_H

#include "password.h"

struct password_key;

/* Reads an RSA private key, PEM without passphrase. NULL: `error` says what is wrong. */
struct password_key *password_key_read(const char *file, char error[static STORE_ERROR_BYTES]);
/* Accepts NULL. */
void password_key_free(struct password_key *);

/*
 * The password in the text, for this user alone: a "u" that is another's is refused. NUL-terminated; false: the text is
 * nothing of the kind, and `to` is "". An answer to the client must not tell one from the other, and takes the same
 * time: whoever could see which texts decrypt could decrypt those of others (Bleichenbacher, CRYPTO '98).
 */
bool password_open(const struct password_key *, const char *bare_jid, const char *text,
		   char to[static PASSWORD_BYTES_MAX + 1]);

#endif
