/*
 * password: SCRAM keys out of passwords, and passwords against keys (RFC 5802, 3; RFC 7677). Passwords are never kept;
 * those that were right are remembered by a keyed hash, so that a client that logs in again by PLAIN does not cost a
 * PBKDF2 again.
 */
#ifndef SESSIOND_PASSWORD_H
#define SESSIOND_PASSWORD_H

#include "sessiond.h"
#include "store.h"

enum { PASSWORD_BYTES_MAX = 1023, PASSWORD_ITERATIONS_MIN = 4096 };

/* Keys with new random salts. False: an empty or too long password, one that SASLprep (RFC 4013) refuses, or no
 * randomness. */
bool password_keys(const char *password, unsigned iterations, struct store_account *ret);

/* What checking passwords needs; one for a server. */
struct passwords;

/* NULL: the store failed, or no memory. The store must stay open. */
struct passwords *passwords_new(struct store *, unsigned iterations);
/*
 * What else may be right besides the account's password, of what comes in PLAIN: a password encrypted with this RSA key
 * (password_opened.h; the file is read now), and what the function says is right (sessiond.h). NULL: neither. False:
 * `error` says what is wrong with the file.
 */
bool passwords_allow(struct passwords *, const char *key_file, sessiond_judge *, void *judge_context,
		     char error[static STORE_ERROR_BYTES]);
/* Accepts NULL. */
void passwords_free(struct passwords *);

/*
 * The keys of an account. For one that does not exist it makes them up, out of the name and the database's secret, so
 * that they are the same whenever somebody asks, and the same work is done as for one that exists; ret_known says which
 * it is. A name that is no JID may be asked for too. False: the store failed.
 */
bool passwords_account(struct passwords *, const char *bare_jid, struct store_account *ret, bool *ret_known);

/* Whether the password was right before, under the same keys. Cheap. */
bool passwords_remember(const struct passwords *, const char *bare_jid, const struct store_account *,
			const char *password);
/* Whether it is right, or something that was allowed: milliseconds of work. A right password is remembered. */
bool passwords_check(struct passwords *, const char *bare_jid, const struct store_account *, const char *password);

#endif
