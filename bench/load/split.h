/*
 * split: how many processes a run needs.
 */
#ifndef LOAD_SPLIT_H
#define LOAD_SPLIT_H

#include <stdint.h>

/* What a process has open besides connections. */
enum { SPLIT_FILES_APART = 64 };

/*
 * `clients` (1 at least) that are divided into units of so many, which stay together: `wanted` processes (1 at least),
 * more if a process may have no more than `files` open (UINT64_MAX: as many as it likes), and never more than there are
 * units. Where not even one unit fits into a process each has one: the first connection too many tells it.
 */
unsigned split_processes(unsigned clients, unsigned unit, unsigned wanted, uint64_t files);

#endif
