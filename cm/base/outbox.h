/*
 * outbox: bytes waiting to be sent, in the order they were put. A chain of chunks; a chunk can be detached whole, so
 * that the kernel reads it while more is put behind. Empty, it owns nothing.
 */
#ifndef BASE_OUTBOX_H
#define BASE_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Some memory with a filled part. */
struct chunk {
	struct chunk *next;
	uint32_t at, filled, cap; /* at <= filled <= cap; [at, filled) is still to be sent */
	bool apart;		  /* nothing is put behind what is in it */
	uint8_t bytes[];
};

struct outbox {
	struct chunk *head, *tail;
	uint32_t bytes; /* waiting, in all chunks */
};

/* A chunk with room for at least cap bytes; never NULL. Owned by the caller until chunk_free. */
struct chunk *chunk_new(size_t cap);
void chunk_free(struct chunk *); /* NULL is fine */
/* Bytes of all chunks that this thread has now: for the metrics. */
int64_t chunk_memory(void);
/* Bytes that wait in all outboxes of this thread now. */
int64_t outboxes_waiting(void);

/* Copies the bytes to the end. */
void outbox_put(struct outbox *, const void *bytes, size_t len);
/* The same, in a chunk that nothing else is in. */
void outbox_put_apart(struct outbox *, const void *bytes, size_t len);
/* Takes the first chunk out, whole; the caller owns it now. NULL: empty. */
struct chunk *outbox_take(struct outbox *);
/* Drops `len` bytes, at most those of the first chunk, from the front. */
void outbox_drop(struct outbox *, size_t len);
void outbox_clear(struct outbox *);

#endif
