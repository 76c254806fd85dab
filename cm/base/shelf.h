/*
 * shelf: blocks of bytes that clients keep for as long as they live, with nothing beside them: what malloc would spend
 * on a header, and on rounding, is more than some of them hold. Whoever has a block knows its length.
 *
 * Blocks of up to SHELF_BYTES_MAX come in steps of SHELF_STEP bytes, and are aligned to 16; those given back are used
 * again for the same step, the last first. Longer ones are malloc's. Memory comes in large pieces of which only what
 * was touched counts, and stays until shelf_done(). One thread at a time. Built with AddressSanitizer, touching a block
 * that was given back, or a byte behind one, is a fault.
 */
#ifndef BASE_SHELF_H
#define BASE_SHELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHELF_STEP = 16, SHELF_BYTES_MAX = 384, SHELF_PIECE_BYTES = 1 << 20 };

struct shelf_block;
struct shelf_piece;
struct shelf {
	struct shelf_block *free[SHELF_BYTES_MAX / SHELF_STEP];
	struct shelf_piece *piece; /* the last one, with those before it behind */
	size_t piece_at;	   /* how much of it was ever given out */
	size_t bytes;		   /* ever cut from pieces, and in long blocks now */
	bool secret;
};

/* Allocates nothing yet. `secret`: no core dump shows it (long blocks excepted). A struct of zeros is an open shelf
 * too. */
void shelf_init(struct shelf *, bool secret);
/* Gives the pieces back, blocks in them too; long blocks have been given back before. */
void shelf_done(struct shelf *);

/* A block of at least len bytes, contents arbitrary; len at least 1. Never NULL. */
void *shelf_take(struct shelf *, size_t len);
/* Gives a block back, with the length it was taken with. NULL is fine. Wiping it is for the owner. */
void shelf_give(struct shelf *, void *, size_t len);

/* Memory of this shelf, used or not. */
size_t shelf_bytes(const struct shelf *);

#endif
