/*
 * record_craft: records as a client may send them, well or ill made, and connections without a handshake.
 */
#ifndef TEST_RECORD_CRAFT_H
#define TEST_RECORD_CRAFT_H

#include "record.h"

/* The server's and the client's end of a connection with fixed secrets. */
void record_pair_make(enum record_version, enum record_cipher, struct record *ret_server, struct record *ret_client);

/* The other end of a connection: what one writes, the other reads. */
struct record record_mirror(const struct record *);

/*
 * Seals any content of any type properly, at the next number of the sender's write side; TLS 1.3: `padding` zeros
 * behind it. `to` has room for RECORD_SEAL_EXTRA bytes more than content and padding. Answers the length of the record.
 */
size_t record_craft(struct record *sender, struct record_crypto *, uint8_t type, const void *content, size_t len,
		    size_t padding, uint8_t *to);

#endif
