#include "log_line.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* What one kind of event did in the second that began at second_ms. */
struct log_rate {
	const char *event;
	int64_t second_ms;
	uint32_t written;
	uint64_t held_back;
};

static int log_fd = -1, log_journal = -1;
static enum log_form log_form;
static int log_level = -1, log_most = -1; /* of all rooms without one of their own; the highest of any */
static int room_levels[LOG_ROOMS];	  /* and one: 0 is LOG_LEVEL_OF_ALL */
static int64_t (*log_now_ms)(void);
static pthread_mutex_t rates_lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_rate rates[LOG_EVENTS_MAX];

static int64_t clock_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A socket that is connected to the journal's; -1: it is not there. */
static int journal_open(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	if (path == NULL || strlen(path) >= sizeof to.sun_path)
		return -1;
	memcpy(to.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

void log_open(const struct log_settings *settings)
{
	pthread_mutex_lock(&rates_lock);
	memset(rates, 0, sizeof rates);
	log_fd = settings->fd;
	log_form = settings->form;
	if (log_journal >= 0)
		close(log_journal);
	log_journal = journal_open(settings->journal);
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

/* There is nobody to tell that the log is lost; a journal that is away gets what it misses told on the descriptor. */
static void line_write(int64_t now_ms, enum config_log_level level, const char *event, const struct log_field *fields,
		       size_t count)
{
	char line[LOG_DATAGRAM_MAX];
	size_t len;
	if (log_journal >= 0) {
		len = log_line_write(LOG_JOURNAL, now_ms, level, event, fields, count, line);
		if (send(log_journal, line, len, MSG_NOSIGNAL) == (ssize_t)len)
			return;
	}
	len = log_line_write(log_form, now_ms, level, event, fields, count, line);
	ssize_t written = write(log_fd, line, len);
	(void)written;
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
		const struct log_field fields[] = {log_text("of", rate->event), log_count("lines", rate->held_back)};
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
