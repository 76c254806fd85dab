/*
 * frame: where a frame of the Startalk dialect begins and ends: a base-128 varint (Protocol Buffers; seven bits a byte,
 * the lowest first, the top bit set on all but the last byte) and then as many bytes. A frame of no bytes is legal and
 * means nothing. The same inside of TLS as before it. Pure.
 */
#ifndef STARTALK_FRAME_H
#define STARTALK_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum {
	ST_LENGTH_BYTES_MAX = 4,	 /* that we read, as Startalk's own server does: lengths below 2^28 */
	ST_FRAME_TO_CLIENT_MAX = 2097151 /* a client reads no more than three bytes of length */
};

enum st_frame_is {
	ST_FRAME_MORE,	/* not all of it is there; nothing else was set */
	ST_FRAME_WHOLE, /* `at` and `len`, perhaps 0; `used` bytes are to be dropped from the front */
	ST_FRAME_BAD	/* longer than bytes_max, or its length is of too many bytes: nothing can be read behind it */
};
struct st_frame {
	const uint8_t *at;
	size_t len, used;
};

/* The first frame of some bytes. A frame of bytes_max is taken, one byte more is bad as soon as its length is read. */
enum st_frame_is st_frame_read(const uint8_t *bytes, size_t len, size_t bytes_max, struct st_frame *ret);

/* Writes the length that stands before a frame of len bytes (less than 2^28); answers how many bytes it takes. */
size_t st_frame_length(size_t len, uint8_t to[static ST_LENGTH_BYTES_MAX]);

#endif
