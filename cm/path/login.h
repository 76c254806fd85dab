/*
 * login: what a client needs only until it is bound (client.h): the automaton's part, the facts of its TLS, the
 * socket's own peer, and bytes that have to wait. The facts are wiped when it is given back: a channel binding is among
 * them.
 */
#ifndef PATH_LOGIN_H
#define PATH_LOGIN_H

#include "address.h"
#include "handshake.h"
#include "stream.h"

#include <stddef.h>
#include <stdint.h>

struct worker;

struct login {
	struct stream_login stream;
	struct tls_facts facts;
	struct tls_context *context; /* that TLS began with */
	struct address peer;	     /* the socket's own, asked for once; of length 0 when it had left already */
	const char *refusal;	     /* what says "later" to what it began to authenticate with; NULL: nothing can */
	char *features;		     /* after authentication, as the session server said */
	size_t features_len;
	uint8_t *held; /* a part of a PROXY header, or a step of TLS that has not had its turn (turns.h) */
	size_t held_len;
	uint64_t until_ms;
};

/* With the limits of the configuration, from now on. Never NULL. */
struct login *login_new(struct worker *);
/* Gives back what it has, its reference to a context too. NULL is fine. */
void login_free(struct worker *, struct login *);

/* Held bytes: a copy is put behind those that are there already; dropped; the caller's from now on, to be freed. */
void login_hold(struct worker *, struct login *, const uint8_t *bytes, size_t len);
void login_drop(struct worker *, struct login *);
void login_let_go(struct worker *, struct login *);

#endif
