/*
 * reason: why a client's connection ended. close.def is the table; this names its lines.
 */
#ifndef BASE_REASON_H
#define BASE_REASON_H

#include <stdbool.h>

enum reason {
	REASON_NONE,
#define CLOSE(name, error, condition, text) REASON_##name,
#include "close.def"
	REASON_COUNT
};

bool reason_is_error(enum reason);
/* Defined condition of the stream error to send, "" for none. */
const char *reason_condition(enum reason);
const char *reason_text(enum reason);
/* The line's name in lower case, for labels of metrics: "host_unknown". */
const char *reason_label(enum reason);

#endif
