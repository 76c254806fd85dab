#include "log_room.h"

#include <assert.h>
#include <string.h>

static const struct {
	const char *name, *events;
} rooms[LOG_ROOMS] = {
#define ROOM(name, events) {#name, events},
#include "log_room.def"
};

static const char *const levels[] = {[CONFIG_LOG_ERROR] = "error",
				     [CONFIG_LOG_WARNING] = "warning",
				     [CONFIG_LOG_INFO] = "info",
				     [CONFIG_LOG_DEBUG] = "debug"};

static bool is_name(const char *name, const char *text, size_t len)
{
	return strlen(name) == len && memcmp(name, text, len) == 0;
}

enum log_room log_room_find(const char *name, size_t len)
{
	int room = 0;

	while (room < LOG_ROOMS && !is_name(rooms[room].name, name, len))
		room++;
	return (enum log_room)room;
}

const char *log_room_name(enum log_room room)
{
	assert(room < LOG_ROOMS);
	return rooms[room].name;
}

const char *log_room_events(enum log_room room)
{
	assert(room < LOG_ROOMS);
	return rooms[room].events;
}

const char *log_level_name(enum config_log_level level)
{
	assert((size_t)level < sizeof levels / sizeof *levels);
	return levels[level];
}

int log_level_find(const char *name, size_t len)
{
	for (int level = CONFIG_LOG_ERROR; level <= CONFIG_LOG_DEBUG; level++)
		if (is_name(levels[level], name, len))
			return level;
	return -1;
}

/* One "room=level" of the length. */
static bool room_read(const char *text, size_t len, int levels_of[static LOG_ROOMS])
{
	const char *equals = memchr(text, '=', len);
	enum log_room room;
	int level;

	if (equals == NULL)
		return false;
	room = log_room_find(text, (size_t)(equals - text));
	level = log_level_find(equals + 1, len - (size_t)(equals - text) - 1);
	if (room == LOG_ROOMS || level < 0)
		return false;
	levels_of[room] = level;
	return true;
}

bool log_rooms_read(const char *text, int ret_levels[static LOG_ROOMS])
{
	int found[LOG_ROOMS];
	size_t len;

	for (int room = 0; room < LOG_ROOMS; room++)
		found[room] = LOG_LEVEL_OF_ALL;
	for (; text != NULL; text = text[len] == '\0' ? NULL : text + len + 1) {
		len = strcspn(text, " ");
		if (!room_read(text, len, found))
			return false;
	}
	memcpy(ret_levels, found, sizeof found);
	return true;
}
