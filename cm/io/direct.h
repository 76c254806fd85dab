/*
 * direct: which places of a ring's own table of descriptors are free, and whether this kernel's tables are any good.
 * For io.c alone; io.h says what direct descriptors are.
 */
#ifndef IO_DIRECT_H
#define IO_DIRECT_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

/* What liburing 2.3 has no name for. */
enum { DIRECT_OP_FIXED_FD_INSTALL = 54 };

struct direct {
	uint32_t slots; /* 0: there is no table */
	uint32_t fresh; /* those from here on were never used */
	uint32_t freed_count;
	uint32_t *freed; /* room for all slots; only what was freed is touched */
};

/*
 * Tries, in a small ring, what direct descriptors are relied on for: that one which is closed is gone, though older
 * operations of the ring go on (not so up to Linux 6.12), and that a plain descriptor can be made of one (Linux 6.8 and
 * later). NULL, or what this kernel cannot do.
 */
const char *direct_probe(void);

/* Makes the ring's table. False: errno says why, and there is none. */
bool direct_open(struct direct *, struct io_uring *, uint32_t slots);
void direct_close(struct direct *);
/* A free place, -1: none. */
int64_t direct_take(struct direct *);
void direct_give(struct direct *, uint32_t slot);
uint32_t direct_used(const struct direct *);

#endif
