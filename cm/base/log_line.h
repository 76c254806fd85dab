/*
 * log_line: an event as a line of the log, in one of three forms (log.h tells the first two). Never longer than
 * LOG_LINE_MAX: fields that do not fit are left out, and counted in a last field `left_out`.
 *
 * LOG_JOURNAL is a datagram in the journal's native protocol: fields of MESSAGE (the event and its fields as in the
 * text form), PRIORITY (syslog's), SYSLOG_IDENTIFIER, STANZAGATE_EVENT, and STANZAGATE_ with the key in capitals for
 * each field, each on a line of its own; values are escaped, so that none has a line feed in it.
 */
#ifndef BASE_LOG_LINE_H
#define BASE_LOG_LINE_H

#include "log.h"

enum { LOG_DATAGRAM_MAX = 3 * LOG_LINE_MAX };

/* Answers the bytes written. */
size_t log_line_write(enum log_form, int64_t now_ms, enum config_log_level, const char *event, const struct log_field *,
		      size_t count, char to[static LOG_DATAGRAM_MAX]);

#endif
