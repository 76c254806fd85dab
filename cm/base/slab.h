/*
 * slab: many objects of one size, found by handles that cannot find a later tenant.
 *
 * A handle is an index and a generation. The generation of a place changes whenever its object is given back, and is
 * never 0, so that a handle of zeros finds nothing and an old handle finds nothing (until 2^32 - 1 objects have lived
 * in that one place). An index fits 24 bits, and the highest one (2^24 - 1) is never used.
 *
 * Memory comes in pages of about 256 KiB, of which only what was touched counts, and stays until slab_done(): objects
 * never move, and places are used again, the one given back last first. Objects are aligned like an array of them would
 * be: to the largest power of two that divides their size, at most 64.
 *
 * One thread at a time. Built with AddressSanitizer, reading an object that was given back is a fault.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stddef.h>
#include <stdint.h>

/* Generations are 1 to SLAB_GENERATION_MAX, and then 1 again: four bits beside them are the caller's. */
enum { SLAB_OBJECTS_MAX = (1 << 24) - 1, SLAB_PAGE_BYTES = 1 << 18, SLAB_GENERATION_MAX = (1 << 28) - 1 };

struct slab_handle {
	uint32_t index, generation;
};

struct slab_page;
struct slab {
	struct slab_page **pages;
	uint32_t page_count, page_room; /* pages there are, and what the array holds */
	uint32_t objects_max, used;	/* objects at most, and live ones */
	uint32_t free_first;		/* index of the first free place, SLAB_OBJECTS_MAX for none */
	uint32_t object_bytes;
	uint32_t page_shift; /* 2^page_shift objects in a page */
	uint32_t objects_at; /* where they begin in it */
};

/* Allocates nothing yet. object_bytes is 1 .. SLAB_PAGE_BYTES * 16, objects_max 1 .. SLAB_OBJECTS_MAX. */
void slab_init(struct slab *, size_t object_bytes, uint32_t objects_max);

/* Gives all memory back, live objects too. The slab may be initialised again, and nothing else. */
void slab_done(struct slab *);

/* A new object, all bytes 0, with its handle. NULL when objects_max live already or there is no memory. */
void *slab_new(struct slab *, struct slab_handle *ret);

/* The object, NULL when the handle is stale, zero, or was never given. */
void *slab_get(const struct slab *, struct slab_handle);

/* Ends a live object (asserted). Its handle is stale from now on, and its bytes must not be touched any more. */
void slab_free(struct slab *, struct slab_handle);

/*
 * Walks over the live objects in the order of their indexes. Begin with {0, 0}; NULL at the end. The object just
 * answered may be ended on the way; whether objects that are made on the way are met is open.
 *
 *     struct slab_handle at = {0};
 *     for (void *object; (object = slab_next(slab, &at)) != NULL;) ...
 */
void *slab_next(const struct slab *, struct slab_handle *at);

/* Memory of this slab, used or not. */
size_t slab_bytes(const struct slab *);

#endif
