/*
 * tls_peer: OpenSSL as the client of our handshake, over memory, with a certificate made on the spot.
 */
#ifndef TEST_TLS_PEER_H
#define TEST_TLS_PEER_H

#include "handshake.h"

#include <openssl/ssl.h>

/* A fresh key and a self-signed certificate as two PEM files; removed by files_remove(). */
struct tls_files {
	char certificate[64], key[64];
};
/* `algorithm`: "EC", "RSA" (2048 bits), "RSA-" and another number of them, or "ED25519"; digest NULL for the last. */
struct tls_files tls_files_make(const char *algorithm, const char *digest);
/*
 * The same with a subjectAltName, in OpenSSL's words: "DNS:a.example,DNS:*.b.example". A '^' in it becomes a NUL in the
 * certificate. NULL: none.
 */
struct tls_files tls_files_make_for(const char *algorithm, const char *digest, const char *names);
void tls_files_remove(const struct tls_files *);

struct tls_peer {
	struct tls_context *context;
	struct handshake *server;
	SSL *client;
	BIO *in, *out;	   /* of the client */
	uint8_t alert[2];  /* the last alert in clear that the server put out */
	size_t output_len; /* bytes that the server put out */
	uint8_t output[8192];
	uint8_t leftover[65536]; /* what stood behind the client's handshake, after peer_finish() */
	size_t leftover_len;
	struct record record;
	struct tls_facts facts;
};

/* A server with an EC certificate and a client that accepts it; nothing has been sent. Ended by peer_free(). */
struct tls_peer *peer_new(bool direct);
struct tls_peer *peer_new_with(const struct tls_files *, int version_min, bool direct);
/* A server with these settings. */
struct tls_peer *peer_new_by(const struct tls_settings *, bool direct);
void peer_free(struct tls_peer *);

/* Limits the client to a version and a cipher. */
void peer_choose(struct tls_peer *, enum record_version, enum record_cipher);

/* Lets the client speak: moves what it has to say into `to`, answers how many bytes. */
size_t peer_client_says(struct tls_peer *, uint8_t *to, size_t cap);
/* Feeds the server, and takes its output to the client. */
enum handshake_is peer_server_hears(struct tls_peer *, const uint8_t *bytes, size_t len);
/* Runs until the server is done or has failed; `chunk` bytes at a time. */
enum handshake_is peer_shake(struct tls_peer *, size_t chunk);
/* Takes the server's side over; then ends the client's. */
bool peer_finish(struct tls_peer *);

/* Gives bytes to the client; reads its application data. */
void peer_client_hears(struct tls_peer *, const uint8_t *bytes, size_t len);

/* A small generator, so that a failure comes again: x is the state. */
uint64_t random_next(uint64_t *x);
void random_fill(uint64_t *x, uint8_t *to, size_t len);

#endif
