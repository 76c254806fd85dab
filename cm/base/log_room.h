/*
 * log_room: the rooms of the log (log_room.def), and levels by name. The room of an event is the word before the dot in
 * its name.
 */
#ifndef BASE_LOG_ROOM_H
#define BASE_LOG_ROOM_H

#include "config.h"

#include <stdbool.h>
#include <stddef.h>

enum log_room {
#define ROOM(name, events) LOG_ROOM_##name,
#include "log_room.def"
	LOG_ROOMS
};

/* The room of the name, of `len` bytes; LOG_ROOMS: there is none. */
enum log_room log_room_find(const char *name, size_t len);
const char *log_room_name(enum log_room);
/* What its events tell, in words. */
const char *log_room_events(enum log_room);

/* "error", "warning", "info", "debug" */
const char *log_level_name(enum config_log_level);
/* The level of the name, of `len` bytes; -1: there is none. */
int log_level_find(const char *name, size_t len);

enum { LOG_LEVEL_OF_ALL = -1 };
/*
 * Reads "client=debug link=error", with one space between two; of a room that is there twice the last counts. The
 * levels of other rooms are LOG_LEVEL_OF_ALL. NULL is a text without any. False: it is not of that kind.
 */
bool log_rooms_read(const char *text, int ret_levels[static LOG_ROOMS]);

#endif
