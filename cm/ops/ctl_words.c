#include "ctl_words.h"

#include "allowed.h"
#include "ask.h"
#include "config_fault.h"
#include "ctl_print.h"
#include "inquiry.h"
#include "option.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

enum { INTERVAL_S_MAX = 3600, COUNT_MAX = 1000000 };

static const struct ctl_command commands[] = {
	{"status", "status", {NULL}, 0, "", ctl_print_status, "", "what the gate is doing"},
	{"top",
	 NULL,
	 {NULL},
	 0,
	 "in",
	 NULL,
	 "[--interval S] [--count N]",
	 "the same, live, with rates; q ends. With --json a status in each line"},
	{"sessions find",
	 "sessions find",
	 {"who"},
	 0,
	 "bSl",
	 ctl_print_sessions,
	 "[WHO] [--backend NAME] [--state STATE] [--limit N]",
	 "sessions; WHO is a JID, an address, or a pattern with * ? [...]"},
	{"sessions show",
	 "sessions find",
	 {"who"},
	 1,
	 "bSl",
	 ctl_print_session,
	 "WHO [--backend NAME] [--state STATE] [--limit N]",
	 "all that is known of them"},
	{"sessions kick",
	 "sessions kick",
	 {"who"},
	 1,
	 "bSlm",
	 ctl_print_kicked,
	 "WHO [--many] [--backend NAME] [--state STATE] [--limit N]",
	 "end them; --many where WHO is a pattern. At most N of them are told of, all are ended"},
	{"backends list", "backends list", {NULL}, 0, "", ctl_print_backends, "", "session servers, and how they are"},
	{"backends drain",
	 "backends drain",
	 {"name"},
	 1,
	 "",
	 ctl_print_steered,
	 "NAME",
	 "no new sessions for this one"},
	{"backends undrain", "backends undrain", {"name"}, 1, "", ctl_print_steered, "NAME", "some again"},
	{"config show", "config show", {NULL}, 0, "", ctl_print_config, "", "the configuration in force"},
	{"config diff", "config diff", {NULL}, 0, "", ctl_print_diff, "", "how the file differs from it"},
	{"config reload", "config reload", {NULL}, 0, "", ctl_print_reload, "", "take the file up"},
	{"log level",
	 "log level",
	 {"level", "room"},
	 0,
	 "",
	 ctl_print_log,
	 "[LEVEL [ROOM]]",
	 "say or set the level; of a room, \"default\" is that of all"},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

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

void ctl_words_help(FILE *to)
{
	fputs("usage: stanzagate ctl [-c FILE | -s SOCKET] [--json] COMMAND\n\n", to);
	for (int i = 0; i < COMMANDS; i++)
		fprintf(to, "  %s%s%s\n        %s\n", commands[i].words, *commands[i].usage ? " " : "",
			commands[i].usage, commands[i].help);
	fputs("\n  -c, --config FILE    the gate's configuration, which names its socket (control.socket)\n"
	      "  -s, --socket SOCKET  the socket itself; without either " CTL_SOCKET_USUAL "\n"
	      "      --json           answers as JSON, on standard output; what is refused is told as one line of text "
	      "on\n"
	      "                       standard error, with it too\n"
	      "  -h, --help           this text\n\n"
	      "exit status: 0 done, 1 refused or nothing found, 2 wrong usage, 3 no gate there\n",
	      to);
}

/* ---- what is wrong */

__attribute__((format(printf, 2, 3))) static bool wrong(char *fault, const char *format, ...)
{
	va_list more;

	va_start(more, format);
	vsnprintf(fault, CTL_FAULT_BYTES, format, more);
	va_end(more);
	return false;
}

/* An option's value that may not be. */
static bool value_wrong(char *fault, int option, const char *allowed)
{
	char quoted[CONFIG_QUOTE_BYTES];

	return wrong(fault, "--%s: found %s, allowed %s", option_name(options, option), config_quote(optarg, quoted),
		     allowed);
}

/* ---- options */

static bool argument_set(struct ctl_asked *a, const char *key, json_t *value)
{
	/* No text that is not UTF-8 can be asked for. */
	return value != NULL && json_object_set_new(a->arguments, key, value) == 0;
}

static bool state_take(struct ctl_asked *a, char *fault)
{
	char states[ALLOWED_BYTES];
	int state = ask_state_find(optarg, states);

	return state < 0 ? value_wrong(fault, 'S', states)
			 : argument_set(a, "state", json_string(ask_state_name(state)));
}

static bool number_take(int option, unsigned min, unsigned max, const char *unit, unsigned *ret, char *fault)
{
	char allowed[64];

	snprintf(allowed, sizeof allowed, "%u to %u%s", min, max, unit);
	return option_number(optarg, min, max, ret) || value_wrong(fault, option, allowed);
}

static bool option_take(struct ctl_asked *a, int option, char *fault)
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
		return argument_set(a, "many", json_true());
	case 'b':
		return argument_set(a, "backend", json_string(optarg)) || value_wrong(fault, 'b', "a name in UTF-8");
	case 'S':
		return state_take(a, fault);
	case 'l':
		return number_take('l', 0, INQUIRY_ROWS_MAX, " sessions", &number, fault) &&
		       argument_set(a, "limit", json_integer(number));
	case 'i':
		if (!number_take('i', 1, INTERVAL_S_MAX, " seconds", &number, fault))
			return false;
		a->interval_ms = number * 1000;
		return true;
	default:
		assert(option == 'n');
		return number_take('n', 0, COUNT_MAX, " times (0: until the end)", &a->count, fault);
	}
}

/* What was given, a letter each, into `given`. */
static enum ctl_words options_read(int argc, char **argv, struct ctl_asked *a, char given[static sizeof options],
				   char *fault)
{
	char text[OPTION_FAULT_BYTES];
	size_t count = 0;
	int option;

	opterr = 0;
	optind = 0;
	while ((option = getopt_long(argc, argv, ":c:s:h", options, NULL)) != -1) {
		if (option == 'h')
			return CTL_WORDS_HELP;
		if (option == '?' || option == ':')
			wrong(fault, "%s", option_fault(option, argv, options, text));
		if (option == '?' || option == ':' || !option_take(a, option, fault))
			return CTL_WORDS_WRONG;
		if (memchr(given, option, count) == NULL)
			given[count++] = (char)option;
	}
	given[count] = '\0';
	if (a->file == NULL || a->socket == NULL)
		return CTL_WORDS_GOOD;
	wrong(fault, "--config and --socket: found both, allowed one of them");
	return CTL_WORDS_WRONG;
}

static bool options_fit(const struct ctl_command *command, const char *given, char *fault)
{
	char allowed[ALLOWED_BYTES] = "--config or --socket, --json";

	for (const char *at = command->options; *at != '\0'; at++) {
		char name[32];

		snprintf(name, sizeof name, "--%s", option_name(options, *at));
		allowed_add(allowed, name, strlen(name));
	}
	for (; *given != '\0'; given++)
		if (strchr("csj", *given) == NULL && strchr(command->options, *given) == NULL)
			return wrong(fault, "%s: found --%s, allowed %s", command->words, option_name(options, *given),
				     allowed);
	return true;
}

/* ---- words */

/* Of the commands' first words, or of the second ones behind the word `first`. */
static void words_list(const char *first, char list[static ALLOWED_BYTES])
{
	const char *last = "";

	for (int i = 0; i < COMMANDS; i++) {
		const char *word = commands[i].words;
		size_t len = strcspn(word, " ");

		if (first != NULL && (strlen(first) != len || memcmp(first, word, len) != 0))
			continue;
		if (first != NULL)
			word += len + (word[len] == ' ');
		else if (strncmp(last, word, len + 1) == 0)
			continue;
		allowed_add(list, word, strcspn(word, " "));
		last = word;
	}
}

/* Its words are `count` ones of those given. NULL: there is no such command. */
static const struct ctl_command *command_find(int given, char **words, int *ret_own)
{
	for (int i = 0; i < COMMANDS; i++) {
		const char *all = commands[i].words, *second = strchr(all, ' ');
		size_t first = strcspn(all, " ");

		if (given == 0 || strlen(words[0]) != first || memcmp(words[0], all, first) != 0)
			continue;
		*ret_own = second == NULL ? 1 : 2;
		if (second == NULL || (given > 1 && strcmp(words[1], second + 1) == 0))
			return &commands[i];
	}
	return NULL;
}

static bool command_wrong(int given, char **words, char *fault)
{
	char list[ALLOWED_BYTES] = "", quoted[CONFIG_QUOTE_BYTES];

	if (given > 0)
		words_list(words[0], list);
	if (*list != '\0')
		return wrong(fault, "%s: found %s behind it, allowed %s", words[0],
			     given > 1 ? config_quote(words[1], quoted) : "nothing", list);
	words_list(NULL, list);
	return wrong(fault, "command: found %s, allowed %s", given > 0 ? config_quote(words[0], quoted) : "none", list);
}

static bool operands_take(struct ctl_asked *a, int count, char **words, char *fault)
{
	const struct ctl_command *c = a->command;
	char quoted[CONFIG_QUOTE_BYTES];
	int most = 0;

	while (most < CTL_OPERANDS_MAX && c->operands[most] != NULL)
		most++;
	if (count < c->needed)
		return wrong(fault, "%s: found nothing behind it, allowed %s", c->words, c->usage);
	if (count > most)
		return wrong(fault, "%s: found %s behind it, allowed %s", c->words, config_quote(words[most], quoted),
			     most == 0 ? "nothing" : c->usage);
	for (int i = 0; i < count; i++)
		if (!argument_set(a, c->operands[i], json_string(words[i])))
			return wrong(fault, "%s: found %s, allowed a text in UTF-8", c->words,
				     config_quote(words[i], quoted));
	return true;
}

enum ctl_words ctl_words_read(int argc, char **argv, struct ctl_asked *ret, char fault[static CTL_FAULT_BYTES])
{
	struct ctl_asked a = {.arguments = json_object(), .interval_ms = 1000};
	char given[sizeof options];
	enum ctl_words are = options_read(argc, argv, &a, given, fault);
	int own = 0, count = argc - optind;
	char **words = argv + optind;

	if (are == CTL_WORDS_GOOD) {
		a.command = command_find(count, words, &own);
		if (a.command == NULL ? !command_wrong(count, words, fault)
				      : !options_fit(a.command, given, fault) ||
						!operands_take(&a, count - own, words + own, fault))
			are = CTL_WORDS_WRONG;
	}
	*ret = a;
	return are;
}
