/*
 * account: whom clients log in as, and how: SASL by GNU SASL. What SCRAM derives from a password costs thousands of
 * hashes; it is kept for each account, and used for others that have the same salt, so that later logins measure the
 * server and not this program.
 */
#ifndef LOAD_ACCOUNT_H
#define LOAD_ACCOUNT_H

#include <gsasl.h>
#include <stdbool.h>

struct accounts;

/* `users` accounts called prefix0, prefix1, ...; the texts stay the caller's. NULL: the mechanism is not there. */
struct accounts *accounts_new(const char *prefix, unsigned users, const char *password, const char *mechanism);
void accounts_free(struct accounts *);
const char *accounts_mechanism(const struct accounts *);

/* One SASL exchange for account `user`. NULL: out of memory. */
Gsasl_session *login_begin(struct accounts *, unsigned user);
/* The channel binding of its connection, for the -PLUS mechanisms: data of type tls-exporter (RFC 9266). False: no
 * memory. */
enum { LOGIN_EXPORTER_BYTES = 32 };
bool login_bind(Gsasl_session *, const unsigned char exporter[static LOGIN_EXPORTER_BYTES]);
/*
 * The next step: `challenge` is the peer's base64 or NULL for none; *ret is ours, to be freed with gsasl_free(). False:
 * the exchange has failed (also when the server could not prove itself).
 */
bool login_step(Gsasl_session *, const char *challenge, char **ret);
void login_end(Gsasl_session *);

#endif
