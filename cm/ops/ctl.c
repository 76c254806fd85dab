#include "ctl.h"

#include "config_file.h"
#include "control.h"
#include "ctl_print.h"
#include "ctl_top.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { DONE = 0, REFUSED = 1, WRONG = 2, UNREACHED = 3, WORDS_MAX = 2, PATH_BYTES = 256 };
#define SOCKET_USUAL "/run/stanzagate/control.sock"

/* What the command line said. */
struct asked {
	const char *file, *socket;
	json_t *arguments;
	unsigned interval_ms, count;
	bool json;
};

static const struct command {
	const char *words;		 /* as they are typed */
	const char *request;		 /* the gate's name for it; NULL: top */
	const char *operands[WORDS_MAX]; /* names of the arguments that follow */
	int needed;			 /* how many of them must be there */
	void (*print)(FILE *, const json_t *);
	const char *usage, *help;
} commands[] = {
	{"status", "status", {NULL}, 0, ctl_print_status, "", "what the gate is doing"},
	{"top", NULL, {NULL}, 0, NULL, "[--interval S] [--count N]", "the same, live, with rates; q ends"},
	{"sessions find",
	 "sessions find",
	 {"who"},
	 0,
	 ctl_print_sessions,
	 "[WHO] [--backend NAME] [--state STATE] [--limit N]",
	 "sessions; WHO is a JID, an address, or a pattern with * ? [...]"},
	{"sessions show", "sessions find", {"who"}, 1, ctl_print_session, "WHO", "all that is known of them"},
	{"sessions kick",
	 "sessions kick",
	 {"who"},
	 1,
	 ctl_print_kicked,
	 "WHO [--many]",
	 "end them; --many where WHO is a pattern"},
	{"backends list", "backends list", {NULL}, 0, ctl_print_backends, "", "session servers, and how they are"},
	{"backends drain", "backends drain", {"name"}, 1, ctl_print_steered, "NAME", "no new sessions for this one"},
	{"backends undrain", "backends undrain", {"name"}, 1, ctl_print_steered, "NAME", "some again"},
	{"config show", "config show", {NULL}, 0, ctl_print_config, "", "the configuration in force"},
	{"config diff", "config diff", {NULL}, 0, ctl_print_diff, "", "how the file differs from it"},
	{"config reload", "config reload", {NULL}, 0, ctl_print_reload, "", "take the file up"},
	{"log level",
	 "log level",
	 {"level", "room"},
	 0,
	 ctl_print_log,
	 "[LEVEL [ROOM]]",
	 "say or set the level; of a room, \"default\" is that of all"},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static int help(FILE *to, int status)
{
	fputs("usage: stanzagate ctl [-c FILE | -s SOCKET] [--json] COMMAND\n\n", to);
	for (int i = 0; i < COMMANDS; i++)
		fprintf(to, "  %s%s%s\n        %s\n", commands[i].words, *commands[i].usage ? " " : "",
			commands[i].usage, commands[i].help);
	fputs("\n  -c, --config FILE    the gate's configuration, which names its socket (control.socket)\n"
	      "  -s, --socket SOCKET  the socket itself; without either " SOCKET_USUAL "\n"
	      "      --json           answers as JSON\n"
	      "  -h, --help           this text\n\n"
	      "exit status: 0 done, 1 refused or nothing found, 2 wrong usage, 3 no gate there\n",
	      to);
	return status;
}

/* ---- the command line */

static bool number_read(const char *text, unsigned max, unsigned *ret)
{
	char *end;
	unsigned long number;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno != 0 || *text == '\0' || *text == '-' || *end != '\0' || number > max)
		return false;
	*ret = (unsigned)number;
	return true;
}

/* False: its value is not allowed. */
static bool option_take(struct asked *a, int option)
{
	unsigned number = 0;

	switch (option) {
	case 'c':
		a->file = optarg;
		return true;
	case 's':
		a->socket = optarg;
		return true;
	case 'j':
		return a->json = true;
	case 'm':
		return json_object_set_new(a->arguments, "many", json_true()) == 0;
	case 'b':
		return json_object_set_new(a->arguments, "backend", json_string(optarg)) == 0;
	case 'S':
		return json_object_set_new(a->arguments, "state", json_string(optarg)) == 0;
	case 'l':
		return number_read(optarg, 10000, &number) &&
		       json_object_set_new(a->arguments, "limit", json_integer(number)) == 0;
	case 'i':
		a->interval_ms = number_read(optarg, 3600, &number) && number > 0 ? number * 1000 : 0;
		return a->interval_ms > 0;
	case 'n':
		return number_read(optarg, 1000000, &a->count);
	default:
		return false;
	}
}

/* False: the options are wrong. */
static bool options_read(int argc, char **argv, struct asked *a, bool *ret_help)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
						{"socket", required_argument, NULL, 's'},
						{"json", no_argument, NULL, 'j'},
						{"many", no_argument, NULL, 'm'},
						{"backend", required_argument, NULL, 'b'},
						{"state", required_argument, NULL, 'S'},
						{"limit", required_argument, NULL, 'l'},
						{"interval", required_argument, NULL, 'i'},
						{"count", required_argument, NULL, 'n'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	int option;

	*ret_help = false;
	while ((option = getopt_long(argc, argv, "c:s:h", options, NULL)) != -1) {
		if (option == 'h')
			return *ret_help = true;
		if (!option_take(a, option))
			return false;
	}
	return true;
}

/* Its words, and whether so many operands may follow. NULL: there is no such command. */
static const struct command *command_find(int count, char **words, int *ret_operands)
{
	for (int i = 0; i < COMMANDS; i++) {
		const struct command *c = &commands[i];
		const char *blank = strchr(c->words, ' ');
		size_t first = blank == NULL ? strlen(c->words) : (size_t)(blank - c->words);
		int own = blank == NULL ? 1 : 2, most = 0;

		while (most < WORDS_MAX && c->operands[most] != NULL)
			most++;
		if (count < own || strlen(words[0]) != first || strncmp(words[0], c->words, first) != 0 ||
		    (blank != NULL && strcmp(words[1], blank + 1) != 0))
			continue;
		*ret_operands = count - own;
		return *ret_operands >= c->needed && *ret_operands <= most ? c : NULL;
	}
	return NULL;
}

/* ---- where the gate is */

/* False: it was said why not. */
static bool socket_find(const struct asked *a, char to[static PATH_BYTES])
{
	struct config_faults *faults;
	struct config *config;
	bool found = false;

	snprintf(to, PATH_BYTES, "%s", a->socket != NULL ? a->socket : SOCKET_USUAL);
	if (a->file == NULL || a->socket != NULL)
		return true;
	faults = calloc(1, sizeof *faults);
	config = faults == NULL ? NULL : config_read(a->file, faults);
	if (config == NULL)
		fprintf(stderr, "%s\n", faults == NULL ? "no memory" : faults->line[0]);
	else if (config->control_socket == NULL)
		fprintf(stderr, "stanzagate: %s has no control.socket\n", a->file);
	else
		found = snprintf(to, PATH_BYTES, "%s", config->control_socket) > 0;
	config_free(config);
	free(faults);
	return found;
}

/* ---- the answer */

/* What was asked for, and is not so. */
static int verdict(const json_t *result)
{
	const char *const yes[] = {"taken", "reload"};
	json_t *matched = json_object_get(result, "matched");

	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
		if (json_is_false(json_object_get(result, yes[i])))
			return REFUSED;
	return matched != NULL && json_integer_value(matched) == 0 ? REFUSED : DONE;
}

static int ask(const struct command *command, const struct asked *a, const char *path)
{
	char error[CONTROL_ERROR_BYTES];
	bool reached;
	json_t *result = control_ask(path, command->request, a->arguments, error, &reached);
	int status = result == NULL ? (reached ? REFUSED : UNREACHED) : verdict(result);

	if (result == NULL) {
		fprintf(stderr, "stanzagate: %s\n", error);
	} else if (a->json) {
		json_dumpf(result, stdout, JSON_INDENT(1));
		putchar('\n');
	} else {
		command->print(stdout, result);
	}
	json_decref(result);
	return status;
}

static int run(int count, char **words, struct asked *a)
{
	const struct command *command;
	char path[PATH_BYTES];
	int operands = 0;

	command = count == 0 ? NULL : command_find(count, words, &operands);
	if (command == NULL)
		return help(stderr, WRONG);
	for (int i = 0; i < operands; i++)
		json_object_set_new(a->arguments, command->operands[i], json_string(words[count - operands + i]));
	if (!socket_find(a, path))
		return WRONG;
	return command->request == NULL ? ctl_top(path, a->interval_ms, a->count) : ask(command, a, path);
}

int ctl_main(int argc, char **argv)
{
	struct asked a = {.arguments = json_object(), .interval_ms = 1000};
	bool wants_help;
	int status;

	if (!options_read(argc, argv, &a, &wants_help))
		status = help(stderr, WRONG);
	else
		status = wants_help ? help(stdout, DONE) : run(argc - optind, argv + optind, &a);
	json_decref(a.arguments);
	return status;
}
