#include "log.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What one kind of event did in the second that began at second_ms. */
struct log_rate {
	const char *event;
	int64_t second_ms;
	uint32_t written;
	uint64_t held_back;
};

static int log_fd = -1;
static int log_level = -1, log_most = -1; /* of all rooms without one of their own; the highest of any */
static int room_levels[LOG_ROOMS];	  /* and one: 0 is LOG_LEVEL_OF_ALL */
static int64_t (*log_now_ms)(void);
static pthread_mutex_t rates_lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_rate rates[LOG_EVENTS_MAX];

struct line {
	size_t len;
	char text[LOG_LINE_MAX];
};
enum { LINE_ROOM = LOG_LINE_MAX - sizeof " left_out=18446744073709551615\n" };

static int64_t clock_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void log_open(const struct log_settings *settings)
{
	pthread_mutex_lock(&rates_lock);
	memset(rates, 0, sizeof rates);
	log_fd = settings->fd;
	log_now_ms = settings->now_ms ? settings->now_ms : clock_ms;
	pthread_mutex_unlock(&rates_lock);
	log_level_set(settings->level);
}

static int load(const int *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(int *word, int value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* Whoever changes a level finds out what the highest is; of two at once the later finds both. */
static void most_find(void)
{
	int most = load(&log_level);
	for (int room = 0; room < LOG_ROOMS; room++)
		if (load(&room_levels[room]) - 1 > most)
			most = load(&room_levels[room]) - 1;
	store(&log_most, most);
}

void log_level_set(enum config_log_level level)
{
	store(&log_level, (int)level);
	most_find();
}

enum config_log_level log_level_get(void)
{
	int level = load(&log_level);
	return level < 0 ? CONFIG_LOG_ERROR : (enum config_log_level)level;
}

void log_room_level_set(enum log_room room, int level)
{
	assert(room < LOG_ROOMS && level >= LOG_LEVEL_OF_ALL && level <= CONFIG_LOG_DEBUG);
	store(&room_levels[room], level + 1);
	most_find();
}

int log_room_level_get(enum log_room room)
{
	assert(room < LOG_ROOMS);
	return load(&room_levels[room]) - 1;
}

bool log_is_on(enum config_log_level level)
{
	return (int)level <= load(&log_most);
}

static bool is_wanted(enum config_log_level level, const char *event)
{
	enum log_room room = log_room_find(event, strcspn(event, "."));
	int own = room == LOG_ROOMS ? LOG_LEVEL_OF_ALL : log_room_level_get(room);
	return (int)level <= (own == LOG_LEVEL_OF_ALL ? load(&log_level) : own);
}

struct log_field log_bytes(const char *key, const void *bytes, size_t len)
{
	return (struct log_field){.key = key, .kind = LOG_KIND_BYTES, .bytes = {bytes, len}};
}

struct log_field log_text(const char *key, const char *text)
{
	return log_bytes(key, text, text ? strlen(text) : 0);
}

struct log_field log_count(const char *key, uint64_t count)
{
	return (struct log_field){.key = key, .kind = LOG_KIND_COUNT, .count = count};
}

struct log_field log_number(const char *key, int64_t number)
{
	return (struct log_field){.key = key, .kind = LOG_KIND_NUMBER, .number = number};
}

static bool is_bare(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("._:/@+-[]%,", c));
}

static bool line_add(struct line *line, const void *text, size_t len)
{
	if (len > LINE_ROOM - line->len)
		return false;
	memcpy(line->text + line->len, text, len);
	line->len += len;
	return true;
}

static bool line_add_byte(struct line *line, unsigned char c)
{
	char text[5] = {'\\', (char)c};
	if (c == '"' || c == '\\')
		return line_add(line, text, 2);
	if (c >= ' ' && c <= '~')
		return line_add(line, &c, 1);
	snprintf(text, sizeof text, "\\x%02x", c);
	return line_add(line, text, 4);
}

static bool line_add_value(struct line *line, const unsigned char *bytes, size_t len)
{
	size_t shown = len < LOG_VALUE_MAX ? len : LOG_VALUE_MAX, bare = 0;
	while (bare < len && is_bare(bytes[bare]))
		bare++;
	if (bare == len && len > 0 && len == shown)
		return line_add(line, bytes, len);
	bool fits = line_add(line, "\"", 1);
	for (size_t i = 0; i < shown && fits; i++)
		fits = line_add_byte(line, bytes[i]);
	return fits && line_add(line, shown < len ? "\"..." : "\"", shown < len ? 4 : 1);
}

/* All of the field or nothing. */
static bool line_add_field(struct line *line, const struct log_field *field)
{
	size_t before = line->len;
	char number[24];
	bool fits = line_add(line, " ", 1) && line_add(line, field->key, strlen(field->key)) && line_add(line, "=", 1);
	if (fits && field->kind == LOG_KIND_BYTES)
		fits = line_add_value(line, field->bytes.at, field->bytes.len);
	else if (fits && field->kind == LOG_KIND_COUNT)
		fits = line_add(line, number, (size_t)snprintf(number, sizeof number, "%" PRIu64, field->count));
	else if (fits)
		fits = line_add(line, number, (size_t)snprintf(number, sizeof number, "%" PRId64, field->number));
	if (!fits)
		line->len = before;
	return fits;
}

static void line_begin(struct line *line, int64_t now_ms, enum config_log_level level, const char *event)
{
	time_t seconds = (time_t)(now_ms / 1000);
	struct tm tm;
	char text[64];
	line->len = 0;
	gmtime_r(&seconds, &tm);
	line_add(line, text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm));
	line_add(line, text,
		 (size_t)snprintf(text, sizeof text, ".%03dZ %s ", (int)(now_ms % 1000), log_level_name(level)));
	bool fits = line_add(line, event, strlen(event));
	assert(fits);
}

static void line_write(int64_t now_ms, enum config_log_level level, const char *event, const struct log_field *fields,
		       size_t count)
{
	struct line line;
	uint64_t left_out = 0;
	line_begin(&line, now_ms, level, event);
	for (size_t i = 0; i < count; i++)
		left_out += !line_add_field(&line, &fields[i]);
	if (left_out)
		line.len += (size_t)snprintf(line.text + line.len, sizeof line.text - line.len, " left_out=%" PRIu64,
					     left_out);
	line.text[line.len++] = '\n';
	ssize_t written = write(log_fd, line.text, line.len);
	(void)written; /* there is nobody to tell that the log is lost */
}

/* The event's own line of the table; the last one is shared when there are more kinds than expected. */
static struct log_rate *rate_of(const char *event)
{
	struct log_rate *rate = rates;
	while (rate < &rates[LOG_EVENTS_MAX - 1] && rate->event && strcmp(rate->event, event) != 0)
		rate++;
	if (!rate->event)
		rate->event = event;
	return rate;
}

/* Whether the event may write a line now. */
static bool rate_take(const char *event, int64_t now_ms)
{
	struct log_rate *rate = rate_of(event);
	if (now_ms - rate->second_ms >= 1000 || now_ms < rate->second_ms) {
		rate->second_ms = now_ms;
		rate->written = 0;
	}
	if (rate->written == LOG_LINES_MAX) {
		rate->held_back++;
		return false;
	}
	rate->written++;
	return true;
}

/* What was held back in seconds that are over; at most one line for each kind of event and second. */
static void rates_tell(int64_t now_ms, bool all)
{
	for (struct log_rate *rate = rates; rate < &rates[LOG_EVENTS_MAX] && rate->event; rate++) {
		int64_t age_ms = now_ms - rate->second_ms;
		if (rate->held_back == 0 || (!all && age_ms >= 0 && age_ms < 1000))
			continue;
		const struct log_field fields[] = {log_text("event", rate->event), log_count("lines", rate->held_back)};
		rate->held_back = 0;
		line_write(now_ms, CONFIG_LOG_WARNING, "log.limited", fields, 2);
	}
}

void log_write(enum config_log_level level, const char *event, const struct log_field *fields, size_t count)
{
	assert(count > 0);
	if (!is_wanted(level, event))
		return;
	pthread_mutex_lock(&rates_lock);
	int64_t now_ms = log_now_ms();
	rates_tell(now_ms, false);
	bool may = rate_take(event, now_ms);
	pthread_mutex_unlock(&rates_lock);
	if (may)
		line_write(now_ms, level, event, fields, count);
}

void log_flush(void)
{
	if (!log_is_on(CONFIG_LOG_WARNING))
		return;
	pthread_mutex_lock(&rates_lock);
	rates_tell(log_now_ms(), true);
	pthread_mutex_unlock(&rates_lock);
}
