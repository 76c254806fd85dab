/*
 * pages: memory straight from the system, for what lives as long as clients do. Logins come and go in the heap between
 * them; were the two mixed, what a storm of logins leaves free could never be given back.
 */
#ifndef BASE_PAGES_H
#define BASE_PAGES_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Zeroed, aligned to a page of the machine; only what is touched takes memory. `secret`: no core dump shows it. NULL:
 * there is none.
 */
void *pages_new(size_t bytes, bool secret);
/* As many bytes as were asked for. NULL is fine. */
void pages_free(void *, size_t bytes);

#endif
