#include "shelf.h"

#include "pages.h"
#include "sanitized.h"

#include <assert.h>
#include <stdlib.h>

/* A block that nobody has; and what stands at the front of a piece. */
struct shelf_block {
	struct shelf_block *next;
};
struct shelf_piece {
	struct shelf_piece *next;
};

enum { PIECE_FRONT = SHELF_STEP };
static_assert(sizeof(struct shelf_piece) <= PIECE_FRONT && sizeof(struct shelf_block) <= SHELF_STEP, "it fits");

static size_t step_bytes(size_t len)
{
	return (len + SHELF_STEP - 1) / SHELF_STEP * SHELF_STEP;
}

static struct shelf_block **free_of(struct shelf *s, size_t bytes)
{
	return &s->free[bytes / SHELF_STEP - 1];
}

void shelf_init(struct shelf *s, bool secret)
{
	*s = (struct shelf){.secret = secret};
}

void shelf_done(struct shelf *s)
{
	struct shelf_piece *piece = s->piece, *next;

	for (; piece != NULL; piece = next) {
		next = piece->next;
		pages_free(piece, SHELF_PIECE_BYTES);
	}
	*s = (struct shelf){0};
}

static void piece_add(struct shelf *s)
{
	struct shelf_piece *piece = pages_new(SHELF_PIECE_BYTES, s->secret);

	assert(piece != NULL);
	piece->next = s->piece;
	s->piece = piece;
	s->piece_at = PIECE_FRONT;
	SANITIZED_HIDE((char *)piece + PIECE_FRONT, SHELF_PIECE_BYTES - PIECE_FRONT);
}

/* What is left of a piece when a longer block is wanted is lost: less than a block in a mebibyte. */
static void *piece_cut(struct shelf *s, size_t bytes)
{
	void *block;

	if (s->piece == NULL || SHELF_PIECE_BYTES - s->piece_at < bytes)
		piece_add(s);
	block = (char *)s->piece + s->piece_at;
	s->piece_at += bytes;
	s->bytes += bytes;
	return block;
}

static void *long_take(struct shelf *s, size_t len)
{
	void *block = malloc(len);

	assert(block != NULL);
	s->bytes += len;
	return block;
}

void *shelf_take(struct shelf *s, size_t len)
{
	size_t bytes = step_bytes(len);
	struct shelf_block *block;

	assert(len > 0);
	if (bytes > SHELF_BYTES_MAX)
		return long_take(s, len);
	block = *free_of(s, bytes);
	if (block == NULL) {
		block = piece_cut(s, bytes);
		SANITIZED_SHOW(block, len);
		return block;
	}
	SANITIZED_SHOW(block, bytes);
	*free_of(s, bytes) = block->next;
	SANITIZED_HIDE((char *)block + len, bytes - len);
	return block;
}

void shelf_give(struct shelf *s, void *bytes, size_t len)
{
	size_t step = step_bytes(len);
	struct shelf_block *block = bytes;

	if (block == NULL)
		return;
	if (step > SHELF_BYTES_MAX) {
		s->bytes -= len;
		free(block);
		return;
	}
	SANITIZED_SHOW(block, step);
	block->next = *free_of(s, step);
	*free_of(s, step) = block;
	SANITIZED_HIDE(block, step);
}

size_t shelf_bytes(const struct shelf *s)
{
	return s->bytes;
}
