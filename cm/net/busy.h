/*
 * busy: which of very many connections move much, without a word kept in each. A table of a fixed size for a whole
 * worker: who moves more than all the others that fall on the same place is counted there; what is counted is never
 * more than was moved. PURE.
 */
#ifndef NET_BUSY_H
#define NET_BUSY_H

#include <stdint.h>

enum { BUSY_PLACES = 1024 };

/* All zeros: nothing was counted. */
struct busy {
	struct busy_place {
		uint64_t who, bytes;
	} places[BUSY_PLACES];
};

/* Counts some bytes of `who`; answers how many are known of it since busy_clear(), at most what was counted for it. */
uint64_t busy_count(struct busy *, uint64_t who, uint64_t bytes);
void busy_clear(struct busy *);

#endif
