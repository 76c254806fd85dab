#include "ctl_top.h"

#include "control.h"
#include "ctl_print.h"
#include "ctl_table.h"

#include <assert.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { REASONS_SHOWN = 6, UNREACHED = 3 };

static double seconds_between(const json_t *now, const json_t *before)
{
	return json_number_value(json_object_get(now, "time_s")) - json_number_value(json_object_get(before, "time_s"));
}

/* A second, of all counters whose names begin so. */
static double rate(const json_t *now, const json_t *before, const char *prefix)
{
	double s = before == NULL ? 0 : seconds_between(now, before);

	return s <= 0 ? 0 : (double)(ctl_counters(now, prefix) - ctl_counters(before, prefix)) / s;
}

static double cpu_share(const json_t *now, const json_t *before)
{
	double s = before == NULL ? 0 : seconds_between(now, before);
	double used = json_number_value(json_object_get(json_object_get(now, "process"), "cpu_s")) -
		      json_number_value(json_object_get(json_object_get(before, "process"), "cpu_s"));

	return s <= 0 ? 0 : used / s;
}

static void clients_print(FILE *to, const json_t *now, const json_t *before)
{
	int64_t all = ctl_counters(now, "clients_") - ctl_counter(now, "clients_waiting");
	char memory[CTL_CELL_BYTES];

	ctl_cell(CTL_BYTES, json_object_get(json_object_get(now, "process"), "resident_bytes"), memory);
	fprintf(to, "clients   %" PRId64 ", bound %" PRId64 ", orphaned %" PRId64 "\n", all,
		ctl_counter(now, "clients_bound"), ctl_counter(now, "orphans"));
	fprintf(to,
		"waiting   %" PRId64 " in handshakes, %" PRId64 " for a session server, %" PRId64 " for its answer\n",
		ctl_counter(now, "handshakes_waiting"), ctl_counter(now, "clients_waiting"),
		ctl_counter(now, "logins_awaiting"));
	fprintf(to, "process   %s resident, %.0f %% of a processor\n", memory, 100 * cpu_share(now, before));
	fprintf(to, "a second  %.0f connections, %.0f handshakes, %.0f logins\n", rate(now, before, "accepted_"),
		rate(now, before, "handshakes_1"), rate(now, before, "logins") - rate(now, before, "logins_"));
}

static void stanzas_print(FILE *to, const json_t *now, const json_t *before)
{
	char in[CTL_CELL_BYTES], out[CTL_CELL_BYTES];
	json_t *bytes_in = json_real(rate(now, before, "client_bytes_in"));
	json_t *bytes_out = json_real(rate(now, before, "client_bytes_out"));

	ctl_cell(CTL_BYTES, bytes_in, in);
	ctl_cell(CTL_BYTES, bytes_out, out);
	json_decref(bytes_in);
	json_decref(bytes_out);
	fprintf(to, "          %.0f stanzas in, %.0f out; %s in, %s out\n",
		rate(now, before, "messages_in") + rate(now, before, "presences_in") + rate(now, before, "iqs_in"),
		rate(now, before, "messages_out") + rate(now, before, "presences_out") + rate(now, before, "iqs_out"),
		in, out);
	fprintf(to,
		"latency   to server p50 %" PRIu64 " us, p99 %" PRIu64 " us; to client p50 %" PRIu64 " us, p99 %" PRIu64
		" us\n\n",
		ctl_latency_us(now, before, "to_server", .5), ctl_latency_us(now, before, "to_server", .99),
		ctl_latency_us(now, before, "to_client", .5), ctl_latency_us(now, before, "to_client", .99));
}

/* Why clients ended, the most frequent first. */
static void closes_print(FILE *to, const json_t *now)
{
	json_t *closes = json_deep_copy(json_object_get(now, "closes")), *value;

	for (int i = 0; i < REASONS_SHOWN; i++) {
		const char *name, *most = NULL;
		json_int_t count = 0;

		json_object_foreach (closes, name, value) {
			if (json_integer_value(value) > count) {
				count = json_integer_value(value);
				most = name;
			}
		}
		if (most == NULL)
			break;
		fprintf(to, "%s%s %" JSON_INTEGER_FORMAT, i == 0 ? "\nended     " : ", ", most, count);
		json_object_set_new(closes, most, json_integer(0));
	}
	fputc('\n', to);
	json_decref(closes);
}

void ctl_top_print(FILE *to, const json_t *now, const json_t *before)
{
	ctl_print_state(to, now);
	fputc('\n', to);
	clients_print(to, now, before);
	stanzas_print(to, now, before);
	ctl_print_backends_short(to, json_object_get(now, "backends"));
	closes_print(to, now);
}

/* ---- again and again */

struct top {
	const char *path;
	unsigned interval_ms, count;
	bool json, terminal, keys;
};

static volatile sig_atomic_t told_to_end;

static void end(int signal)
{
	(void)signal;
	told_to_end = 1;
}

/* False: it is time to end. */
static bool pause_ms(unsigned interval_ms, bool keys)
{
	struct pollfd key = {.fd = keys ? STDIN_FILENO : -1, .events = POLLIN};
	char pressed = 0;

	if (poll(&key, 1, (int)interval_ms) > 0 && (read(STDIN_FILENO, &pressed, 1) != 1 || pressed == 'q'))
		return false;
	return !told_to_end;
}

static void screen_print(const json_t *now, const json_t *before)
{
	struct winsize window = {0};
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	assert(to != NULL);
	ctl_top_print(to, now, before);
	fclose(to);
	assert(text != NULL);
	ioctl(STDOUT_FILENO, TIOCGWINSZ, &window);
	fputs("\033[H\033[J", stdout);
	ctl_lines_cut(stdout, text, window.ws_col);
	fputs("\nq ends\n", stdout);
	free(text);
}

static void look_show(const struct top *top, const json_t *now, const json_t *before)
{
	if (top->json) {
		json_dumpf(now, stdout, JSON_COMPACT);
		putchar('\n');
	} else if (top->terminal) {
		screen_print(now, before);
	} else {
		ctl_top_print(stdout, now, before);
		putchar('\n');
	}
	fflush(stdout);
}

/* The looks themselves. */
static int looks(const struct top *top)
{
	json_t *before = NULL, *nothing = json_object();
	char error[CONTROL_ERROR_BYTES];
	bool reached = true, more = true;

	for (unsigned i = 0; more; i++) {
		json_t *now = control_ask(top->path, "status", nothing, error, &reached);

		if (now == NULL)
			break;
		look_show(top, now, before);
		json_decref(before);
		before = now;
		more = (top->count == 0 || i + 1 < top->count) && pause_ms(top->interval_ms, top->keys);
	}
	json_decref(before);
	json_decref(nothing);
	if (!more)
		return 0;
	fprintf(stderr, "stanzagate ctl: %s\n", error);
	return reached ? 1 : UNREACHED;
}

int ctl_top(const char *path, unsigned interval_ms, unsigned count, bool json)
{
	struct top top = {path, interval_ms, count, json, !json && isatty(STDOUT_FILENO), isatty(STDIN_FILENO)};
	struct sigaction action = {.sa_handler = end};
	struct termios before, raw;
	int status;

	sigaction(SIGINT, &action, NULL);
	top.keys = top.keys && tcgetattr(STDIN_FILENO, &before) == 0;
	if (top.keys) {
		raw = before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	fputs(top.terminal ? "\033[?1049h\033[?25l" : "", stdout);
	status = looks(&top);
	fputs(top.terminal ? "\033[?25h\033[?1049l" : "", stdout);
	fflush(stdout);
	if (top.keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	return status;
}
