#include "slab.h"

#include "pages.h"
#include "sanitized.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN_MAX = 64, NONE = SLAB_OBJECTS_MAX, LIVE = UINT32_C(1) << 24 };

/* One place: `next` is LIVE, or the index of the free place behind this one. */
struct slab_place {
	uint32_t generation, next;
};
/* The places, then the objects, so that no two handles' bookkeeping is spread over objects that are asleep. */
struct slab_page {
	struct slab_place places[1];
};

static size_t page_bytes(const struct slab *slab)
{
	return slab->objects_at + ((size_t)slab->object_bytes << slab->page_shift);
}

static struct slab_place *place_at(const struct slab *slab, uint32_t index)
{
	return &slab->pages[index >> slab->page_shift]->places[index & ((1u << slab->page_shift) - 1)];
}

static void *object_at(const struct slab *slab, uint32_t index)
{
	char *page = (char *)slab->pages[index >> slab->page_shift];
	return page + slab->objects_at + (size_t)slab->object_bytes * (index & ((1u << slab->page_shift) - 1));
}

static uint32_t places_bytes(uint32_t shift)
{
	uint32_t bytes = (uint32_t)sizeof(struct slab_place) << shift;
	return (bytes + ALIGN_MAX - 1) & ~(uint32_t)(ALIGN_MAX - 1);
}

void slab_init(struct slab *slab, size_t object_bytes, uint32_t objects_max)
{
	assert(object_bytes > 0 && object_bytes <= (size_t)SLAB_PAGE_BYTES * 16);
	assert(objects_max > 0 && objects_max <= SLAB_OBJECTS_MAX);
	*slab = (struct slab){.objects_max = objects_max, .free_first = NONE, .object_bytes = (uint32_t)object_bytes};
	while (places_bytes(slab->page_shift + 1) + (object_bytes << (slab->page_shift + 1)) <= SLAB_PAGE_BYTES)
		slab->page_shift++;
	slab->objects_at = places_bytes(slab->page_shift);
}

void slab_done(struct slab *slab)
{
	for (uint32_t i = 0; i < slab->page_count; i++)
		pages_free(slab->pages[i], page_bytes(slab));
	free(slab->pages);
	*slab = (struct slab){0};
}

static struct slab_page **page_slot(struct slab *slab)
{
	if (slab->page_count == slab->page_room) {
		uint32_t room = slab->page_room ? slab->page_room * 2 : 8;
		struct slab_page **pages = realloc(slab->pages, room * sizeof *pages);
		if (!pages)
			return NULL;
		slab->pages = pages;
		slab->page_room = room;
	}
	return &slab->pages[slab->page_count];
}

/* Places of the new page go to the free list, the lowest first; those beyond objects_max never do. */
static void page_places_free(struct slab *slab, uint32_t first)
{
	uint32_t end = first + (1u << slab->page_shift);
	for (uint32_t index = end < slab->objects_max ? end : slab->objects_max; index-- > first;) {
		*place_at(slab, index) = (struct slab_place){.generation = 1, .next = slab->free_first};
		slab->free_first = index;
	}
}

static void page_add(struct slab *slab)
{
	uint32_t first = slab->page_count << slab->page_shift;
	struct slab_page **slot, *page;
	if (first >= slab->objects_max || !(slot = page_slot(slab)) || !(page = pages_new(page_bytes(slab), false)))
		return;
	*slot = page;
	slab->page_count++;
	page_places_free(slab, first);
	SANITIZED_HIDE((char *)page + slab->objects_at, page_bytes(slab) - slab->objects_at);
}

void *slab_new(struct slab *slab, struct slab_handle *ret)
{
	assert(slab->object_bytes > 0);
	if (slab->free_first == NONE)
		page_add(slab);
	if (slab->free_first == NONE)
		return NULL;
	uint32_t index = slab->free_first;
	struct slab_place *place = place_at(slab, index);
	void *object = object_at(slab, index);
	slab->free_first = place->next;
	place->next = LIVE;
	slab->used++;
	SANITIZED_SHOW(object, slab->object_bytes);
	*ret = (struct slab_handle){index, place->generation};
	return memset(object, 0, slab->object_bytes);
}

void *slab_get(const struct slab *slab, struct slab_handle handle)
{
	if (handle.index >> slab->page_shift >= slab->page_count)
		return NULL;
	const struct slab_place *place = place_at(slab, handle.index);
	if (place->next != LIVE || place->generation != handle.generation)
		return NULL;
	return object_at(slab, handle.index);
}

void slab_free(struct slab *slab, struct slab_handle handle)
{
	void *object = slab_get(slab, handle);
	assert(object);
	struct slab_place *place = place_at(slab, handle.index);
	place->generation = place->generation == SLAB_GENERATION_MAX ? 1 : place->generation + 1;
	place->next = slab->free_first;
	slab->free_first = handle.index;
	slab->used--;
	SANITIZED_HIDE(object, slab->object_bytes);
}

void *slab_next(const struct slab *slab, struct slab_handle *at)
{
	uint32_t end = slab->page_count << slab->page_shift;
	for (uint32_t index = at->generation ? at->index + 1 : 0; index < end; index++) {
		const struct slab_place *place = place_at(slab, index);
		if (place->next == LIVE) {
			*at = (struct slab_handle){index, place->generation};
			return object_at(slab, index);
		}
	}
	return NULL;
}

size_t slab_bytes(const struct slab *slab)
{
	return slab->page_count * page_bytes(slab) + slab->page_room * sizeof *slab->pages;
}
