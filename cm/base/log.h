/*
 * log: one line for each event, to be read by people and by programs.
 *
 *     2025-03-01T12:00:00.123Z info client.closed client=192.0.2.7:51312 reason=idle bytes_in=5120
 *
 * Time (UTC), level, event, then fields; the first field is the subject: whom the event is about. The event's name is a
 * constant of the program (`noun.verb`), as are the keys. A value is written bare when it consists of letters, digits
 * and . _ : / @ + - [ ] % , only; otherwise it stands between quotes, with " and \ behind a backslash, and every byte
 * that is not printable ASCII as \xHH: nothing a peer says can begin a line, forge a field, or move a terminal's
 * cursor. Values are cut after LOG_VALUE_MAX bytes (marked by `...` behind it), and lines hold LOG_LINE_MAX bytes:
 * fields that do not fit any more are left out, and counted in a last field `left_out`. Passwords, keys and SASL
 * payloads are never logged.
 *
 * Or, as JSON (RFC 8259), for programs alone:
 *
 *     {"time":"2025-03-01T12:00:00.123Z","level":"info","event":"client.closed","client":"192.0.2.7:51312",...}
 *
 * Values are cut in the same way. Characters of UTF-8 stay, control characters are escaped, and what is not UTF-8 is
 * U+FFFD. Or as a datagram to systemd's journal, whose fields can be asked for one by one (log_line.h).
 *
 * Each line is one write(2), so that lines of several threads and processes do not mix. An event (by its name) may
 * write LOG_LINES_MAX lines in a second; what is more is counted, and told once the second is over, by the next line of
 * any kind or by log_flush(): `log.limited of=NAME lines=COUNT`. Any thread may log at any time after log_open();
 * before it, nothing is written.
 *
 *     log_event(CONFIG_LOG_INFO, "client.closed", log_text("client", name), log_count("bytes_in", bytes));
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "config.h"
#include "log_room.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOG_LINE_MAX = 2048, LOG_VALUE_MAX = 400, LOG_LINES_MAX = 20, LOG_EVENTS_MAX = 128 };

enum log_kind { LOG_KIND_BYTES, LOG_KIND_COUNT, LOG_KIND_NUMBER };
struct log_field {
	const char *key;
	enum log_kind kind;
	union {
		struct {
			const void *at;
			size_t len;
		} bytes;
		uint64_t count;
		int64_t number;
	};
};

/* A field of text (NULL: an empty one), of bytes, of a number. Keys and bytes are pointed to, not copied. */
struct log_field log_text(const char *key, const char *text);
struct log_field log_bytes(const char *key, const void *bytes, size_t len);
struct log_field log_count(const char *key, uint64_t count);
struct log_field log_number(const char *key, int64_t number);

enum log_form { LOG_TEXT, LOG_JSON, LOG_JOURNAL };

struct log_settings {
	int fd;			     /* where lines go; stays the caller's. 2 is stderr */
	enum config_log_level level; /* lines above this level are not written */
	enum log_form form;	     /* TEXT or JSON */
	const char *journal;	     /* the journal's socket, to which all goes; what it does not take, and all when it
					is not there, goes to fd. NULL: none */
	int64_t (*now_ms)(void);     /* milliseconds since 1970; NULL: the system's clock */
};

/* Begins, or begins anew with other settings; one thread, while no other logs. */
void log_open(const struct log_settings *);

/* Changes the level; any thread, at any time. Rooms with a level of their own keep it. */
void log_level_set(enum config_log_level);
enum config_log_level log_level_get(void);

/* A room may have a level of its own (or LOG_LEVEL_OF_ALL), which then decides for its events. Any thread, at any time.
 */
void log_room_level_set(enum log_room, int level);
int log_room_level_get(enum log_room);

/* Whether lines of this level are written in any room, for those whose fields are expensive. */
bool log_is_on(enum config_log_level);

/* At least one field: the subject. Arguments are not evaluated when the level is off. */
#define log_event(level, event, ...)                                                                                   \
	do {                                                                                                           \
		if (log_is_on(level)) {                                                                                \
			const struct log_field log_fields_[] = {__VA_ARGS__};                                          \
			log_write(level, event, log_fields_, sizeof log_fields_ / sizeof *log_fields_);                \
		}                                                                                                      \
	} while (0)

/* What log_event() does. The event's name must stay where it is for as long as the program runs. */
void log_write(enum config_log_level, const char *event, const struct log_field *, size_t count);

/* Tells what was held back and not yet told; for the end of the program. */
void log_flush(void);

#endif
