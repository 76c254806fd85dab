/*
 * What bench-xml measures: each peer reads a stream document in pieces, as they would come from a connection, and
 * answers how many first-level elements it saw (0: it refused the document).
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct document {
	const char *name;
	uint8_t *bytes; /* 64 more than len can be read */
	size_t len;
};

size_t tokenizer_run(const struct document *, size_t piece);
size_t expat_run(const struct document *, size_t piece);
size_t xml2_run(const struct document *, size_t piece);
/* The whole document at once: it cannot do otherwise. */
size_t pugixml_run(const struct document *, size_t piece);
/* No parser: masks of the bytes that matter, and nothing done with them. Counts end tags' worth of `<`, not elements.
 */
size_t stage1_run(const struct document *, size_t piece);

#ifdef __cplusplus
}
#endif

#endif
