/*
 * sessiond: the bundled session server. It serves one end of the link (docs/link-protocol.md): accounts in SQLite,
 * SASL, rosters, presence, messages. It runs as a thread inside the gate when no backend is configured, or as a process
 * of its own (stanzagate-sessiond). One thread does all its work, and another copies what was written from SQLite's log
 * into the database; it needs nothing of the gate but the link.
 */
#ifndef SESSIOND_H
#define SESSIOND_H

#include <stdbool.h>
#include <stddef.h>

enum {
	SESSIOND_ERROR_BYTES = 256,
	SESSIOND_LISTEN_MAX = 8,
	SESSIOND_DOMAIN_MAX = 64,
	SESSIOND_GATES_MAX = 16,
	SESSIOND_USERS_MAX = 16,
	SESSIOND_ITERATIONS = 15000
};

enum sessiond_level { SESSIOND_INFO, SESSIOND_WARNING, SESSIOND_ERROR };

/* Files in PEM; they are read again when they change. */
struct sessiond_tls {
	const char *certificate, *key, *ca;    /* ca: who may sign the certificates of gates; NULL: a key is shared */
	const char *gates[SESSIOND_GATES_MAX]; /* names that they may have (dNSName) */
	size_t gate_count;
};

/*
 * Judges what a client has sent as its password in PLAIN, for those that are no passwords: tokens, say. Called from
 * sessiond's thread, which waits for it: it is to answer at once, from what it has. The account must exist. `password`
 * is any text, and is gone after the call. NONE: it is none of the judge's, and is checked as a password.
 */
enum sessiond_verdict { SESSIOND_VERDICT_NONE, SESSIOND_VERDICT_RIGHT, SESSIOND_VERDICT_WRONG };
typedef enum sessiond_verdict sessiond_judge(void *context, const char *bare_jid, const char *password);

/* What there is to tell. */
struct sessiond_line {
	const char *text;	   /* all of it, no newline */
	const char *jid, *address; /* the client's of which it tells; "": of none, or it is not known */
};

/* Strings are copied by sessiond_new, but those of tls, which live as long as the server. */
struct sessiond_settings {
	const char *name;     /* as backend, in HELLO */
	const char *database; /* file of accounts and all else; made when absent, mode 0600 */
	const char *domains[SESSIOND_DOMAIN_MAX];
	size_t domain_count;
	const char *listen[SESSIOND_LISTEN_MAX]; /* "unix:/path", "tls:192.0.2.1:15262", or "tcp:127.0.0.1:15262"
						    (loopback only: such links are neither encrypted nor
						    authenticated) */
	size_t listen_count;
	const char *secret;		    /* file of a key that both ends of every link prove to have; NULL: none */
	struct sessiond_tls tls;	    /* needed for tls: links */
	unsigned users[SESSIOND_USERS_MAX]; /* besides root and our own: who may connect to unix: sockets */
	size_t user_count;
	bool handover;		 /* sessions do not end with us: other nodes, or the next start, have them adopted */
	bool registration;	 /* in-band registration (XEP-0077) */
	bool no_channel_binding; /* offer no -PLUS mechanisms: some clients that know no tls-exporter give SCRAM up then
				  */
	unsigned iterations; /* of SCRAM for new passwords; at least 4096, SESSIOND_ITERATIONS is good (RFC 7677, 4) */
	const char *password_key; /* file of an RSA key, for passwords that clients encrypt (docs/startalk.md); NULL */
	sessiond_judge *judge;	  /* NULL: there are passwords only */
	void *judge_context;
	unsigned offline_messages_max; /* kept for one account */
	/* The archive (XEP-0313): for how long, and how much of one account; 0 days: there is none */
	unsigned archive_days_max, archive_messages_max, archive_mib_max;
	/* Called from sessiond's thread. The line and its texts live as long as the call. */
	void (*log)(void *context, enum sessiond_level, const struct sessiond_line *);
	void *log_context;
};

struct sessiond;

/*
 * Opens the database and the listeners. The tokenizer must have been chosen before (xml_kernel_choose). Memory that
 * cannot be had ends the process, also later. NULL: `error` says in one line what is wrong.
 */
struct sessiond *sessiond_new(const struct sessiond_settings *, char error[static SESSIOND_ERROR_BYTES]);
/*
 * Works until sessiond_stop: then tells its gates (DRAIN; without handover CLOSE of every session with
 * system-shutdown), waits two seconds at most for them to have read it, and returns. Once for one server.
 */
void sessiond_run(struct sessiond *);
/* From any thread and from signal handlers, from sessiond_new to sessiond_free. */
void sessiond_stop(struct sessiond *);
/* When it does not run. Accepts NULL. */
void sessiond_free(struct sessiond *);

#endif
