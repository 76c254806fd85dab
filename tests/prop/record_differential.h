/*
 * record_differential: a connection whose one end is our record engine and whose other end is OpenSSL, on the same
 * secrets, and what is tried on it. Everything follows from one random state, so that a failure comes again.
 */
#ifndef TEST_RECORD_DIFFERENTIAL_H
#define TEST_RECORD_DIFFERENTIAL_H

#include "tls_peer.h"

/* What was seen, by name. */
#define TALLY(X)                                                                                                       \
	X(connections, "connections")                                                                                  \
	X(opened, "records of OpenSSL opened here")                                                                    \
	X(sealed, "records of ours opened by OpenSSL")                                                                 \
	X(bytes_in, "bytes of text opened here")                                                                       \
	X(bytes_out, "bytes of text sealed here")                                                                      \
	X(coalesced, "flights of several records")                                                                     \
	X(padded, "records with padding")                                                                              \
	X(updates_in, "KeyUpdates of OpenSSL followed")                                                                \
	X(updates_out, "KeyUpdates of ours followed by OpenSSL")                                                       \
	X(splits, "splits of a flight, each tried by itself")                                                          \
	X(flips, "records with one bit changed, each refused")
struct tally {
#define X(name, text) uint64_t name;
	TALLY(X)
#undef X
};

struct pair {
	struct tls_peer *peer;
	struct record_crypto *crypto;
	struct tally *tally;
	uint64_t random;
};

/* A number below `end`. */
uint64_t pair_random(struct pair *, uint64_t end);

/*
 * A connection of the version and cipher, after its handshake. The KeyUpdates of our own come after `records_max`
 * records of a key (TLS 1.3; in TLS 1.2 there are none, and a key would end there).
 */
void pair_begin(struct pair *, const struct tls_settings *, enum record_version, enum record_cipher,
		uint64_t records_max);
/* close_notify both ways; false, and a line on stderr: the other end did not understand it. */
bool pair_end(struct pair *);

/*
 * One flight of one to eight records from OpenSSL, opened here: as it comes in pieces; and for a sample of flights at
 * every single split, and with every single bit changed. False: a difference, told on stderr.
 */
bool flight_in(struct pair *);
/* One flight of ours, opened by OpenSSL, in pieces. */
bool flight_out(struct pair *);

/* Tells a difference; answers false. */
bool differs(const struct pair *, const char *what, uint64_t have, uint64_t wanted);

#endif
