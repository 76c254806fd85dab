/*
 * record: the TLS record layer of one connection, in user space, after the handshake.
 *
 * OpenSSL does the handshake; then its secrets are taken over (handshake.h) and its objects freed. What stays is a
 * `struct record`: a hundred to two hundred bytes without a pointer. Records are sealed and opened with OpenSSL's
 * AEADs, by contexts that belong to the thread (struct record_crypto) and are re-keyed for each record.
 *
 * TLS 1.3 (RFC 8446, sections 4.6.3, 5, 6) and TLS 1.2 (RFC 5246, 6.2.3.3; RFC 5288; RFC 7905) with AES-128-GCM,
 * AES-256-GCM and ChaCha20-Poly1305, as the server, or, in TLS 1.3, as the client. It is an engine: bytes in, bytes
 * out; it owns no descriptor, buffer or clock.
 *
 * Refused, besides forgeries: other record types than the handshake left possible (a ChangeCipherSpec, a ticket, a
 * request to renegotiate), lengths over the limits, alerts and KeyUpdates that are not well-formed, and more than
 * RECORD_EMPTY_MAX records in a row that carry nothing. A KeyUpdate may come in fragments (RFC 8446, 5.1). A client
 * skips tickets (RFC 8446, 4.6.1), which it never uses, if they come whole in one record.
 */
#ifndef NET_RECORD_H
#define NET_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum record_version { RECORD_TLS12 = 12, RECORD_TLS13 = 13 };
enum record_cipher { RECORD_AES_128_GCM, RECORD_AES_256_GCM, RECORD_CHACHA20_POLY1305, RECORD_CIPHER_COUNT };

enum {
	RECORD_TEXT_MAX = 16384,		 /* plaintext in one record */
	RECORD_WIRE_MAX = 5 + 16384 + 256,	 /* a whole record as it may arrive */
	RECORD_SEAL_EXTRA = 5 + 8 + 1 + 16 + 64, /* what sealing may add to the text, a KeyUpdate of ours included */
	RECORD_UPDATE_BYTES = 5,
	RECORD_ALERT_BYTES = 2,
	RECORD_EMPTY_MAX = 32, /* records without text, KeyUpdates and warnings in a row before they are an attack */
};

/* Types of records (RFC 8446, 5.1). */
enum record_content { RECORD_CONTENT_ALERT = 21, RECORD_CONTENT_HANDSHAKE = 22, RECORD_CONTENT_DATA = 23 };

/* Alert descriptions that are sent (RFC 8446, 6; no_renegotiation RFC 5246, 7.2.2). */
enum record_alert {
	RECORD_CLOSE_NOTIFY = 0,
	RECORD_UNEXPECTED_MESSAGE = 10,
	RECORD_BAD_RECORD_MAC = 20,
	RECORD_RECORD_OVERFLOW = 22,
	RECORD_ILLEGAL_PARAMETER = 47,
	RECORD_DECODE_ERROR = 50,
	RECORD_PROTOCOL_VERSION = 70,
	RECORD_INTERNAL_ERROR = 80,
	RECORD_USER_CANCELED = 90,
	RECORD_NO_RENEGOTIATION = 100
};

/* One direction. */
struct record_side {
	uint64_t sequence; /* records so far under this key */
};
/*
 * The keys stand last and take as much room as the suite needs: the first record_bytes() bytes are the whole of a
 * record. Every function below takes a copy that is no longer than that, in memory aligned to 8 bytes.
 */
enum { RECORD_KEYS_BYTES_MAX = 2 * (12 + 32 + 48) };
struct record {
	struct record_side read, write;
	uint8_t version, cipher;
	uint8_t empty_in_a_row;
	uint8_t update_had;   /* bytes of a fragmented KeyUpdate that have come */
	bool update_owed;     /* the peer asked for a KeyUpdate: the next seal sends ours first */
	bool update_asked;    /* we asked for one, since the peer's key is worn, and it has not come yet */
	bool write_closed;    /* close_notify or an alert was sent: nothing may be sealed any more */
	bool read_closed : 1; /* END or BAD was answered: whatever follows is ignored */
	bool client : 1;      /* we are the client: tickets may come. Set after record_init13 */
	uint8_t keys[RECORD_KEYS_BYTES_MAX]; /* see record_keys() */
};
/* 80 (TLS 1.2 with AES-128-GCM) to 208 (TLS 1.3 with AES-256-GCM); 144 for TLS 1.3 with AES-128-GCM. */
size_t record_bytes(const struct record *);

/*
 * Where a direction's keys stand in the record; their lengths are the suite's. The secret is used by TLS 1.3 only (the
 * next KeyUpdate is derived from it), and NULL for TLS 1.2.
 */
struct record_keys {
	uint8_t *iv, *key, *secret;
};
enum record_direction { RECORD_READ, RECORD_WRITE };
struct record_keys record_keys(struct record *, enum record_direction);

/* A thread's contexts. */
struct record_crypto;
struct record_crypto *record_crypto_new(void);	 /* NULL: OpenSSL could not make them */
void record_crypto_free(struct record_crypto *); /* NULL is fine */
/* Overwrites the key that the contexts of a cipher were last used with, for whose connection has ended. */
void record_crypto_forget(struct record_crypto *, enum record_cipher);
/*
 * How many records may be sealed under one key, for every cipher; at least 1. Without this call it is 2^24 for AES-GCM
 * (RFC 8446, 5.5 and RFC 9325, 4.4 allow 2^24.5 full-sized ones) and without practical limit for ChaCha20-Poly1305.
 */
void record_crypto_limit(struct record_crypto *, uint64_t records_max);

/*
 * Starts from secrets: for TLS 1.3 the two application traffic secrets (32 bytes, 48 for AES-256-GCM), sequence numbers
 * as they stand (the tickets sent count). False: OpenSSL refused, nothing is left in the record.
 */
bool record_init13(struct record *, enum record_cipher, const uint8_t *read_secret, const uint8_t *write_secret,
		   uint64_t read_sequence, uint64_t write_sequence);
/*
 * For TLS 1.2: the key block (RFC 5246, 6.3: client's key, server's key, client's iv, server's iv; 40, 72 or 88 bytes),
 * of which we are the server. `nonce_used` is the explicit nonce (8 bytes) that our Finished message, record 0, was
 * sent with: ours continue from it and never meet it (RFC 5288, 3). It is not read for ChaCha20-Poly1305.
 */
void record_init12(struct record *, enum record_cipher, const uint8_t *key_block, const uint8_t *nonce_used,
		   uint64_t read_sequence, uint64_t write_sequence);
/* Wipes the secrets. */
void record_done(struct record *);

enum record_is {
	RECORD_MORE,  /* no whole record yet: call again with these bytes and more behind them (used is 0) */
	RECORD_TEXT,  /* application data: text, which lies inside the bytes passed (it may be empty) */
	RECORD_QUIET, /* a record that says nothing to the application was taken; a KeyUpdate may be owed now */
	RECORD_END,   /* close_notify: the peer sends nothing more; we may still send, then our own close_notify */
	RECORD_BAD    /* refused: send `alert` (record_seal_alert) and close; 0: only close, for the peer sent one */
};
struct record_found {
	enum record_is is;
	uint32_t used; /* bytes of the input that this record took */
	uint8_t *text;
	uint32_t text_len;
	uint8_t alert;	    /* BAD: the description to send, 0 for none */
	uint8_t peer_alert; /* BAD for the peer's fatal alert: its description */
};

/*
 * Opens the first record in the bytes, in place. Never reads behind len; writes only inside the record. What a header
 * forbids (type, version, a length over the limit) is refused as soon as its 5 bytes are there. After END or BAD the
 * answer is END, with everything used.
 */
void record_open(struct record *, struct record_crypto *, uint8_t *bytes, size_t len, struct record_found *ret);

/*
 * Seals at most RECORD_TEXT_MAX bytes as one record. `to` has room for len + RECORD_SEAL_EXTRA bytes and may not
 * overlap the text. When a KeyUpdate is due (asked for, or a key has reached its limit) its record comes first. Answers
 * the bytes written. 0: no data may be sent on this connection any more (TLS 1.2 with a key at its limit, closed, or
 * OpenSSL refused); an alert may be tried still.
 */
size_t record_seal(struct record *, struct record_crypto *, const uint8_t *text, size_t len, uint8_t *to);
/* A KeyUpdate that is due, alone. `to` has room for RECORD_SEAL_EXTRA bytes. 0: none is. */
size_t record_seal_owed(struct record *, struct record_crypto *, uint8_t *to);
/*
 * An alert; description 0 is close_notify. Room for RECORD_SEAL_EXTRA bytes. After it nothing more is sealed. 0: it was
 * closed already.
 */
size_t record_seal_alert(struct record *, struct record_crypto *, uint8_t description, uint8_t *to);

/*
 * For records that are opened and sealed elsewhere, with the keys of this struct (kernel_tls.h): what they mean, and
 * when the keys change, stays here. Whoever opens and seals keeps the sequence numbers.
 *
 * record_hear: a record of another type than application data was opened; its content. The answers are record_open's,
 * with used 0. After RECORD_QUIET the key to read with may be another, and its sequence number 0.
 */
void record_hear(struct record *, uint8_t type, uint8_t *content, size_t len, struct record_found *ret);
/* Whether the key of either direction has been used for as many records as it may be. */
bool record_is_worn(const struct record *, const struct record_crypto *);
/*
 * TLS 1.3: the content of the KeyUpdate (of type handshake) that must be sealed next, with the key used up to now; the
 * key to write with is the next one already. 0: none is due, or OpenSSL refused and nothing may be sealed any more.
 */
size_t record_update(struct record *, struct record_crypto *, uint8_t to[static RECORD_UPDATE_BYTES]);
/* The content of an alert; as record_seal_alert. */
size_t record_alert(struct record *, uint8_t description, uint8_t to[static RECORD_ALERT_BYTES]);

const char *record_cipher_name(enum record_cipher); /* the TLS name: "AES_128_GCM" ... */

#endif
