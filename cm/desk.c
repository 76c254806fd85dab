#include "desk.h"

#include "allowed.h"
#include "config_file.h"
#include "config_json.h"
#include "log.h"
#include "reload.h"
#include "status.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS_USUAL = 50 };

/* What was ordered of a session server while the gate runs. */
struct desk_order {
	char name[POOL_NAME_BYTES];
	bool drain;
};

struct desk {
	struct desk_hands hands;
	struct ask ask;
	struct metrics_settings status;
	struct control *control;
	struct desk_order orders[DESK_NAMES_MAX]; /* the main thread's */
	size_t order_count;

	pthread_mutex_t lock;
	pthread_cond_t done;
	const struct desk_command *command; /* left for the main thread; NULL: nothing */
	const json_t *arguments;
	char *error;
	json_t *result;
	bool closing;
};

struct desk_command {
	const char *name;
	json_t *(*run)(struct desk *, const json_t *arguments, char error[static CONTROL_ERROR_BYTES]);
	bool by_main;
};

static const char *word(const json_t *arguments, const char *key)
{
	const char *text = json_string_value(json_object_get(arguments, key));

	return text == NULL ? "" : text;
}

__attribute__((format(printf, 2, 3))) static json_t *refuse(char error[static CONTROL_ERROR_BYTES], const char *format,
							    ...)
{
	va_list more;

	va_start(more, format);
	vsnprintf(error, CONTROL_ERROR_BYTES, format, more);
	va_end(more);
	return NULL;
}

static void list_add(char list[static ALLOWED_BYTES], const char *text)
{
	allowed_add(list, text, strlen(text));
}

/* ---- status, sessions */

static json_t *status(struct desk *d, const json_t *arguments, char error[static CONTROL_ERROR_BYTES])
{
	json_t *all = status_json(&d->status);

	json_object_set_new(all, "pid", json_integer(getpid()));
	json_object_set_new(all, "backends", ask_backends(&d->ask));
	return all;
}

static bool state_read(const char *text, int *ret, char error[static CONTROL_ERROR_BYTES])
{
	char states[ALLOWED_BYTES];

	*ret = ask_state_find(text, states);
	if (*text == '\0' || *ret >= 0)
		return true;
	return refuse(error, "state: found \"%.64s\", allowed %s", text, states) != NULL;
}

/* False: `error` says what is wrong with it. */
static bool question_read(const json_t *arguments, struct inquiry_question *ret, char error[static CONTROL_ERROR_BYTES])
{
	const char *who = word(arguments, "who"), *backend = word(arguments, "backend");
	json_t *limit = json_object_get(arguments, "limit");
	json_int_t rows = limit == NULL ? ROWS_USUAL : json_integer_value(limit);

	*ret = (struct inquiry_question){.kind = INQUIRY_SESSIONS};
	if (strlen(who) >= sizeof ret->who || strlen(backend) >= sizeof ret->backend)
		return refuse(error, "who and backend: found %zu and %zu bytes, allowed %zu and %zu", strlen(who),
			      strlen(backend), sizeof ret->who - 1, sizeof ret->backend - 1) != NULL;
	if (!state_read(word(arguments, "state"), &ret->state, error))
		return false;
	if (rows < 0 || rows > INQUIRY_ROWS_MAX)
		return refuse(error, "limit: found %" JSON_INTEGER_FORMAT ", allowed 0 to %d sessions", rows,
			      INQUIRY_ROWS_MAX) != NULL;
	memcpy(ret->who, who, strlen(who) + 1);
	memcpy(ret->backend, backend, strlen(backend) + 1);
	ret->rows_max = (uint32_t)rows;
	return true;
}

/* Of the session servers that there are: whether one has the name. "": whichever. */
static bool backend_check(struct desk *d, const char *name, char error[static CONTROL_ERROR_BYTES])
{
	json_t *rows = *name == '\0' ? NULL : ask_backends(&d->ask), *row;
	bool known = *name == '\0';
	char names[ALLOWED_BYTES] = "";
	size_t i;

	json_array_foreach (rows, i, row) {
		const char *text = json_string_value(json_object_get(row, "name"));

		known |= strcmp(text, name) == 0;
		list_add(names, text);
	}
	json_decref(rows);
	return known || refuse(error, "backend: found \"%.128s\", allowed %s", name, names) != NULL;
}

/* NULL: `error` says why not. */
static json_t *sessions_ask(struct desk *d, const struct inquiry_question *question,
			    char error[static CONTROL_ERROR_BYTES])
{
	return backend_check(d, question->backend, error) ? ask_sessions(&d->ask, question) : NULL;
}

static json_t *sessions_find(struct desk *d, const json_t *arguments, char error[static CONTROL_ERROR_BYTES])
{
	struct inquiry_question question;

	return question_read(arguments, &question, error) ? sessions_ask(d, &question, error) : NULL;
}

/* A pattern ends many only when that was said. */
static json_t *sessions_kick(struct desk *d, const json_t *arguments, char error[static CONTROL_ERROR_BYTES])
{
	struct inquiry_question question;
	json_t *result;

	if (!question_read(arguments, &question, error))
		return NULL;
	if (question.who[0] == '\0')
		return refuse(error, "who: found nothing, allowed a JID, an address, a session or a pattern");
	if (strpbrk(question.who, "*?[") != NULL && !json_is_true(json_object_get(arguments, "many")))
		return refuse(error,
			      "who: found the pattern \"%.256s\", allowed only with --many, since it may mean many",
			      question.who);
	question.kind = INQUIRY_KICK;
	result = sessions_ask(d, &question, error);
	if (result == NULL)
		return NULL;
	log_event(CONFIG_LOG_INFO, "control.kicked", log_text("who", question.who),
		  log_count("sessions", (uint64_t)json_integer_value(json_object_get(result, "matched"))));
	return result;
}

/* ---- session servers */

static json_t *backends_list(struct desk *d, const json_t *arguments, char error[static CONTROL_ERROR_BYTES])
{
	return ask_backends(&d->ask);
}

/* Orders of session servers that are in no list any more make room. */
static void orders_sift(struct desk *d, struct fleet *fleet)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->order_count; i++)
		if (fleet_drain(fleet, d->orders[i].name, d->orders[i].drain))
			d->orders[kept++] = d->orders[i];
	d->order_count = kept;
}

/* For a session server that is in the fleet: there are no more of them than places. */
static struct desk_order *order_of(struct desk *d, struct fleet *fleet, const char *name)
{
	static_assert((int)POOL_BACKENDS_MAX <= (int)DESK_NAMES_MAX, "one place for each");

	for (size_t i = 0; i < d->order_count; i++)
		if (strcmp(d->orders[i].name, name) == 0)
			return &d->orders[i];
	if (d->order_count == DESK_NAMES_MAX)
		orders_sift(d, fleet);
	assert(d->order_count < DESK_NAMES_MAX);
	if (strlen(name) >= POOL_NAME_BYTES)
		return NULL;
	snprintf(d->orders[d->order_count].name, POOL_NAME_BYTES, "%s", name);
	return &d->orders[d->order_count++];
}

static json_t *backend_order(struct desk *d, const char *name, bool drain, char error[static CONTROL_ERROR_BYTES])
{
	struct fleet *fleet = d->hands.fleet(d->hands.context);
	bool there = fleet_drain(fleet, name, drain);
	struct desk_order *order = there ? order_of(d, fleet, name) : NULL;
	char names[ALLOWED_BYTES] = "";

	for (size_t i = 0; i < fleet->backend_count; i++)
		list_add(names, fleet->backends[i].name);
	fleet_free(fleet);
	if (order == NULL)
		return refuse(error, "name: found \"%.128s\", allowed %s", name, there ? "a shorter one" : names);
	order->drain = drain;
	log_event(CONFIG_LOG_INFO, "control.steered", log_text("backend", name),
		  log_text("drain", drain ? "yes" : "no"));
	d->hands.hand_out(d->hands.context);
	return json_pack("{s:s, s:b}", "backend", name, "drained", drain);
}

static json_t *backends_drain(struct desk *d, const json_t *arguments, char error[static CONTROL_ERROR_BYTES])
{
	return backend_order(d, word(arguments, "name"), true, error);
}

static json_t *backends_undrain(struct desk *d, const json_t *arguments, char error[static CONTROL_ERROR_BYTES])
{
	return backend_order(d, word(arguments, "name"), false, error);
}

void desk_steer(const struct desk *d, struct fleet *fleet)
{
	for (size_t i = 0; d != NULL && i < d->order_count; i++)
		fleet_drain(fleet, d->orders[i].name, d->orders[i].drain);
}

/* ---- configuration */

static json_t *config_show(struct desk *d, const json_t *arguments, char error[static CONTROL_ERROR_BYTES])
{
	json_t *all = config_json(d->hands.config(d->hands.context));

	json_object_set_new(all, "file", json_string(d->hands.file));
	return all;
}

static json_t *faults_json(const struct config_faults *faults)
{
	json_t *all = json_array();

	for (size_t i = 0; i < faults->count; i++)
		json_array_append_new(all, json_string(faults->line[i]));
	return all;
}

/* What the file says now, as a reload would see it. NULL: there are faults. */
static struct config *file_read(struct desk *d, struct config_faults *faults)
{
	struct config *file = config_check(d->hands.file, faults);

	if (file != NULL && file->backend_count == 0 && d->hands.bundled != NULL)
		bundled_enter(d->hands.bundled, file);
	return file;
}

/* {"faults": lines that keep a reload from being taken, "differences"}; *ret_can whether it would be. */
static json_t *difference(struct desk *d, bool *ret_can)
{
	struct config_faults *faults = calloc(1, sizeof *faults);
	const struct config *now = d->hands.config(d->hands.context);
	struct config *file;
	json_t *differences;

	assert(faults != NULL);
	file = file_read(d, faults);
	differences = file == NULL ? json_array() : config_json_difference(now, file);
	*ret_can = file != NULL && config_can_reload(now, file, faults) && reload_tls_check(file, faults);
	differences = json_pack("{s:s, s:o, s:o}", "file", d->hands.file, "faults", faults_json(faults), "differences",
				differences);
	config_free(file);
	free(faults);
	return differences;
}

static json_t *config_diff(struct desk *d, const json_t *arguments, char error[static CONTROL_ERROR_BYTES])
{
	bool can;
	json_t *found = difference(d, &can);

	json_object_set_new(found, "reload", json_boolean(can));
	return found;
}

static json_t *config_reload(struct desk *d, const json_t *arguments, char error[static CONTROL_ERROR_BYTES])
{
	bool can;
	json_t *found = difference(d, &can);
	const char *why = d->hands.reload(d->hands.context);

	json_object_set_new(found, "taken", json_boolean(why == NULL));
	if (why != NULL && json_array_size(json_object_get(found, "faults")) == 0)
		json_array_append_new(json_object_get(found, "faults"), json_string(why));
	return found;
}

/* ---- log */

static json_t *log_json(void)
{
	json_t *rooms = json_array();

	for (int room = 0; room < LOG_ROOMS; room++) {
		int level = log_room_level_get((enum log_room)room);

		json_array_append_new(
			rooms,
			json_pack("{s:s, s:s?, s:s}", "room", log_room_name((enum log_room)room), "level",
				  level == LOG_LEVEL_OF_ALL ? NULL : log_level_name((enum config_log_level)level),
				  "events", log_room_events((enum log_room)room)));
	}
	return json_pack("{s:s, s:o}", "level", log_level_name(log_level_get()), "rooms", rooms);
}

static json_t *log_level(struct desk *d, const json_t *arguments, char error[static CONTROL_ERROR_BYTES])
{
	const char *name = word(arguments, "room"), *text = word(arguments, "level");
	enum log_room room = log_room_find(name, strlen(name));
	int level = log_level_find(text, strlen(text));
	char rooms[ALLOWED_BYTES] = "";

	if (*text == '\0' && *name == '\0')
		return log_json();
	if (level < 0 && (strcmp(text, "default") != 0 || *name == '\0'))
		return refuse(error, "level: found \"%.64s\", allowed error, warning, info, debug%s", text,
			      *name == '\0' ? "; of a room default too" : " or default");
	for (int i = 0; i < LOG_ROOMS; i++)
		list_add(rooms, log_room_name((enum log_room)i));
	if (*name != '\0' && room == LOG_ROOMS)
		return refuse(error, "room: found \"%.64s\", allowed %s", name, rooms);
	if (*name != '\0')
		log_room_level_set(room, level);
	else
		log_level_set((enum config_log_level)level);
	log_event(CONFIG_LOG_INFO, "control.log", log_text("room", name), log_text("to", text));
	return log_json();
}

/* ---- who does it */

static const struct desk_command commands[] = {
	{"status", status, false},
	{"sessions find", sessions_find, false},
	{"sessions kick", sessions_kick, false},
	{"backends list", backends_list, false},
	{"backends drain", backends_drain, true},
	{"backends undrain", backends_undrain, true},
	{"config show", config_show, true},
	{"config diff", config_diff, true},
	{"config reload", config_reload, true},
	{"log level", log_level, false},
};

/* Leaves it on the desk, and waits until it is done. */
static json_t *leave(struct desk *d, const struct desk_command *command, const json_t *arguments,
		     char error[static CONTROL_ERROR_BYTES])
{
	json_t *result;

	pthread_mutex_lock(&d->lock);
	d->command = command;
	d->arguments = arguments;
	d->error = error;
	d->result = NULL;
	kill(getpid(), DESK_SIGNAL);
	while (d->command != NULL && !d->closing)
		pthread_cond_wait(&d->done, &d->lock);
	if (d->command != NULL)
		snprintf(error, CONTROL_ERROR_BYTES, "the gate is ending");
	d->command = NULL;
	result = d->result;
	pthread_mutex_unlock(&d->lock);
	return result;
}

static json_t *answer(void *context, const char *name, const json_t *arguments, char error[static CONTROL_ERROR_BYTES])
{
	struct desk *d = context;
	char names[ALLOWED_BYTES] = "";

	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].by_main ? leave(d, &commands[i], arguments, error)
						   : commands[i].run(d, arguments, error);
		list_add(names, commands[i].name);
	}
	return refuse(error, "command: found \"%.64s\", allowed %s", name, names);
}

void desk_look(struct desk *d)
{
	if (d == NULL)
		return;
	pthread_mutex_lock(&d->lock);
	if (d->command != NULL) {
		d->result = d->command->run(d, d->arguments, d->error);
		d->command = NULL;
		pthread_cond_signal(&d->done);
	}
	pthread_mutex_unlock(&d->lock);
}

struct desk *desk_open(const struct desk_hands *hands, const struct ask *ask, const struct metrics_settings *status,
		       char error[static CONTROL_ERROR_BYTES])
{
	const struct config *config = hands->config(hands->context);
	struct desk *d = calloc(1, sizeof *d);
	struct control_settings settings = {.path = config->control_socket,
					    .users = config->operators,
					    .user_count = config->operator_count,
					    .answer = answer,
					    .context = d};

	assert(d != NULL);
	d->hands = *hands;
	d->ask = *ask;
	d->status = *status;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->done, NULL);
	if (config->control_socket == NULL || (d->control = control_start(&settings, error)) != NULL)
		return d;
	desk_close(d);
	return NULL;
}

void desk_close(struct desk *d)
{
	if (d == NULL)
		return;
	pthread_mutex_lock(&d->lock);
	d->closing = true;
	pthread_cond_signal(&d->done);
	pthread_mutex_unlock(&d->lock);
	control_stop(d->control);
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->done);
	free(d);
}
