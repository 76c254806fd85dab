/*
 * wire: looks at the bytes of a protobuf message before the library unpacks them, by the library's own description of
 * it. What the library would not mind is refused here: nesting without end, more parts than anybody sends, and texts
 * that are no XML text could hold: ill-formed UTF-8 (RFC 3629), NUL, and what XML 1.0 has no characters for. Fields
 * that we do not know are stepped over. Pure.
 */
#ifndef STARTALK_WIRE_H
#define STARTALK_WIRE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ST_WIRE_DEPTH_MAX = 8,	   /* of messages in messages */
	ST_WIRE_FIELDS_MAX = 4096, /* in all */
};

bool st_wire_is_good(const ProtobufCMessageDescriptor *, const uint8_t *bytes, size_t len);
/* Whether they are UTF-8 of XML's characters. */
bool st_text_is_good(const uint8_t *bytes, size_t len);

#endif
