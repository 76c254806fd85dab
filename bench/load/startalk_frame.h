/*
 * startalk_frame: frames of Startalk's dialect (docs/startalk.md), made and read by an encoder of this program's own,
 * so that the gate's is not measured and judged by itself.
 */
#ifndef LOAD_STARTALK_FRAME_H
#define LOAD_STARTALK_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that grow. */
struct sheet {
	uint8_t *bytes;
	size_t len, cap;
};
void sheet_free(struct sheet *);
void sheet_put(struct sheet *, const void *bytes, size_t len);
/* Fields of a protobuf message. */
void sheet_number(struct sheet *, unsigned field, uint64_t value);
void sheet_bytes(struct sheet *, unsigned field, const void *bytes, size_t len);
void sheet_text(struct sheet *, unsigned field, const char *text);

/* A whole frame, sealed as clients do: of up to 200 bytes by TEA, of more by gzip. `from` and `to` may be NULL. */
struct startalk_letter {
	int signal;
	const char *from, *to;
	const struct sheet *payload;
};
void startalk_seal(const struct startalk_letter *, struct sheet *ret);

/* A field of a message that is read: `bytes` of those that have any. */
struct startalk_field {
	unsigned number;
	uint64_t value;
	const uint8_t *bytes;
	size_t len;
};
/* The next one; false: no more, or no protobuf. */
bool startalk_field_next(const uint8_t **at, const uint8_t *end, struct startalk_field *ret);
/* The first field of this number that has bytes. */
bool startalk_field_find(const uint8_t *bytes, size_t len, unsigned number, struct startalk_field *ret);

/*
 * The first frame of some bytes: how many it takes, 0 when it is not whole. What is in it is opened into `plain`, which
 * is overwritten, and is good until the next call. *ret_good is false when it cannot be.
 */
size_t startalk_open(const uint8_t *bytes, size_t len, struct sheet *plain, bool *ret_good);

#endif
