/*
 * handshake: TLS from the first byte to the moment when the keys are known. OpenSSL does it, over memory; this wraps
 * it, and at the end takes its secrets over into a struct record and frees every OpenSSL object of the connection.
 *
 * Offered: TLS 1.3 and 1.2 (RFC 8446; RFC 5246 with RFC 5289 and 7905, extended master secret required, RFC 7627), the
 * suites that record.h serves; TLS 1.3 alone as a client; tickets when they are asked for; no compression, no
 * renegotiation, no early data, no session cache (RFC 9325, RFC 7590).
 */
#ifndef NET_HANDSHAKE_H
#define NET_HANDSHAKE_H

#include "record.h"

/*
 * The certificates and what is offered; shared by all connections of all workers; reference-counted, so that a reload
 * can replace it while handshakes run. Which certificate a client is shown, by the name it asks for (SNI, RFC 6066, 3;
 * or handshake_host): all that cover the name, the first of each kind of key (ECDSA, RSA, Ed25519), of which OpenSSL
 * takes what suits the client's signature algorithms best. For no name: the first certificate, with those of other
 * kinds of key that cover its first name. For an unknown name the same, or, with strict_names, alert unrecognized_name.
 */
struct tls_context;

struct tls_pair {
	const char *certificate_file; /* PEM: the certificate and its chain */
	const char *key_file;	      /* PEM: its private key, without passphrase */
	const char *staple_file;      /* DER: an OCSP response for it (RFC 6960); NULL: none */
};
/* What is wrong with what was to be read. */
enum { TLS_ERROR_BYTES = 512 };
struct tls_fault {
	const char *file;	   /* the very pointer that it was called by; NULL: it is with no file */
	char why[TLS_ERROR_BYTES]; /* one line, which does not repeat the file */
};

/*
 * Keys of session tickets (ticket.h says what they are). `new` makes its own; `read` takes them from a file of exactly
 * 240 bytes. NULL: OpenSSL has no random numbers; or the fault says what is wrong with the file.
 */
struct tls_tickets;
struct tls_tickets *tls_tickets_new(void);
struct tls_tickets *tls_tickets_ref(struct tls_tickets *); /* another owner; any thread */
void tls_tickets_unref(struct tls_tickets *);		   /* any thread; NULL is fine */
/* A generation later: new becomes current, current old, and the old is gone. Any thread. False: no random numbers. */
bool tls_tickets_rotate(struct tls_tickets *);

/* Whether clients are asked for a certificate; one that is shown must be good, whether it must be shown or not. */
enum tls_clients { TLS_CLIENTS_OFF, TLS_CLIENTS_REQUEST, TLS_CLIENTS_REQUIRE };

struct tls_settings {
	const char *certificate_file; /* of the first certificate; as in tls_pair */
	const char *key_file;
	int version_min; /* 12 or 13 */
	const char *staple_file;
	const struct tls_pair *more; /* certificates for other names, and for the same with another kind of key */
	size_t more_count;	     /* at most TLS_MORE_MAX */
	bool strict_names;
	struct tls_tickets *tickets; /* the context takes a reference of its own; NULL: no tickets */
	uint32_t ticket_life_s;	     /* how long one may be used */
	enum tls_clients clients;
	const char *client_ca_file; /* PEM: who may sign clients' certificates; NULL when they are not asked for */
};
enum { TLS_MORE_MAX = 255 };

struct tls_tickets *tls_tickets_read(const char *file, struct tls_fault *ret_fault);

/* Reads the files and checks them as pairs. NULL: the fault says what is wrong with which of them. */
struct tls_context *tls_context_new(const struct tls_settings *, struct tls_fault *ret_fault);
struct tls_context *tls_context_ref(struct tls_context *); /* another owner; any thread */
void tls_context_unref(struct tls_context *);		   /* any thread */
/* Seconds since 1970 when the first certificate expires. */
int64_t tls_context_expires_s(const struct tls_context *);
/* The same of each: 0 is the first, then those in `more`. `index` is at most more_count. */
int64_t tls_context_expires_at_s(const struct tls_context *, size_t index);
/*
 * What became of its staple_file: none was named; it is shown to clients that ask, until *ret_until_s (since 1970;
 * INT64_MAX: without end); or it is not good (staple.h), *ret_fault says why, and the certificate goes without.
 */
enum tls_staple_is { TLS_STAPLE_NONE, TLS_STAPLE_GOOD, TLS_STAPLE_BAD };
enum tls_staple_is tls_context_staple(const struct tls_context *, size_t index, int64_t *ret_until_s,
				      const char **ret_fault);
/* Whether the certificate that the facts of a handshake name is for the domain (lower case, A-labels or UTF-8). */
bool tls_context_covers(const struct tls_context *, size_t index, const char *domain);
bool tls_context_is_strict(const struct tls_context *); /* strict_names */

/* Whom the client's certificate names; see identity.h. One name in a line, no line feed behind the last. */
enum { TLS_ADDRESSES_BYTES = 3072, TLS_NAMES_BYTES = 1024 };
struct tls_identity {
	char addresses[TLS_ADDRESSES_BYTES]; /* XmppAddr */
	char names[TLS_NAMES_BYTES];	     /* "dns:" and a dNSName, or "srv:" and an SRVName */
};

/* What is worth knowing about a finished handshake. */
struct tls_facts {
	enum record_version version;
	enum record_cipher cipher;
	bool resumed;
	bool has_exporter;     /* a channel binding of type tls-exporter exists (RFC 9266) */
	uint8_t exporter[32];  /* label "EXPORTER-Channel-Binding", a context of no bytes */
	uint8_t end_point[64]; /* hash of our certificate: tls-server-end-point (RFC 5929, section 4) */
	uint8_t end_point_len; /* 0: undefined, since the certificate's signature has no hash of its own (Ed25519) */
	struct tls_identity
		*identity;     /* of the client, verified; NULL: none was shown. To be freed by whoever has the facts */
	uint8_t certificate;   /* which was shown: the index for tls_context_covers() */
	char server_name[256]; /* what the client asked for (SNI), lower case; "" when it did not */
};

struct handshake;

/*
 * `direct`: TLS from the first byte (XEP-0368): if the client offers ALPN, `xmpp-client` must be among it (alert
 * no_application_protocol otherwise). Not direct: after STARTTLS. NULL: no memory. For one thread at a time.
 */
struct handshake *handshake_new(struct tls_context *, bool direct);
void handshake_free(struct handshake *); /* NULL is fine */
/*
 * The domain that the client has named already, outside of TLS (the `to` of its stream header, RFC 6120, 5.4.3.1): it
 * chooses the certificate when the client sends no SNI. Before the first byte is fed. The text is copied.
 */
void handshake_host(struct handshake *, const char *domain);

/*
 * With a client's context (link_tls.h): the names that the peer's certificate may have, separated by spaces; one of its
 * dNSNames must be one of them, letter by letter (no wildcards). Before the first byte is fed; without it the handshake
 * fails. False: no memory.
 */
bool handshake_peer_names(struct handshake *, const char *names);

enum handshake_is {
	HANDSHAKE_MORE,	 /* send the output; feed it what arrives */
	HANDSHAKE_DONE,	 /* send the output; then handshake_finish() */
	HANDSHAKE_FAILED /* send the output (an alert), then close the connection */
};
/*
 * Takes all the bytes. A client feeds none to begin. After DONE or FAILED it may not be called again. A client whose
 * first bytes are no TLS gets an alert too (unexpected_message). A client's own fatal alert, in the course of a
 * handshake, is not answered.
 */
enum handshake_is handshake_feed(struct handshake *, const uint8_t *bytes, size_t len);
/* Moves at most cap bytes to be sent into `to`; answers how many; call until 0. */
size_t handshake_output(struct handshake *, uint8_t *to, size_t cap);
/* The words for an alert that a peer has sent. */
const char *handshake_alert_text(uint8_t description);
/* Why it failed, one line for the log; "" when it did not. Valid as long as the handshake. */
const char *handshake_error(const struct handshake *);
/*
 * After DONE, when all output was taken: fills in the record engine and the facts. Bytes that came behind the handshake
 * (the first records of the client, perhaps a part of one) are moved to `leftover`, which has room for everything fed
 * in the last call; the record engine must open them first. Frees the handshake and nulls the pointer. False: the suite
 * cannot be taken over, or OpenSSL refused (nothing was filled in; the handshake is freed all the same).
 */
bool handshake_finish(struct handshake **, struct record *ret_record, struct tls_facts *ret_facts, uint8_t *leftover,
		      size_t *ret_leftover_len);

#endif
