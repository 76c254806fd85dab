#include "pages.h"

#include "sanitized.h"

#include <sys/mman.h>

void *pages_new(size_t bytes, bool secret)
{
	void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return NULL;
	if (secret)
		madvise(pages, bytes, MADV_DONTDUMP);
	SANITIZED_ROOT(pages, bytes);
	return pages;
}

void pages_free(void *pages, size_t bytes)
{
	if (pages == NULL)
		return;
	SANITIZED_UNROOT(pages, bytes);
	SANITIZED_SHOW(pages, bytes);
	munmap(pages, bytes);
}
