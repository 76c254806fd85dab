#include "ctl_print.h"

#include "ctl_table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS(columns) columns, sizeof columns / sizeof *columns

/* ---- numbers of a status */

int64_t ctl_counter(const json_t *status, const char *name)
{
	return json_integer_value(json_object_get(json_object_get(status, "counters"), name));
}

int64_t ctl_counters(const json_t *status, const char *prefix)
{
	const char *name;
	json_t *value;
	int64_t sum = 0;

	json_object_foreach (json_object_get(status, "counters"), name, value)
		sum += strncmp(name, prefix, strlen(prefix)) == 0 ? json_integer_value(value) : 0;
	return sum;
}

static json_t *buckets_of(const json_t *status, const char *path)
{
	return json_object_get(json_object_get(json_object_get(status, "latency"), path), "buckets");
}

uint64_t ctl_latency_us(const json_t *status, const json_t *before, const char *path, double share)
{
	json_t *now = buckets_of(status, path), *then = buckets_of(before, path);
	int64_t count = 0, seen = 0;

	for (size_t n = 0; n < json_array_size(now); n++)
		count += json_integer_value(json_array_get(now, n)) - json_integer_value(json_array_get(then, n));
	for (size_t n = 0; count > 0 && n < json_array_size(now); n++) {
		seen += json_integer_value(json_array_get(now, n)) - json_integer_value(json_array_get(then, n));
		if ((double)seen >= share * (double)count)
			return UINT64_C(1) << n;
	}
	return 0;
}

/* ---- status */

static const struct ctl_column backend_columns[] = {
	{"BACKEND", "name", CTL_TEXT},	       {"POOL", "pool", CTL_TEXT},	    {"STATE", "state", CTL_TEXT},
	{"LINKS", "links_up", CTL_COUNT},      {"OF", "links", CTL_COUNT},	    {"SESSIONS", "sessions", CTL_COUNT},
	{"LOAD", "told_load", CTL_SHARE},      {"WEIGHT", "weight", CTL_COUNT},	    {"DOMAINS", "domains", CTL_COUNT},
	{"UNREAD", "unread_bytes", CTL_BYTES}, {"DRAINED", "drained", CTL_YES},	    {"RETIRED", "retired", CTL_YES},
	{"UP FOR", "up_s", CTL_TIME},	       {"FAILURES", "failures", CTL_COUNT}, {"ADDRESS", "address", CTL_TEXT},
};

static const struct ctl_column backend_columns_short[] = {
	{"BACKEND", "name", CTL_TEXT},	       {"STATE", "state", CTL_TEXT},
	{"LINKS", "links_up", CTL_COUNT},      {"OF", "links", CTL_COUNT},
	{"SESSIONS", "sessions", CTL_COUNT},   {"LOAD", "told_load", CTL_SHARE},
	{"UNREAD", "unread_bytes", CTL_BYTES}, {"DRAINED", "drained", CTL_YES},
	{"UP FOR", "up_s", CTL_TIME},	       {"FAILURES", "failures", CTL_COUNT},
};

/* "" for one, "s" otherwise. */
static const char *plural(json_int_t count)
{
	return count == 1 ? "" : "s";
}

static void line(FILE *to, const char *title, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void line(FILE *to, const char *title, const char *format, ...)
{
	va_list arguments;

	fprintf(to, "%-14s", title);
	va_start(arguments, format);
	vfprintf(to, format, arguments);
	va_end(arguments);
	fputc('\n', to);
}

void ctl_print_state(FILE *to, const json_t *status)
{
	const char *sick = json_string_value(json_object_get(status, "health"));
	const char *unready = json_string_value(json_object_get(status, "readiness"));
	json_t *up = json_real(json_number_value(json_object_get(status, "time_s")) -
			       json_number_value(json_object_get(status, "started_s")));
	char cell[CTL_CELL_BYTES];

	ctl_cell(CTL_TIME, up, cell);
	json_decref(up);
	line(to, "gate",
	     "stanzagate %s, process %" JSON_INTEGER_FORMAT ", up for %s, %" JSON_INTEGER_FORMAT " worker%s",
	     json_string_value(json_object_get(status, "version")), json_integer_value(json_object_get(status, "pid")),
	     cell, json_integer_value(json_object_get(status, "workers")),
	     plural(json_integer_value(json_object_get(status, "workers"))));
	line(to, "state", "%s; %s", sick == NULL ? "healthy" : sick, unready == NULL ? "ready" : unready);
}

static void traffic_print(FILE *to, const json_t *status)
{
	int64_t all = ctl_counters(status, "clients_") - ctl_counter(status, "clients_waiting");

	line(to, "clients", "%" PRId64 ", of them bound %" PRId64 ", orphaned %" PRId64, all,
	     ctl_counter(status, "clients_bound"), ctl_counter(status, "orphans"));
	line(to, "logins", "%" PRId64 ", postponed %" PRId64 ", waiting now %" PRId64, ctl_counter(status, "logins"),
	     ctl_counter(status, "logins_postponed"), ctl_counter(status, "clients_waiting"));
	line(to, "handshakes", "%" PRId64 " with TLS 1.3, %" PRId64 " with TLS 1.2, failed %" PRId64,
	     ctl_counters(status, "handshakes_13_"), ctl_counters(status, "handshakes_12_"),
	     ctl_counter(status, "handshakes_failed"));
	line(to, "stanzas in", "%" PRId64 " messages, %" PRId64 " presences, %" PRId64 " iqs",
	     ctl_counter(status, "messages_in"), ctl_counter(status, "presences_in"), ctl_counter(status, "iqs_in"));
	line(to, "stanzas out", "%" PRId64 " messages, %" PRId64 " presences, %" PRId64 " iqs",
	     ctl_counter(status, "messages_out"), ctl_counter(status, "presences_out"), ctl_counter(status, "iqs_out"));
	line(to, "latency", "to server p99 %" PRIu64 " us, to client p99 %" PRIu64 " us",
	     ctl_latency_us(status, NULL, "to_server", .99), ctl_latency_us(status, NULL, "to_client", .99));
}

static void resources_print(FILE *to, const json_t *status)
{
	json_t *process = json_object_get(status, "process"), *file;
	char cell[CTL_CELL_BYTES];
	size_t i;

	ctl_cell(CTL_BYTES, json_object_get(process, "resident_bytes"), cell);
	line(to, "process",
	     "%s resident, %.1f s of processor time, %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " descriptors",
	     cell, json_number_value(json_object_get(process, "cpu_s")),
	     json_integer_value(json_object_get(process, "open_fds")),
	     json_integer_value(json_object_get(process, "max_fds")));
	json_array_foreach (json_object_get(status, "certificates"), i, file)
		line(to, "certificate", "%s, %.0f days left", json_string_value(json_object_get(file, "file")),
		     json_number_value(json_object_get(file, "days")));
}

void ctl_print_backends(FILE *to, const json_t *backends)
{
	ctl_table_print(to, COLUMNS(backend_columns), backends);
}

void ctl_print_backends_short(FILE *to, const json_t *backends)
{
	ctl_table_print(to, COLUMNS(backend_columns_short), backends);
}

void ctl_print_status(FILE *to, const json_t *status)
{
	ctl_print_state(to, status);
	traffic_print(to, status);
	resources_print(to, status);
	fputc('\n', to);
	ctl_print_backends(to, json_object_get(status, "backends"));
}

void ctl_print_steered(FILE *to, const json_t *result)
{
	fprintf(to, "%s %s\n", json_string_value(json_object_get(result, "backend")),
		json_is_true(json_object_get(result, "drained"))
			? "keeps the sessions it has and gets no new ones, until it is undrained or the gate ends"
			: "gets new sessions");
}

/* ---- sessions */

static const struct ctl_column session_columns[] = {
	{"SESSION", "session", CTL_TEXT},
	{"JID", "jid", CTL_TEXT},
	{"STATE", "state", CTL_TEXT},
	{"ADDRESS", "address", CTL_TEXT},
	{"PORT", "port", CTL_COUNT},
	{"BACKEND", "backend", CTL_TEXT},
	{"TLS", "tls", CTL_TEXT},
	{"SILENT FOR", "silent_s", CTL_TIME},
	{"UNREAD", "unread_bytes", CTL_BYTES},
	{"ORPHANED", "orphaned", CTL_YES},
	{"PAUSED", "paused", CTL_YES},
};

static const struct ctl_column session_lines[] = {
	{"session", "session", CTL_TEXT},
	{"jid", "jid", CTL_TEXT},
	{"state", "state", CTL_TEXT},
	{"address", "address", CTL_TEXT},
	{"port", "port", CTL_COUNT},
	{"session server", "backend", CTL_TEXT},
	{"direct TLS", "direct", CTL_YES},
	{"TLS", "tls", CTL_TEXT},
	{"cipher", "cipher", CTL_TEXT},
	{"records by", "engine", CTL_TEXT},
	{"silent for", "silent_s", CTL_TIME},
	{"frames to the session server", "to_server", CTL_COUNT},
	{"frames from it", "to_client", CTL_COUNT},
	{"waiting to be read by it", "unread_bytes", CTL_BYTES},
	{"orphaned", "orphaned", CTL_YES},
	{"paused", "paused", CTL_YES},
	{"choked", "choked", CTL_YES},
};

static void silent_print(FILE *to, const json_t *result)
{
	json_int_t silent = json_integer_value(json_object_get(result, "workers_silent"));

	if (silent > 0)
		fprintf(to, "%" JSON_INTEGER_FORMAT " worker%s did not answer in time\n", silent, plural(silent));
}

static void counts_print(FILE *to, const json_t *result)
{
	fprintf(to, "%zu of %" JSON_INTEGER_FORMAT " session%s\n", json_array_size(json_object_get(result, "sessions")),
		json_integer_value(json_object_get(result, "matched")),
		plural(json_integer_value(json_object_get(result, "matched"))));
	silent_print(to, result);
}

void ctl_print_sessions(FILE *to, const json_t *result)
{
	ctl_table_print(to, COLUMNS(session_columns), json_object_get(result, "sessions"));
	counts_print(to, result);
}

void ctl_print_session(FILE *to, const json_t *result)
{
	json_t *row;
	size_t i;

	json_array_foreach (json_object_get(result, "sessions"), i, row) {
		ctl_lines_print(to, COLUMNS(session_lines), row);
		fputc('\n', to);
	}
	counts_print(to, result);
}

void ctl_print_kicked(FILE *to, const json_t *result)
{
	ctl_table_print(to, COLUMNS(session_columns), json_object_get(result, "sessions"));
	fprintf(to, "%" JSON_INTEGER_FORMAT " ended\n", json_integer_value(json_object_get(result, "matched")));
	silent_print(to, result);
}

/* ---- configuration */

void ctl_print_config(FILE *to, const json_t *result)
{
	static const struct ctl_column columns[] = {
		{"KEY", "key", CTL_TEXT}, {"VALUE", "value", CTL_TEXT}, {"DEFAULT", "default", CTL_YES}};
	json_t *list;
	size_t i;

	fprintf(to, "%s\n\n", json_string_value(json_object_get(result, "file")));
	ctl_table_print(to, COLUMNS(columns), json_object_get(result, "values"));
	fputc('\n', to);
	json_array_foreach (json_object_get(result, "lists"), i, list) {
		char *text = json_dumps(json_object_get(list, "members"), JSON_COMPACT);

		fprintf(to, "%s: %s\n", json_string_value(json_object_get(list, "key")), text == NULL ? "" : text);
		free(text);
	}
}

static void faults_print(FILE *to, const json_t *result)
{
	json_t *fault;
	size_t i;

	json_array_foreach (json_object_get(result, "faults"), i, fault)
		fprintf(to, "%s\n", json_string_value(fault));
}

static void differences_print(FILE *to, const json_t *result)
{
	static const struct ctl_column columns[] = {{"KEY", "key", CTL_TEXT},
						    {"IN FORCE", "now", CTL_TEXT},
						    {"IN THE FILE", "file", CTL_TEXT},
						    {"BY A RELOAD", "reload", CTL_TEXT}};

	ctl_table_print(to, COLUMNS(columns), json_object_get(result, "differences"));
}

void ctl_print_diff(FILE *to, const json_t *result)
{
	const char *file = json_string_value(json_object_get(result, "file"));

	faults_print(to, result);
	differences_print(to, result);
	if (!json_is_true(json_object_get(result, "reload")))
		fprintf(to, "a reload of %s would be refused\n", file);
	else if (json_array_size(json_object_get(result, "differences")) == 0)
		fprintf(to, "%s is what is in force\n", file);
}

void ctl_print_reload(FILE *to, const json_t *result)
{
	faults_print(to, result);
	differences_print(to, result);
	fprintf(to, "%s: %s\n", json_string_value(json_object_get(result, "file")),
		json_is_true(json_object_get(result, "taken")) ? "taken" : "refused; what was in force stays so");
}

void ctl_print_log(FILE *to, const json_t *result)
{
	static const struct ctl_column columns[] = {
		{"ROOM", "room", CTL_TEXT}, {"LEVEL", "level", CTL_TEXT}, {"EVENTS", "events", CTL_TEXT}};

	fprintf(to, "%s, unless a room has a level of its own:\n\n",
		json_string_value(json_object_get(result, "level")));
	ctl_table_print(to, COLUMNS(columns), json_object_get(result, "rooms"));
}
