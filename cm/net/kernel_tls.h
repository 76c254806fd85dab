/*
 * kernel_tls: the kernel's record engine, for one socket: the keys of a struct record are handed to the kernel, which
 * from then on seals what is sent and opens what is received (Linux, Documentation/networking/tls.rst). TLS 1.2 and
 * 1.3 with the ciphers of record.h; each direction by itself.
 *
 * What differs between kernels is found by trying (kernel_tls_probe), on a loopback connection with both ends in the
 * kernel: whether there is TLS at all, with which ciphers, and whether keys can be changed later (Linux 6.14 and later
 * can; before, a connection whose peer sends a KeyUpdate (RFC 8446, 4.6.3) cannot be read any more).
 *
 * A kernel socket's receive answers text; where a record of another type comes next it answers EIO, and the record is
 * fetched with kernel_tls_fetch(). A send may take less than it was given. There is no way back: a direction that the
 * kernel has taken stays with it until the connection ends.
 */
#ifndef NET_KERNEL_TLS_H
#define NET_KERNEL_TLS_H

#include "record.h"

#include <sys/socket.h>

enum kernel_tls_use { KERNEL_TLS_OFF, KERNEL_TLS_ON, KERNEL_TLS_AUTO };
/* Directions, as bits. */
enum kernel_tls_way { KERNEL_TLS_SEND = 1, KERNEL_TLS_RECEIVE = 2, KERNEL_TLS_REKEY = 4 };
enum { KERNEL_TLS_ERROR_BYTES = 160 };

/* What the kernel can do, as bits of enum kernel_tls_way; a cipher of TLS 1.2 has no REKEY, which is of 1.3. */
struct kernel_tls_can {
	uint8_t tls12[RECORD_CIPHER_COUNT], tls13[RECORD_CIPHER_COUNT];
	char why[KERNEL_TLS_ERROR_BYTES]; /* "", or one line: why some of it cannot be */
};
/* Tries everything. It takes some milliseconds, opens sockets on the loopback interface, and may wait a second. */
void kernel_tls_probe(struct kernel_tls_can *ret);
/* For people: the versions and ciphers that have this bit, as "1.2/AES_128_GCM 1.3/AES_128_GCM"; "none". */
enum { KERNEL_TLS_LIST_BYTES = 160 };
void kernel_tls_list(const struct kernel_tls_can *, enum kernel_tls_way, char to[static KERNEL_TLS_LIST_BYTES]);
uint8_t kernel_tls_can(const struct kernel_tls_can *, enum record_version, enum record_cipher);

/*
 * Which directions of a connection may be handed over, as bits (0: none). TLS 1.2 has no KeyUpdate: all that the kernel
 * can. TLS 1.3: all, where keys can be changed. Where they cannot, receiving stays with us, so that a client's
 * KeyUpdate does no harm; sending is handed over with ON alone, since a client that asks for our KeyUpdate, or a key at
 * its limit, then is the end of the connection. Receiving is never handed over without sending.
 */
uint8_t kernel_tls_ways(const struct kernel_tls_can *, enum kernel_tls_use, enum record_version, enum record_cipher);

/*
 * Prepares a connected TCP socket; nothing else changes yet. 0, or what the kernel says: ENOENT (no module `tls`),
 * ENOTCONN (the peer has ended).
 */
int kernel_tls_attach(int fd);
/*
 * Hands one direction over, with its key, and the sequence number of the next record: at first, and after a KeyUpdate.
 * Sending: everything sealed before must have been sent. Receiving: the next byte to be received must be the first of a
 * record. For the first time with TLS 1.2 and AES-GCM the explicit nonces go on from a place that the user engine,
 * which counts from the nonce of record 0, does not reach in 2^32 records. 0 or errno; when it fails, nothing has
 * changed.
 */
int kernel_tls_take(int fd, struct record *, enum kernel_tls_way);
/* The sequence number of the next record in a direction. False: the kernel does not say. */
bool kernel_tls_sequence(int fd, const struct record *, enum kernel_tls_way, uint64_t *ret);

/*
 * Fetches the record that made a receive answer EIO, without waiting: its length (cut at cap) and type, or -errno.
 * Nothing but enum record_content's types need be known to tell them from text.
 */
ssize_t kernel_tls_fetch(int fd, void *to, size_t cap, uint8_t *ret_type);

/* A message to be sent as records of one type. It must stay where it is until it was sent. */
struct kernel_tls_message {
	struct msghdr header;
	struct iovec part;
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(1)];
};
void kernel_tls_compose(struct kernel_tls_message *, uint8_t type, const void *bytes, size_t len);

#endif
